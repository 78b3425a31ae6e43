"""A sandbox and a kiosk without a screen, in this process, with a clock on every step."""

from __future__ import annotations

import contextlib
import io
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from cloud import admin
from kiosk.adapters import clock
from kiosk.adapters.broker import Broker
from kiosk.adapters.cloud_client import CloudClient
from kiosk.app import rules_of
from kiosk.config.schema import Config
from kiosk.core.entries import Entry, Kind
from kiosk.core.events import Answered, Event, MessageArrived
from kiosk.core.view import Screen
from kiosk.engine import Engine, Inbox
from kiosk.hardware.simulated import SimulatedRelay
from kiosk.journal import store
from sandbox.server import Options, Ready, Sandbox


def wait_for(condition: Callable[[], bool], what: str, patience: float = 20.0) -> None:
    """Waits until ``condition()`` is true."""
    end = time.monotonic() + patience
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"{what} did not come within {patience:.0f} s")
        time.sleep(0.0005)


Mark = Callable[[str], None]


class MarkedInbox(Inbox):
    """An inbox that says when a payment's hint and the answer to its claim came."""

    def __init__(self, mark: Mark) -> None:
        super().__init__()
        self._tell = mark

    def put(self, event: Event) -> None:
        if isinstance(event, MessageArrived) and event.topic.endswith("/coinpulse"):
            self._tell("arrived")
        if isinstance(event, Answered) and event.call.name.startswith("claim"):
            self._tell("claim answered")
        super().put(event)


class MarkedJournal(store.Journal):
    """A journal that says when a claim was written."""

    def __init__(self, path: Path, mark: Mark) -> None:
        super().__init__(path, lambda: ("", time.monotonic(), time.time()))
        self._tell = mark

    def append(self, *entries: Entry) -> None:
        super().append(*entries)
        if entries[0].kind is Kind.CLAIM:
            self._tell("claim written")


class MarkedRelay(SimulatedRelay):
    """A relay that says when it closed."""

    def __init__(self, mark: Mark) -> None:
        super().__init__(time.monotonic)
        self._tell = mark

    def close(self) -> None:
        self._tell("edge")
        super().close()


@contextlib.contextmanager
def sandbox() -> Iterator[tuple[Sandbox, Ready, Path]]:
    """A sandbox in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="arcade-bench-") as folder:
        data = Path(folder)
        made = Sandbox(Options(data))
        ready = made.start()
        try:
            yield made, ready, data
        finally:
            made.stop()


def cabinet_config(data: Path, machine_id: str, more: str = "") -> Path:
    """Adds a cabinet to the sandbox; returns its config file."""
    told = io.StringIO()
    with contextlib.redirect_stdout(told):
        assert (
            admin.main(["--data", str(data), "add", machine_id, "--after-power-cut", "forgive"])
            == 0
        )
    path = data / f"{machine_id}.toml"
    text = told.getvalue().replace("fullscreen = false", "headless = true")
    text = text.replace("pulses_per_credit = 1", "pulses_per_credit = 1\non_ms = 20\noff_ms = 50")
    path.write_text(text + more)
    path.chmod(0o600)
    return path


@contextlib.contextmanager
def kiosk(settings: Config, mark: Mark = lambda _step: None) -> Iterator[Engine]:
    """A kiosk without a screen, ready to be paid."""
    rules = rules_of(settings)
    inbox = MarkedInbox(mark)
    broker = Broker(settings.broker, rules.machine_id, inbox.put)
    client = CloudClient(settings.cloud, rules.machine_id, inbox.put)
    book = MarkedJournal(settings.journal.path, mark)
    engine = Engine(
        inbox=inbox,
        rules=rules,
        on_s=settings.relay.on_ms / 1000,
        journal=book,
        make_relay=lambda: MarkedRelay(mark),
        broker=broker,
        cloud=client,
        clock=clock.SystemClock(),
        new_id=clock.new_id,
        jitter=clock.jitter,
    )
    thread = threading.Thread(target=engine.run, name="engine")
    thread.start()
    client.start()
    broker.start()
    try:
        wait_for(lambda: engine.view.screen is Screen.READY, "the kiosk's code")
        yield engine
    finally:
        engine.stop()
        thread.join()
        broker.stop()
        client.stop()
        book.close()
