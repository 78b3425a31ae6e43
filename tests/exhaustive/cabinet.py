"""The cabinet as a function of values: the real engine, rules and order book over parts that note
what is done to them, and that stop or fail at one chosen operation.

Times are abstract. It is always 0 o'clock for the cabinet; what is due later is due at ``LATER``,
and any such timer may be the next that is up (:func:`timers`), in any order.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from kiosk.core.cabinet.rules import Rules
from kiosk.core.cabinet.state import State
from kiosk.core.effects import Call
from kiosk.core.entries import Entry, Kind
from kiosk.core.events import Event, Receipt, Tick
from kiosk.core.order_book import OrderStage
from kiosk.engine import Engine, Inbox
from kiosk.errors import KioskError
from kiosk.hardware import RelayError

Value = TypeVar("Value")

MACHINE = "cab-1"
LATER = 1000.0
RULES = Rules(MACHINE, version="exhaustive")

# Only the screen waits for these.
_OF_THE_SCREEN = frozenset({"until", "game_over_until"})


@dataclass(frozen=True)
class Cabinet:
    """What is on the disk, and what is in memory: ``None`` while the kiosk does not run.

    ``power_was_lost`` says that the last entry was written before the machine was switched on.
    ``life`` counts the starts.
    """

    journal: tuple[Entry, ...] = ()
    power_was_lost: bool = False
    state: State | None = None
    life: int = 0

    @property
    def orders_unfinished(self) -> bool:
        """Whether the running kiosk has something left to do for an order."""
        return self.state is None or bool(self.state.order_book.unfinished)

    @property
    def pulse_is_due(self) -> bool:
        """Whether the next pulse is only a moment away."""
        if self.state is None or not self.state.can_pulse:
            return False
        return any(
            order.stage is OrderStage.PULSING
            and order.begun < order.last
            and order.order_id in self.state.confirmed
            for order in self.state.order_book.unfinished.values()
        )


@dataclass(frozen=True)
class Coin:
    """The relay closed. ``is_recorded``: the journal said before that this pulse begins."""

    order_id: str
    number: int
    is_recorded: bool


@dataclass(frozen=True)
class Acknowledged:
    """The broker was told that hint ``mid`` need not come again.

    ``is_held``: the journal has the order, or the cabinet could not have taken it.
    """

    mid: int
    is_held: bool


@dataclass(frozen=True)
class Written:
    """The entries are in the journal."""

    entries: tuple[Entry, ...]


@dataclass(frozen=True)
class Sent:
    """A call is on its way."""

    call: Call


@dataclass(frozen=True)
class Reconnected:
    """The broker's connection was ended, to have another one."""


Operation = Coin | Acknowledged | Written | Sent | Reconnected


@dataclass(frozen=True)
class Outcome:
    """How the handling of one event may end: by which fault, in which cabinet, after what.

    ``place`` tells the operation that the fault struck before, for people.
    """

    fault: str
    place: str
    cabinet: Cabinet
    operations: tuple[Operation, ...]


class _Crash(BaseException):
    """The kiosk is gone in this moment."""


class _Parts:
    """Journal, relay, broker, cloud and clock of one handling of an event."""

    def __init__(self, cabinet: Cabinet, strike_at: int, how: str) -> None:
        self.journal = cabinet.journal
        self.power_was_lost = cabinet.power_was_lost
        self.is_closed = False
        self.places: list[str] = []
        self.operations: list[Operation] = []
        self.engine: Engine | None = None
        self._strike_at = strike_at
        self._how = how

    def _at(self, place: str) -> str:
        """Each operation passes here; returns the failure that is to strike it."""
        self.places.append(place)
        if len(self.places) - 1 != self._strike_at:
            return ""
        if self._how == "crash":
            raise _Crash
        return self._how

    # The journal; `power_was_lost` is above

    def open(self) -> Sequence[Entry]:
        return _entries_that_matter(self.journal)

    def append(self, *entries: Entry) -> None:
        failure = self._at(f"writes {', '.join(_described(entry) for entry in entries)}")
        if failure == "disk full":
            raise KioskError("the disk is full")
        self.journal += entries
        self.power_was_lost = False
        self.operations.append(Written(entries))
        if failure == "disk fails after it":
            raise KioskError("the disk failed")

    def archive(self) -> None:
        pass  # what is archived is nothing that matters

    # The broker, the cloud and the clock

    def ack(self, receipt: object) -> None:
        assert isinstance(receipt, Receipt)
        self._at(f"acknowledges hint {receipt.mid}")
        assert self.engine is not None
        order_id = order_name(receipt.mid)
        known = any(e.kind is Kind.CLAIM and e.order_id == order_id for e in self.journal)
        self.operations.append(Acknowledged(receipt.mid, known or not self.engine.state.can_pulse))

    def announce(self, status: str) -> None:
        pass

    def reconnect(self) -> None:
        self._at("connects anew")
        self.operations.append(Reconnected())

    def send(self, call: Call) -> None:
        self._at(f"sends {call.name}")
        self.operations.append(Sent(call))

    def now(self) -> float:
        return 0.0

    def sleep(self, seconds: float) -> None:
        pass


class _Relay:
    def __init__(self, parts: _Parts) -> None:
        self._parts = parts

    def close(self) -> None:
        parts = self._parts
        assert parts.engine is not None
        pulse = parts.engine.state.relay.pulsing
        assert pulse is not None
        if parts._at(f"closes the relay for pulse {pulse.number} of {pulse.order_id}"):
            raise RelayError("the relay is stuck")
        self._parts.is_closed = True
        recorded = any(
            e.kind is Kind.PULSE_BEGINS
            and e.order_id == pulse.order_id
            and e.number == pulse.number
            for e in parts.journal
        )
        parts.operations.append(Coin(pulse.order_id, pulse.number, recorded))

    def open(self) -> None:
        if self._parts.is_closed:
            self._parts.is_closed = False
            if self._parts._at("opens the relay"):
                raise RelayError("the relay is stuck")

    def shut_down(self) -> None:
        self.open()


def order_name(number: int) -> str:
    """The name of an order by its number, which is also that of its hint."""
    return f"order-{'ABCD'[number]}"


def outcomes(cabinet: Cabinet, event: Event | None) -> list[Outcome]:
    """Every way in which an event's handling may go; ``None`` is the kiosk's start.

    The first is without a fault. A crash before the first operation is left out: it is the same
    as one before the event.
    """
    whole, places = _handle(cabinet, event, -1, "")
    found = [whole]
    for number, place in enumerate(places):
        if number > 0:
            ended, _ = _handle(cabinet, event, number, "crash")
            found.append(replace(ended, fault="power cut", cabinet=_without_power(ended.cabinet)))
            found.append(replace(ended, fault="process killed"))
        if place.startswith("writes"):
            for how in ("disk full", "disk fails after it"):
                found.append(_handle(cabinet, event, number, how)[0])
        elif "the relay" in place:
            found.append(_handle(cabinet, event, number, "relay fails")[0])
    return found


def stopped(cabinet: Cabinet, power: bool) -> Cabinet:
    """The cabinet after its process ended between two events, and its power went if ``power``."""
    ended = replace(cabinet, state=None)
    return _without_power(ended) if power else ended


def timers(state: State) -> list[tuple[str, ...]]:
    """The names of what the cabinet waits for."""
    return [path for path in _timers(state, ()) if path[-1] not in _OF_THE_SCREEN]


def when_up(cabinet: Cabinet, timer: tuple[str, ...]) -> tuple[Cabinet, Event]:
    """The cabinet at the moment when a timer is up, and the event that this is."""
    assert cabinet.state is not None
    return replace(cabinet, state=_set(cabinet.state, timer, 0.0)), Tick()


def _handle(
    cabinet: Cabinet, event: Event | None, strike_at: int, how: str
) -> tuple[Outcome, list[str]]:
    life = cabinet.life + (event is None)
    parts = _Parts(cabinet, strike_at, how)
    relay = _Relay(parts)
    engine = Engine(
        Inbox(),
        RULES,
        0.1,
        parts,
        lambda: relay,
        broker=parts,
        cloud=parts,
        clock=parts,
        new_id=lambda: f"life{life}",
        jitter=lambda: 0.0,
    )
    parts.engine = engine
    after: State | None
    try:
        if event is None:
            engine.begin()
        else:
            assert cabinet.state is not None
            engine._state = cabinet.state
            engine._relay = relay
            engine.handle(event)
        after = _abstract(engine.state)
    except _Crash:
        after = None
    place = parts.places[strike_at] if strike_at >= 0 else ""
    ended = Cabinet(parts.journal, parts.power_was_lost, after, life)
    fault = {"disk full": "journal fails", "disk fails after it": "journal fails"}.get(how, how)
    place += " (and it is written)" if how == "disk fails after it" else ""
    return Outcome(fault, place, ended, tuple(parts.operations)), parts.places


def _without_power(cabinet: Cabinet) -> Cabinet:
    return replace(cabinet, power_was_lost=bool(cabinet.journal))


def _entries_that_matter(entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
    """What the journal's file returns when it is opened (``kiosk.journal.store``)."""
    unfinished: set[str] = set()
    since = -1
    for number, entry in enumerate(entries):
        if entry.kind is Kind.CLAIM:
            unfinished.add(entry.order_id)
        elif entry.kind in (Kind.REFUSED, Kind.SETTLED):
            unfinished.discard(entry.order_id)
        elif entry.kind is Kind.CREDITS_LEFT:
            since = number
    wanted = unfinished | {entry.order_id for entry in entries[since + 1 :]}
    return tuple(
        entry
        for number, entry in enumerate(entries)
        if number == since or (entry.order_id and entry.order_id in wanted)
    )


def _described(entry: Entry) -> str:
    number = f" {entry.number}" if entry.number else ""
    return f"'{entry.kind.value}{number}' of {entry.order_id or 'the game'}"


# States by value: times as "due" or "later", and counts of tries left out.


def _abstract(value: Value, name: str = "") -> Value:
    found: Any = value
    if isinstance(value, float):
        found = value if math.isinf(value) else LATER if value > 0 else 0.0
    elif name == "tries":
        found = 0
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {
            f.name: _abstract(getattr(value, f.name), f.name) for f in dataclasses.fields(value)
        }
        found = type(value)(**fields)
    elif isinstance(value, Mapping):
        found = {key: _abstract(item) for key, item in sorted(value.items())}
        if name == "unfinished":  # its order is the order of the pulses
            found = {key: _abstract(item) for key, item in value.items()}
    return found  # type: ignore[no-any-return]


def _timers(value: object, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    if isinstance(value, float) and value == LATER:
        yield path
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for f in dataclasses.fields(value):
            yield from _timers(getattr(value, f.name), (*path, f.name))
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _timers(item, (*path, key))


def _set(value: Value, path: tuple[str, ...], to: float) -> Value:
    found: Any = value
    name, rest = path[0], path[1:]
    if isinstance(found, Mapping):
        return {**found, name: _set(found[name], rest, to) if rest else to}  # type: ignore[return-value]
    inner = _set(getattr(found, name), rest, to) if rest else to
    return replace(found, **{name: inner})  # type: ignore[no-any-return]


def frozen(value: object) -> object:
    """The value with its mappings as tuples, so that it has a hash."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = (frozen(getattr(value, f.name)) for f in dataclasses.fields(value))
        return (type(value).__name__, *fields)
    if isinstance(value, Mapping):
        return tuple((key, frozen(item)) for key, item in value.items())
    if isinstance(value, tuple):
        return tuple(frozen(item) for item in value)
    return value
