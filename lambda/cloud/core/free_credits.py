"""Free credits: orders that nobody paid for, as an operator gives them for a coin that was lost.

They go the way of every order, claim, pulses and settle, so that they come once and outlive a power
cut. No money is behind them, and Stripe knows nothing of them.
"""

from __future__ import annotations

from dataclasses import dataclass

from cloud.core.limits import MOST_PLAYS
from cloud.core.order_history import Step
from cloud.core.orders import Order, OrderState
from cloud.core.stamps import Stamp

LONGEST_REASON = 120
MOST = MOST_PLAYS  # credits at once
PREFIX = "free_"


@dataclass(frozen=True)
class Grant:
    """``credits`` for a cabinet: ``by`` whom, and why. The same ``request_id`` is given once."""

    machine_id: str
    credits: int
    reason: str
    by: str
    request_id: str


def free_order(grant: Grant, currency: str, patience_ms: int, stamp: Stamp) -> Order:
    """The order of a grant; after ``patience_ms`` without a claim it is withdrawn."""
    return Order(
        order_id=f"{PREFIX}{grant.machine_id}_{grant.request_id}",
        machine_id=grant.machine_id,
        state=OrderState.OPEN,
        quantity=grant.credits,
        credits=grant.credits,
        amount=0,
        currency=currency,
        intent_id="",
        held=False,
        paid_at_ms=stamp.at_ms,
        deadline_ms=stamp.at_ms + patience_ms,
        hold_until_ms=0,
        write_id=stamp.write_id,
        free=True,
        by=grant.by,
        note=grant.reason,
        changed_at_ms=stamp.at_ms,
        due_at_ms=stamp.at_ms,
        history=(Step(stamp.at_ms, "granted"),),
    )
