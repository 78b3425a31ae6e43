"""What happened to an order, step by step: kept on it, and told to people.

A step is stored by the write that it is about, so it costs none of its own and is there exactly if
it happened.
"""

from __future__ import annotations

from dataclasses import dataclass

MOST_STEPS = 24  # a life has about five; what repeats without end must not make the order grow


@dataclass(frozen=True)
class Step:
    """``what`` happened at ``at_ms``: a state's name, or one of the words in
    :mod:`cloud.core.order_life`. ``detail`` is what the order itself does not keep."""

    at_ms: int
    what: str
    detail: str = ""


def begun(paid_at_ms: int, stored_at_ms: int) -> tuple[Step, ...]:
    """The history of an order that is being stored."""
    return Step(paid_at_ms, "paid"), Step(stored_at_ms, "stored")


def added(history: tuple[Step, ...], step: Step) -> tuple[Step, ...]:
    """The history with one more step; of one that is too long the middle goes."""
    half = MOST_STEPS // 2
    longer = (*history, step)
    return longer if len(longer) <= MOST_STEPS else (*longer[:half], *longer[-half:])
