"""The one loop that owns the cabinet's state.

Everything that happens is put into its inbox; it asks the rules (``kiosk.core.cabinet``) what that
means, and does the effects one after the other. Only this thread touches the journal and the relay.

While the relay is closed the loop waits for its pulse and for nothing else: 100 ms in which a
message may wait, so that no commit and no redraw can stretch a pulse.
"""

from __future__ import annotations

import logging
import queue
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from kiosk.core import screens
from kiosk.core.cabinet import rules as cabinet_rules
from kiosk.core.cabinet.rules import Moment, Rules, State
from kiosk.core.effects import (
    Acknowledge,
    Announce,
    Append,
    Call,
    Effect,
    Pulse,
    ReopenJournal,
    ReopenRelay,
    Report,
)
from kiosk.core.entries import Entry
from kiosk.core.events import (
    Event,
    JournalFailed,
    JournalOpened,
    PulseMade,
    RelayFailed,
    RelayReady,
    Tick,
)
from kiosk.core.view import View
from kiosk.errors import KioskError
from kiosk.hardware import Relay

log = logging.getLogger(__name__)


class Book(Protocol):
    """What the engine needs of a journal (``kiosk.journal.store``). Both raise KioskError."""

    @property
    def power_was_lost(self) -> bool:
        """Whether the machine was switched off after the last line that :meth:`open` found."""

    def open(self) -> Sequence[Entry]:
        """Opens it and returns the lines that still matter."""

    def append(self, *entries: Entry) -> None:
        """Writes lines, all or none, durably."""


class Line(Protocol):
    """What the engine needs of the broker's connection."""

    def ack(self, receipt: object) -> None:
        """Acknowledges a message."""

    def announce(self, status: str) -> None:
        """Publishes the retained status."""


class Ask(Protocol):
    """What the engine needs of the cloud's client."""

    def send(self, call: Call) -> None:
        """Asks, and puts the answer into the queue later."""


class Nature(Protocol):
    """Time and chance."""

    def now(self) -> float:
        """Monotonic seconds."""

    def sleep(self, seconds: float) -> None:
        """Waits."""

    def fresh(self) -> str:
        """A name never used before."""

    def chance(self) -> float:
        """A number from 0 to 1."""


class Inbox:
    """The queue of what happened, for all who tell the engine something."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Event | None] = queue.SimpleQueue()

    def put(self, event: Event) -> None:
        """Tells of an event; any thread may."""
        self._queue.put(event)

    def end(self) -> None:
        """Says that nothing more is to be handled."""
        self._queue.put(None)

    def get(self, patience: float) -> Event | None:
        """The next event, a ``Tick`` after ``patience`` seconds without one, or ``None`` to end."""
        try:
            return self._queue.get(timeout=patience)
        except queue.Empty:
            return Tick()


class Engine:
    """Runs the rules over the real parts. ``make_relay`` raises KioskError without hardware."""

    def __init__(
        self,
        inbox: Inbox,
        rules: Rules,
        on_s: float,
        journal: Book,
        make_relay: Callable[[], Relay],
        line: Line,
        cloud: Ask,
        nature: Nature,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._inbox = inbox
        self._rules = rules
        self._on_s = on_s
        self._journal = journal
        self._make_relay = make_relay
        self._line = line
        self._cloud = cloud
        self._nature = nature
        self._changed = changed
        self._relay: Relay | None = None
        self._own: deque[Event] = deque()
        self._state = State(started_at=nature.now())
        self._view = screens.view(self._state, nature.now(), rules)
        self.pulses_made = 0

    def stop(self) -> None:
        """Ends :meth:`run` after the effects under way, so never within a pulse."""
        self._inbox.end()

    @property
    def view(self) -> View:
        """What the screen is to show; any thread may ask."""
        return self._view

    @property
    def state(self) -> State:
        """The state, for those who only look."""
        return self._state

    def run(self) -> None:
        """Opens relay and journal, then handles events until :meth:`stop`."""
        try:
            self.begin()
            while (event := self._inbox.get(self.patience())) is not None:
                self.handle(event)
        finally:
            if self._relay is not None:
                self._relay.shut_down()

    def begin(self) -> None:
        """The relay first: a crash may have left it closed."""
        self._own.append(self._open_relay())
        self._own.append(self._open_journal())
        self._handle_own()

    def patience(self) -> float:
        """Seconds until something is due by itself."""
        now = self._nature.now()
        return max(0.0, min(cabinet_rules.next_due(self._state, now, self._rules) - now, 3600.0))

    def handle(self, event: Event) -> None:
        """One event, and all that follows from it."""
        self._own.append(event)
        self._handle_own()

    def _handle_own(self) -> None:
        while self._own:
            event = self._own.popleft()
            now = self._nature.now()
            moment = Moment(now, self._nature.fresh(), self._nature.chance())
            self._state, effects = cabinet_rules.advance(self._state, event, moment, self._rules)
            view = screens.view(self._state, now, self._rules)
            if view != self._view:
                self._view = view
                self._changed()
            self._do(effects)

    def _do(self, effects: Sequence[Effect]) -> None:
        """Does the effects in order; those behind a line that can't be written are not done.

        Lines that stand together are written in one commit.
        """
        lines: list[Entry] = []
        for number, effect in enumerate(effects):
            if isinstance(effect, Append):
                lines.append(effect.entry)
                continue
            if lines and not self._written(lines, effects[number:]):
                return
            lines.clear()
            self._do_one(effect)
        if lines:
            self._written(lines, ())

    def _written(self, lines: Sequence[Entry], behind: Sequence[Effect]) -> bool:
        try:
            self._journal.append(*lines)
        except KioskError as error:
            self._own.append(JournalFailed(str(error), tuple(behind)))
            return False
        return True

    def _do_one(self, effect: Effect) -> None:
        match effect:
            case Pulse():
                self._own.append(self._pulse(effect))
            case Call():
                self._cloud.send(effect)
            case Acknowledge():
                self._line.ack(effect.receipt)
            case Announce():
                self._line.announce(effect.status)
            case ReopenJournal():
                self._own.append(self._open_journal())
            case ReopenRelay():
                self._own.append(self._open_relay())
            case Report():
                log.log(
                    logging.getLevelNamesMapping()[effect.level.upper()],
                    "%s",
                    effect.text,
                )
            case Append():
                raise AssertionError("lines are written together, by _written")

    def _pulse(self, pulse: Pulse) -> Event:
        relay = self._relay
        if relay is None:
            return RelayFailed("the relay is not there")
        try:
            try:
                relay.close()
                self._nature.sleep(self._on_s)
            finally:
                relay.open()
        except KioskError as error:
            return RelayFailed(str(error))
        self.pulses_made += 1
        return PulseMade(pulse.order_id, pulse.number)

    def _open_relay(self) -> Event:
        try:
            if self._relay is None:
                self._relay = self._make_relay()
            self._relay.open()
        except KioskError as error:
            return RelayFailed(str(error))
        return RelayReady()

    def _open_journal(self) -> Event:
        try:
            entries = tuple(self._journal.open())
            return JournalOpened(entries, self._journal.power_was_lost)
        except KioskError as error:
            return JournalFailed(str(error))
