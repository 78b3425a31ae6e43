"""What signed events say of a payment, and what they leave for Stripe to say."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cloud.core import holds
from cloud.core.cabinets import PaymentLink
from cloud.core.payments import HOLD_SECONDS, Money, Payment, money_of
from cloud.core.prices import Bonus, PriceList
from cloud.core.stamps import Stamp
from tests.fakes.stripe_events import charge_succeeded, session_completed

NOW = 1_800_000_000
LINK = PaymentLink(
    "plink_1", "cab001", "https://x", "price_1", 1, PriceList(150, "USD", (Bonus(5, 6),)), 0, "w"
)
PAID = Payment(
    session_id="cs_1",
    link_id="plink_1",
    machine_id="cab001",
    complete=True,
    payment_status="unpaid",
    intent_id="pi_1",
    intent_status="requires_capture",
    amount=450,
    currency="USD",
    price_id="price_1",
    quantity=3,
    hold_until=NOW + HOLD_SECONDS,
    manual=True,
    fingerprint="card-1",
)
CARD = {"fingerprint": "card-1", "capture_before": NOW + 60}
HOLD = holds.Hold("pi_1", 0, "w", 450, "USD", (NOW + HOLD_SECONDS) * 1000, "hash")


def test_a_charge_that_waits_for_its_capture_is_a_hold() -> None:
    found = holds.reserved(charge_succeeded(PAID, NOW))
    assert found == holds.Reserved("pi_1", 450, "USD", (NOW + HOLD_SECONDS) * 1000, "card-1")
    kept = holds.hold(found, "hash", Stamp(5, "w"))
    assert replace(kept, expires_at_ms=0) == HOLD
    assert kept.expires_at_ms == 5 + holds.KEPT_MS
    assert "hash" not in repr(kept)
    assert "card-1" not in repr(found)


@pytest.mark.parametrize(
    "changes",
    [
        {"captured": True},
        {"paid": False},
        {"status": "failed"},
        {"status": "pending"},
        {"amount_refunded": 450},
        {"amount": 0},
        {"amount": True},
        {"amount": "450"},
        {"amount": 10**400},
        {"currency": None},
        {"payment_intent": None},
        {"payment_method_details": None},
        {"payment_method_details": {"type": "klarna", "klarna": {}}},
        {"payment_method_details": {"type": "card", "card": {"fingerprint": "card-1"}}},
        {"payment_method_details": {"card": CARD | {"capture_before": None}}},
        {"payment_method_details": {"card": CARD | {"capture_before": 10**400}}},
    ],
    ids=str,
)
def test_any_other_charge_is_none(changes: dict[str, Any]) -> None:
    assert holds.reserved(charge_succeeded(PAID, NOW, **changes)) is None


def test_a_card_without_a_fingerprint_is_a_hold_all_the_same() -> None:
    details = {"card": {"capture_before": NOW + 60, "fingerprint": None}}
    found = holds.reserved(charge_succeeded(PAID, NOW, payment_method_details=details))
    assert found == holds.Reserved("pi_1", 450, "USD", (NOW + 60) * 1000, "")


def test_with_its_hold_a_session_tells_what_stripe_would() -> None:
    told = holds.payment_of(session_completed(PAID), LINK, HOLD)
    assert told == replace(PAID, fingerprint="")
    assert money_of(told) is Money.HELD


@pytest.mark.parametrize(
    "changes",
    [
        {"amount_subtotal": 451, "amount_total": 451},
        {"amount_subtotal": 0, "amount_total": 0},
        {"amount_subtotal": None},
        {"amount_total": 400},
        {"amount_total": 500},
        {"currency": "eur"},
        {"currency": None},
        {"currency_conversion": {"source_currency": "eur"}},
        {"optional_items": [{"price": "price_2", "quantity": 1}]},
        {"mode": "subscription"},
        {"status": "open"},
        {"payment_status": "paid"},
        {"payment_status": "no_payment_required"},
        {"payment_intent": "pi_2"},
        {"payment_intent": None},
    ],
    ids=str,
)
def test_a_session_that_is_odd_is_for_stripe_to_explain(changes: dict[str, Any]) -> None:
    assert holds.payment_of(session_completed(PAID, **changes), LINK, HOLD) is None


@pytest.mark.parametrize(
    "known",
    [
        holds.cancelled("pi_1", Stamp(0, "w")),
        replace(HOLD, cancelled=True),
        replace(HOLD, amount=449),
        replace(HOLD, currency="EUR"),
        replace(HOLD, intent_id="pi_2"),
    ],
)
def test_a_hold_that_does_not_fit_its_session_is_for_stripe_to_explain(known: holds.Hold) -> None:
    assert holds.payment_of(session_completed(PAID), LINK, known) is None


def test_more_plays_than_the_link_sells_are_for_stripe_to_explain() -> None:
    few = replace(LINK, prices=replace(LINK.prices, most=2))
    assert holds.payment_of(session_completed(PAID), few, HOLD) is None
