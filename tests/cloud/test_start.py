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
print(json.dumps([answer["statusCode"], sorted({name.partition(".")[0] for name in sys.modules})]))
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


@pytest.mark.parametrize(
    ("route", "body"),
    [
        ("POST /claim", {"order_id": "cs_1", "claim_id": "c"}),
        ("POST /status", {"state": "ready", "version": "1", "healthy": True}),
        ("POST /addCredit", HOLD),
        ("GET /receipt", {}),
        ("GET /status", {}),
        ("POST /settle", {"order_id": "cs_2", "claim_id": "c", "pulsed": 1, "pulses": 1}),
    ],
)
def test_a_call_that_asks_neither_stripe_nor_the_broker_imports_neither(
    tmp_path: Path, route: str, body: dict[str, object]
) -> None:
    status, imported = first_answer(tmp_path, route, body)
    assert status == 200
    assert imported & HEAVY == set()


def test_a_call_that_asks_stripe_imports_its_library(tmp_path: Path) -> None:
    status, imported = first_answer(tmp_path, "POST /create-payment-link", {})
    assert status == 503
    assert "stripe" in imported


def test_a_claim_over_dynamodb_imports_its_signer_and_neither_botocore_nor_sqlite(
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
    assert "awscrt" in imported
    heavy = {"stripe", "paho", "requests", "asyncio", "boto3", "botocore", "sqlite3"}
    assert imported & heavy == set()
