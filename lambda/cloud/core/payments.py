"""What Stripe says of a payment, and whether there is money in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from cloud.core.money import part

HOLD_SECONDS = 7 * 24 * 3600  # how long a card's bank keeps a hold, unless Stripe says otherwise


class Money(Enum):
    """Where the player's money is."""

    HELD = "held"
    CHARGED = "charged"
    CAPTURED = "captured"
    NOT_THERE = "not there"


@dataclass(frozen=True)
class Payment:
    """A Checkout Session with its PaymentIntent, as far as the ledger cares.

    ``price_id`` and ``quantity`` are of the only line item; a session with several has neither.
    ``hold_until`` is 0 where Stripe does not say. ``manual`` tells a payment that is captured by a
    call of ours from one that was charged at once; ``pulsed`` of ``pulses`` is what a settle of
    ours wrote beside it, 0 of 0 if none did. ``fingerprint`` is Stripe's for
    the card, the same for each payment with it; empty without a card. ``paid_at`` is when the money
    was held or charged, 0 where there is none.
    """

    session_id: str
    link_id: str
    machine_id: str
    complete: bool
    payment_status: str
    intent_id: str
    intent_status: str
    amount: int
    currency: str
    price_id: str
    quantity: int
    hold_until: float
    manual: bool = False
    pulsed: int = 0
    pulses: int = 0
    fingerprint: str = field(default="", repr=False)
    paid_at: float = 0.0


@dataclass(frozen=True)
class Completed:
    """A Checkout Session that a player completed at ``created``, by Stripe's list. ``machine_id``
    is the cabinet that its metadata names, empty if there is none."""

    session_id: str
    link_id: str
    created: float
    machine_id: str = ""


@dataclass(frozen=True)
class Undelivered:
    """An event that no webhook of ours has taken yet, by Stripe's list."""

    event_id: str
    type: str
    created: float


@dataclass(frozen=True)
class Intent:
    """A PaymentIntent: what was asked for, what was received, and what went back of that.

    ``disputed`` says that the player's bank has taken the money back, or wants to. ``pulsed`` of
    ``pulses`` is what a settle of ours wrote beside it, 0 of 0 if none did.
    """

    intent_id: str
    status: str
    amount: int
    received: int
    refunded: int
    disputed: bool = False
    pulsed: int = 0
    pulses: int = 0

    @property
    def over(self) -> bool:
        """Whether its hold is gone: captured, cancelled, or run out."""
        return self.status in ("succeeded", "canceled")

    @property
    def settled(self) -> bool:
        """Whether it was charged for pulses that a cabinet reported."""
        return self.status == "succeeded" and self.pulses > 0

    @property
    def charged(self) -> int:
        """What the player has paid so far.

        Stripe counts what a capture left of the hold, and all of a cancelled hold, as refunded too
        (seen in the charges of its own API examples), so the smaller of the two differences is
        taken: it is right with and without that.
        """
        return max(0, min(self.received, self.amount - self.refunded))


def settled_charge(intent: Intent, currency: str) -> int:
    """What a settle charged, by Stripe alone: for money that was charged at once the part that
    went back with the settle is no refund by people."""
    if not intent.pulses:
        return intent.received
    return min(intent.received, part(intent.amount, intent.pulsed, intent.pulses, currency))


def money_of(payment: Payment) -> Money:
    """Where the money of a session is.

    With a manual capture the session says ``unpaid`` until the capture, so the PaymentIntent tells.
    """
    if not payment.complete or not payment.intent_id:
        return Money.NOT_THERE
    if payment.intent_status == "requires_capture":
        return Money.HELD
    if payment.intent_status == "succeeded" and payment.manual:
        return Money.CAPTURED
    if payment.payment_status == "paid" and payment.intent_status == "succeeded":
        return Money.CHARGED
    return Money.NOT_THERE
