"""What the checkout page sells and takes money with, apart from how Stripe keeps it."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Protocol


class Stage(enum.Enum):
    """Where a purchase stands."""

    OPEN = "open"
    PAID = "complete"
    EXPIRED = "expired"


@dataclass(frozen=True)
class Purchase:
    """One visit of a payment link. ``amount`` is one unit's price in the smallest unit.

    ``receipt`` is where a paid one goes on to, empty if the link names no such place.
    """

    session_id: str
    stage: Stage
    product: str
    amount: int
    currency: str
    quantity: int
    least: int
    most: int
    receipt: str = ""


class UnknownPurchase(Exception):
    """There is no such link or session."""


class SwitchedOff(Exception):
    """The link takes no payment now; the message is the link's own, for the player."""


class Refused(Exception):
    """The payment did not happen; the message is for the player."""


class Till(Protocol):
    """A Stripe-like checkout. All raise :class:`UnknownPurchase`."""

    def open(self, link_id: str) -> str:
        """Starts a purchase and returns its session id; raises :class:`SwitchedOff`."""

    def look(self, session_id: str) -> Purchase:
        """The purchase as it is now."""

    def choose(self, session_id: str, quantity: int) -> Purchase:
        """Changes the quantity; raises :class:`Refused`."""

    def pay(self, session_id: str, card: str) -> Purchase:
        """Pays with a card number (digits only); raises :class:`Refused`."""
