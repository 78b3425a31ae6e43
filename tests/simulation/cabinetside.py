"""Real kiosks (engine, rules, journal) whose power, disk, relay and network fail."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from kiosk.core.cabinet.rules import Rules
from kiosk.core.effects import Call, ClaimCall, HeartbeatCall, LinkCall
from kiosk.core.entries import Entry, Kind
from kiosk.core.events import (
    Answered,
    BrokerDown,
    BrokerUp,
    Event,
    NotAnswered,
    Receipt,
    Tick,
)
from kiosk.engine import Engine, Inbox
from kiosk.errors import KioskError
from kiosk.hardware import RelayError
from kiosk.journal import order_report, store
from kiosk.journal.store import Journal
from tests.simulation.brokerside import SimulatedBroker
from tests.simulation.cloudside import EPOCH, CloudSide
from tests.simulation.world import PowerCut, World

TIMEOUT = 5.0


class PlugPulled(PowerCut):
    """A player has pulled the plug, and puts it back when it suits them."""


class _Relay:
    """The relay of one cabinet: each closure is a coin, whatever happens after."""

    def __init__(self, cabinet: Cabinet) -> None:
        self._cabinet = cabinet

    def open(self) -> None:
        if self._cabinet.closed:
            self._cabinet.closed = False
            self._cabinet.dies("power cut after a pulse")

    def close(self) -> None:
        if self._cabinet.world.faults.strike("relay fails"):
            self._cabinet.failures += 1
            self._cabinet.part_failed_at = self._cabinet.world.now
            raise RelayError("the relay is stuck")
        self._cabinet.dies("power cut before a pulse")
        self._cabinet.closed = True
        self._cabinet.coin()
        self._cabinet.plug_is_pulled()

    def shut_down(self) -> None:
        self.open()


class _Journal:
    """The real journal, on a disk that fails and a machine that stops."""

    def __init__(self, cabinet: Cabinet) -> None:
        self._cabinet = cabinet
        self._inner = Journal(cabinet.path, cabinet.clocks)

    def open(self) -> Sequence[Entry]:
        cabinet = self._cabinet
        broken = cabinet.world.faults.strike("journal cannot be opened")
        if broken or cabinet.world.now < cabinet.disk_full_until:
            cabinet.part_failed_at = cabinet.world.now
            raise KioskError("the journal cannot be opened")
        return self._inner.open()

    def append(self, *entries: Entry) -> None:
        self._cabinet.dies("power cut before a line")
        cabinet = self._cabinet
        faults = cabinet.world.faults
        if faults.strike("disk stays full"):
            size = faults.size("disk stays full", 60.0, 7200.0)
            cabinet.disk_full_until = cabinet.world.now + size
        if faults.strike("disk full") or cabinet.world.now < cabinet.disk_full_until:
            cabinet.failures += 1
            cabinet.part_failed_at = cabinet.world.now
            # As SQLite's own failure does: nothing more until it was opened again.
            self._inner.close()
            raise KioskError("the disk is full")
        self._inner.append(*entries)
        for entry in entries:
            cabinet.wrote(entry)
            cabinet.on_line(cabinet, entry)
            cabinet.note(f"writes {entry.kind.value} {entry.order_id} {entry.number}")
        cabinet.cable_is_pulled(entries)
        self._cabinet.dies("power cut after a line")

    def archive(self) -> None:
        self._inner.archive()

    @property
    def power_was_lost(self) -> bool:
        return self._inner.power_was_lost

    def close(self) -> None:
        self._inner.close()


class Cabinet:
    """One cabinet: the real engine while it has power."""

    def __init__(
        self,
        world: World,
        cloud: CloudSide,
        broker: SimulatedBroker,
        machine_id: str,
        folder: Path,
        rng: random.Random,
        on_coin: Callable[[Cabinet, str, int], None],
        on_line: Callable[[Cabinet, Entry], None],
        on_answer: Callable[[Cabinet, Call, int, Mapping[str, object]], None],
    ) -> None:
        self.world = world
        self.cloud = cloud
        self.broker = broker
        self.machine_id = machine_id
        self.path = folder / f"{machine_id}.db"
        self.token = cloud.add_cabinet(machine_id)
        self.rng = rng
        self.rules = Rules(machine_id)
        self.each = 2 if rng.random() < 0.3 else 1  # pulses that its game wants for a credit
        self.on_coin = on_coin
        self.on_line = on_line
        self.on_answer = on_answer
        self.engine: Engine | None = None
        self.journal: _Journal | None = None
        self.lines: list[Entry] = []
        self.lines_of: dict[str, list[Entry]] = {}
        self.begun: set[tuple[str, int]] = set()
        self.closed = False
        self.online = False
        self.connection = 0
        self.life = 0
        self.boots = 0
        self.kept: Counter[str] = Counter()
        self.lost: set[str] = set()
        self.cuts = 0
        self.failures = 0
        self.disk_full_until = 0.0
        self.part_failed_at = -60.0
        self.offline_since = 0.0
        self.trouble_at = 0.0  # when something last went wrong between it and the cloud
        self.written_at: dict[tuple[str, Kind], float] = {}
        self.payment_at = -3600.0  # when something last happened that "paying" may be shown for
        self.coin_at = -3600.0
        self.asked_at: dict[str, float] = {}  # claims that the cloud has not answered, since when
        self.screen = ""
        self.screen_since = 0.0
        self.removed = False
        self.removed_at = -3600.0
        self.heard_at = 0.0  # when the cloud last stored a heartbeat, answered or not
        self.unanswered = 0  # heartbeats in a row that were stored, and not answered with 200
        self.linked_at = 0.0
        self.boot_at = 0.0
        self.ahead = 0.0
        self.busy_until = 0.0
        self.tick_at = float("inf")
        self.names = 0
        broker.cabinets[machine_id] = self

    def boot(self) -> None:
        """Power is on."""
        self.boots += 1
        self.boot_at = self.world.now
        self.start()

    def start(self) -> None:
        """The kiosk starts."""
        self.life += 1
        self.busy_until = self.world.now
        self.tick_at = float("inf")
        self.asked_at.clear()
        self.note(f"starts in boot {self.boots}")
        self.journal = _Journal(self)
        self.rules = rules = Rules(
            self.machine_id, pulses_per_credit=self.each, version="simulated"
        )
        engine = Engine(
            Inbox(),
            rules,
            0.1,
            self.journal,
            lambda: _Relay(self),
            broker=self,
            cloud=self,
            clock=self,
            new_id=self.new_id,
            jitter=self.rng.random,
            on_view_change=self.view_changed,
        )
        self.engine = engine
        self.view_changed()
        self._guarded(engine.begin)
        self._connect_in(1.0)

    def switch_off(self) -> None:
        """The arcade closes, and nobody plays."""
        self.note("is switched off")
        self._is_gone()
        self.kept.clear()

    def die(self, plug: bool = False) -> None:
        """The kiosk is gone, and mostly the machine's power with it, and what the game knew."""
        self.cuts += 1
        only_process = not plug and self.world.faults.strike("only the process dies")
        self.note("dies" if only_process else "loses power")
        self._is_gone()
        if only_process:
            self.world.at(3.0, self.start)
            return
        self.kept.clear()
        if plug:
            # Straight back, or when the resume window is over.
            off = self.rng.choice((3.0, 400.0))
        else:
            if self.world.faults.strike("journal lost"):
                self.lose_journal()
            off = self.world.faults.size("off", 5.0, 4 * 3600.0)
        self.world.at(off, self.boot)

    def _is_gone(self) -> None:
        if self.online:
            self.offline_since = self.world.now
        if self.journal:
            self.journal.close()
        self.engine = None
        self.screen = ""  # dark: what it shows afterwards, it shows since then
        self.closed = False
        self.online = False
        self.life += 1

    def export(self) -> Path:
        """What ``kiosk ledger --csv`` prints of the journal, in a file."""
        file = self.path.with_suffix(".csv")
        orders = order_report.summaries(store.read(self.path)) if self.path.exists() else ()
        file.write_text(order_report.as_csv(orders))
        return file

    def lose_journal(self) -> None:
        """Somebody puts a new card into the machine."""
        self.note("loses its journal")
        self.lost |= {entry.order_id for entry in self.lines}
        for path in self.path.parent.glob(f"{self.path.name}*"):
            path.unlink()

    def dies(self, kind: str) -> None:
        """A point at which the power may go."""
        if self.engine is not None and self.world.faults.strike(kind):
            raise PowerCut

    def plug_is_pulled(self) -> None:
        """A player pulls the plug as the last coin but one of theirs has dropped."""
        assert self.engine is not None
        pulse = self.engine.state.relay.pulsing
        assert pulse is not None
        order = self.engine.state.order_book.unfinished.get(pulse.order_id)
        best = order is not None and order.begun == order.last - 1
        if best and self.world.faults.strike("plug pulled at the best moment"):
            self.note("a player pulls the plug")
            raise PlugPulled

    def cable_is_pulled(self, entries: Sequence[Entry]) -> None:
        """A player pulls the network's cable as the claim, or the settle, is about to be sent."""
        if not any(e.kind in (Kind.CLAIM, Kind.CLAIMED, Kind.SETTLE) for e in entries):
            return
        faults = self.world.faults
        if self.online and faults.strike("cable pulled at the best moment"):
            seconds = faults.size("cable pulled at the best moment", 5.0, 1200.0)
            self.world.at(0.0, lambda: self.cut_off(seconds))

    def throw_off(self, times: int) -> None:
        """Another client with this cabinet's id connects, again and again."""
        if self.online:
            self.broker.taken_over(self.machine_id)
            self.cut_off(1.0)
        if times > 1:
            self.world.at(1.6, lambda: self.throw_off(times - 1))

    def reconnect(self) -> None:
        """The broker's connection is made anew, as the kiosk itself wants."""
        self.note("connects to the broker anew")
        # A connection that is on its way already is as good as a new one.
        if self.online:
            self.online = False
            self.offline_since = self.world.now
            self._connect_in(0.2)

    def wrote(self, entry: Entry) -> None:
        """The journal has an entry."""
        self.lines.append(entry)
        self.lines_of.setdefault(entry.order_id, []).append(entry)
        self.written_at[entry.order_id, entry.kind] = self.world.now
        if entry.kind is Kind.PULSE_BEGINS:
            self.begun.add((entry.order_id, entry.number))

    @property
    def can_sell(self) -> bool:
        """Whether its own rules say that a player may be asked for money."""
        return self.engine is not None and self.engine.state.can_sell(self.rules)

    def view_changed(self) -> None:
        """The screen shows something else."""
        if self.engine is None:
            return
        screen = self.engine.view.screen.name
        if screen != self.screen:
            self.screen, self.screen_since = screen, self.world.now

    def coin(self) -> None:
        """The contact closed: the game counts a coin for the order that is being pulsed."""
        assert self.engine is not None
        pulse = self.engine.state.relay.pulsing
        assert pulse is not None, "the relay closed for no order"
        self.note(f"COIN {pulse.order_id} {pulse.number}")
        self.kept[pulse.order_id] += 1
        self.coin_at = self.world.now
        self.on_coin(self, pulse.order_id, pulse.number)

    def feed(self, event: Event) -> None:
        """Tells the engine, if it lives, and after the pulse that it is busy with."""
        if self.engine is None:
            return
        if self.world.now < self.busy_until:
            life = self.life

            def later() -> None:
                if self.life == life:
                    self.feed(event)

            self.world.at(self.busy_until - self.world.now, later)
            return
        engine = self.engine
        self._guarded(lambda: engine.handle(event))

    def cut_off(self, seconds: float) -> None:
        """The network goes away for a while."""
        if self.online:
            self.online = False
            self.offline_since = self.world.now
            self.feed(BrokerDown("no route to the broker"))
        self.trouble_at = self.world.now + seconds
        self._connect_in(seconds)

    def note(self, text: str) -> None:
        self.world.note(f"{self.machine_id}: {text}")

    def clocks(self) -> tuple[str, float, float]:
        """A wall clock that is anything."""
        return f"boot {self.boots}", self.now(), self.rng.uniform(0, 4e9)

    def _guarded(self, what: Callable[[], None]) -> None:
        try:
            what()
        except PowerCut as cut:
            self.ahead = 0.0
            self.die(plug=isinstance(cut, PlugPulled))
            return
        self.busy_until = self.world.now + self.ahead
        self.ahead = 0.0
        self._plan_tick()

    def _plan_tick(self) -> None:
        if self.engine is None:
            return
        # A little later than due: the two clocks round differently.
        at = max(self.world.now + self.engine.seconds_to_next_due() + 1e-6, self.busy_until)
        if at >= self.tick_at - 1e-9 and self.tick_at >= self.world.now:
            return
        self.tick_at = at
        life = self.life

        def tick() -> None:
            if self.life == life and abs(self.tick_at - self.world.now) < 1e-6:
                self.tick_at = float("inf")
                self.feed(Tick())

        self.world.at(at - self.world.now, tick, idle=True)

    def _connect_in(self, seconds: float) -> None:
        life = self.life
        self.connection += 1
        connection = self.connection

        def connect() -> None:
            if self.life == life and self.connection == connection:
                self.online = True
                self.feed(BrokerUp())
                self.broker.connected(self.machine_id, self.world.now - self.offline_since)

        self.world.at(seconds, connect)

    # The clock and new identifiers, for the engine

    def now(self) -> float:
        return self.world.now - self.boot_at + self.ahead

    def sleep(self, seconds: float) -> None:
        self.dies("power cut in a pulse")
        self.ahead += seconds

    def new_id(self) -> str:
        self.names += 1
        return f"{self.machine_id}-{self.names}"

    # The broker's connection and the cloud's client, for the engine

    def ack(self, receipt: object) -> None:
        assert isinstance(receipt, Receipt)
        if receipt.connection == self.connection:
            self.broker.acknowledged(self.machine_id, receipt.mid)

    def announce(self, status: str) -> None:
        self.note(f"is {status}")

    def _heartbeat_arrived(self, stored: bool, answered: bool) -> None:
        # A Lambda may die after it stored a heartbeat: the cloud has heard of the cabinet, and says
        # so rightly, although the cabinet was never answered.
        if stored or answered:
            self.heard_at = self.world.now
        if answered:
            self.unanswered = 0
        elif stored and not self.cloud.is_hanging:
            self.unanswered += 1

    def send(self, call: Call) -> None:
        life = self.life
        faults = self.world.faults
        self.dies("power cut before a call")
        idle = isinstance(call, HeartbeatCall)  # comes again and again: nobody waits for it
        if isinstance(call, ClaimCall):
            self.asked_at.setdefault(call.order_id, self.world.now)

        def answer(event: Answered | NotAnswered, delay: float) -> None:
            def arrive() -> None:
                if self.life == life:
                    if isinstance(event, NotAnswered) or event.status != 200:
                        self.trouble_at = max(self.trouble_at, self.world.now)
                    answered = isinstance(event, Answered) and event.status in (200, 409)
                    if answered and isinstance(call, ClaimCall):
                        self.asked_at.pop(call.order_id, None)
                    self.feed(event)

            self.world.at(delay, arrive, idle=idle)

        def arrive() -> None:
            seen_at_ms = self.cloud.seen_at_ms(self.machine_id)
            result = self.cloud.http(
                "POST",
                call.path,
                json.dumps(dict(call.body)).encode(),
                {"authorization": f"Bearer {self.token}"},
            )
            self.note(f"{call.name} → {result.status if result else 'no answer'}")
            answered = result is not None and result.status == 200
            if isinstance(call, HeartbeatCall):
                stored = self.cloud.seen_at_ms(self.machine_id) != seen_at_ms
                self._heartbeat_arrived(stored, answered)
            elif answered and isinstance(call, LinkCall):
                self.linked_at = self.world.now
            if result is None or result.took > TIMEOUT or faults.strike("answer lost"):
                answer(NotAnswered(call, "the cloud does not answer"), TIMEOUT)
            elif result.body is None:
                answer(NotAnswered(call, f"HTTP {result.status} without JSON"), 0.03)
            else:
                self.on_answer(self, call, result.status, result.body)
                answer(Answered(call, result.status, result.body), 0.03 + result.took)

        if not self.online or faults.strike("request lost"):
            answer(NotAnswered(call, "no route to the cloud"), TIMEOUT)
            return
        delay = 0.03
        if faults.strike("request late"):
            delay += faults.size("request late", 0.1, TIMEOUT)
        if isinstance(call, ClaimCall) and faults.strike("claim at the deadline"):
            order = self.cloud.ledger.inner.order(call.order_id)
            if order:
                delay = max(delay, order.deadline_ms / 1000 - EPOCH - self.world.now - 0.05)
                self.world.at(delay + 0.01, self.cloud.sweep_now, in_cloud=True)
        self.world.at(delay, arrive, in_cloud=True, idle=idle)
        if faults.strike("request twice"):
            self.world.at(delay + 0.2, arrive, in_cloud=True, idle=idle)
