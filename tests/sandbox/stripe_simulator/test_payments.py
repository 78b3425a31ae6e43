from __future__ import annotations

from typing import Any

import pytest
import stripe

from sandbox.stripe_simulator.checkout import Declined, SessionExpired
from tests.sandbox.stripe_simulator.bench import DECLINED, NO_FUNDS, PAYS, Bench, Clock

WEEK = 7 * 24 * 3600


def test_a_manual_capture_completes_unpaid_and_holds_the_money(bench: Bench) -> None:
    session = bench.buy(quantity=3)
    assert (session.status, session.payment_status) == ("complete", "unpaid")
    assert session.metadata["machine_id"] == "cab001"
    assert (session.amount_subtotal, session.amount_total) == (300, 300)
    assert session.line_items.data[0].quantity == 3
    intent = session.payment_intent
    assert intent.status == "requires_capture"
    assert (intent.amount, intent.amount_capturable, intent.amount_received) == (300, 300, 0)
    assert intent.metadata["machine_id"] == "cab001"
    charge = intent.latest_charge
    assert (charge.captured, charge.paid, charge.status) == (False, True, "succeeded")
    assert charge.payment_method_details.card.capture_before == int(bench.clock.now) + WEEK


def test_a_capture_makes_the_session_paid(bench: Bench) -> None:
    session = bench.buy(quantity=3)
    captured = bench.v1.payment_intents.capture(session.payment_intent.id)
    assert (captured.status, captured.amount_received) == ("succeeded", 300)
    assert captured.amount_capturable == 0
    session = bench.session(session.id)
    assert (session.status, session.payment_status) == ("complete", "paid")
    assert session.payment_intent.latest_charge.captured


def test_an_automatic_capture_is_paid_at_once(bench: Bench) -> None:
    session = bench.buy(manual=False)
    assert (session.status, session.payment_status) == ("complete", "paid")
    intent = session.payment_intent
    assert (intent.status, intent.amount_received, intent.amount_capturable) == (
        "succeeded",
        100,
        0,
    )
    charge = intent.latest_charge
    assert (charge.captured, charge.amount_captured) == (True, 100)
    assert "capture_before" not in charge.payment_method_details.card


@pytest.mark.parametrize(
    ("currency", "price", "part"), [("usd", 100, 166), ("jpy", 100, 1), ("kwd", 1000, 1990)]
)
def test_a_part_can_be_captured_and_the_rest_counts_as_refunded(
    bench: Bench, currency: str, price: int, part: int
) -> None:
    session = bench.buy(quantity=2, amount=price, currency=currency)
    intent_id = session.payment_intent.id
    captured = bench.v1.payment_intents.capture(intent_id, {"amount_to_capture": part})
    assert (captured.amount, captured.amount_received) == (2 * price, part)
    charge = bench.intent(intent_id).latest_charge
    assert charge.amount_captured == part
    assert charge.amount_refunded == 2 * price - part
    assert not charge.refunded


def test_no_more_than_the_hold_can_be_captured(bench: Bench) -> None:
    intent_id = bench.buy().payment_intent.id
    with pytest.raises(stripe.InvalidRequestError) as refused:
        bench.v1.payment_intents.capture(intent_id, {"amount_to_capture": 101})
    assert (refused.value.code, refused.value.param) == ("amount_too_large", "amount_to_capture")
    assert bench.intent(intent_id).status == "requires_capture"


def test_a_part_of_a_three_decimal_currency_ends_in_zero(bench: Bench) -> None:
    intent_id = bench.buy(amount=1000, currency="kwd").payment_intent.id
    with pytest.raises(stripe.InvalidRequestError, match="divisible by 10"):
        bench.v1.payment_intents.capture(intent_id, {"amount_to_capture": 333})


def test_a_second_capture_is_refused_with_the_intent_as_it_is(bench: Bench) -> None:
    intent_id = bench.buy().payment_intent.id
    bench.v1.payment_intents.capture(intent_id)
    with pytest.raises(stripe.InvalidRequestError, match="already been captured") as refused:
        bench.v1.payment_intents.capture(intent_id)
    assert refused.value.code == "payment_intent_unexpected_state"
    body: Any = refused.value.json_body
    assert body["error"]["payment_intent"]["status"] == "succeeded"


def test_a_cancelled_hold_cannot_be_captured(bench: Bench) -> None:
    intent_id = bench.buy().payment_intent.id
    cancelled = bench.v1.payment_intents.cancel(
        intent_id, {"cancellation_reason": "requested_by_customer"}
    )
    assert (cancelled.status, cancelled.amount_capturable) == ("canceled", 0)
    assert cancelled.cancellation_reason == "requested_by_customer"
    with pytest.raises(stripe.InvalidRequestError, match="status of canceled") as refused:
        bench.v1.payment_intents.capture(intent_id)
    assert refused.value.code == "payment_intent_unexpected_state"
    charge = bench.intent(intent_id).latest_charge
    assert (charge.captured, charge.refunded, charge.amount_refunded) == (False, True, 100)


@pytest.mark.parametrize("first", ["capture", "cancel"])
def test_a_captured_or_cancelled_intent_cannot_be_cancelled(bench: Bench, first: str) -> None:
    intent_id = bench.buy().payment_intent.id
    getattr(bench.v1.payment_intents, first)(intent_id)
    with pytest.raises(stripe.InvalidRequestError, match="You cannot cancel") as refused:
        bench.v1.payment_intents.cancel(intent_id)
    assert refused.value.code == "payment_intent_unexpected_state"


def test_refunds_add_up_to_the_charge_and_no_further(bench: Bench) -> None:
    intent_id = bench.buy(quantity=3, manual=False).payment_intent.id
    first = bench.v1.refunds.create(
        {"payment_intent": intent_id, "amount": 120, "metadata": {"order": "x"}}
    )
    assert (first.status, first.amount, first.payment_intent) == ("succeeded", 120, intent_id)
    with pytest.raises(stripe.InvalidRequestError, match="greater than unrefunded") as refused:
        bench.v1.refunds.create({"payment_intent": intent_id, "amount": 181})
    assert refused.value.code == "amount_too_large"
    second = bench.v1.refunds.create({"payment_intent": intent_id})
    assert second.amount == 180
    charge = bench.intent(intent_id).latest_charge
    assert (charge.refunded, charge.amount_refunded) == (True, 300)
    with pytest.raises(stripe.InvalidRequestError) as refused:
        bench.v1.refunds.create({"charge": charge.id})
    assert refused.value.code == "charge_already_refunded"
    listed = bench.v1.refunds.list({"payment_intent": intent_id})
    assert [one.id for one in listed] == [second.id, first.id]
    kept: Any = bench.v1.refunds.retrieve(first.id)
    assert kept.metadata["order"] == "x"


def test_only_what_was_captured_can_be_refunded(bench: Bench) -> None:
    intent_id = bench.buy(quantity=3).payment_intent.id
    with pytest.raises(stripe.InvalidRequestError, match="cancel the PaymentIntent"):
        bench.v1.refunds.create({"payment_intent": intent_id})
    bench.v1.payment_intents.capture(intent_id, {"amount_to_capture": 100})
    with pytest.raises(stripe.InvalidRequestError) as refused:
        bench.v1.refunds.create({"payment_intent": intent_id, "amount": 101})
    assert refused.value.code == "amount_too_large"
    assert bench.v1.refunds.create({"payment_intent": intent_id}).amount == 100


@pytest.mark.parametrize(
    ("card", "decline_code", "words"),
    [
        (DECLINED, "generic_decline", "Your card was declined."),
        (NO_FUNDS, "insufficient_funds", "Your card has insufficient funds."),
    ],
)
def test_a_declined_card_leaves_the_session_open(
    bench: Bench, card: str, decline_code: str, words: str
) -> None:
    session_id = bench.visit()
    with pytest.raises(Declined) as declined:
        bench.checkout.pay(session_id, card)
    assert (declined.value.code, declined.value.decline_code) == ("card_declined", decline_code)
    assert declined.value.message == words
    session = bench.session(session_id)
    assert (session.status, session.payment_status) == ("open", "unpaid")
    intent = session.payment_intent
    assert intent.status == "requires_payment_method"
    error = intent.last_payment_error
    assert (error.code, error.decline_code, error.message) == (
        "card_declined",
        decline_code,
        words,
    )
    assert error.charge == intent.latest_charge.id
    assert (intent.latest_charge.status, intent.latest_charge.paid) == ("failed", False)


def test_a_later_card_pays_the_same_intent(bench: Bench) -> None:
    session_id = bench.visit()
    with pytest.raises(Declined):
        bench.checkout.pay(session_id, DECLINED)
    failed = bench.session(session_id).payment_intent
    bench.checkout.set_quantity(session_id, 2)
    bench.checkout.pay(session_id, PAYS)
    intent = bench.session(session_id).payment_intent
    assert intent.id == failed.id
    assert (intent.status, intent.amount_capturable) == ("requires_capture", 200)
    assert intent.last_payment_error is None
    assert intent.latest_charge.id != failed.latest_charge.id


def test_an_unknown_number_is_incorrect_and_leaves_no_trace(bench: Bench) -> None:
    session_id = bench.visit()
    before = bench.events()
    with pytest.raises(Declined) as declined:
        bench.checkout.pay(session_id, "4242 4242 4242 4241")
    assert declined.value.code == "incorrect_number"
    assert bench.session(session_id).payment_intent is None
    assert bench.events() == before


@pytest.mark.parametrize(
    ("currency", "amount", "code"),
    [
        ("usd", 49, "amount_too_small"),
        ("jpy", 49, "amount_too_small"),
        ("kwd", 1001, "parameter_invalid_integer"),
    ],
)
def test_an_amount_that_cannot_be_charged_is_refused_on_payment(
    bench: Bench, currency: str, amount: int, code: str
) -> None:
    session_id = bench.visit(amount=amount, currency=currency)
    with pytest.raises(Declined) as declined:
        bench.checkout.pay(session_id, PAYS)
    assert declined.value.code == code
    assert bench.session(session_id).payment_intent is None


@pytest.mark.parametrize(("currency", "amount"), [("usd", 50), ("jpy", 50), ("krw", 1000)])
def test_the_smallest_amount_is_paid(bench: Bench, currency: str, amount: int) -> None:
    assert bench.buy(currency=currency, amount=amount).payment_intent.amount_capturable == amount


def test_the_events_of_a_hold_come_in_order(bench: Bench) -> None:
    session_id = bench.visit()
    before = len(bench.events())
    with pytest.raises(Declined):
        bench.checkout.pay(session_id, DECLINED)
    bench.checkout.pay(session_id, PAYS)
    intent_id = bench.session(session_id).payment_intent.id
    bench.v1.payment_intents.capture(intent_id)
    assert bench.events()[before:] == [
        "payment_intent.created",
        "charge.failed",
        "payment_intent.payment_failed",
        "charge.succeeded",
        "payment_intent.amount_capturable_updated",
        "checkout.session.completed",
        "charge.captured",
        "payment_intent.succeeded",
    ]


def test_the_events_of_an_immediate_charge_come_in_order(bench: Bench) -> None:
    session_id = bench.visit(manual=False)
    before = len(bench.events())
    bench.checkout.pay(session_id, PAYS)
    intent_id = bench.session(session_id).payment_intent.id
    bench.v1.refunds.create({"payment_intent": intent_id, "amount": 1})
    assert bench.events()[before:] == [
        "payment_intent.created",
        "charge.succeeded",
        "payment_intent.succeeded",
        "checkout.session.completed",
        "refund.created",
        "charge.refunded",
    ]


def test_an_event_keeps_its_object_as_it_was_then(bench: Bench) -> None:
    session = bench.buy()
    bench.v1.payment_intents.capture(session.payment_intent.id)
    event: Any = bench.v1.events.list({"type": "checkout.session.completed"}).data[0]
    assert event.data.object.payment_status == "unpaid"
    assert event.data.object.payment_intent == session.payment_intent.id
    assert event.api_version == stripe.api_version


def test_an_open_session_can_be_expired_once(bench: Bench) -> None:
    session_id = bench.visit()
    with pytest.raises(Declined):
        bench.checkout.pay(session_id, DECLINED)
    expired = bench.v1.checkout.sessions.expire(session_id)
    assert (expired.status, expired.url) == ("expired", None)
    assert bench.session(session_id).payment_intent.status == "canceled"
    assert bench.events()[-2:] == ["checkout.session.expired", "payment_intent.canceled"]
    with pytest.raises(SessionExpired):
        bench.checkout.pay(session_id, PAYS)
    with pytest.raises(stripe.InvalidRequestError, match="status of expired"):
        bench.v1.checkout.sessions.expire(session_id)


def test_the_intent_of_an_open_session_cannot_be_cancelled(bench: Bench) -> None:
    session_id = bench.visit()
    with pytest.raises(Declined):
        bench.checkout.pay(session_id, DECLINED)
    intent_id = bench.session(session_id).payment_intent.id
    with pytest.raises(stripe.InvalidRequestError, match="expire the Checkout Session"):
        bench.v1.payment_intents.cancel(intent_id)


def test_a_session_expires_after_a_day(bench: Bench, clock: Clock) -> None:
    session_id = bench.visit()
    clock.now += 24 * 3600
    assert bench.checkout.get(session_id).status == "expired"
    with pytest.raises(SessionExpired):
        bench.checkout.pay(session_id, PAYS)
    bench.checkout.expire_overdue()
    assert bench.session(session_id).status == "expired"
    assert bench.events()[-1] == "checkout.session.expired"


def test_a_hold_expires_after_a_week(bench: Bench, clock: Clock) -> None:
    kept = bench.buy().payment_intent.id
    clock.now += 1
    late = bench.buy().payment_intent.id
    clock.now += WEEK - 1
    bench.checkout.expire_overdue()
    gone = bench.intent(kept)
    assert (gone.status, gone.cancellation_reason) == ("canceled", "automatic")
    assert gone.latest_charge.refunded
    assert bench.intent(late).status == "requires_capture"
    clock.now += 1
    with pytest.raises(stripe.InvalidRequestError) as refused:
        bench.v1.payment_intents.capture(late)
    assert refused.value.code == "charge_expired_for_capture"


def test_a_captured_charge_does_not_expire(bench: Bench, clock: Clock) -> None:
    intent_id = bench.buy().payment_intent.id
    bench.v1.payment_intents.capture(intent_id)
    clock.now += 2 * WEEK
    bench.checkout.expire_overdue()
    assert bench.intent(intent_id).status == "succeeded"
