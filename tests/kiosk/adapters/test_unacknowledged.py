"""A cabinet that shows a code hears of a payment, whatever it left with the broker before."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from kiosk.adapters.broker import Broker
from kiosk.config.schema import BrokerConfig
from kiosk.core.cabinet.rules import Rules
from kiosk.core.effects import Call, ClaimCall, HeartbeatCall, LinkCall
from kiosk.core.entries import Entry
from kiosk.core.events import Answered, Tick
from kiosk.engine import Engine, Inbox
from kiosk.hardware.simulated import SimulatedRelay
from kiosk.journal.store import Journal, JournalError
from sandbox import ports
from sandbox.broker import Account, EmbeddedBroker
from tests.fakes.bench import OFFER

CABINET, PASSWORD = "cab001", "pass-the-word"
WAIT_S = 20.0
MORE_THAN_A_WINDOW = 130  # messages: Mosquitto sends 20 without an acknowledgement, rumqttd 100


class Cabinet:
    """The engine over a real broker, with a journal that fails when it is told to."""

    def __init__(self, folder: Path, port: int) -> None:
        self.inbox = Inbox()
        self.full = False
        self.journal = Journal(folder / "journal.db", lambda: ("boot", 1.0, 2.0))
        self.time = 0.0
        self.claims: set[str] = set()
        config = {"host": "127.0.0.1", "port": port, "tls": False, "password": PASSWORD}
        self.broker = Broker(
            BrokerConfig.model_validate(config), CABINET, self.inbox.put, wait=lambda _tries: 0.02
        )
        self.ids = itertools.count()
        self.engine = Engine(
            self.inbox,
            Rules(CABINET),
            0.1,
            self,
            lambda: SimulatedRelay(self.now),
            self.broker,
            self,
            self,
            lambda: f"id-{next(self.ids)}",
            lambda: 0.0,
        )

    def until(self, done: Callable[[], bool]) -> None:
        """Handles what comes, and lets time pass when nothing does."""
        until = time.monotonic() + WAIT_S
        while not done():
            assert time.monotonic() < until, self.engine.state
            event = self.inbox.get(0.05)
            assert event is not None
            if isinstance(event, Tick):
                self.time += self.engine.seconds_to_next_due()
            self.engine.handle(event)

    # The journal
    power_was_lost = False

    def open(self) -> tuple[Entry, ...]:
        if self.full:
            raise JournalError("the disk is full")
        return self.journal.open()

    def append(self, *entries: Entry) -> None:
        if self.full:
            raise JournalError("the disk is full")
        self.journal.append(*entries)

    def archive(self) -> None: ...

    # The cloud: it answers at once, and refuses every claim
    def send(self, call: Call) -> None:
        body: dict[str, object] = {"error": "the deadline has passed", "code": "too_late"}
        if isinstance(call, ClaimCall):
            self.claims.add(call.order_id)
        if isinstance(call, LinkCall):
            body = OFFER
        if isinstance(call, HeartbeatCall):
            link = {"state": "active", "url": OFFER["url"]}
            body = {"time": "t", "link": link, "orders": [], "claimed": []}
        self.inbox.put(Answered(call, 409 if "error" in body else 200, body))

    # The clock
    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds


def mosquitto_at(folder: Path, port: int) -> subprocess.Popen[bytes]:
    """A mosquitto as it comes, without passwords."""
    program = shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None and "CI" not in os.environ:
        pytest.skip("mosquitto is not installed")
    assert program, "mosquitto is not installed"
    config = folder / "mosquitto.conf"
    config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n")
    process = subprocess.Popen(
        [program, "-c", config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    until = time.monotonic() + WAIT_S
    while time.monotonic() < until:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1.0):
            return process
        time.sleep(0.01)
    raise AssertionError("mosquitto does not listen")


@pytest.fixture(params=["rumqttd", "mosquitto"])
def broker_port(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[int]:
    if request.param == "rumqttd":
        embedded = EmbeddedBroker(tmp_path, Account(CABINET, PASSWORD))
        embedded.start()
        yield embedded.port
        embedded.stop()
        return
    port = ports.free("127.0.0.1")
    process = mosquitto_at(tmp_path, port)
    yield port
    process.kill()
    process.wait()


def publish(port: int, order_ids: list[str]) -> None:
    """Publishes a hint for each of the orders; returns when the broker has them."""
    client = mqtt.Client(CallbackAPIVersion.VERSION2)
    client.username_pw_set(CABINET, PASSWORD)
    connected = threading.Event()
    client.on_connect = lambda *_: connected.set()
    client.connect("127.0.0.1", port)
    client.loop_start()
    assert connected.wait(WAIT_S)
    for order_id in order_ids:
        hint = {"machineId": CABINET, "credits": 1, "orderId": order_id}
        topic = f"arcade/machine/{CABINET}/coinpulse"
        client.publish(topic, json.dumps(hint), qos=1).wait_for_publish(WAIT_S)
    client.disconnect()
    client.loop_stop()


@pytest.fixture
def cabinet(broker_port: int, tmp_path: Path) -> Iterator[Cabinet]:
    with ExitStack() as closing:
        made = Cabinet(tmp_path, broker_port)
        closing.callback(made.journal.close)
        closing.callback(made.broker.stop)
        made.broker.start()
        made.engine.begin()
        made.until(lambda: made.engine.view.offer is not None)
        yield made


def test_a_cabinet_that_shows_a_code_hears_after_a_long_time_without_its_journal(
    cabinet: Cabinet, broker_port: int
) -> None:
    """More messages than a broker sends without an acknowledgement came meanwhile."""
    cabinet.full = True
    publish(broker_port, [f"cs_{number}" for number in range(MORE_THAN_A_WINDOW)])
    cabinet.until(lambda: cabinet.engine.state.broker.unacknowledged >= 20)
    cabinet.full = False
    cabinet.until(lambda: cabinet.engine.view.offer is not None)
    publish(broker_port, ["cs_new"])
    cabinet.until(lambda: "cs_new" in cabinet.claims)
    assert len(cabinet.claims) == MORE_THAN_A_WINDOW + 1
