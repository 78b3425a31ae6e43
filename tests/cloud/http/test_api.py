"""The calls of the contract, as cabinets and phones make them."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from pathlib import Path
from typing import Any

import pytest

from cloud.core.orders import OrderState
from tests.fakes.arcade import Arcade

CABINET_CALLS = ["/status", "/create-payment-link", "/claim", "/settle", "/gameover"]


def test_status_is_up_for_anyone(arcade: Arcade) -> None:
    assert arcade.http("GET", "/status") == (
        200,
        {"status": "up", "message": "API is running"},
    )


def test_one_payment_from_the_link_to_the_charge(arcade: Arcade) -> None:
    order_id = arcade.pay(quantity=5)
    (hint,) = arcade.publisher.of("coinpulse")
    assert hint["orderId"] == order_id
    assert (hint["machineId"], hint["credits"]) == ("cab001", 6)
    assert hint["expiresAt"].endswith("Z")
    assert arcade.stripe.holds(order_id)
    status, granted = arcade.claim(order_id)
    assert (status, granted["credits"], granted["state"]) == (200, 6, "claimed")
    status, settled = arcade.settle(order_id, 6, 6)
    assert (status, settled["state"], settled["charged"]) == (200, "settled", 500)
    assert arcade.stripe.charged(order_id) == 500


@pytest.mark.parametrize(("pulsed", "charged"), [(2, 166), (0, 0), (6, 500)])
@pytest.mark.parametrize("held", [True, False], ids=["held", "charged at once"])
def test_the_player_pays_for_the_pulses_that_were_made(
    arcade: Arcade, pulsed: int, charged: int, held: bool
) -> None:
    order_id = arcade.pay(quantity=5, held=held)
    arcade.claim(order_id)
    status, settled = arcade.settle(order_id, pulsed, 6)
    assert (status, settled["charged"]) == (200, charged)
    assert arcade.stripe.charged(order_id) == charged
    assert not arcade.stripe.holds(order_id)


def test_a_claim_again_gets_the_same_answer_and_the_age_grows(arcade: Arcade) -> None:
    order_id = arcade.pay()
    _, first = arcade.claim(order_id)
    arcade.now += 400
    status, second = arcade.claim(order_id)
    assert (status, first["age_seconds"], second["age_seconds"]) == (200, 0, 400)
    assert arcade.claim(order_id, "another")[0] == 409


def test_a_settle_again_gets_the_same_answer_and_moves_no_money(arcade: Arcade) -> None:
    order_id = arcade.pay()
    arcade.claim(order_id)
    first = arcade.settle(order_id, 1, 1)
    calls = list(arcade.stripe.calls)
    assert arcade.settle(order_id, 1, 1) == first
    assert arcade.stripe.calls == calls
    assert arcade.settle(order_id, 0, 1)[0] == 409


def test_a_settle_that_was_not_claimed_is_refused(arcade: Arcade) -> None:
    order_id = arcade.pay()
    assert arcade.settle(order_id, 1, 1)[0] == 409
    assert arcade.order(order_id).state is OrderState.OPEN


def test_an_order_that_the_ledger_does_not_have_is_not_found(arcade: Arcade) -> None:
    assert arcade.claim("cs_nobody")[0] == 404
    assert arcade.settle("cs_nobody", 1, 1)[0] == 404


@pytest.mark.parametrize("path", CABINET_CALLS)
def test_a_cabinet_proves_itself(arcade: Arcade, path: str) -> None:
    arcade.add_cabinet("cab002")
    assert arcade.ask(path, {}, token="")[0] == 401
    assert arcade.ask(path, {}, token="cab001.guess")[0] == 401
    assert arcade.ask(path, {}, token="nobody.guess")[0] == 401
    assert arcade.ask(path, {"machine_id": "cab003"}, token=arcade.tokens["cab001"])[0] == 403
    status, body = arcade.ask(path, {}, token=arcade.tokens["cab002"])
    assert status == 403
    assert "cab002" in body["error"]
    assert arcade.tokens["cab002"] not in json.dumps(body)


def test_another_cabinets_order_is_no_news_for_this_one(arcade: Arcade) -> None:
    arcade.add_cabinet("cab002")
    order_id = arcade.pay()
    assert arcade.claim(order_id, machine_id="cab002")[0] == 404
    assert arcade.order(order_id).state is OrderState.OPEN


def test_tokens_are_stored_as_hashes(arcade: Arcade) -> None:
    cabinet = arcade.ledger.cabinet("cab001")
    assert cabinet is not None
    assert arcade.tokens["cab001"] not in repr(cabinet)
    assert len(cabinet.token_hash) == 64


@pytest.mark.parametrize("path", [*CABINET_CALLS, "/addCredit"])
@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff\xfe", b'"text"', b"[" * 100_000])
def test_a_body_that_is_no_json_object_gets_an_error(
    arcade: Arcade, path: str, body: bytes
) -> None:
    status, answer = arcade.http("POST", path, body)
    assert status == 400
    assert answer["error"]


def test_all_mistakes_of_a_body_are_told_at_once(arcade: Arcade) -> None:
    status, body = arcade.ask(
        "/settle", {"order_id": 7, "claim_id": "", "pulsed": "3", "pulses": True}
    )
    assert status == 400
    for name in ("order_id", "claim_id", "pulsed", "pulses"):
        assert name in body["error"]


@pytest.mark.parametrize(("pulsed", "pulses"), [(2, 1), (-1, 1), (1, 0), (1, 10**9)])
def test_impossible_pulses_are_refused(arcade: Arcade, pulsed: int, pulses: int) -> None:
    order_id = arcade.pay()
    arcade.claim(order_id)
    assert arcade.settle(order_id, pulsed, pulses)[0] == 400
    assert arcade.order(order_id).state is OrderState.CLAIMED


@pytest.mark.parametrize("path", ["/nothing", "/receipt/x", "/"])
def test_an_unknown_call_is_told_so_in_json(arcade: Arcade, path: str) -> None:
    status, body = arcade.http("GET", path)
    assert status == 404
    assert body["error"]


@pytest.mark.parametrize("method", ["PUT", "DELETE", "HEAD", "OPTIONS", "GET"])
def test_a_call_with_another_method_is_an_unknown_call(arcade: Arcade, method: str) -> None:
    assert arcade.http(method, "/claim") == (404, {"error": "there is no such call"})


def test_its_routes_are_the_contracts(arcade: Arcade, root: Path) -> None:
    contract = (root / "docs" / "protocol.md").read_text()
    promised = re.findall(r"^\| `((?:GET|POST) /[\w-]+)", contract, re.MULTILINE)
    assert sorted(arcade.cloud.api.routes) == sorted(promised)


REST_API_EVENT = {"version": "1.0", "resource": "/status", "httpMethod": "GET", "path": "/status"}
LOAD_BALANCER_EVENT = {"requestContext": {"elb": {}}, "httpMethod": "GET", "path": "/status"}
SCHEDULE_EVENT = {"version": "0", "detail-type": "Scheduled Event", "source": "aws.events"}


@pytest.mark.parametrize(
    "event", [{}, {"version": "2.0"}, REST_API_EVENT, LOAD_BALANCER_EVENT, SCHEDULE_EVENT]
)
def test_an_event_of_another_service_is_one_clear_error(
    arcade: Arcade, event: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    answer = arcade.cloud.api.handle(event)
    assert answer["statusCode"] == 500
    assert "payload format 2.0" in json.loads(answer["body"])["error"]
    assert "payload format 2.0" in caplog.text
    assert "Traceback" not in caplog.text


def test_a_body_over_the_limit_is_too_large(arcade: Arcade) -> None:
    assert arcade.http("POST", "/claim", b"x" * (256 * 1024 + 1))[0] == 413


def test_a_heartbeat_tells_the_open_orders_and_the_link(arcade: Arcade) -> None:
    order_id = arcade.pay()
    status, body = arcade.ask("/status", {"state": "ready", "version": "1", "healthy": True})
    assert status == 200
    assert body["link"]["state"] == "active"
    assert [o["order_id"] for o in body["orders"]] == [order_id]
    assert body["time"].endswith("Z")
    arcade.claim(order_id)
    body = arcade.ask("/status", {})[1]
    assert body["orders"] == []
    (claimed,) = body["claimed"]
    assert claimed["order_id"] == order_id
    assert "claim_id" not in claimed
    assert claimed["age_seconds"] == 0.0


def test_a_cabinet_that_cannot_give_credits_cannot_be_paid(arcade: Arcade) -> None:
    link_id = arcade.link()
    _, body = arcade.ask("/status", {"healthy": False, "problems": ["no relay"]})
    assert (body["link"]["state"], arcade.stripe.links[link_id]["active"]) == (
        "off",
        False,
    )
    _, body = arcade.ask("/status", {"healthy": True})
    assert (body["link"]["state"], arcade.stripe.links[link_id]["active"]) == (
        "active",
        True,
    )


def test_a_heartbeat_counts_also_while_stripe_is_away(arcade: Arcade) -> None:
    from tests.fakes.stripe import lost

    arcade.link()
    arcade.stripe.trouble = lost("switch_link", "before")
    status, body = arcade.ask("/status", {"healthy": False, "problems": ["no relay"]})
    assert (status, body["link"]["state"]) == (200, "active")
    presence = arcade.ledger.presence("cab001")
    assert presence is not None
    assert presence.problems == ("no relay",)


def test_the_link_is_made_once_and_says_what_it_sells(arcade: Arcade) -> None:
    status, first = arcade.ask("/create-payment-link", {})
    assert status == 200
    assert (first["amount"], first["currency"], first["decimals"]) == (100, "USD", 2)
    assert first["bonuses"] == [{"quantity": 5, "credits": 6}]
    assert arcade.ask("/create-payment-link", {})[1] == first
    assert len(arcade.stripe.links) == 1
    (made,) = arcade.stripe.links.values()
    assert made["receipt"] == "https://pay.example/receipt?session_id={CHECKOUT_SESSION_ID}"


def test_a_link_whose_answer_was_lost_is_not_made_twice(arcade: Arcade) -> None:
    from tests.fakes.stripe import lost

    arcade.stripe.trouble = lost("create_link", "after")
    assert arcade.ask("/create-payment-link", {})[0] == 503
    arcade.link()
    assert len(arcade.stripe.links) == 1


def test_a_withdrawn_link_is_replaced(arcade: Arcade) -> None:
    first = arcade.link()
    arcade.stripe.links[first]["active"] = False
    arcade.now += 60
    second = arcade.link()
    assert second != first
    assert arcade.stripe.links[second]["active"]
    assert arcade.link() == second


def test_nobody_chooses_a_price_that_is_not_on_the_list(arcade: Arcade) -> None:
    arcade.link()
    status, body = arcade.ask("/create-payment-link", {"price_id": "price_cheap"})
    assert status == 404
    assert "price_cheap" in body["error"]
    (link,) = arcade.links("cab001")
    assert arcade.ask("/create-payment-link", {"price_id": link.price_id})[0] == 200


def test_game_over_is_passed_on(arcade: Arcade) -> None:
    assert arcade.ask("/gameover", {}) == (200, {"message": "Game over signal sent"})
    (message,) = arcade.publisher.of("gameover")
    assert message["status"] == "game_over"
    arcade.publisher.broken = True
    assert arcade.ask("/gameover", {})[0] == 503


def receipt(arcade: Arcade, session_id: str) -> str:
    status, page = arcade.http("GET", "/receipt", query={"session_id": session_id})
    assert status == 200
    return str(page)


def test_the_receipt_loads_nothing_runs_nothing_and_is_in_no_frame(arcade: Arcade) -> None:
    event = {
        "version": "2.0",
        "routeKey": "GET /receipt",
        "queryStringParameters": {"session_id": "cs_1"},
    }
    answer = arcade.cloud.api.handle(event)
    headers, page = answer["headers"], answer["body"]
    (style,) = re.findall("<style>(.*?)</style>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = dict(part.split(" ", 1) for part in headers["Content-Security-Policy"].split("; "))
    assert policy == {
        "default-src": "'none'",
        "style-src": f"'sha256-{digest}'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert "<script" not in page
    assert " style=" not in page


def test_the_receipt_tells_what_became_of_the_payment(arcade: Arcade) -> None:
    order_id = arcade.pay(quantity=5)
    assert "5.00 USD is reserved for 6 plays" in receipt(arcade, order_id)
    arcade.claim(order_id)
    assert "dropping" in receipt(arcade, order_id)
    arcade.settle(order_id, 3, 6)
    page = receipt(arcade, order_id)
    assert "3 of 6 coins" in page
    assert "2.50 USD of 5.00 USD" in page
    assert "refresh" not in page


def test_the_receipt_of_a_released_payment_says_that_nothing_was_charged(
    arcade: Arcade,
) -> None:
    order_id = arcade.pay()
    arcade.now += 121
    arcade.cloud.sweep()
    assert "You were not charged" in receipt(arcade, order_id)


def test_an_unknown_receipt_waits_and_a_bad_one_is_refused(arcade: Arcade) -> None:
    assert "has not reached us yet" in receipt(arcade, "cs_test_unknown")
    status, body = arcade.http("GET", "/receipt", query={"session_id": "<script>"})
    assert (status, "script" in json.dumps(body)) == (400, False)
    assert arcade.http("GET", "/receipt")[0] == 400


def test_calls_at_the_same_moment_are_not_mixed_up(arcade: Arcade) -> None:
    """The sandbox answers many calls at once, in threads."""
    arcade.add_cabinet("cab002")
    wrong: list[Any] = []
    start = threading.Barrier(4)

    def beat(machine_id: str, problem: str) -> None:
        start.wait()
        for _ in range(30):
            status, _ = arcade.ask(
                "/status",
                {"machine_id": machine_id, "healthy": False, "problems": [problem]},
            )
            presence = arcade.ledger.presence(machine_id)
            if status != 200 or presence is None or presence.problems != (problem,):
                wrong.append((machine_id, status, presence))

    threads = [
        threading.Thread(target=beat, args=(machine_id, f"trouble of {machine_id}"))
        for machine_id in ("cab001", "cab002") * 2
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_the_ledger_being_away_is_an_answer_not_a_crash(arcade: Arcade) -> None:
    arcade.ledger.close()
    status, body = arcade.claim("cs_1")
    assert (status, "ledger" in body["error"]) == (503, True)


def test_an_order_that_others_write_faster_is_asked_for_again(
    arcade: Arcade, monkeypatch: pytest.MonkeyPatch
) -> None:
    order_id = arcade.pay()
    with monkeypatch.context() as losing:
        losing.setattr(arcade.ledger, "replace", lambda _old, _new: False)
        status, body = arcade.claim(order_id)
        assert (status, "ask again" in body["error"]) == (503, True)
    assert arcade.claim(order_id)[0] == 200
    with monkeypatch.context() as losing:
        losing.setattr(arcade.ledger, "replace", lambda _old, _new: False)
        assert arcade.settle(order_id, 1, 1)[0] == 503
    assert arcade.settle(order_id, 1, 1)[1]["state"] == "settled"


def test_a_defect_answers_500_without_its_traceback(
    arcade: Arcade, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_machine_id: str) -> None:
        raise ZeroDivisionError("a secret detail")

    monkeypatch.setattr(arcade.ledger, "cabinet", broken)
    status, body = arcade.claim("cs_1")
    assert status == 500
    assert "secret detail" not in json.dumps(body)
    assert "secret detail" in caplog.text
