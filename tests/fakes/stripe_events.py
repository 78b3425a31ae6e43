"""The objects in Stripe's events, with the fields that the cloud reads and the values that Stripe's
have. The simulator's whole ones are held against Stripe's own description; a test holds these
against the simulator's."""

from __future__ import annotations

from typing import Any

from cloud.core.payments import HOLD_SECONDS, Payment


def session_completed(payment: Payment, **changes: Any) -> dict[str, Any]:
    """The session of ``checkout.session.completed``."""
    return {
        "id": payment.session_id,
        "object": "checkout.session",
        "mode": "payment",
        "status": "complete" if payment.complete else "open",
        "payment_status": payment.payment_status,
        "payment_intent": payment.intent_id,
        "payment_link": payment.link_id,
        "amount_subtotal": payment.amount,
        "amount_total": payment.amount,
        "currency": payment.currency.lower(),
        "currency_conversion": None,
        "metadata": {"machine_id": payment.machine_id},
    } | changes


def charge_succeeded(payment: Payment, now: float, **changes: Any) -> dict[str, Any]:
    """The charge of ``charge.succeeded``: a hold, or money that was charged at once."""
    card: dict[str, Any] = {"fingerprint": payment.fingerprint}
    if payment.manual:
        card["capture_before"] = int(now) + HOLD_SECONDS
    return {
        "id": f"ch_{payment.intent_id}",
        "object": "charge",
        "status": "succeeded",
        "paid": True,
        "captured": not payment.manual,
        "amount": payment.amount,
        "amount_refunded": 0,
        "currency": payment.currency.lower(),
        "payment_intent": payment.intent_id,
        "payment_method_details": {"type": "card", "card": card},
        "metadata": {"machine_id": payment.machine_id},
    } | changes
