"""From the start of the cloud's process to its first answer, through AWS's own runtime client.

Each call has a process of its own, as the first call on a new Lambda machine has. The floor is a
handler that does nothing, started in the same way. CPU is all that the process used, of all its
threads, with Python's own start.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests
from stripe import WebhookSignature

from benchmarks import parts
from benchmarks.rows import Row, middle, spread
from benchmarks.runtime_api import RuntimeApi
from cloud.core.orders import Order, OrderState
from cloud.stores.sqlite import SqliteLedger
from kiosk.config import loader
from sandbox.server import Ready

CODE = Path(__file__).parents[1] / "lambda"
RUNS = 9
TRIVIAL = "def handle(event, context):\n    return {'statusCode': 200}\n"


@dataclass(frozen=True)
class Start:
    """Seconds from the start of a process to its first answer."""

    wall: float
    cpu: float


def run() -> list[Row]:
    """Starts a process for each call, and for a handler that does nothing, in turns."""
    if find_spec("awslambdaric") is None:
        return [Row("nothing", "", "", "AWS's runtime client is there on Linux only")]
    with parts.sandbox() as (_, ready, data), tempfile.TemporaryDirectory() as folder:
        Path(folder, "trivial.py").write_text(TRIVIAL)
        calls = _Calls(ready, data)
        environment = _environment(ready, data)
        floor: list[Start] = []
        kinds: dict[str, Callable[[], dict[str, Any]]] = {
            "POST /claim": calls.claim,
            "POST /status": calls.heartbeat,
            "GET /receipt": calls.receipt,
            "POST /settle": calls.settle,
            "POST /addCredit": calls.webhook,
        }
        starts: dict[str, list[Start]] = {name: [] for name in kinds}
        for _ in range(RUNS):
            floor.append(_start("trivial.handle", calls.heartbeat(), {"PYTHONPATH": folder}))
            for name, event in kinds.items():
                starts[name].append(_start("cloud.handler.handle", event(), environment))
    rows = []
    for name, taken in starts.items():
        wall, cpu = [start.wall for start in taken], [start.cpu for start in taken]
        rows.append(Row(f"{name}, wall", spread(wall), _ratio(wall, [s.wall for s in floor])))
        rows.append(Row(f"{name}, CPU", spread(cpu), _ratio(cpu, [s.cpu for s in floor])))
    rows.append(Row("floor: a handler that does nothing, wall", spread([s.wall for s in floor]),
                    "1", f"{RUNS} starts each"))  # fmt: skip
    rows.append(Row("floor: a handler that does nothing, CPU", spread([s.cpu for s in floor]), "1"))
    return rows


def _ratio(taken: list[float], floor: list[float]) -> str:
    return f"{middle(taken) / middle(floor):.2f} × floor"


def _start(handler: str, event: dict[str, Any], environment: dict[str, str]) -> Start:
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
        finally:
            process.kill()
            # wait4 says what the process used, which Popen does not.
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
    if answer["statusCode"] != 200:
        raise RuntimeError(f"{handler} answered {answer}")
    return Start(wall, used.ru_utime + used.ru_stime)


def _environment(ready: Ready, data: Path) -> dict[str, str]:
    """The handler's settings."""
    known = json.loads((data / "sandbox.json").read_text())
    return {
        "PYTHONPATH": str(CODE),
        "LEDGER": f"sqlite:///{data / 'ledger.db'}",
        "STRIPE_KEY": ready.stripe_key,
        "STRIPE_API_BASE": ready.stripe,
        "STRIPE_WEBHOOK_SECRET": ready.webhook_secret,
        "MQTT_URL": known["mqtt_url"],
        "PUBLIC_URL": known["public_url"],
    }


class _Calls:
    """The events of API Gateway, each of which can be answered with 200 once."""

    def __init__(self, ready: Ready, data: Path) -> None:
        self._ready = ready
        self._ledger = data / "ledger.db"
        config = loader.load(parts.cabinet_config(data, "cab001"))
        self._cabinet = {"authorization": f"Bearer {config.cloud.token.get_secret_value()}"}
        self._numbers = 0
        # The webhooks are this benchmark's own to send.
        requests.post(
            f"{ready.stripe}/_control/delivery",
            json={"drop": True},
            headers={"Authorization": f"Bearer {ready.stripe_key}"},
            timeout=5,
        ).raise_for_status()
        offer = self._post("/create-payment-link", {"machine_id": "cab001"}, self._cabinet)
        self._link = str(offer["url"])

    def claim(self) -> dict[str, Any]:
        return _event("POST", "/claim", self._claim(self._open_order()), self._cabinet)

    def heartbeat(self) -> dict[str, Any]:
        body = {"machine_id": "cab001", "state": "ready", "version": "1", "healthy": True}
        return _event("POST", "/status", body, self._cabinet)

    def receipt(self) -> dict[str, Any]:
        return _event("GET", "/receipt", None, {}, {"session_id": self._open_order()})

    def settle(self) -> dict[str, Any]:
        """Of a payment whose order the sandbox has stored, and given to its cabinet."""
        body, headers = self._completed(self._pay())
        order_id = body["data"]["object"]["id"]
        self._post("/addCredit", body, headers)
        self._post("/claim", self._claim(order_id), self._cabinet)
        report = self._claim(order_id) | {"pulsed": 1, "pulses": 1}
        return _event("POST", "/settle", report, self._cabinet)

    def webhook(self) -> dict[str, Any]:
        return _event("POST", "/addCredit", *self._completed(self._pay()))

    def _claim(self, order_id: str) -> dict[str, Any]:
        return {"machine_id": "cab001", "order_id": order_id, "claim_id": "start"}

    def _pay(self) -> str:
        """A player pays; returns the session's id."""
        page = requests.get(self._link, timeout=5)
        form = {"quantity": "1", "card": "4242424242424242", "do": "pay"}
        paid = requests.post(page.url, data=form, allow_redirects=False, timeout=5)
        return parse_qs(urlsplit(paid.headers["Location"]).query)["session_id"][0]

    def _completed(self, session_id: str) -> tuple[dict[str, Any], dict[str, str]]:
        """The event of a payment, and the header that signs it."""
        session = {"id": session_id, "payment_link": self._link.rpartition("/")[2]}
        body = {
            "id": f"evt_{session_id}",
            "type": "checkout.session.completed",
            "created": int(time.time()),
            "data": {"object": session},
        }
        secret = self._ready.webhook_secret
        header = WebhookSignature.generate_signature_header(json.dumps(body), secret)
        return body, {"stripe-signature": header}

    def _open_order(self) -> str:
        self._numbers += 1
        now_ms = round(time.time() * 1000)
        order = Order(
            order_id=f"cs_start_{self._numbers}", machine_id="cab001", state=OrderState.OPEN,
            quantity=1, credits=1, amount=100, currency="USD", intent_id="pi_start", held=True,
            paid_at_ms=now_ms, deadline_ms=now_ms + 3_600_000, hold_until_ms=now_ms + 86_400_000,
            write_id=f"start-{self._numbers}",
        )  # fmt: skip
        ledger = SqliteLedger(self._ledger)
        ledger.insert(order)
        ledger.close()
        return order.order_id

    def _post(self, path: str, body: dict[str, Any], headers: dict[str, str]) -> dict[str, Any]:
        """Calls the sandbox's cloud."""
        answer = requests.post(
            self._ready.api + path,
            data=json.dumps(body),
            headers=headers | {"Content-Type": "application/json"},
            timeout=5,
        )
        answer.raise_for_status()
        read = answer.json()
        assert isinstance(read, dict)
        return read


def _event(
    method: str,
    path: str,
    body: dict[str, Any] | None,
    headers: dict[str, str],
    query: dict[str, str] | None = None,
) -> dict[str, Any]:
    """What API Gateway sends, as far as anything reads it."""
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": f"{method} {path}",
        "rawPath": path,
        "rawQueryString": "",
        "headers": headers,
        "requestContext": {"http": {"method": method, "path": path}, "stage": "$default"},
        "isBase64Encoded": False,
    }
    if query:
        event["queryStringParameters"] = query
    if body is not None:
        event["body"] = json.dumps(body)
    return event
