"""New payments a second through the handler alone, beside a bare function.

Each payment is two signed events and two commits: the hold, then the order. The bare function
checks the same signatures, reads the same JSON and commits the two bodies to the same kind of
file. Stripe and the broker are not asked, and hints go nowhere.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import sqlite3
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.rows import Row
from tests.fakes.arcade import SECRET, Arcade

PAYMENTS = 300
ROUNDS = 5


def run() -> list[Row]:
    """The two in turns; CPU is that of this process."""
    with tempfile.TemporaryDirectory() as folder:
        arcade = Arcade(Path(folder))
        link = arcade.link()
        bare = _Bare(Path(folder, "bare.db"))
        ours_s, bare_s, ours_wall, bare_wall = [], [], [], []
        for _ in range(ROUNDS):
            events = [event for _ in range(PAYMENTS) for event in _events(arcade, link)]
            cpu, wall = _timed(arcade.cloud.api.handle, events)
            ours_s.append(cpu)
            ours_wall.append(wall)
            cpu, wall = _timed(bare.handle, events)
            bare_s.append(cpu)
            bare_wall.append(wall)
        assert len(arcade.orders()) == ROUNDS * PAYMENTS
        arcade.close()
        bare.close()
    rows = []
    for name, cpu, wall in (
        ("ours", min(ours_s), min(ours_wall)),
        ("bare", min(bare_s), min(bare_wall)),
    ):
        ratio = f"{cpu / min(bare_s):.2f} × bare"
        rows.append(Row(f"{name}, CPU of a call", f"{1000 * cpu / PAYMENTS / 2:.3f} ms", ratio))
        rows.append(Row(f"{name}, payments a second", f"{PAYMENTS / wall:.0f}"))
    return rows


def _timed(handle: Callable[[Any], Any], events: list[dict[str, Any]]) -> tuple[float, float]:
    """Seconds of CPU and of the wall."""
    cpu, wall = time.process_time(), time.perf_counter()
    for event in events:
        if handle(event)["statusCode"] != 200:
            raise RuntimeError("an event was not taken")
    return time.process_time() - cpu, time.perf_counter() - wall


def _events(arcade: Arcade, link: str) -> list[dict[str, Any]]:
    """The two events of one new payment, as API Gateway hands them over."""
    session_id = arcade.stripe.pay(link, 1)
    return [
        _event(body, arcade.now)
        for body in (arcade.reserved(session_id), arcade.completed(session_id))
    ]


def _event(body: bytes, now: float) -> dict[str, Any]:
    signed = hmac.new(SECRET.encode(), b"%d." % int(now) + body, hashlib.sha256).hexdigest()
    return {
        "version": "2.0",
        "routeKey": "POST /addCredit",
        "headers": {"stripe-signature": f"t={int(now)},v1={signed}"},
        "requestContext": {"stage": "$default"},
        "body": body.decode(),
        "isBase64Encoded": False,
    }


class _Bare:
    def __init__(self, path: Path) -> None:
        self._file = sqlite3.connect(path, isolation_level=None)
        for words in ("journal_mode = WAL", "synchronous = FULL"):
            self._file.execute(f"PRAGMA {words}")
        self._file.execute("CREATE TABLE events (id TEXT PRIMARY KEY, body TEXT)")

    def handle(self, event: dict[str, Any]) -> dict[str, Any]:
        """Checks, reads and stores one event."""
        given = dict(part.split("=") for part in event["headers"]["stripe-signature"].split(","))
        text = f"{given['t']}.{event['body']}".encode()
        signed = hmac.new(SECRET.encode(), text, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(signed, given["v1"]):
            return {"statusCode": 400}
        read = json.loads(event["body"])
        self._file.execute(
            "INSERT INTO events VALUES (?, ?)", (read["id"], json.dumps(read["data"]["object"]))
        )
        return {"statusCode": 200, "body": json.dumps({"message": "noted"})}

    def close(self) -> None:
        self._file.close()
