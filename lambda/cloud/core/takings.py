"""What the cabinets brought: orders summed up by hall, cabinet, day and hour."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from cloud.core.happy_hours import Local
from cloud.core.orders import Order

KEYS = ("hall", "cabinet", "day", "hour")
WHOLE_BP = 100_00


@dataclass(frozen=True)
class Place:
    """Where a cabinet stands, and the hall's share in hundredths of a percent."""

    hall: str
    share_bp: int


@dataclass(frozen=True)
class Takings:
    """The orders of one group in one currency; amounts are in its smallest unit.

    ``plays`` were paid and given, ``free`` ones were given for nothing by an operator. ``refunded``
    went back after it was ``charged``, by anybody's hand. ``disputed`` is how much of what was
    charged a bank wants back, or has taken. ``hall_share`` is the part of ``taken`` that the halls
    get.
    """

    group: tuple[str, ...]
    currency: str
    payments: int = 0
    plays: int = 0
    free: int = 0
    charged: int = 0
    refunded: int = 0
    disputed: int = 0
    hall_share: int = 0

    @property
    def taken(self) -> int:
        """What is left of what was charged."""
        return self.charged - self.refunded


def summed(
    orders: Iterable[Order], keys: Sequence[str], places: Mapping[str, Place], local: Local
) -> list[Takings]:
    """The takings by these ``KEYS``, sorted by them. An hour is one of the day, over all days."""
    parts: dict[tuple[tuple[str, ...], str, str], Takings] = {}
    for order in orders:
        group = tuple(_KEYED[key](order, places, local) for key in keys)
        part = group, order.currency, order.machine_id
        before = parts.get(part, Takings(group, order.currency))
        parts[part] = _with(before, order)
    sums: dict[tuple[tuple[str, ...], str], Takings] = {}
    for (group, currency, machine_id), takings in parts.items():
        # Each cabinet has a share of its own, so the part of a cent is dropped once for each.
        share_bp = places[machine_id].share_bp if machine_id in places else 0
        shared = replace(takings, hall_share=max(0, takings.taken) * share_bp // WHOLE_BP)
        summed_before = sums.get((group, currency))
        sums[group, currency] = _plus(summed_before, shared) if summed_before else shared
    return [sums[key] for key in sorted(sums)]


def total(found: Iterable[Takings]) -> list[Takings]:
    """All groups together, by currency."""
    sums: dict[str, Takings] = {}
    for takings in found:
        before = sums.get(takings.currency, Takings((), takings.currency))
        sums[takings.currency] = _plus(before, takings)
    return [sums[currency] for currency in sorted(sums)]


def _with(before: Takings, order: Order) -> Takings:
    given = order.credits * order.pulsed // order.pulses if order.pulses else 0
    if order.free:
        return replace(before, free=before.free + given)
    return replace(
        before,
        payments=before.payments + bool(order.charged),
        plays=before.plays + given,
        charged=before.charged + order.charged,
        refunded=before.refunded + order.refunded,
        disputed=before.disputed + (order.charged - order.refunded if order.disputed else 0),
    )


def _plus(one: Takings, other: Takings) -> Takings:
    return Takings(
        one.group,
        one.currency,
        one.payments + other.payments,
        one.plays + other.plays,
        one.free + other.free,
        one.charged + other.charged,
        one.refunded + other.refunded,
        one.disputed + other.disputed,
        one.hall_share + other.hall_share,
    )


def _hall(order: Order, places: Mapping[str, Place], _local: Local) -> str:
    return places[order.machine_id].hall if order.machine_id in places else ""


_Key = Callable[[Order, Mapping[str, Place], Local], str]
_KEYED: dict[str, _Key] = {
    "hall": _hall,
    "cabinet": lambda order, _places, _local: order.machine_id,
    "day": lambda order, _places, local: f"{local(order.paid_at_ms):%Y-%m-%d}",
    "hour": lambda order, _places, local: f"{local(order.paid_at_ms):%H}:00",
}
