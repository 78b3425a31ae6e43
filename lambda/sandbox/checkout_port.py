"""What the checkout page needs of a payment provider."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Protocol


class CheckoutStatus(enum.Enum):
    """The status of a checkout; the values are Stripe's for a Checkout Session."""

    OPEN = "open"
    COMPLETE = "complete"
    EXPIRED = "expired"


@dataclass(frozen=True)
class Purchase:
    """One visit of a payment link. ``unit_amount`` is in the currency's smallest unit.

    ``receipt`` is the address to go to after a payment, empty if the link names none.
    """

    session_id: str
    status: CheckoutStatus
    product: str
    unit_amount: int
    currency: str
    quantity: int
    min_quantity: int
    max_quantity: int
    receipt: str = ""


class UnknownPurchase(Exception):
    """There is no such link or session."""


class LinkInactive(Exception):
    """The link takes no payment now; the message is the link's own, for the player."""


class PaymentRefused(Exception):
    """The payment did not happen; the message is for the player."""


class CheckoutPort(Protocol):
    """A checkout like Stripe's. Every method raises :class:`UnknownPurchase`."""

    def open(self, link_id: str) -> str:
        """Starts a purchase and returns its session id; raises :class:`LinkInactive`."""

    def get(self, session_id: str) -> Purchase:
        """The purchase as it is now."""

    def set_quantity(self, session_id: str, quantity: int) -> Purchase:
        """Changes the quantity; raises :class:`PaymentRefused`."""

    def pay(self, session_id: str, card: str) -> Purchase:
        """Pays with a card number (digits only); raises :class:`PaymentRefused`."""
