"""One run of the simulated arcade: a seed in, what happened and what broke out."""

from __future__ import annotations

import logging
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cloud.core.orders import OrderState
from kiosk.core.effects import Call, ClaimCall, SettleCall
from kiosk.core.entries import Entry, Kind
from kiosk.core.order_book import BadEntry
from tests.simulation import invariants
from tests.simulation.brokerside import SimulatedBroker
from tests.simulation.cabinetside import Cabinet
from tests.simulation.cloudside import DAY, CloudSide
from tests.simulation.forgiveness import ForgivenessLimits
from tests.simulation.invariants import Broken, at_a_line, hold
from tests.simulation.people import Operator, Stranger, Thief, acts
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
    "ledger's answer lost": 0.03,
    "ledger does not read": 0.005,
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
    "webhook overtaken": 0.3,
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
    # A chance each five minutes and cabinet, from here on.
    "operator raises the price": 0.01,
    "operator types 5=60": 0.005,
    "operator types 5=1200": 0.005,
    "operator rotates a token": 0.005,
    "operator removes and adds again": 0.005,
    "operator renames": 0.005,
    "operator changes PUBLIC_URL": 0.004,
    "operator changes the Stripe account": 0.004,
    "operator restores the ledger": 0.004,
    "operator runs reconcile --fix": 0.02,
    "operator gives free credits": 0.01,
    "operator refunds by command": 0.01,
    "dashboard captures": 0.01,
    "dashboard cancels": 0.01,
    "dashboard refunds": 0.01,
    "dashboard switches a link off": 0.005,
    "bank disputes": 0.01,
    "payments begun and left": 0.01,
    "event of three days ago": 0.01,
    "retained message": 0.002,
    "thief with a token": 0.005,
    "thief writes nasty words": 0.005,
    "thief with a broker login": 0.005,
    "thrown off by its id": 0.01,
    "Stripe hangs": 0.01,
    # And these at their own chances.
    "gateway answers by itself": 0.02,
    "gateway answers after the cloud": 0.02,
    "frozen Lambda thawed": 0.3,
    "capture declined": 0.02,
    "Stripe answers nonsense": 0.005,
    "disk stays full": 0.003,
    "plug pulled at the best moment": 0.05,
    "cable pulled at the best moment": 0.03,
    "tab left open": 0.05,
    "dashboard cancels at once": 0.02,
    "session that events do not explain": 0.02,
}


@dataclass
class Result:
    """What one run did. ``broken`` is the invariant that did not hold, if any."""

    seed: int
    broken: str = ""
    struck: list[Struck] = field(default_factory=list)
    branches: Counter[str] = field(default_factory=Counter)
    trace: list[str] = field(default_factory=list)
    purchases: int = 0
    orders: int = 0
    coins: int = 0
    cpu: float = 0.0
    steps: int = 0


def simulate(
    seed: int,
    cabinets: int = 2,
    players: int = 6,
    rates: dict[str, float] | None = None,
    only: frozenset[tuple[str, int]] | None = None,
) -> Result:
    """Plays an hour or two with faults, heals everything, and checks the invariants."""
    rates = RATES if rates is None else rates
    folder = Path(tempfile.mkdtemp(prefix="arcade-simulation-", dir=_memory()))
    logging.disable(logging.CRITICAL)
    try:
        return _Run(seed, cabinets, players, rates, only, folder).play()
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
        # A window as brokers have it by default, and one that an operator made small.
        self.broker = SimulatedBroker(self.world, random.Random(f"{seed}:window").choice((3, 20)))
        self.cloud = CloudSide(self.world, self.broker)
        self.coins: Counter[tuple[str, int]] = Counter()
        self.first_coin: dict[str, float] = {}
        self.contradicted: set[str] = set()
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
                self.on_line,
                self.on_answer,
            )
            for number in range(1, cabinets + 1)
        ]
        self.broker.on_ack = self.on_ack
        self.operator = Operator(self.world, self.cloud, self.cabinets)
        self.thief = Thief(self.world, self.cloud, self.cabinets)
        self.cards = random.Random(f"{seed}:cards")
        self.forgiveness = ForgivenessLimits(self.cloud)
        self.acts = acts(
            self.operator,
            Stranger(self.world, self.cloud),
            self.thief,
            random.Random(f"{seed}:people"),
        )
        self.waiting = players
        self.screens_every, self.problems_every = 30.0, 600.0
        self.opening = max(3600.0, 120.0 * players / cabinets)
        for number in range(players):
            at = self.rng.uniform(5, self.opening)
            self.world.at(at, self.player(random.Random(f"{seed}:{number}")))

    def on_coin(self, cabinet: Cabinet, order_id: str, number: int) -> None:
        self.coins[order_id, number] += 1
        self.first_coin.setdefault(order_id, self.world.now)
        invariants.at_a_coin(self.cloud, self.coins, cabinet, order_id, number)

    def on_line(self, cabinet: Cabinet, entry: Entry) -> None:
        at_a_line(cabinet, entry)
        self.forgiveness.at_a_line(cabinet, entry, self.world.now)

    def on_ack(self, cabinet: Cabinet, order_id: str) -> None:
        invariants.at_an_acknowledgement(self.cloud, cabinet, order_id)

    def on_answer(
        self, cabinet: Cabinet, call: Call, status: int, _body: Mapping[str, object]
    ) -> None:
        if status != 409 or not isinstance(call, ClaimCall | SettleCall):
            return
        order = self.cloud.ledger.inner.order(call.order_id)
        if isinstance(call, SettleCall) or (order and order.claim_id == "thief"):
            self.contradicted.add(call.order_id)

    def player(self, rng: random.Random) -> Callable[[], None]:
        """Somebody who looks at a cabinet, and pays if its screen or an old photo lets them."""

        def look() -> None:
            cabinet = rng.choice(self.cabinets)
            offer = cabinet.engine.view.offer if cabinet.engine else None
            stripe = self.cloud.stripe
            newest = next(self.cloud.ledger.lagging_link_ids(cabinet.machine_id), None)
            photo = newest and rng.random() < 0.1 and stripe.links[newest]["active"]
            link_id = offer.url.rpartition("/")[2] if offer else newest if photo else None
            if link_id is None or not (stripe.ours(link_id) and stripe.links[link_id]["active"]):
                self.world.at(rng.uniform(10, 200), look)
                return
            # The page is open: a link that is switched off now no longer stops this payment.
            tab, opened = stripe.open_tab(link_id), self.world.now
            quantity, held = rng.choice((1, 1, 2, 3, 5, 7)), rng.random() < 0.8
            wait = rng.uniform(3, 60)
            if self.faults.strike("tab left open"):
                wait = self.faults.size("tab left open", 600.0, 4 * 3600.0)

            def pay() -> None:
                if stripe.ours(link_id) and stripe.open_sessions.pop(tab, ""):
                    self.pay(cabinet, link_id, quantity, held, opened)
                self.waiting -= 1

            self.world.at(wait, pay)

        return look

    def pay(self, cabinet: Cabinet, link_id: str, quantity: int, held: bool, opened: float) -> None:
        """A player pays on the page that was opened at ``opened``."""
        now, link = self.world.now, self.cloud.ledger.inner.link(link_id)
        stored = self.cloud.ledger.inner.cabinet(cabinet.machine_id)
        changed = self.operator.prices_changed.get(cabinet.machine_id, now)
        if link and stored and now - max(changed, self.cloud.restored_at) > 900.0:
            hold(
                "no old price is sold",
                link.prices.amount >= stored.prices.amount,
                f"a tab of {now - opened:.0f} s sells at {link.prices.amount}, "
                f"{now - changed:.0f} s after the price became {stored.prices.amount}",
            )
        cabinet.payment_at = now
        # Some cards come again and again.
        card = self.cards.choice(("", "", "card-a", "card-b"))
        self.cloud.pay(link_id, quantity, held, card)
        if held and self.faults.strike("dashboard cancels at once"):
            cancel = self.operator.dashboard("cancel_by_hand")
            self.world.at(4.0, lambda: cancel(cabinet))

    def play(self) -> Result:
        try:
            self._play()
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

    def _play(self) -> None:
        world = self.world
        for cabinet in self.cabinets:
            world.at(self.rng.uniform(0, 3), cabinet.boot)
        self.weather()
        self.look_at_screens()
        self.look_at_problems()
        world.at(self.rng.uniform(600, self.opening), self.operator.back_up, idle=True)
        while self.waiting and world.now < self.opening + 2 * 3600.0:
            world.run(until=world.now + 60.0)
        world.run(until=world.now + 1200.0)
        self.faults.healed = True
        self.cloud.heal()
        for cabinet in self.cabinets:
            cabinet.disk_full_until = 0.0
        world.note("everything is healed")
        world.run(until=world.now + 1200.0)
        # From here on only what is late comes still; the sweeps need not be many.
        self.cloud.every = 600.0
        self.run_until_quiet(12 * 3600.0)
        self.probe()
        for cabinet in self.cabinets:
            if cabinet.engine is None or cabinet.engine.state.order_book.unfinished:
                raise Broken(f"{cabinet.machine_id} is not done with its orders")
        if self.is_unfinished():
            self.wait_for_holds()
        self.operator.read_problems()
        if self.cloud.restored_at > 0:
            self.operator.reconcile_and_fix(self.cabinets[0])
        elif self.cloud.stripe.by_hand:
            self.operator.command("reconcile", "--days", "3660")
        invariants.what_people_did_is_told(self.cloud, self.contradicted, world.now)
        self.forgiveness.at_the_end(self.cabinets)
        invariants.at_the_end(
            self.cloud,
            self.cabinets,
            self.coins,
            self.thief.orders,
            self.operator.told,
        )
        invariants.what_the_operator_gave(self.cloud, self.cabinets, self.coins)

    def is_unfinished(self) -> bool:
        """Whether an order that may come to an end has none."""
        ledger = self.cloud.ledger.inner
        return any(
            order_id not in self.cloud.old_accounts
            for cabinet in self.cabinets
            for order_id in ledger.lagging_unfinished_ids(cabinet.machine_id)
        ) or any(
            cabinet.engine is None or bool(cabinet.engine.state.order_book.unfinished)
            for cabinet in self.cabinets
        )

    def wait_for_holds(self) -> None:
        """Money that nobody can move goes back when its hold runs out: days in which the arcade is
        closed and nothing else happens, so they are looked at less often."""
        for cabinet in self.cabinets:
            cabinet.switch_off()
        self.cloud.every = self.screens_every = self.problems_every = 3600.0
        end = self.world.now + 8 * DAY
        while self.world.now < end and self.is_unfinished():
            self.world.run(until=self.world.now + 3 * 3600.0)
        for cabinet in self.cabinets:
            cabinet.boot()
        self.world.run(until=self.world.now + 600.0)

    def run_until_quiet(self, most: float) -> None:
        """Lets everything come to its end."""
        world = self.world
        end = world.now + most
        while world.now < end and not (world.quiet and not self.is_unfinished()):
            world.run(until=world.now + 120.0)

    def probe(self) -> None:
        """Everything has been well for a while: each cabinet shows a code, and it can be paid."""
        self.cloud.every = 60.0
        self.world.at(1.0, self.cloud.sweep, in_cloud=True, idle=True)
        self.world.run(until=self.world.now + 700.0)
        for cabinet in self.cabinets:
            self._probe(cabinet)
        self.run_until_quiet(1800.0)

    def _probe(self, cabinet: Cabinet) -> None:
        name, now = "a payment becomes a pulse", self.world.now
        view = cabinet.engine.view if cabinet.engine else None
        offer = view.offer if view else None
        seen = f"{cabinet.machine_id} shows {view.screen.name if view else 'nothing'}"
        why = f"{[alert.text for alert in view.alerts] if view else ''}"
        hold(name, offer is not None, f"all is well, and {seen} without a code {why}")
        if offer is None:
            return
        link_id = offer.url.rpartition("/")[2]
        stripe = self.cloud.stripe
        stored = self.cloud.ledger.inner.cabinet(cabinet.machine_id)
        for holds, text in (
            (stripe.ours(link_id), "the code of another account"),
            (bool(stripe.links[link_id]["active"]), "a code that is switched off"),
            (
                str(stripe.links[link_id]["receipt"]).startswith(f"{self.cloud.public_url}/"),
                "a code whose receipt is at an old address",
            ),
            (stored is not None and offer.amount == stored.prices.amount, "an old price"),
            (
                stored is not None
                and stripe.product_of[str(stripe.links[link_id]["price_id"])].endswith(stored.name),
                "a code that sells under an old name",
            ),
        ):
            hold(name, holds, f"all is well, and {cabinet.machine_id} shows {text}")
            if not holds:
                return
        cabinet.payment_at = now
        session_id = self.cloud.pay(link_id, 1, True)
        self.world.run(until=now + 15.0)
        hold(
            name,
            session_id in self.first_coin,
            f"all is well, {session_id} was paid at {cabinet.machine_id}, and no coin dropped",
        )

    def weather(self) -> None:
        """What goes wrong, and what people do, now and then."""
        if not self.faults.healed:
            self.world.at(300.0, self.weather, idle=True)
        for cabinet in self.cabinets:
            if self.faults.strike("network away"):
                cabinet.cut_off(self.faults.size("network away", 1.0, 3600.0))
            for kind, act in self.acts.items():
                if self.faults.strike(kind):
                    act(cabinet)
        if self.faults.strike("Stripe hangs"):
            self.cloud.hang(self.faults.size("Stripe hangs", 30.0, 1800.0))

    def look_at_screens(self) -> None:
        """Each half minute."""
        self.world.at(self.screens_every, self.look_at_screens, idle=True)
        for cabinet in self.cabinets:
            invariants.the_screen_has_a_cause(self.cloud, cabinet, self.world.now)

    def look_at_problems(self) -> None:
        """Each ten minutes."""
        self.world.at(self.problems_every, self.look_at_problems, idle=True)
        invariants.nothing_is_stuck_in_silence(
            self.cloud,
            self.cabinets,
            self.operator.read_problems,
            self.world.now,
        )

    def report(self) -> None:
        result = self.result
        result.struck = self.faults.struck
        result.trace = self.world.trace
        result.steps = self.world.steps
        result.purchases = len(self.cloud.stripe.payments)
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


def shrink(
    seed: int,
    cabinets: int,
    players: int,
    rates: dict[str, float] | None = None,
) -> Result:
    """The run of ``seed`` with as few faults as still break an invariant."""
    first = simulate(seed, cabinets, players, rates)
    best = first
    keep = [(s.kind, s.number) for s in first.struck]
    size = max(1, len(keep) // 2)
    while size:
        start = 0
        while start < len(keep):
            without = frozenset(keep[:start] + keep[start + size :])
            tried = simulate(seed, cabinets, players, rates, without)
            if tried.broken:
                best, keep = tried, [(s.kind, s.number) for s in tried.struck]
            else:
                start += size
        size //= 2
    return best
