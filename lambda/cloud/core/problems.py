"""What an operator looks at in the morning: the heaviest first, each with what to do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cloud.core import money
from cloud.core.cabinets import Incident
from cloud.core.orders import Order

SHOWN = 30  # what fits on a screen, three lines each with some scrolling


@dataclass(frozen=True)
class Problem:
    """An incident with what it is about, where the incident itself does not say."""

    at_ms: int
    machine_id: str
    order_id: str
    amount: int
    currency: str
    text: str
    todo: str

    @property
    def weight(self) -> float:
        """The money in units that compare across currencies: Stripe's smallest charges, which are
        worth about the same everywhere."""
        if not self.currency:
            return 0.0
        smallest = money.MINIMUM.get(self.currency) or 10.0 ** money.decimals(self.currency)
        return self.amount / smallest


def problem_of(incident: Incident, order: Order | None) -> Problem:
    """The problem that an incident tells of; ``order`` is the one that it names."""
    amount, currency = incident.amount, incident.currency
    if not currency and order is not None:
        amount, currency = order.amount, order.currency
    todo = incident.todo
    if not todo and incident.order_id:
        where = f"look for {incident.order_id} in Stripe's dashboard"
        todo = where if order is None else f"`order {order.order_id}` tells what happened; {where}"
    machine_id = incident.machine_id or (order.machine_id if order else "")
    return Problem(
        incident.at_ms, machine_id, incident.order_id, amount, currency, incident.text, todo
    )


def heaviest_first(problems: Iterable[Problem]) -> list[Problem]:
    """By money, and by time where that is the same, the newest first."""
    return sorted(problems, key=lambda p: (p.weight, p.at_ms), reverse=True)


def total(problems: Sequence[Problem]) -> str:
    """How many there are, and the money in each currency, as in ``3 problems, 7.50 USD``."""
    sums: dict[str, int] = {}
    for problem in problems:
        if problem.currency and problem.amount:
            sums[problem.currency] = sums.get(problem.currency, 0) + problem.amount
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    return ", ".join([count, *(money.text(sums[c], c) for c in sorted(sums))])
