"""An engine that is stuck in a commit: the code goes, and comes back with the engine."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kiosk import app
from kiosk.core.cabinet.rules import Rules
from kiosk.core.effects import Call, HeartbeatCall, LinkCall
from kiosk.core.entries import Entry, Kind
from kiosk.core.events import Answered, BrokerUp, MessageArrived, Receipt
from kiosk.core.view import Screen
from kiosk.display.window import Feed, Frame, Mounting, Window
from kiosk.engine import Engine, Inbox
from kiosk.hardware.simulated import SimulatedRelay
from kiosk.journal.store import Journal
from tests.fakes.bench import OFFER
from tools.views import renderer

WAIT_S = 10.0
GAME_OVER = b'{"machineId": "cab001", "status": "game_over", "timestamp": "a"}'


class Machine:
    """An engine in its thread, whose disk hangs when it is told to, and the screen over it."""

    def __init__(self, folder: Path) -> None:
        self.time = 0.0
        self.inbox = Inbox()
        self.journal = Journal(folder / "journal.db", lambda: ("boot", 1.0, 2.0))
        self.journal.open()
        self.journal.append(Entry(Kind.CREDITS_LEFT, number=2))
        self.disk_works = threading.Event()
        self.disk_works.set()
        self.hanging = threading.Event()
        self.changed = threading.Event()
        self.acknowledged = threading.Event()
        numbers = itertools.count()
        self.engine = Engine(
            self.inbox,
            Rules("cab001"),
            0.1,
            self,
            lambda: SimulatedRelay(self.now),
            self,
            self,
            self,
            lambda: f"id-{next(numbers)}",
            lambda: 0.0,
            self.view_changed,
        )
        self.feed = Feed(self.engine.view, app.watchdog_over(self.engine, 0.1))
        size = (320, 240)
        look = renderer(size).look
        self.window = Window("Galaxy Racer", Mounting(size=size, headless=True), look)
        self.window.open()
        self.frames: list[Frame] = []
        self.window.watch(self.frames.append)
        self.drawn = 0

    def view_changed(self) -> None:
        self.feed.put(self.engine.view)
        self.changed.set()

    def draw(self, until: Callable[[Frame], bool]) -> None:
        """Draws frames until one is as it should be."""
        for _ in range(200):
            self.drawn += 1
            self.window.advance(self.feed, self.drawn / 30)
            if self.frames and until(self.frames[-1]):
                return
        raise AssertionError(self.frames[-1])

    # The journal
    power_was_lost = False

    def open(self) -> tuple[Entry, ...]:
        return self.journal.open()

    def append(self, *entries: Entry) -> None:
        if not self.disk_works.is_set():
            self.hanging.set()
            assert self.disk_works.wait(WAIT_S)
        self.journal.append(*entries)

    def archive(self) -> None: ...

    # The broker, and the cloud, which answers at once
    def ack(self, receipt: object) -> None:
        self.acknowledged.set()

    def announce(self, status: str) -> None: ...

    def reconnect(self) -> None: ...

    def send(self, call: Call) -> None:
        if isinstance(call, LinkCall):
            self.inbox.put(Answered(call, 200, OFFER))
        if isinstance(call, HeartbeatCall):
            link = {"state": "active", "url": OFFER["url"]}
            body = {"time": "t", "link": link, "orders": [], "claimed": []}
            self.inbox.put(Answered(call, 200, body))

    # The clock
    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    made = Machine(tmp_path)
    thread = threading.Thread(target=made.engine.run)
    thread.start()
    made.inbox.put(BrokerUp())
    while made.engine.view.offer is None:
        assert made.changed.wait(WAIT_S)
        made.changed.clear()
    made.draw(lambda frame: frame.code is not None)
    yield made
    made.disk_works.set()
    made.engine.stop()
    thread.join(WAIT_S)
    assert not thread.is_alive()
    made.journal.close()
    made.window.close()


def test_a_commit_that_hangs_takes_the_code_away_until_it_is_done(
    machine: Machine, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    machine.disk_works.clear()
    machine.inbox.put(MessageArrived("arcade/machine/cab001/gameover", GAME_OVER, Receipt(1, 1, 1)))
    assert machine.hanging.wait(WAIT_S)
    machine.time += 3.0
    machine.draw(lambda frame: frame.view.credits_left == 1)
    assert machine.frames[-1].code is not None
    machine.time += 0.2
    machine.draw(lambda frame: frame.view.screen is Screen.OUT_OF_ORDER)
    assert [alert.code for alert in machine.frames[-1].view.alerts] == ["E7"]
    assert machine.frames[-1].code is None
    machine.disk_works.set()
    machine.acknowledged.wait(WAIT_S)
    machine.draw(lambda frame: frame.code is not None)
    assert caplog.text.count("check both") == caplog.text.count("goes on") == 1


def test_an_idle_engine_is_not_taken_for_a_stuck_one(machine: Machine) -> None:
    """It waits for the next event, up to a heartbeat's time."""
    machine.time += 250
    machine.draw(lambda frame: machine.drawn > 60)
    assert machine.frames[-1].view.screen is Screen.PLAYING
    assert machine.frames[-1].code is not None
