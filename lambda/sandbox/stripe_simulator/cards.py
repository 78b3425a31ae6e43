"""The test cards and how they are declined. Source: Stripe's documentation, "Testing"."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Decline:
    """Why a card was not charged, in Stripe's codes; ``message`` is for the player."""

    code: str
    decline_code: str | None
    message: str


INCORRECT_NUMBER = Decline("incorrect_number", None, "Your card number is incorrect.")

# The number of each test card, and how a payment with it ends.
CARDS: dict[str, Decline | None] = {
    "4242424242424242": None,
    "4000000000000002": Decline("card_declined", "generic_decline", "Your card was declined."),
    "4000000000009995": Decline(
        "card_declined", "insufficient_funds", "Your card has insufficient funds."
    ),
}


def fingerprint(digits: str) -> str:
    """The same for each payment with the same card, and nothing that tells its number."""
    return hashlib.sha256(f"card {digits}".encode()).hexdigest()[:16]


def digits_of(card_number: str) -> str:
    """A card number without the spaces and dashes that people type."""
    return re.sub(r"[\s-]", "", card_number)
