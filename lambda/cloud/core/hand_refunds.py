"""Refunds that an operator makes by hand, kept on their order.

A refund is stored before Stripe is asked for it, and once more with what came of it. Its
``request_id`` is in Stripe's own record of it too, so that one whose answer was lost is found there
and never made twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

MOST = 20  # of one order
LONGEST_REASON = 120  # characters; a phone shows them on the receipt


class RefundState(Enum):
    """How far a refund is."""

    ASKED = "asked"
    DONE = "done"
    REFUSED = "refused"


@dataclass(frozen=True)
class HandRefund:
    """``amount`` of an order's charge is to go back, in the currency's smallest unit.

    ``by`` is who asked for it, ``reason`` is shown on the receipt. ``refusal`` is why it was not
    made.
    """

    request_id: str
    amount: int
    reason: str
    by: str
    asked_at_ms: int
    state: RefundState = RefundState.ASKED
    refusal: str = ""


def pending(refunds: Sequence[HandRefund]) -> HandRefund | None:
    """The refund that Stripe has not confirmed yet; there is one at a time."""
    return next((refund for refund in refunds if refund.state is RefundState.ASKED), None)


def of_request(refunds: Sequence[HandRefund], request_id: str) -> HandRefund | None:
    """The refund of that request, if there was one."""
    return next((refund for refund in refunds if refund.request_id == request_id), None)


def last_reason(refunds: Sequence[HandRefund]) -> str:
    """The reason of the last refund that was made."""
    done = [refund.reason for refund in refunds if refund.state is RefundState.DONE]
    return done[-1] if done else ""
