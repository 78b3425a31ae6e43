"""What a new Lambda machine imports before its first answer: no more than the call needs."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from stripe import WebhookSignature

from cloud.core.cabinets import Cabinet
from cloud.core.orders import Order, OrderState
from cloud.core.prices import PriceList
from cloud.services import cabinet_tokens
from cloud.stores.base import Ledger
from cloud.stores.dynamodb import DynamoDBLedger
from cloud.stores.sqlite import SqliteLedger
from tests.cloud.core.test_holds import PAID
from tests.cloud.test_settings import GOOD
from tests.fakes.stripe_events import charge_succeeded
from tests.plugins.dynamodb import CREDENTIALS, REGION, client_of, create_table

# Each of these takes longer to import than a call takes.
HEAVY = {"stripe", "paho", "requests", "ssl", "asyncio", "awscrt"}

ORDER = Order(
    order_id="cs_1", machine_id="cab001", state=OrderState.OPEN, quantity=1, credits=1, amount=100,
    currency="USD", intent_id="pi_1", held=True, paid_at_ms=10**12,
    deadline_ms=4 * 10**12, hold_until_ms=4 * 10**12, write_id="w1",
)  # fmt: skip
SETTLED = Order(
    order_id="cs_2", machine_id="cab001", state=OrderState.SETTLED, quantity=1, credits=1,
    amount=100, currency="USD", intent_id="pi_2", held=True, paid_at_ms=10**12,
    deadline_ms=4 * 10**12, hold_until_ms=4 * 10**12, write_id="w2", claim_id="c", pulsed=1,
    pulses=1, charged=100,
)  # fmt: skip

SCRIPT = """
import json, sys
from cloud import handler
event = json.load(sys.stdin)
answer = handler.handle(event, None)
print(json.dumps([answer["statusCode"], sorted(sys.modules)]))
"""


HOLD = {
    "id": "evt_1",
    "type": "charge.succeeded",
    "created": int(time.time()),
    "data": {"object": charge_succeeded(PAID, time.time())},
}


def _signed(text: str) -> str:
    """As Stripe signs it."""
    secret = GOOD["STRIPE_WEBHOOK_SECRET"]
    return str(WebhookSignature.generate_signature_header(text, secret, int(time.time())))


def first_answer(folder: Path, route: str, body: dict[str, object]) -> tuple[int, set[str]]:
    """The status of the first answer of a new process over SQLite, and what it imported."""
    ledger = SqliteLedger(folder / "ledger.db")
    return answer_of(ledger, {"LEDGER": f"sqlite:///{folder}/ledger.db"}, route, body)


def answer_of(
    ledger: Ledger, where: dict[str, str], route: str, body: dict[str, object]
) -> tuple[int, set[str]]:
    """The status of the first answer of a new process, and what was imported for it."""
    token, digest = cabinet_tokens.new("cab001")
    ledger.insert(Cabinet("cab001", "cab001", digest, PriceList(100, "USD"), "w3"))
    ledger.insert(ORDER)
    ledger.insert(SETTLED)
    ledger.close()
    text = json.dumps({"machine_id": "cab001", **body})
    event = {
        "version": "2.0",
        "routeKey": route,
        "headers": {"authorization": f"Bearer {token}", "stripe-signature": _signed(text)},
        "queryStringParameters": {"session_id": "cs_1"},
        "body": text,
        "isBase64Encoded": False,
    }
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        input=json.dumps(event),
        env=GOOD
        | where
        | {
            "PYTHONPATH": ":".join(sys.path),
            "STRIPE_API_BASE": "http://127.0.0.1:9",  # where nobody answers
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    status, imported = json.loads(done.stdout)
    return status, set(imported)


def of_ours(imported: set[str]) -> set[str]:
    """The services, adapters and parts of ``http`` that were imported, without those that every
    call needs."""
    layers = ("services.", "adapters.", "http.")
    names = {name.removeprefix("cloud.") for name in imported if name.startswith("cloud.")}
    return {name for name in names if name.startswith(layers)} - EVERY_CALL


EVERY_CALL = {
    "adapters.parameter_store",
    "adapters.stripe_gateway",
    "http.api",
    "http.api_gateway",
    "http.cabinet_auth",
    "http.refusals",
    "http.requests",
    "services.cabinet_tokens",
    "services.clock",
    "services.ledger_log",
}
LINKS = {"services.payment_links", "services.price_schedule"}
# What each route needs besides, for its usual answer. A module that is added here is paid for by
# every new Lambda machine: `python -m benchmarks cloud_start` says how much.
ROUTES: list[tuple[str, dict[str, object], set[str]]] = [
    (
        "POST /claim",
        {"order_id": "cs_1", "claim_id": "c"},
        {"services.claims", "services.forgiveness"},
    ),
    (
        "POST /status",
        {"state": "ready", "version": "1", "healthy": True},
        {"services.heartbeats", *LINKS},
    ),
    (
        "POST /addCredit",
        HOLD,
        {
            "adapters.publisher",
            "http.webhook_signature",
            "services.cabinet_messages",
            "services.forgiveness",
            "services.stripe_events",
        },
    ),
    ("GET /receipt", {}, {"http.receipt"}),
    ("GET /status", {}, set()),
    (
        "POST /settle",
        {"order_id": "cs_2", "claim_id": "c", "pulsed": 1, "pulses": 1},
        {"services.claims", "services.forgiveness", "services.settlement"},
    ),
]


@pytest.mark.parametrize(("route", "body", "needed"), ROUTES)
def test_a_route_imports_what_it_needs_and_neither_stripe_nor_a_broker(
    tmp_path: Path, route: str, body: dict[str, object], needed: set[str]
) -> None:
    status, imported = first_answer(tmp_path, route, body)
    assert status == 200
    assert imported & HEAVY == set()
    assert of_ours(imported) == needed


def test_a_call_that_asks_stripe_imports_its_library(tmp_path: Path) -> None:
    status, imported = first_answer(tmp_path, "POST /create-payment-link", {})
    assert status == 503
    assert "stripe" in imported


def test_a_claim_over_dynamodb_imports_no_library_of_aws_and_no_sqlite(
    moto: str,
) -> None:
    create_table(moto, "start")
    where = CREDENTIALS | {"LEDGER": f"dynamodb://start?region={REGION}&endpoint={moto}"}
    status, imported = answer_of(
        DynamoDBLedger(client_of(moto), "start"),
        where,
        "POST /claim",
        {"order_id": "cs_1", "claim_id": "c"},
    )
    assert status == 200
    heavy = {"stripe", "paho", "requests", "asyncio", "awscrt", "boto3", "botocore", "sqlite3"}
    assert imported & heavy == set()
