"""The one loop that owns the cabinet's state.

Everything that happens is put into its inbox; it asks the rules (``kiosk.core.cabinet.advance``)
what that means, and does the effects one after the other. Only this thread touches the journal and
the relay.

While the relay is closed the loop waits for its pulse and for nothing else: 100 ms in which a
message may wait, so that no commit and no redraw can stretch a pulse.
"""

from __future__ import annotations

import logging
import queue
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from kiosk import hardware
from kiosk.core import screens
from kiosk.core.cabinet.advance import advance
from kiosk.core.cabinet.drive import next_due
from kiosk.core.cabinet.rules import Rules
from kiosk.core.cabinet.state import State
from kiosk.core.cabinet.step import Context
from kiosk.core.effects import (
    Acknowledge,
    Announce,
    Append,
    ArchiveJournal,
    Call,
    ClaimCall,
    Effect,
    HeartbeatCall,
    LinkCall,
    Pulse,
    Reconnect,
    ReopenJournal,
    ReopenRelay,
    Report,
    SettleCall,
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
from kiosk.hardware import Relay, RelayError

log = logging.getLogger(__name__)


class JournalPort(Protocol):
    """What the engine needs of a journal (``kiosk.journal.store``). All raise KioskError."""

    @property
    def power_was_lost(self) -> bool:
        """Whether the machine was switched off after the last entry that :meth:`open` found."""

    def open(self) -> Sequence[Entry]:
        """Opens it and returns the entries that still matter."""

    def append(self, *entries: Entry) -> None:
        """Writes entries, all or none, durably."""

    def archive(self) -> None:
        """Moves old orders out of the way."""


class BrokerPort(Protocol):
    """What the engine needs of the broker's connection (``kiosk.adapters.broker``)."""

    def ack(self, receipt: object) -> None:
        """Acknowledges a message."""

    def announce(self, status: str) -> None:
        """Publishes the retained status."""

    def reconnect(self) -> None:
        """Ends the connection and makes another one; a ``BrokerUp`` follows."""


class CloudPort(Protocol):
    """What the engine needs of the cloud's client (``kiosk.adapters.cloud_client``)."""

    def send(self, call: Call) -> None:
        """Makes the call, and puts its answer into the inbox later."""


class Clock(Protocol):
    """The time (``kiosk.adapters.clock``)."""

    def now(self) -> float:
        """Monotonic seconds."""

    def sleep(self, seconds: float) -> None:
        """Waits."""


class Inbox:
    """The queue of events; any thread may put one in."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Event | None] = queue.SimpleQueue()

    def put(self, event: Event) -> None:
        """Hands an event to the engine."""
        self._queue.put(event)

    def end(self) -> None:
        """Says that nothing more is to be handled."""
        self._queue.put(None)

    def get(self, timeout: float) -> Event | None:
        """The next event, a ``Tick`` after ``timeout`` seconds without one, or ``None`` to end."""
        try:
            return self._queue.get(timeout=timeout)
        except queue.Empty:
            return Tick()


class Engine:
    """Runs the rules over the real parts.

    ``make_relay`` raises KioskError without hardware. ``new_id`` returns a string that was never
    used before, ``jitter`` a random number from 0 to 1. ``on_view_change`` is called with each
    new :attr:`view`.
    """

    def __init__(
        self,
        inbox: Inbox,
        rules: Rules,
        on_s: float,
        journal: JournalPort,
        make_relay: Callable[[], Relay],
        broker: BrokerPort,
        cloud: CloudPort,
        clock: Clock,
        new_id: Callable[[], str],
        jitter: Callable[[], float],
        on_view_change: Callable[[], None] = lambda: None,
    ) -> None:
        self._inbox = inbox
        self._rules = rules
        self._on_s = on_s
        self._journal = journal
        self._make_relay = make_relay
        self._broker = broker
        self._cloud = cloud
        self._clock = clock
        self._new_id = new_id
        self._jitter = jitter
        self._on_view_change = on_view_change
        self._relay: Relay | None = None
        self._pending: deque[Event] = deque()
        self._state = State(started_at=clock.now())
        self._view = screens.view(self._state, clock.now(), rules)
        self._busy_since: float | None = None
        self.pulses_made = 0

    def stop(self) -> None:
        """Ends :meth:`run` after the effects under way, so never within a pulse."""
        self._inbox.end()

    @property
    def view(self) -> View:
        """What the screen is to show; any thread may ask."""
        return self._view

    @property
    def busy_s(self) -> float:
        """For how many seconds it has been busy with one event; any thread may ask."""
        since = self._busy_since
        return 0.0 if since is None else self._clock.now() - since

    @property
    def state(self) -> State:
        """The state, for those who only look."""
        return self._state

    def run(self) -> None:
        """Opens relay and journal, then handles events until :meth:`stop`."""
        try:
            self.begin()
            while (event := self._inbox.get(self.seconds_to_next_due())) is not None:
                self.handle(event)
        finally:
            if self._relay is not None:
                hardware.insist(self._relay.shut_down, self._clock.sleep)

    def begin(self) -> None:
        """The relay first: a crash may have left it closed."""
        self._busy_since = self._clock.now()
        self._pending.append(self._open_relay())
        self._pending.append(self._open_journal())
        self._handle_pending()

    def seconds_to_next_due(self) -> float:
        """How long the engine may wait for an event, an hour at the most."""
        now = self._clock.now()
        return max(0.0, min(next_due(self._state, now, self._rules) - now, 3600.0))

    def handle(self, event: Event) -> None:
        """One event, and all that follows from it."""
        self._pending.append(event)
        self._handle_pending()

    def _handle_pending(self) -> None:
        while self._pending:
            event = self._pending.popleft()
            now = self._busy_since = self._clock.now()
            context = Context(now, self._new_id(), self._jitter())
            self._state, effects = advance(self._state, event, context, self._rules)
            view = screens.view(self._state, now, self._rules)
            if view != self._view:
                self._view = view
                self._on_view_change()
            self._perform(effects)
        self._busy_since = None

    def _perform(self, effects: Sequence[Effect]) -> None:
        """Does the effects in order; those behind an entry that can't be written are not done.

        Entries that stand together are written in one commit.
        """
        entries: list[Entry] = []
        for number, effect in enumerate(effects):
            if isinstance(effect, Append):
                entries.append(effect.entry)
                continue
            if entries and not self._append(entries, undone=effects[number:]):
                return
            entries.clear()
            self._perform_one(effect)
        if entries:
            self._append(entries, undone=())

    def _append(self, entries: Sequence[Entry], undone: Sequence[Effect]) -> bool:
        """Whether the entries are in the journal; if not, ``undone`` will not be done either."""
        try:
            self._journal.append(*entries)
        except KioskError as error:
            self._pending.append(JournalFailed(str(error), tuple(undone)))
            return False
        return True

    def _perform_one(self, effect: Effect) -> None:
        match effect:
            case Pulse():
                self._pending.append(self._pulse(effect))
            case HeartbeatCall() | LinkCall() | ClaimCall() | SettleCall():
                self._cloud.send(effect)
            case Acknowledge():
                self._broker.ack(effect.receipt)
            case Announce():
                self._broker.announce(effect.status)
            case Reconnect():
                self._broker.reconnect()
            case ArchiveJournal():
                self._archive()
            case ReopenJournal():
                self._pending.append(self._open_journal())
            case ReopenRelay():
                self._pending.append(self._open_relay())
            case Report():
                log.log(
                    logging.getLevelNamesMapping()[effect.level.upper()],
                    "%s",
                    effect.text,
                )
            case Append():
                raise AssertionError("entries are written together, by _append")

    def _pulse(self, pulse: Pulse) -> Event:
        relay = self._relay
        if relay is None:
            return RelayFailed("the relay is not there")
        failure = ""
        try:
            try:
                relay.close()
                self._clock.sleep(self._on_s)
            except RelayError as error:
                failure = str(error)
            finally:
                hardware.insist(relay.open, self._clock.sleep)
        except RelayError as error:
            return RelayFailed(str(error), may_be_closed=True)
        if failure:
            return RelayFailed(failure)
        self.pulses_made += 1
        return PulseMade(pulse.order_id, pulse.number)

    def _open_relay(self) -> Event:
        try:
            if self._relay is None:
                self._relay = self._make_relay()
            hardware.insist(self._relay.open, self._clock.sleep)
        except KioskError as error:
            return RelayFailed(str(error), may_be_closed=self._relay is not None)
        return RelayReady()

    def _archive(self) -> None:
        try:
            self._journal.archive()
        except KioskError as error:
            self._pending.append(JournalFailed(str(error)))

    def _open_journal(self) -> Event:
        try:
            entries = tuple(self._journal.open())
            return JournalOpened(entries, self._journal.power_was_lost)
        except KioskError as error:
            return JournalFailed(str(error))
