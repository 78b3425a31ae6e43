"""Building the kiosk: to make its parts starts and opens nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from kiosk import app
from kiosk.adapters import clock
from kiosk.adapters.broker import Broker
from kiosk.adapters.cloud_client import CloudClient
from kiosk.config.schema import BrokerConfig, CloudConfig
from kiosk.core.cabinet.rules import Rules
from kiosk.display.reel import Reel
from kiosk.display.sounds import Sounds
from kiosk.display.window import Feed
from kiosk.engine import Engine, Inbox
from kiosk.hardware.simulated import SimulatedRelay

BROKER = BrokerConfig.model_validate({"host": "127.0.0.1", "port": 9, "password": "pass-the-word"})
CLOUD = CloudConfig.model_validate({"url": "https://127.0.0.1:9", "token": "token-0123456789"})


def engine(folder: Path) -> Engine:
    inbox = Inbox()
    return Engine(
        inbox=inbox,
        rules=Rules("cab001"),
        on_s=0.1,
        journal=app.journal_at(folder / "journal.db"),
        make_relay=lambda: SimulatedRelay(lambda: 0.0),
        broker=Broker(BROKER, "cab001", inbox.put),
        cloud=CloudClient(CLOUD, "cab001", inbox.put),
        clock=clock.SystemClock(),
        new_id=clock.new_id,
        jitter=clock.jitter,
    )


PARTS: dict[str, Callable[[Path], object]] = {
    "journal": lambda folder: app.journal_at(folder / "journal.db"),
    "broker": lambda _folder: Broker(BROKER, "cab001", Inbox().put),
    "cloud": lambda _folder: CloudClient(CLOUD, "cab001", Inbox().put),
    "engine": engine,
    "feed": lambda folder: Feed(engine(folder).view),
    "reel": Reel,
    "sounds": lambda _folder: Sounds({}, 1.0, None, 300.0),
}


def open_files() -> set[str]:
    """What this process has open: files, sockets and pipes."""
    found = set()
    for link in Path("/proc/self/fd").iterdir():
        try:
            found.add(f"{link.name} {link.readlink()}")
        except FileNotFoundError:  # the listing's own
            continue
    return found


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="there is no /proc")
@pytest.mark.parametrize("part", PARTS)
def test_to_make_a_part_starts_no_thread_and_opens_nothing(part: str, tmp_path: Path) -> None:
    threads, files = threading.enumerate(), open_files()
    made = PARTS[part](tmp_path)
    assert threading.enumerate() == threads
    assert open_files() == files
    assert list(tmp_path.iterdir()) == []
    del made
