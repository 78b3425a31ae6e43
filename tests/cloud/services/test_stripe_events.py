"""Stripe's events: what makes an order, what does not, and everything that can be wrong."""

from __future__ import annotations

import json
import logging
import random
import threading
from dataclasses import replace
from typing import Any

import pytest
from stripe import SignatureVerificationError, WebhookSignature

from cloud.adapters.stripe_gateway import StripeUnavailable
from cloud.core import cabinets
from cloud.core.orders import OrderState
from tests.fakes.arcade import SECRET, Arcade
from tests.fakes.stripe import lost


def nothing_in_the_ledger(arcade: Arcade) -> bool:
    return not arcade.orders() and not arcade.incidents()


@pytest.mark.parametrize(
    ("secret", "age", "word"),
    [
        ("whsec_of_somebody_else", 0, "does not sign"),
        (SECRET, 301, "old"),
        (SECRET, -31, "future"),
        (SECRET, -86_400, "future"),
    ],
)
def test_a_signature_that_is_wrong_old_or_from_the_future_is_refused(
    arcade: Arcade, secret: str, age: int, word: str
) -> None:
    session_id = arcade.stripe.pay(arcade.link())
    status, body = arcade.deliver(arcade.completed(session_id), secret, arcade.now - age)
    assert status == 400
    assert word in body["error"]
    assert nothing_in_the_ledger(arcade)


@pytest.mark.parametrize(
    "header",
    ["", "t=1", "v1=abc", "nonsense", "t=x,v1=abc", "t=1,t=2,v1=a", "t=,v1=", "=,=,t"],
)
def test_a_signature_header_that_is_none_is_refused(arcade: Arcade, header: str) -> None:
    session_id = arcade.stripe.pay(arcade.link())
    status, _ = arcade.http(
        "POST", "/addCredit", arcade.completed(session_id), {"Stripe-Signature": header}
    )
    assert status == 400
    assert nothing_in_the_ledger(arcade)


def test_two_timestamps_cannot_smuggle_an_old_signature_in(arcade: Arcade) -> None:
    body = arcade.completed(arcade.stripe.pay(arcade.link()))
    old = int(arcade.now) - 9999
    header = WebhookSignature.generate_signature_header(body.decode(), SECRET, old)
    header = f"{header},t={int(arcade.now)}"
    assert arcade.http("POST", "/addCredit", body, {"Stripe-Signature": header})[0] == 400
    assert nothing_in_the_ledger(arcade)


def test_a_changed_or_truncated_body_is_refused(arcade: Arcade) -> None:
    body = arcade.completed(arcade.stripe.pay(arcade.link()))
    header = WebhookSignature.generate_signature_header(body.decode(), SECRET, int(arcade.now))
    for forged in (body[:-20], body.replace(b"cab001", b"cab002"), body + b" "):
        assert arcade.http("POST", "/addCredit", forged, {"Stripe-Signature": header})[0] == 400
    assert nothing_in_the_ledger(arcade)


def test_a_body_of_a_megabyte_is_too_large(arcade: Arcade) -> None:
    assert arcade.deliver(b"{" + b" " * 1_000_000 + b"}")[0] == 413
    assert nothing_in_the_ledger(arcade)


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"{}",
        b'{"id": "evt", "type": "x", "created": "now", "data": {"object": {}}}',
        b'{"id": "evt", "type": "x", "created": 1, "data": []}',
    ],
)
def test_a_signed_body_that_is_no_event_is_refused(arcade: Arcade, body: bytes) -> None:
    status, answer = arcade.deliver(body)
    assert (status, "not a Stripe event" in answer["error"]) == (400, True)


def test_the_signature_covers_the_raw_bytes_however_they_are_carried(
    arcade: Arcade,
) -> None:
    body = arcade.event("customer.created", {"name": "Zoë ☂", "spaces": "  "})
    header = WebhookSignature.generate_signature_header(body.decode(), SECRET, int(arcade.now))
    for as_base64 in (True, False):
        status, _ = arcade.http(
            "POST",
            "/addCredit",
            body,
            {"Stripe-Signature": header},
            base64_body=as_base64,
        )
        assert status == 200


def test_events_of_other_types_are_answered_and_do_nothing(arcade: Arcade) -> None:
    assert arcade.deliver(arcade.event("customer.created", {"id": "cus_1"}))[0] == 200
    assert nothing_in_the_ledger(arcade)


def test_a_doubled_event_makes_one_order(arcade: Arcade) -> None:
    session_id = arcade.pay()
    before = arcade.order(session_id)
    for _ in range(3):
        assert arcade.deliver(arcade.completed(session_id))[0] == 200
    assert [arcade.order(session_id)] == [before]
    assert len(arcade.orders()) == 1


def test_events_doubled_at_the_same_moment_make_one_order(arcade: Arcade) -> None:
    session_id = arcade.stripe.pay(arcade.link())
    body = arcade.completed(session_id)
    together = threading.Barrier(6)
    answers: list[int] = []

    def wait_for_the_others(call: str, when: str) -> None:
        # Every one has looked into the ledger and seen no order when the first writes.
        if (call, when) == ("payment", "before"):
            together.wait(5)

    arcade.stripe.trouble = wait_for_the_others
    threads = [
        threading.Thread(target=lambda: answers.append(arcade.deliver(body)[0])) for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [200] * 6
    assert len(arcade.publisher.of("coinpulse")) == 1
    assert len(arcade.orders()) == 1


def test_an_event_that_comes_again_after_the_settle_changes_nothing(
    arcade: Arcade,
) -> None:
    order_id = arcade.pay()
    arcade.claim(order_id)
    arcade.settle(order_id, 1, 1)
    settled = arcade.order(order_id)
    assert arcade.deliver(arcade.completed(order_id))[0] == 200
    assert arcade.order(order_id) == settled
    assert len(arcade.publisher.of("coinpulse")) == 1


def test_money_that_is_not_there_makes_no_order(arcade: Arcade) -> None:
    link_id = arcade.link()
    for status in ("requires_payment_method", "processing", "canceled"):
        session_id = arcade.stripe.pay(link_id)
        intent_id = arcade.stripe.payments[session_id].intent_id
        arcade.stripe.accounts[intent_id].status = status
        assert arcade.deliver(arcade.completed(session_id))[0] == 200
    session_id = arcade.stripe.pay(link_id)
    incomplete = replace(arcade.stripe.payments[session_id], complete=False)
    arcade.stripe.payments[session_id] = incomplete
    assert arcade.deliver(arcade.completed(session_id))[0] == 200
    assert arcade.orders() == []


def test_money_that_comes_later_makes_the_order_then(arcade: Arcade) -> None:
    session_id = arcade.stripe.pay(arcade.link(), held=False)
    account = arcade.stripe.accounts[arcade.stripe.payments[session_id].intent_id]
    account.status = "processing"
    arcade.deliver(arcade.completed(session_id))
    assert arcade.orders() == []
    account.status = "succeeded"
    subject = json.loads(arcade.completed(session_id))["data"]["object"]
    body = arcade.event("checkout.session.async_payment_succeeded", subject)
    assert arcade.deliver(body)[0] == 200
    assert arcade.order(session_id).held is False


def test_a_link_that_is_not_in_the_ledger_is_left_alone_and_reported(
    arcade: Arcade,
) -> None:
    """Another installation on the same Stripe account may have made it."""
    session_id = arcade.stripe.pay(arcade.link())
    body = arcade.completed(session_id, payment_link="plink_of_others")
    assert arcade.deliver(body)[0] == 200
    assert arcade.orders() == []
    assert arcade.stripe.holds(session_id)
    (incident,) = arcade.incidents()
    assert session_id in incident.order_id


def test_a_payment_without_our_metadata_and_link_is_none_of_ours(
    arcade: Arcade,
) -> None:
    session_id = arcade.stripe.pay(arcade.link())
    body = arcade.completed(session_id, payment_link=None, metadata={})
    assert arcade.deliver(body)[0] == 200
    assert nothing_in_the_ledger(arcade)


def test_missing_metadata_does_not_matter_where_the_link_is_known(
    arcade: Arcade,
) -> None:
    session_id = arcade.stripe.pay(arcade.link())
    for metadata in ({}, None, {"machine_id": "cab999"}):
        assert arcade.deliver(arcade.completed(session_id, metadata=metadata))[0] == 200
    assert arcade.order(session_id).machine_id == "cab001"


def test_a_payment_for_a_cabinet_that_is_gone_goes_back(arcade: Arcade) -> None:
    link_id = arcade.link()
    cabinet = arcade.ledger.cabinet("cab001")
    assert cabinet is not None
    arcade.ledger.replace(cabinet, cabinets.remove(cabinet, arcade.cloud.clock.stamp()))
    session_id = arcade.stripe.pay(link_id)
    assert arcade.deliver(arcade.completed(session_id))[0] == 200
    assert arcade.order(session_id).state is OrderState.RELEASED
    assert not arcade.stripe.holds(session_id)
    assert arcade.stripe.charged(session_id) == 0
    assert "gone" in arcade.incidents()[0].text


@pytest.mark.parametrize("held", [True, False])
def test_a_payment_for_a_price_that_is_not_the_links_goes_back(arcade: Arcade, held: bool) -> None:
    session_id = arcade.stripe.pay(arcade.link(), price_id="price_of_yesterday", held=held)
    assert arcade.deliver(arcade.completed(session_id))[0] == 200
    order = arcade.order(session_id)
    assert (order.state, order.credits) == (OrderState.RELEASED, 0)
    assert arcade.stripe.charged(session_id) == 0
    assert arcade.publisher.of("coinpulse") == []


def test_an_old_link_still_gives_what_it_promised(arcade: Arcade) -> None:
    link_id = arcade.link()
    cabinet = arcade.ledger.cabinet("cab001")
    assert cabinet is not None
    prices = replace(cabinet.prices, amount=200, bonuses=())
    dearer = cabinets.with_prices(cabinet, prices, arcade.cloud.clock.stamp())
    arcade.ledger.replace(cabinet, dearer)
    assert arcade.link() != link_id
    assert not arcade.stripe.links[link_id]["active"]
    session_id = arcade.stripe.pay(link_id, quantity=5)
    arcade.deliver(arcade.completed(session_id))
    assert (arcade.order(session_id).amount, arcade.order(session_id).credits) == (
        500,
        6,
    )


def test_an_event_that_comes_too_late_gives_the_money_back(arcade: Arcade) -> None:
    session_id = arcade.stripe.pay(arcade.link())
    body = arcade.completed(session_id, created=arcade.now - 121)
    assert arcade.deliver(body)[0] == 200
    assert arcade.order(session_id).state is OrderState.RELEASED
    assert not arcade.stripe.holds(session_id)
    assert arcade.publisher.of("coinpulse") == []
    assert arcade.publisher.of("payment")[-1]["status"] == "released"


def test_an_event_from_the_future_gets_no_longer_deadline(arcade: Arcade) -> None:
    session_id = arcade.stripe.pay(arcade.link())
    arcade.deliver(arcade.completed(session_id, created=arcade.now + 9999))
    assert arcade.order(session_id).deadline_ms == (arcade.now + 120) * 1000


def test_stripe_being_away_makes_stripe_send_it_again(arcade: Arcade) -> None:
    session_id = arcade.stripe.pay(arcade.link())
    arcade.stripe.trouble = lost("payment", "before")
    assert arcade.deliver(arcade.completed(session_id))[0] == 503
    assert arcade.orders() == []
    assert arcade.deliver(arcade.completed(session_id))[0] == 200
    assert arcade.order(session_id).state is OrderState.OPEN


def test_the_broker_being_away_loses_no_order(arcade: Arcade) -> None:
    arcade.publisher.broken = True
    session_id = arcade.stripe.pay(arcade.link())
    assert arcade.deliver(arcade.completed(session_id))[0] == 200
    arcade.publisher.broken = False
    arcade.cloud.sweep()
    assert arcade.publisher.of("coinpulse")[0]["orderId"] == session_id


@pytest.mark.parametrize(
    ("type_", "subject", "status"),
    [
        ("payment_intent.created", {}, "processing"),
        ("payment_intent.processing", {}, "processing"),
        ("payment_intent.canceled", {}, "cancelled"),
        ("payment_intent.payment_failed", {}, "declined"),
        (
            "payment_intent.payment_failed",
            {
                "last_payment_error": {
                    "code": "card_declined",
                    "decline_code": "insufficient_funds",
                }
            },
            "declined",
        ),
        ("checkout.session.async_payment_failed", {}, "declined"),
    ],
)
def test_what_a_payment_is_doing_is_published_to_its_cabinet(
    arcade: Arcade, type_: str, subject: dict[str, Any], status: str
) -> None:
    body = arcade.event(type_, {"id": "pi_1", "metadata": {"machine_id": "cab001"}} | subject)
    assert arcade.deliver(body)[0] == 200
    (message,) = arcade.publisher.of("payment")
    # Nothing else: why a card was declined is not the whole arcade's business.
    assert set(message) == {"machineId", "status", "timestamp", "paymentId"}
    assert message["status"] == status
    assert arcade.orders() == []


@pytest.mark.parametrize(
    "metadata", [None, {}, {"machine_id": "cab999"}, {"machine_id": 7}, "text"]
)
def test_what_a_payment_of_no_cabinet_does_is_published_to_nobody(
    arcade: Arcade, metadata: object
) -> None:
    body = arcade.event("payment_intent.payment_failed", {"id": "pi_1", "metadata": metadata})
    assert arcade.deliver(body)[0] == 200
    assert arcade.publisher.sent == []


def test_nothing_of_the_customer_and_no_secret_is_stored_or_logged(
    arcade: Arcade, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    session_id = arcade.stripe.pay(arcade.link())
    person = {
        "email": "ada@example.com",
        "name": "Ada Lovelace",
        "address": {"city": "London"},
    }
    arcade.deliver(arcade.completed(session_id, customer_details=person))
    arcade.claim(session_id)
    arcade.settle(session_id, 1, 1)
    arcade.deliver(arcade.completed(session_id), secret="whsec_wrong")
    kept = repr(arcade.order(session_id)) + caplog.text
    for private in (
        "ada@example.com",
        "Ada",
        "London",
        SECRET,
        arcade.tokens["cab001"],
    ):
        assert private not in kept
    assert "settled" in caplog.text


def test_a_signed_event_about_a_session_that_stripe_lacks_is_reported(
    arcade: Arcade,
) -> None:
    link_id = arcade.link()
    body = arcade.event("checkout.session.completed", {"id": "cs_x", "payment_link": link_id})
    assert arcade.deliver(body)[0] == 200
    assert [i.order_id for i in arcade.incidents()] == ["cs_x"]


def test_unavailable_is_what_tests_mean_by_lost() -> None:
    with pytest.raises(StripeUnavailable):
        lost("capture", "after")("capture", "after")


def cancelled_in_the_dashboard(arcade: Arcade, order_id: str) -> str:
    """The operator cancels the hold, and Stripe tells."""
    intent_id = arcade.stripe.payments[order_id].intent_id
    arcade.stripe.accounts[intent_id].status = "canceled"
    subject = {"id": intent_id, "metadata": {"machine_id": "cab001"}}
    status, body = arcade.deliver(arcade.event("payment_intent.canceled", subject))
    assert status == 200
    return str(body["message"])


def test_a_hold_that_was_cancelled_before_the_claim_gives_no_plays(arcade: Arcade) -> None:
    order_id = arcade.pay()
    assert cancelled_in_the_dashboard(arcade, order_id) == "the order is released"
    assert arcade.claim(order_id)[0] == 409
    assert arcade.order(order_id).state is OrderState.RELEASED
    assert [m["status"] for m in arcade.publisher.of("payment")] == ["released"]
    assert arcade.incidents() == []


def test_a_hold_that_is_cancelled_before_its_order_is_stored_makes_none(arcade: Arcade) -> None:
    session_id = arcade.stripe.pay(arcade.link())
    cancelled_in_the_dashboard(arcade, session_id)
    arcade.deliver(arcade.completed(session_id))
    assert arcade.orders() == []


def test_a_hold_that_is_cancelled_after_the_claim_is_left_to_the_settle(arcade: Arcade) -> None:
    order_id = arcade.pay()
    arcade.claim(order_id)
    assert cancelled_in_the_dashboard(arcade, order_id) == "the order is claimed"
    arcade.settle(order_id, 1, 1)
    order = arcade.order(order_id)
    assert (order.state, order.charged, order.given_away) == (OrderState.SETTLED, 0, 1)
    assert "outside of the kiosk" in arcade.incidents()[0].text


def test_a_claim_and_a_cancelled_hold_at_the_same_moment_have_one_winner(
    arcade: Arcade, monkeypatch: pytest.MonkeyPatch
) -> None:
    order_id = arcade.pay()
    replace_ = arcade.ledger.replace

    def claim_first(old: Any, new: Any) -> Any:
        monkeypatch.setattr(arcade.ledger, "replace", replace_)
        assert arcade.claim(order_id)[0] == 200
        return replace_(old, new)

    monkeypatch.setattr(arcade.ledger, "replace", claim_first)
    assert cancelled_in_the_dashboard(arcade, order_id) == "the order is claimed"
    assert arcade.order(order_id).state is OrderState.CLAIMED


def test_the_event_of_our_own_release_says_nothing_again(arcade: Arcade) -> None:
    order_id = arcade.pay()
    arcade.now += 120
    arcade.cloud.sweep()
    sent = len(arcade.publisher.sent)
    assert cancelled_in_the_dashboard(arcade, order_id) == "the order is released"
    assert len(arcade.publisher.sent) == sent


@pytest.mark.parametrize("seed", range(40))
def test_a_signature_is_right_where_stripes_library_says_so(arcade: Arcade, seed: int) -> None:
    rng = random.Random(seed)
    body = arcade.event("customer.created", {"name": "Zoë"})
    now = int(arcade.now)
    right = WebhookSignature.generate_signature_header(body.decode(), SECRET, now)
    signature = right.partition("v1=")[2]
    parts = [f"t={now}", f"v1={signature}", "v1=", "v1=00", "v0=x", f"v0={signature}", "",
             f"v1={signature.upper()}", "t", f"v1={signature}0", f"t={now} "]  # fmt: skip
    chosen = rng.sample(parts, rng.randrange(1, 7))
    header = ",".join(chosen if seed % 4 else [*parts[:2], *chosen[:1]])
    stamps = [part for part in header.split(",") if part.partition("=")[0] == "t"]
    try:
        known = WebhookSignature.verify_header(body.decode(), header, SECRET, tolerance=None)
    except SignatureVerificationError:
        known = False
    status, _ = arcade.http("POST", "/addCredit", body, {"Stripe-Signature": header})
    # Stricter in one thing: two timestamps are one too many, and each is a plain number.
    assert (status == 200) is (known and stamps == [f"t={now}"])
