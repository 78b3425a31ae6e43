"""What Stripe's signed events alone say of a payment, and whether that is enough for an order.

   charge.succeeded            → a :class:`Hold`: how much, until when, of which card
   checkout.session.completed  → with that hold: so many plays of this link are paid

Stripe is asked only where that does not suffice. Fields are those of ``charge`` and
``checkout.session`` in Stripe's OpenAPI description (2026-05-27).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from cloud.core.cabinets import PaymentLink
from cloud.core.payments import Payment
from cloud.core.stamps import Stamp

KEPT_MS = 24 * 3600 * 1000  # its session's event counts for an order's deadline; a day is ample
_MOST = 10**12  # no amount and no second is greater


@dataclass(frozen=True)
class Hold:
    """A hold that a signed event told of, by its PaymentIntent.

    ``amount`` in the smallest unit; ``card`` is a keyed hash. ``cancelled`` ones give nothing. A
    store may delete it after ``expires_at_ms``, or later, or never. It is written once.
    """

    intent_id: str
    expires_at_ms: int
    write_id: str
    amount: int = 0
    currency: str = ""
    until_ms: int = 0
    card: str = field(default="", repr=False)
    cancelled: bool = False


@dataclass(frozen=True)
class Reserved:
    """What a signed charge says of a card's hold; ``fingerprint`` is Stripe's for the card."""

    intent_id: str
    amount: int
    currency: str
    until_ms: int
    fingerprint: str = field(repr=False)


def reserved(charge: Mapping[str, object]) -> Reserved | None:
    """The hold that a charge is, or ``None``: charged at once, no card, or given back.

    Only a card's charge that waits for its capture carries ``capture_before``.
    """
    details = charge.get("payment_method_details")
    card = details.get("card") if isinstance(details, Mapping) else None
    if not isinstance(card, Mapping) or not (
        charge.get("status") == "succeeded"
        and charge.get("paid") is True
        and charge.get("captured") is False
        and charge.get("amount_refunded") == 0
    ):
        return None
    intent_id, currency = _text(charge, "payment_intent"), _text(charge, "currency").upper()
    amount, until = _whole(charge, "amount"), _whole(card, "capture_before")
    if not (intent_id and currency and amount and until):
        return None
    return Reserved(intent_id, amount, currency, until * 1000, _text(card, "fingerprint"))


def hold(found: Reserved, card: str, stamp: Stamp) -> Hold:
    """The hold to keep, with the keyed hash of its card."""
    return Hold(
        intent_id=found.intent_id,
        expires_at_ms=stamp.at_ms + KEPT_MS,
        write_id=stamp.write_id,
        amount=found.amount,
        currency=found.currency,
        until_ms=found.until_ms,
        card=card,
    )


def cancelled(intent_id: str, stamp: Stamp) -> Hold:
    """What is kept of a hold that is gone before anything else was heard of it."""
    return Hold(intent_id, stamp.at_ms + KEPT_MS, stamp.write_id, cancelled=True)


def payment_of(session: Mapping[str, object], link: PaymentLink, known: Hold) -> Payment | None:
    """What a completed session of ``link`` bought with a hold; ``None`` if Stripe must be asked.

    The link has one price, so the amount tells the quantity. An amount that is no whole number of
    plays, a discount, a tax, another currency, optional items and a hold of another size are all
    for Stripe to explain.
    """
    amount = _whole(session, "amount_subtotal")
    quantity, rest = divmod(amount, link.prices.amount)
    suffices = (
        session.get("mode") == "payment"
        and session.get("status") == "complete"
        and session.get("payment_status") == "unpaid"  # so Stripe calls what waits for its capture
        and _text(session, "payment_intent") == known.intent_id
        and not known.cancelled
        and _text(session, "currency").upper() == link.prices.currency == known.currency
        and amount == _whole(session, "amount_total") == known.amount
        and not session.get("currency_conversion")
        and not session.get("optional_items")
        and rest == 0
        and 1 <= quantity <= link.prices.most
    )
    if not suffices:
        return None
    return Payment(
        session_id=_text(session, "id"),
        link_id=link.link_id,
        machine_id=link.machine_id,
        complete=True,
        payment_status="unpaid",
        intent_id=known.intent_id,
        intent_status="requires_capture",
        amount=known.amount,
        currency=known.currency,
        price_id=link.price_id,
        quantity=quantity,
        hold_until=known.until_ms / 1000,
        manual=True,
    )


def _text(found: Mapping[str, object], name: str) -> str:
    value = found.get(name)
    return value if isinstance(value, str) else ""


def _whole(found: Mapping[str, object], name: str) -> int:
    """A whole number from 0 on; 0 where there is none, and where it is too great to be true."""
    value = found.get(name)
    fits = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST
    return value if fits and isinstance(value, int) else 0
