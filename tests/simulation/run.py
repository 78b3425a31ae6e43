"""One run of the simulated arcade: a seed in, what happened and what broke out."""

from __future__ import annotations

import logging
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from cloud.core.orders import FINISHED, OrderState
from kiosk.core.entries import Kind
from kiosk.core.order_book import BadEntry
from tests.simulation import invariants
from tests.simulation.cabinetside import Cabinet, SimulatedBroker
from tests.simulation.cloudside import CloudSide
from tests.simulation.invariants import Broken
from tests.simulation.world import Faults, Struck, World

# How likely a fault is at each of its chances. Together a few strike in the life of an order.
RATES: dict[str, float] = {
    "message lost": 0.08,
    "message twice": 0.08,
    "message late": 0.08,
    "broker forgets a session": 0.2,
    "broker away from the cloud": 0.05,
    "request lost": 0.06,
    "request late": 0.06,
    "request twice": 0.06,
    "claim at the deadline": 0.1,
    "answer lost": 0.06,
    "ledger away": 0.02,
    "ledger tries twice": 0.1,
    "index behind": 0.05,
    "Lambda dies before a write": 0.03,
    "Lambda dies after a write": 0.03,
    "Lambda dies before Stripe": 0.03,
    "Lambda dies after Stripe": 0.03,
    "two Lambdas at once": 0.15,
    "clock off": 0.2,
    "sweep left out": 0.1,
    "two sweeps at once": 0.1,
    "Stripe away": 0.05,
    "Stripe's answer lost": 0.06,
    "webhook late": 0.1,
    "webhook twice": 0.15,
    "webhook lost": 0.08,
    "webhook's answer lost": 0.08,
    "power cut before a line": 0.02,
    "power cut after a line": 0.02,
    "power cut before a pulse": 0.02,
    "power cut in a pulse": 0.02,
    "power cut after a pulse": 0.02,
    "power cut before a call": 0.01,
    "only the process dies": 0.4,
    "journal lost": 0.05,
    "disk full": 0.015,
    "journal cannot be opened": 0.05,
    "relay fails": 0.01,
    "network away": 0.15,
}


@dataclass
class Result:
    """What one run did. ``broken`` is the invariant that did not hold, if any."""

    seed: int
    broken: str = ""
    struck: list[Struck] = field(default_factory=list)
    branches: Counter[str] = field(default_factory=Counter)
    trace: list[str] = field(default_factory=list)
    orders: int = 0
    coins: int = 0
    steps: int = 0


def simulate(
    seed: int,
    cabinets: int = 2,
    players: int = 6,
    rates: dict[str, float] | None = None,
    only: frozenset[tuple[str, int]] | None = None,
) -> Result:
    """Plays an hour or two with faults, heals everything, and checks the invariants."""
    folder = Path(tempfile.mkdtemp(prefix="arcade-simulation-", dir=_memory()))
    logging.disable(logging.CRITICAL)
    try:
        return _Run(seed, cabinets, players, RATES if rates is None else rates, only, folder).play()
    finally:
        logging.disable(logging.NOTSET)
        shutil.rmtree(folder)


def _memory() -> str | None:
    """A disk in memory, where there is one: the journal's commits are the run's main cost."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


class _Run:
    def __init__(
        self,
        seed: int,
        cabinets: int,
        players: int,
        rates: dict[str, float],
        only: frozenset[tuple[str, int]] | None,
        folder: Path,
    ) -> None:
        self.rng = random.Random(seed)
        self.faults = Faults(seed, rates, only)
        self.world = World(self.faults)
        self.broker = SimulatedBroker(self.world)
        self.cloud = CloudSide(self.world, self.broker)
        self.coins: Counter[tuple[str, int]] = Counter()
        self.result = Result(seed)
        self.cabinets = [
            Cabinet(
                self.world,
                self.cloud,
                self.broker,
                f"cab{number:03}",
                folder,
                random.Random(f"{seed}:cabinet {number}"),
                self.on_coin,
                invariants.at_a_line,
            )
            for number in range(1, cabinets + 1)
        ]
        self.broker.on_ack = self.on_ack
        for number in range(players):
            self.world.at(self.rng.uniform(5, 3600), self.player(random.Random(f"{seed}:{number}")))

    def on_coin(self, cabinet: Cabinet, order_id: str, number: int) -> None:
        self.coins[order_id, number] += 1
        invariants.at_a_coin(self.cloud, self.coins, cabinet, order_id, number)

    def on_ack(self, cabinet: Cabinet, order_id: str) -> None:
        invariants.at_an_acknowledgement(self.cloud, cabinet, order_id)

    def player(self, rng: random.Random) -> Callable[[], None]:
        """Somebody who looks at a cabinet, and pays if its screen or an old photo lets them."""

        def look() -> None:
            cabinet = rng.choice(self.cabinets)
            offer = cabinet.engine.view.offer if cabinet.engine else None
            newest = next(self.cloud.ledger.lagging_link_ids(cabinet.machine_id), None)
            photo = newest and rng.random() < 0.1 and self.cloud.stripe.links[newest]["active"]
            link_id = offer.url.rpartition("/")[2] if offer else newest if photo else None
            if link_id is None:
                self.world.at(rng.uniform(10, 200), look)
                return
            # The page is open: a link that is switched off now no longer stops this payment.
            quantity, held = rng.choice((1, 1, 2, 3, 5, 7)), rng.random() < 0.8
            self.world.at(rng.uniform(3, 60), lambda: void(self.cloud.pay(link_id, quantity, held)))

        return look

    def play(self) -> Result:
        try:
            for cabinet in self.cabinets:
                self.world.at(self.rng.uniform(0, 3), cabinet.boot)
            self.weather()
            self.world.run(until=3 * 3600.0)
            self.faults.healed = True
            self.world.note("everything is healed")
            self.world.run(until=3.5 * 3600.0)
            # From here on only what is late comes still; the sweeps need not be many.
            self.cloud.every = 600.0
            self.world.run(until=12 * 3600.0)
            self.cloud.every = 3600.0
            if any(o.state not in FINISHED for o in self.cloud.ledger.lagging_orders()):
                self.world.run(until=8 * 86_400.0)
            invariants.at_the_end(self.cloud, self.cabinets, self.coins)
        except Broken as broken:
            self.result.broken = str(broken)
        except (BadEntry, AssertionError) as defect:
            # The rules themselves saw that something is impossible.
            self.result.broken = f"{type(defect).__name__}: {defect}"
        finally:
            for cabinet in self.cabinets:
                if cabinet.journal:
                    cabinet.journal.close()
        self.report()
        self.cloud.close()
        return self.result

    def weather(self) -> None:
        """The network of a cabinet goes away now and then."""
        for cabinet in self.cabinets:
            if self.faults.strike("network away"):
                cabinet.cut_off(self.faults.size("network away", 1.0, 3600.0))
        self.world.at(300.0, self.weather)

    def report(self) -> None:
        result = self.result
        result.struck = self.faults.struck
        result.trace = self.world.trace
        result.steps = self.world.steps
        result.coins = sum(self.coins.values())
        for order in self.cloud.ledger.lagging_orders():
            result.orders += 1
            result.branches[_branch(order.state, order.pulsed, order.pulses, order.given_away)] += 1
        for cabinet in self.cabinets:
            for entry in cabinet.lines:
                if entry.kind is Kind.SETTLE and "ambiguous" in entry.note:
                    result.branches["a pulse was ambiguous"] += 1
                if entry.kind is Kind.FORGIVEN:
                    result.branches["pulses were forgiven"] += 1
                if entry.kind is Kind.SETTLE and entry.note == "not in the journal":
                    result.branches["an order was not in the journal"] += 1
                if entry.kind is Kind.REFUSED:
                    result.branches["a claim was refused"] += 1


def _branch(state: OrderState, pulsed: int, pulses: int, given_away: int) -> str:
    if state is OrderState.RELEASED:
        return "released, given away" if given_away else "released"
    if state is not OrderState.SETTLED:
        return f"left {state.value}"
    if pulsed == pulses:
        return "settled whole"
    return "settled in part" if pulsed else "settled with nothing"


def void(_value: object) -> None:
    """Drops a value where a function must return none."""


def shrink(seed: int, cabinets: int, players: int, rates: dict[str, float] | None = None) -> Result:
    """The run of ``seed`` with as few faults as still break an invariant."""
    first = simulate(seed, cabinets, players, rates)
    best = first
    keep = [(s.kind, s.number) for s in first.struck]
    size = max(1, len(keep) // 2)
    while size:
        start = 0
        while start < len(keep):
            without = keep[:start] + keep[start + size :]
            tried = simulate(seed, cabinets, players, rates, frozenset(without))
            if tried.broken:
                best, keep = tried, [(s.kind, s.number) for s in tried.struck]
            else:
                start += size
        size //= 2
    return best
