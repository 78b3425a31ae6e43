"""What a cabinet sells: the price of one play, and the bonus for buying several."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass

from cloud.core import money
from cloud.core.limits import (
    LARGEST_AMOUNT,
    MOST_CREDITS,
    MOST_PLAYS,
    MOST_PULSES,
    MOST_PULSES_PER_CREDIT,
)


@dataclass(frozen=True)
class Bonus:
    """Buy ``quantity`` plays and get ``credits``."""

    quantity: int
    credits: int


@dataclass(frozen=True)
class PriceList:
    """One play costs ``amount`` in the smallest unit; one payment buys at most ``most``."""

    amount: int
    currency: str
    bonuses: tuple[Bonus, ...] = ()
    most: int = 10

    @property
    def fingerprint(self) -> str:
        """Sixteen hex digits that change when anything a player pays or gets changes."""
        terms = [
            self.amount,
            self.currency,
            [[b.quantity, b.credits] for b in self.bonuses],
            self.most,
        ]
        return hashlib.sha256(json.dumps(terms).encode()).hexdigest()[:16]


def credits_for(prices: PriceList, quantity: int) -> int:
    """The plays that ``quantity`` paid ones give: each bonus as often as it fits, the best way."""
    best = [0]
    for bought in range(1, quantity + 1):
        ways = [best[bought - 1] + 1]
        ways += [
            best[bought - b.quantity] + b.credits for b in prices.bonuses if b.quantity <= bought
        ]
        best.append(max(ways))
    return best[quantity]


def mistakes(prices: PriceList) -> list[str]:
    """Every sentence that stands against this price list; none if it can be sold."""
    found = []
    if not re.fullmatch("[A-Z]{3}", prices.currency):
        found.append(f"currency {prices.currency!r} is not three capital letters, as in USD")
    elif prices.currency not in money.CURRENCIES:
        found.append(f"Stripe charges in no currency {prices.currency}: take one as USD or EUR")
    least = money.MINIMUM.get(prices.currency, 1)
    if prices.amount < least:
        found.append(
            f"a play for {money.text(prices.amount, prices.currency)} is below the smallest charge "
            f"that Stripe takes, {money.text(least, prices.currency)}"
        )
    if prices.amount > LARGEST_AMOUNT:
        found.append("a play costs more than Stripe can charge (8 digits)")
    elif prices.amount * prices.most > LARGEST_AMOUNT:
        found.append(f"{prices.most} plays cost more than Stripe can charge at once (8 digits)")
    if prices.amount % money.step(prices.currency):
        found.append(
            f"Stripe takes {prices.currency} only in steps of {money.step(prices.currency)} "
            "of its smallest unit"
        )
    if not 1 <= prices.most <= MOST_PLAYS:
        found.append(f"at most {prices.most} plays in one payment: it must be 1 to {MOST_PLAYS}")
    for bonus in prices.bonuses:
        if bonus.credits <= bonus.quantity:
            found.append(f"bonus {bonus.quantity}={bonus.credits} gives nothing more than was paid")
        if not 1 <= bonus.quantity <= prices.most:
            found.append(
                f"bonus {bonus.quantity}={bonus.credits} can never be bought (1 to {prices.most})"
            )
    if len({b.quantity for b in prices.bonuses}) < len(prices.bonuses):
        found.append("two bonuses for the same quantity")
    if not found and (most := credits_for(prices, prices.most)) > MOST_CREDITS:
        found.append(
            f"{prices.most} plays would get {most} credits, up to {most * MOST_PULSES_PER_CREDIT} "
            f"pulses: an order has at most {MOST_CREDITS} credits and {MOST_PULSES} pulses, so "
            "sell fewer plays in one payment (--most), or give a smaller bonus"
        )
    return found
