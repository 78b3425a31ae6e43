"""From the start of the cloud's process to its first answer, through AWS's own runtime client.

Each call has a process of its own, as the first call on a new Lambda machine has, and DynamoDB is
moto's over loopback. Beside ours, in turns, are a handler that does nothing, one by hand, and the
stack of most tutorials (``benchmarks/start_handlers``). CPU is all that the process used, of all
its threads, with Python's own start; memory is the most that it had at once.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.rows import Row, middle, spread
from benchmarks.runtime_api import RuntimeApi
from cloud.core.cabinets import Cabinet
from cloud.core.orders import Order, OrderState
from cloud.core.prices import PriceList
from cloud.services import cabinet_tokens
from cloud.stores.dynamodb import DynamoDBLedger
from cloud.stores.dynamodb_client import DynamoDBClient
from cloud.stores.dynamodb_table import TABLE

ROOT = Path(__file__).parents[1]
RUNS = 9
REGION = "eu-west-1"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "of", "AWS_SECRET_ACCESS_KEY": "benchmarks"}
SECRET = "whsec_of_the_benchmark"
HANDLERS = {
    "nothing": "benchmarks.start_handlers.trivial.handle",
    "by hand": "benchmarks.start_handlers.by_hand.handle",
    "ours": "cloud.handler.handle",
    "tutorial": "benchmarks.start_handlers.tutorial.handle",
}
CALLS = ("POST /addCredit", "POST /claim", "POST /status", "GET /receipt")


@dataclass
class Starts:
    """Of one call to one handler: seconds of the wall and of CPU, and megabytes."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)


def run() -> list[Row]:
    """Starts a process for each call and each handler, in turns."""
    if find_spec("awslambdaric") is None:
        return [Row("nothing", "", "", "AWS's runtime client is there on Linux only")]
    with _moto() as address:
        calls = _Calls(address)
        found = {(call, name): Starts() for call in CALLS for name in HANDLERS}
        for _ in range(RUNS):
            for (call, name), starts in found.items():
                _start(HANDLERS[name], calls.event(call), calls.environment, starts)
    rows = []
    for call in CALLS:
        floor = middle(found[call, "by hand"].cpu)
        for name in HANDLERS:
            starts = found[call, name]
            ratio = f"{middle(starts.cpu) / floor:.2f} × by hand"
            note = f"{middle(starts.memory):.0f} MB, wall {1000 * middle(starts.wall):.0f} ms"
            rows.append(Row(f"{call}, {name}, CPU", spread(starts.cpu), ratio, note))
    return rows


@contextmanager
def _moto() -> Iterator[str]:
    """The address of moto's DynamoDB in a process of its own, with the two tables."""
    server = ROOT / "tests" / "plugins" / "moto_server.py"
    process = subprocess.Popen([sys.executable, server], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.terminate()
        process.communicate(timeout=10)


def _start(
    handler: str, event: dict[str, Any], environment: dict[str, str], starts: Starts
) -> None:
    with RuntimeApi(event) as runtime:
        begun = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "awslambdaric", handler],
            env={"PATH": os.environ["PATH"], "AWS_LAMBDA_RUNTIME_API": runtime.address}
            | environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            answer = runtime.answer()
            wall = time.perf_counter() - begun
            memory = _most_memory(process.pid)
        finally:
            process.kill()
            # wait4 says what the process used, which Popen does not.
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
    if answer["statusCode"] != 200:
        raise RuntimeError(f"{handler} answered {answer}")
    starts.wall.append(wall)
    starts.cpu.append(used.ru_utime + used.ru_stime)
    starts.memory.append(memory)


def _most_memory(pid: int) -> float:
    """Megabytes that a process had at most; what wait4 says begins with those of its parent."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


class _Calls:
    """The events of API Gateway, each of which can be answered with 200 once."""

    def __init__(self, address: str) -> None:
        self._client = DynamoDBClient(REGION, address, CREDENTIALS, read_s=10.0)
        for name in ("start", "by_hand"):
            self._client.call("CreateTable", {"TableName": name, **TABLE})
        self._ledger = DynamoDBLedger(self._client, "start")
        token, digest = cabinet_tokens.new("cab001")
        self._headers = {"authorization": f"Bearer {token}"}
        self._ledger.insert(Cabinet("cab001", "cab001", digest, PriceList(100, "USD"), "w"))
        for key, more in {
            "cabinet": {"token": {"S": digest}},
            "order": {"state": {"S": "open"}},
            "links": {},
        }.items():
            item = {"pk": {"S": key}, **more}
            self._client.call("PutItem", {"TableName": "by_hand", "Item": item})
        self._numbers = 0
        self.environment = CREDENTIALS | {
            "PYTHONPATH": f"{ROOT / 'lambda'}:{ROOT}",
            "BY_HAND_HOST": address.removeprefix("http://"),
            "LEDGER": f"dynamodb://start?region={REGION}&endpoint={address}",
            "STRIPE_KEY": "sk_test_of_the_benchmark",
            "STRIPE_WEBHOOK_SECRET": SECRET,
            "MQTT_URL": "https://app:password@127.0.0.1:9/api/v5",
            "MQTT_CABINET_URL": "mqtts://127.0.0.1:8883",
            "PUBLIC_URL": "https://pay.example",
        }

    def event(self, call: str) -> dict[str, Any]:
        """A new event of a call."""
        self._numbers += 1
        body: dict[str, Any] = {"machine_id": "cab001"}
        match call:
            case "POST /addCredit":
                body = self._hold()
            case "POST /claim":
                body |= {"order_id": self._open_order(), "claim_id": "start"}
            case "POST /status":
                body |= {"state": "ready", "version": "1", "healthy": True}
        text = json.dumps(body)
        at = int(time.time())
        signature = hmac.new(SECRET.encode(), f"{at}.{text}".encode(), hashlib.sha256).hexdigest()
        event: dict[str, Any] = {
            "version": "2.0",
            "routeKey": call,
            "headers": self._headers | {"stripe-signature": f"t={at},v1={signature}"},
            "requestContext": {"stage": "$default"},
            "isBase64Encoded": False,
        }
        if call == "GET /receipt":
            event["queryStringParameters"] = {"session_id": self._open_order()}
        else:
            event["body"] = text
        return event

    def _hold(self) -> dict[str, Any]:
        """The event that says that a card's money is held."""
        now = int(time.time())
        card = {"fingerprint": "f", "capture_before": now + 600_000}
        charge = {
            "id": f"ch_{self._numbers}",
            "object": "charge",
            "payment_intent": f"pi_{self._numbers}",
            "amount": 100,
            "currency": "usd",
            "captured": False,
            "paid": True,
            "status": "succeeded",
            "metadata": {"machine_id": "cab001"},
            "payment_method_details": {"type": "card", "card": card},
        }
        kind = "charge.succeeded"
        return {"id": f"evt_{self._numbers}", "object": "event", "type": kind, "created": now,
                "data": {"object": charge}}  # fmt: skip

    def _open_order(self) -> str:
        now_ms = round(time.time() * 1000)
        order = Order(
            order_id=f"cs_start_{self._numbers}", machine_id="cab001", state=OrderState.OPEN,
            quantity=1, credits=1, amount=100, currency="USD", intent_id="pi_start", held=True,
            paid_at_ms=now_ms, deadline_ms=now_ms + 3_600_000, hold_until_ms=now_ms + 86_400_000,
            write_id=f"start-{self._numbers}",
        )  # fmt: skip
        self._ledger.insert(order)
        return order.order_id
