"""The world as a value.

A world is one cabinet, its orders, the cloud's ledger and jobs, Stripe's payments, and what is
under way between them. Everything with a structure of its own is kept once in a table and named by
its number, so a world is a small tuple of numbers: worlds that are equal are one world, however
they came about.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable
from typing import Any, NamedTuple

from tests.exhaustive.invariants import Broken

FAULTS = (
    "power cut",
    "process killed",
    "journal fails",
    "journal lost",
    "relay fails",
    "hint lost",
    "hint twice",
    "broker connection lost",
    "request lost",
    "request twice",
    "answer too late",
    "Lambda dies",
    "two sweeps",
    "webhook twice",
    "Stripe away",
    "Stripe's answer lost",
    "gateway answers",
    "day's limit reached",
    "hold cancelled by hand",
)
BIT = {name: 1 << number for number, name in enumerate(FAULTS)}

SWEEPING = -1  # where a job has no webhook that it answers

REQUEST, RUNNING, ANSWERED = range(3)


class World(NamedTuple):
    """One state. Numbers that are no counts are of the tables of :class:`Model`.

    ``holds`` are those that the ledger has heard of. ``webhooks`` counts the deliveries to come of
    each event: first the sessions of all orders, then the charges, then the cancellations.
    ``hints`` counts those with the broker and those that the cabinet got over this connection and
    did not acknowledge. ``calls`` are (call, whether the cabinet waits for it, stage, job or
    answer), ``jobs`` (the place in ``webhooks`` of what it answers or ``SWEEPING``, job).
    ``faults`` and ``lost`` are sets as bits, ``coins`` too: the pulses that the relay made for each
    order.
    """

    cabinet: int
    orders: tuple[int, ...]
    holds: tuple[int, ...]
    accounts: tuple[int, ...]
    webhooks: tuple[int, ...]
    hints: tuple[tuple[int, int], ...]
    calls: tuple[tuple[int, bool, int, int], ...]
    jobs: tuple[tuple[int, int], ...]
    faults: int
    moment: int
    coins: tuple[int, ...]
    lost: int


class Draft:
    """The next world while it is made."""

    __slots__ = (
        "accounts", "cabinet", "calls", "coins", "faults", "hints",
        "holds", "jobs", "lost", "moment", "orders", "webhooks",
    )  # fmt: skip

    def __init__(self, world: World) -> None:
        self.cabinet = world.cabinet
        self.orders = list(world.orders)
        self.holds = list(world.holds)
        self.accounts = list(world.accounts)
        self.webhooks = list(world.webhooks)
        self.hints = list(world.hints)
        self.calls = list(world.calls)
        self.jobs = list(world.jobs)
        self.faults = world.faults
        self.moment = world.moment
        self.coins = list(world.coins)
        self.lost = world.lost

    def world(self) -> World:
        """As a value: what has no order of its own is sorted."""
        return World(
            self.cabinet,
            tuple(self.orders),
            tuple(self.holds),
            tuple(self.accounts),
            tuple(self.webhooks),
            tuple(self.hints),
            tuple(sorted(self.calls)),
            tuple(sorted(self.jobs)),
            self.faults,
            self.moment,
            tuple(self.coins),
            self.lost,
        )

    def kiosk_is_gone(self, heartbeats: Collection[int]) -> None:
        """Nobody waits for the calls that are under way, and the broker sends again."""
        self.calls = [
            (call, False, stage, value)
            for call, _, stage, value in self.calls
            if stage != ANSWERED and call not in heartbeats
        ]
        self.hints = [(queued + got, 0) for queued, got in self.hints]


Label = tuple[Any, ...]


class Step(NamedTuple):
    """A step that a world may take: to a world, or to a broken invariant."""

    label: Label
    fault: str
    to: World | Broken


class Table:
    """Each value once; a value's number says as much as the value."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self._numbers: dict[Hashable, int] = {}

    def number(self, value: Any, key: Hashable = None) -> int:
        """The number of a value; ``key`` has a hash if the value has none."""
        key = value if key is None else key
        found = self._numbers.get(key)
        if found is None:
            found = self._numbers[key] = len(self.values)
            self.values.append(value)
        return found
