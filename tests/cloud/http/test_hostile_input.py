"""Whatever is sent, by anyone or under a stolen token: an answer of the contract, no traceback."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

import pytest

from tests.fakes.arcade import Arcade

CABINET_CALLS = ["/status", "/create-payment-link", "/claim", "/settle", "/gameover"]
CALLS = [*CABINET_CALLS, "/addCredit", "/presence", "/receipt"]

TEXTS = [
    "", "é", "\ud800", "\udfff\ud800", "\x00", "\x1b[2J\x1b[1;31m", "a\nb", "\u202egnp.exe", "🎮",
    "x" * 70_000, "' OR 1=1 --", "{}", "${jndi:ldap://x}", "../../etc/passwd", "%s%n", "NaN",
]  # fmt: skip
VALUES: list[object] = [
    *TEXTS, None, True, False, 0, -1, 1.5, 10**400, -(10**400), 2**63, float("nan"), float("inf"),
    [], {}, [None], [["x"] * 30], {"a": {"a": {}}}, {"\ud800": "\ud800"},
]  # fmt: skip
FIELDS = ["machine_id", "order_id", "claim_id", "pulsed", "pulses", "state", "version", "healthy",
          "problems", "price_id", "quantity", "username", "clientid", "reason",
          "disconnected_at"]  # fmt: skip


def tree(rng: random.Random, depth: int = 3) -> object:
    """JSON that nobody would think of."""
    kind = rng.randrange(6 if depth else 4)
    if kind < 4:
        return rng.choice(VALUES)
    if kind == 4:
        return [tree(rng, depth - 1) for _ in range(rng.randrange(4))]
    return {
        rng.choice([*FIELDS, *TEXTS[:9]]): tree(rng, depth - 1) for _ in range(rng.randrange(4))
    }


def assert_answer(arcade: Arcade, event: dict[str, Any], caplog: pytest.LogCaptureFixture) -> int:
    answer = arcade.cloud.api.handle(event)
    status = answer["statusCode"]
    assert status < 500, (status, answer["body"], event)
    assert "Traceback" not in caplog.text
    if status >= 400:
        sentence = json.loads(answer["body"])["error"]
        assert sentence
        assert "\n" not in sentence
    json.dumps(answer).encode()
    answer["body"].encode()
    return int(status)


def event(route: str, body: str, headers: dict[str, Any], query: dict[str, Any]) -> dict[str, Any]:
    return {
        "version": "2.0",
        "routeKey": route,
        "headers": headers,
        "queryStringParameters": query,
        "body": body,
        "isBase64Encoded": False,
    }


def bodies() -> Iterator[str]:
    """Text as a gateway could hand it over, whole and broken."""
    yield from TEXTS
    yield from ("[" * 100_000, '{"a":' * 5_000, "1" * 5_000, "\ufeff{}", '"\\ud800"', "\x00")


@pytest.mark.parametrize("path", CALLS)
def test_no_body_is_a_defect(arcade: Arcade, path: str, caplog: pytest.LogCaptureFixture) -> None:
    route = f"{'GET' if path == '/receipt' else 'POST'} {path}"
    for body in bodies():
        for text in TEXTS:
            headers = {"authorization": f"Bearer {text}", "stripe-signature": text}
            headers["x-arcade-signature"] = text
            assert_answer(arcade, event(route, body, headers, {"session_id": text}), caplog)


@pytest.mark.parametrize("encoded", ["!", "é", "\ud800", "YQ", "/w==", "7aCA"])
@pytest.mark.parametrize("path", CALLS)
def test_no_bytes_are_a_defect(
    arcade: Arcade, path: str, encoded: str, caplog: pytest.LogCaptureFixture
) -> None:
    sent = event(f"POST {path}", encoded, {}, {}) | {"isBase64Encoded": True}
    assert assert_answer(arcade, sent, caplog) >= 400


@pytest.mark.parametrize("path", CABINET_CALLS)
@pytest.mark.parametrize("seed", range(4))
def test_nothing_that_a_token_holder_sends_is_a_defect(
    arcade: Arcade, path: str, seed: int, caplog: pytest.LogCaptureFixture
) -> None:
    rng = random.Random(seed)
    headers = {"authorization": f"Bearer {arcade.tokens['cab001']}"}
    order_id = arcade.pay()
    for _ in range(150):
        body = {rng.choice(FIELDS): tree(rng) for _ in range(rng.randrange(5))}
        body |= {"machine_id": "cab001"} if rng.random() < 0.9 else {}
        body |= {"order_id": order_id, "claim_id": "c"} if rng.random() < 0.5 else {}
        assert_answer(arcade, event(f"POST {path}", json.dumps(body), headers, {}), caplog)


def signed(arcade: Arcade, body: object) -> tuple[int, Any]:
    return arcade.deliver(json.dumps(body).encode())


@pytest.mark.parametrize("header", [f"t=1,v1={c}" for c in "é\ud800\x00٣"] + ["t=٣,v1=a", "é", "="])
def test_a_signature_of_other_letters_is_refused(
    arcade: Arcade, header: str, caplog: pytest.LogCaptureFixture
) -> None:
    sent = event("POST /addCredit", "{}", {"stripe-signature": header}, {})
    assert assert_answer(arcade, sent, caplog) == 400


@pytest.mark.parametrize(
    "change",
    [
        {"created": 10**400},
        {"created": -1},
        {"created": 10**14},
        {"created": True},
        {"created": 1.5},
        {"id": "\ud800"},
        {"type": "\ud800"},
        {"id": "evt_1\nforged line"},
        {"data": {"object": {"id": "\ud800"}}},
        {"data": {"object": {"id": "cs_1", "payment_link": "\ud800"}}},
        {"type": "charge.succeeded", "data": {"object": {"currency": "\ud800"}}},
        {
            "type": "charge.succeeded",
            "data": {"object": {"payment_method_details": {"card": {"fingerprint": "\ud800"}}}},
        },
        {"type": "charge.refunded", "data": {"object": {"payment_intent": "\udfff"}}},
        {
            "type": "payment_intent.created",
            "data": {"object": {"metadata": {"machine_id": "\ud800"}}},
        },
    ],
    ids=str,
)
def test_a_signed_event_that_cannot_be_is_refused(
    arcade: Arcade, change: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    body = {
        "id": "evt_1",
        "type": "checkout.session.completed",
        "created": int(arcade.now),
        "data": {"object": {"id": "cs_1"}},
    }
    status, answer = signed(arcade, body | change)
    assert status == 400
    assert "\n" not in answer["error"]
    assert "Traceback" not in caplog.text


def test_a_players_broken_name_does_not_cost_them_the_order(arcade: Arcade) -> None:
    """What is not used of an event may be anything."""
    session_id = arcade.stripe.pay(arcade.link())
    body = arcade.completed(session_id, customer_details={"name": "J\ud83d"})
    assert arcade.deliver(body)[0] == 200
    assert arcade.order(session_id).credits == 1


@pytest.mark.parametrize("seed", range(8))
def test_no_signed_event_is_a_defect(
    arcade: Arcade, seed: int, caplog: pytest.LogCaptureFixture
) -> None:
    rng = random.Random(seed)
    types = ["checkout.session.completed", "payment_intent.payment_failed", "charge.refunded",
             "payment_intent.canceled", "checkout.session.async_payment_failed",
             "charge.succeeded"]  # fmt: skip
    names = ["id", "payment_link", "payment_intent", "metadata", "last_payment_error", "amount",
             "amount_subtotal", "currency", "payment_method_details", "status"]  # fmt: skip
    link_id = arcade.link()
    for number in range(60):
        subject = {name: tree(rng) for name in names if rng.random() < 0.6}
        subject |= {"payment_link": link_id} if rng.random() < 0.3 else {}
        subject |= {"metadata": {"machine_id": "cab001"}} if rng.random() < 0.3 else {}
        body: dict[str, object] = {
            "id": f"evt_{number}",
            "type": rng.choice(types),
            "created": int(arcade.now),
            "data": {"object": subject},
        }
        if rng.random() < 0.3:
            body[rng.choice(["id", "type", "created", "data"])] = tree(rng)
        status, answer = signed(arcade, body)
        large = len(json.dumps(body)) > 256 * 1024
        assert status in ((413,) if large else (200, 400)), (status, answer, body)
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize("headers", [None, [], "x", {"authorization": 7}, {"authorization": None}])
@pytest.mark.parametrize("query", [None, [], {"session_id": 7}])
def test_parts_of_other_types_are_an_answer_too(
    arcade: Arcade, headers: Any, query: Any, caplog: pytest.LogCaptureFixture
) -> None:
    for path in CABINET_CALLS:
        assert_answer(arcade, event(f"POST {path}", "{}", headers, query), caplog)
    assert_answer(arcade, event("GET /receipt", "", headers, query), caplog)


def test_a_heartbeats_words_are_cleaned_when_they_come_in(arcade: Arcade) -> None:
    nasty = "\x1b[2Jrelay\r\n2026-01-01  cab002  forged \u202egnp \ud800\x9b"
    status, _ = arcade.ask("/status", {"state": nasty[:30], "problems": [nasty], "version": "\x07"})
    assert status == 200
    presence = arcade.ledger.presence("cab001")
    assert presence is not None
    for text in (presence.state, presence.software, *presence.problems):
        text.encode()
        assert text.isprintable()
    assert presence.problems[0].startswith("�[2Jrelay��2026")
