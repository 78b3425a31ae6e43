"""What was forgiven in a day: pulses that were made and not charged, since the game forgot them.

Kept for each card and for each cabinet, as one item that is found by its key, so that the answer to
a claim costs two reads however many orders there are.
"""

from __future__ import annotations

from dataclasses import dataclass

from cloud.core.stamps import Stamp

DAY_MS = 24 * 3600 * 1000


@dataclass(frozen=True)
class ForgivenOrder:
    """An order of which ``pulses`` were forgiven."""

    order_id: str
    at_ms: int
    pulses: int


@dataclass(frozen=True)
class Forgiveness:
    """The orders of one card or cabinet that were forgiven something in the last day.

    A store may delete it after ``expires_at_ms``, or later, or never.
    """

    subject: str
    orders: tuple[ForgivenOrder, ...]
    expires_at_ms: int
    write_id: str
    version: int = 1


def of_card(card: str) -> str:
    """The subject for a card, by its keyed hash."""
    return f"card:{card}"


def of_cabinet(machine_id: str) -> str:
    """The subject for a cabinet."""
    return f"cabinet:{machine_id}"


def pulses_in_a_day(found: Forgiveness | None, now_ms: int) -> int:
    """How many pulses were forgiven in the day before ``now_ms``."""
    return sum(order.pulses for order in _recent(found, now_ms))


def with_order(
    found: Forgiveness | None, subject: str, order_id: str, pulses: int, stamp: Stamp
) -> Forgiveness | None:
    """The item with one more order; ``None`` if it has that order already."""
    kept = _recent(found, stamp.at_ms)
    if any(order.order_id == order_id for order in kept):
        return None
    return Forgiveness(
        subject,
        (*kept, ForgivenOrder(order_id, stamp.at_ms, pulses)),
        expires_at_ms=stamp.at_ms + DAY_MS,
        write_id=stamp.write_id,
        version=found.version + 1 if found else 1,
    )


def _recent(found: Forgiveness | None, now_ms: int) -> tuple[ForgivenOrder, ...]:
    if found is None:
        return ()
    return tuple(order for order in found.orders if now_ms - order.at_ms < DAY_MS)
