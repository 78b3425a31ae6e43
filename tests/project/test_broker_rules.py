"""The broker's files as docs/cloud.md has them, and as `cloud.admin add` makes them: what a
cabinet's login can do, and what it cannot.

A thief has the login of cab002; cab001 is the real kiosk's, and the cloud is the real one.
"""

from __future__ import annotations

import queue
import socket
import threading
import tomllib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import quote

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.reasoncodes import ReasonCode

from cloud import admin
from cloud.adapters.mqtt_publisher import MqttPublisher
from kiosk.adapters.broker import Broker
from kiosk.config.schema import BrokerConfig
from kiosk.core.events import BrokerDown, BrokerUp, MessageArrived
from tests.cloud.test_settings import GOOD
from tests.fakes.broker_files import MADE, AddAccount, Field, Start, password, set_up
from tests.plugins.mosquitto import Certificates

WAIT_S = 8.0
KINDS = ("coinpulse", "payment", "gameover")
# What is said to be through, once it arrived.
FENCE = b"fence"


def topic(cabinet: str, kind: str) -> str:
    return f"arcade/machine/{cabinet}/{kind}"


@pytest.fixture(scope="module")
def page(root: Path) -> str:
    return (root / "docs" / "cloud.md").read_text()


@pytest.fixture
def add(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[Path, str], str]:
    """`cloud.admin add`, with the broker's files in a folder; returns the cabinet's password."""
    settings = GOOD | {
        "LEDGER": f"sqlite:///{tmp_path}/ledger.db",
        "MQTT_URL": f"mqtts://cloud:{quote(password('cloud'))}@localhost:8884",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)

    def run(folder: Path, cabinet: str) -> str:
        config = tmp_path / f"{cabinet}.toml"
        words = ["add", cabinet, "--after-power-cut", "forgive", "--output", str(config)]
        assert admin.main([*words, "--broker-files", str(folder)]) == 0
        return str(tomllib.loads(config.read_text())["broker"]["password"])

    return run


@pytest.fixture(params=["by the page", "by add"])
def field(
    request: pytest.FixtureRequest,
    page: str,
    certificates: Certificates,
    add_account: AddAccount,
    start_mosquitto: Start,
    tmp_path: Path,
) -> Iterator[Field]:
    """Of each test its own: sessions and retained messages last."""
    by_add = request.getfixturevalue("add") if request.param == "by add" else None
    made = set_up(page, tmp_path, certificates, add_account, start_mosquitto, add=by_add)
    yield made
    made.mosquitto.stop()
    MADE.clear()


class Client:
    """Anybody with a login and a client of their own."""

    def __init__(
        self,
        port: int,
        ca_file: Path,
        account: str,
        client_id: str = "",
        will: str = "",
        protocol: MQTTProtocolVersion = MQTTProtocolVersion.MQTTv311,
    ) -> None:
        self.heard: queue.SimpleQueue[tuple[str, bytes]] = queue.SimpleQueue()
        self.ended = threading.Event()
        self._answer: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._subscribed = threading.Event()
        clean = None if protocol == MQTTProtocolVersion.MQTTv5 else True
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id,
            clean_session=clean,
            protocol=protocol,
            reconnect_on_failure=False,
        )
        if account:
            self._client.username_pw_set(account, password(account))
        if will:
            self._client.will_set(will, b"forged", qos=1, retain=True)
        self._client.tls_set(str(ca_file))
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = lambda *_: self.ended.set()
        self._client.on_message = lambda _client, _data, message: self.heard.put(
            (message.topic, bytes(message.payload))
        )
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.connect("localhost", port)
        self._client.loop_start()
        self.accepted = self._answer.get(timeout=WAIT_S)

    def subscribe(self, *filters: str) -> None:
        for wanted in filters:
            self._subscribed.clear()
            self._client.subscribe(wanted, 1)
            assert self._subscribed.wait(WAIT_S)

    def publish(self, where: str, payload: bytes, *, retain: bool = False) -> None:
        sent = self._client.publish(where, payload, qos=1, retain=retain)
        sent.wait_for_publish(WAIT_S)
        assert sent.is_published()

    def next(self) -> tuple[str, bytes]:
        return self.heard.get(timeout=WAIT_S)

    def die(self) -> None:
        """Ends without a word, so that the broker publishes the last will."""
        connection = self._client.socket()
        assert isinstance(connection, socket.socket)
        connection.shutdown(socket.SHUT_RDWR)
        self.close()

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _on_connect(
        self, _client: object, _data: object, _flags: object, reason: ReasonCode, _more: object
    ) -> None:
        self._answer.put(not reason.is_failure)


Join = Callable[..., Client]


@pytest.fixture
def closing() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def join(field: Field, closing: ExitStack) -> Join:
    """Connects with an account: at the cabinets' listener, unless another port is said."""

    def make(account: str, client_id: str = "", port: int = 0, **more: object) -> Client:
        made = Client(port or field.cabinets, field.ca_file, account, client_id, **more)  # type: ignore[arg-type]
        closing.callback(made.close)
        return made

    return make


class Kiosk:
    """The kiosk's own connection to the broker, and what it hears."""

    def __init__(self, field: Field, cabinet: str) -> None:
        self._events: queue.SimpleQueue[BrokerUp | BrokerDown | MessageArrived]
        self._events = queue.SimpleQueue()
        settings = BrokerConfig.model_validate(
            {
                "host": "localhost",
                "port": field.cabinets,
                "ca_file": field.ca_file,
                "password": password(cabinet),
            }
        )
        self.broker = Broker(settings, cabinet, self._events.put, wait=lambda _tries: 0.02)
        self.broker.start()

    def next(self) -> BrokerUp | BrokerDown | MessageArrived:
        """What comes next; a message is acknowledged."""
        event = self._events.get(timeout=WAIT_S)
        if isinstance(event, MessageArrived):
            self.broker.ack(event.receipt)
        return event

    def message(self) -> tuple[str, bytes]:
        """The next thing that happens, which must be a message."""
        event = self.next()
        assert isinstance(event, MessageArrived), event
        return event.topic, event.payload


@pytest.fixture
def kiosk(field: Field, closing: ExitStack) -> Kiosk:
    """The kiosk of cab001, connected."""
    made = Kiosk(field, "cab001")
    closing.callback(made.broker.stop)
    assert made.next() == BrokerUp()
    return made


def cloud_at(field: Field) -> MqttPublisher:
    url = f"mqtts://cloud:{password('cloud').replace(' ', '%20')}@localhost:{field.cloud}"
    return MqttPublisher(url, ca_file=str(field.ca_file))


@pytest.fixture
def cloud(field: Field) -> Iterator[MqttPublisher]:
    made = cloud_at(field)
    yield made
    made.close()


def test_the_cloud_reaches_the_kiosk_and_the_monitor_sees_its_status_and_last_will(
    field: Field, kiosk: Kiosk, cloud: MqttPublisher, join: Join
) -> None:
    for kind in KINDS:
        cloud.publish(topic("cab001", kind), kind.encode())
        assert kiosk.message() == (topic("cab001", kind), kind.encode())
    kiosk.broker.announce("online")
    monitor = join("monitor", port=field.cloud)
    monitor.subscribe("arcade/machine/+/status")
    while b"online" not in monitor.next()[1]:
        continue
    kiosk.broker.stop()
    assert b"offline" in monitor.next()[1]
    dying = join("cab002", will=topic("cab002", "status"))
    dying.die()
    # The kiosk says that it goes; where that is cut off, the broker says it once more.
    while (heard := monitor.next())[0] == topic("cab001", "status"):
        assert b"offline" in heard[1]
    assert heard == (topic("cab002", "status"), b"forged")


def test_what_is_sent_while_a_kiosk_is_away_is_kept_also_over_a_restart_of_the_broker(
    field: Field, cloud: MqttPublisher, closing: ExitStack
) -> None:
    first = Kiosk(field, "cab001")
    assert first.next() == BrokerUp()
    first.broker.stop()
    cloud.publish(topic("cab001", "coinpulse"), b"one")
    cloud.close()
    field.mosquitto.stop()
    field.mosquitto.start()
    cloud.publish(topic("cab001", "coinpulse"), b"two")
    second = Kiosk(field, "cab001")
    closing.callback(second.broker.stop)
    come = [second.next() for _ in range(3)]
    assert BrokerUp() in come
    assert [e.payload for e in come if isinstance(e, MessageArrived)] == [b"one", b"two"]


def test_a_cabinets_login_reads_nothing_of_another(
    kiosk: Kiosk, cloud: MqttPublisher, join: Join
) -> None:
    kiosk.broker.announce("online")
    for protocol in (MQTTProtocolVersion.MQTTv311, MQTTProtocolVersion.MQTTv5):
        thief = join("cab002", protocol=protocol)
        thief.subscribe(
            "#",
            "arcade/#",
            "arcade/machine/+/coinpulse",
            "+/+/cab001/+",
            topic("cab001", "payment"),
            topic("cab001", "status"),
            f"$share/thieves/{topic('cab001', 'coinpulse')}",
            "$SYS/#",
        )
        for kind in KINDS:
            cloud.publish(topic("cab001", kind), b"for cab001")
            assert kiosk.message() == (topic("cab001", kind), b"for cab001")
        cloud.publish(topic("cab002", "coinpulse"), FENCE)
        assert thief.next() == (topic("cab002", "coinpulse"), FENCE)
        thief.close()


def test_a_cabinets_login_writes_nothing_but_its_own_status(
    field: Field, kiosk: Kiosk, cloud: MqttPublisher, join: Join
) -> None:
    monitor = join("monitor", port=field.cloud)
    thief = join("cab002", will=topic("cab001", "status"))
    thief.subscribe(*(topic("cab002", kind) for kind in KINDS))
    monitor.subscribe("arcade/machine/+/status")
    for cabinet in ("cab001", "cab002"):
        for kind in KINDS:
            for retain in (True, False):
                thief.publish(topic(cabinet, kind), b"forged", retain=retain)
    thief.publish(topic("cab001", "status"), b"forged", retain=True)
    thief.publish("arcade/machine", b"forged")
    thief.publish(topic("cab002", "status"), FENCE)
    assert monitor.next() == (topic("cab002", "status"), FENCE)
    for cabinet in ("cab001", "cab002"):
        cloud.publish(topic(cabinet, "coinpulse"), FENCE)
    assert kiosk.message() == (topic("cab001", "coinpulse"), FENCE)
    assert thief.next() == (topic("cab002", "coinpulse"), FENCE)
    thief.die()
    join("cab002").publish(topic("cab002", "status"), FENCE)
    assert monitor.next() == (topic("cab002", "status"), FENCE)


def test_a_cabinets_login_is_none_of_the_clouds_nor_the_clouds_a_cabinets(
    field: Field, join: Join
) -> None:
    assert not join("cab002", "cloud-0123456789ab", port=field.cloud).accepted
    assert not join("cloud", "cloud").accepted
    for port in (field.cabinets, field.cloud):
        assert not join("", "nobody", port=port).accepted


IDS = ("cab001", "cabinet-cab001", "cloud", "")


def test_a_cabinets_login_throws_nobody_off(kiosk: Kiosk, cloud: MqttPublisher, join: Join) -> None:
    cloud.publish(topic("cab001", "coinpulse"), b"before")
    assert kiosk.message()[1] == b"before"
    for _ in range(3):
        for client_id in IDS:
            join("cab002", client_id).close()
    cloud.publish(topic("cab001", "coinpulse"), b"after")
    assert kiosk.message()[1] == b"after"  # and no BrokerDown before


def test_without_the_tie_it_would(
    page: str,
    certificates: Certificates,
    add_account: AddAccount,
    start_mosquitto: Start,
    tmp_path: Path,
    closing: ExitStack,
) -> None:
    loose = set_up(page, tmp_path, certificates, add_account, start_mosquitto, tied=False)
    thrown = Kiosk(loose, "cab001")
    closing.callback(thrown.broker.stop)
    assert thrown.next() == BrokerUp()
    for client_id in IDS:
        Client(loose.cabinets, loose.ca_file, "cab002", client_id).close()
    assert isinstance(thrown.next(), BrokerDown)


def test_the_clouds_login_hears_nothing_and_writes_no_status(
    field: Field, kiosk: Kiosk, join: Join
) -> None:
    monitor = join("monitor", port=field.cloud)
    cloud = join("cloud", port=field.cloud)
    cloud.subscribe("#", topic("cab001", "status"))
    kiosk.broker.announce("online")
    monitor.subscribe("arcade/machine/+/status")
    assert b"online" in monitor.next()[1]
    cloud.publish(topic("cab001", "status"), b"forged", retain=True)
    kiosk.broker.announce("out_of_order")
    assert b"out_of_order" in monitor.next()[1]
    cloud.publish(topic("cab001", "coinpulse"), FENCE)
    assert kiosk.message()[1] == FENCE
    assert cloud.heard.empty()


def test_the_cloud_may_run_several_times_at_once(
    field: Field, kiosk: Kiosk, cloud: MqttPublisher
) -> None:
    other = cloud_at(field)
    for number in range(3):
        for publisher in (cloud, other):
            publisher.publish(topic("cab001", "coinpulse"), b"%d" % number)
            assert kiosk.message()[1] == b"%d" % number
    other.close()


def test_a_games_login_says_that_its_game_is_over_and_nothing_else(
    kiosk: Kiosk, cloud: MqttPublisher, join: Join
) -> None:
    cabinet = join("cab002")
    cabinet.subscribe(*(topic("cab002", kind) for kind in KINDS))
    game = join("game.cab002")
    game.subscribe("#")
    for kind in KINDS:
        game.publish(topic("cab001", kind), b"forged")
    for kind in ("coinpulse", "payment", "status"):
        game.publish(topic("cab002", kind), b"forged")
    game.publish(topic("cab002", "gameover"), b"over")
    assert cabinet.next() == (topic("cab002", "gameover"), b"over")
    cloud.publish(topic("cab001", "coinpulse"), FENCE)
    assert kiosk.message()[1] == FENCE
    assert game.heard.empty()
    assert not cabinet.ended.is_set()


@pytest.mark.parametrize("command", ["remove", "token"])
def test_a_removed_cabinet_and_an_old_password_are_out_after_a_reload(
    page: str,
    certificates: Certificates,
    add_account: AddAccount,
    start_mosquitto: Start,
    tmp_path: Path,
    add: Callable[[Path, str], str],
    closing: ExitStack,
    command: str,
) -> None:
    field = set_up(page, tmp_path, certificates, add_account, start_mosquitto, add=add)
    closing.callback(MADE.clear)
    closing.callback(field.mosquitto.stop)
    stolen = Client(field.cabinets, field.ca_file, "cab002")
    kiosk = Client(field.cabinets, field.ca_file, "cab001")
    for client in (stolen, kiosk):
        closing.callback(client.close)
        assert client.accepted
    more = ["--after-power-cut", "forgive"] if command == "token" else []
    assert admin.main([command, "cab002", *more, "--broker-files", str(tmp_path)]) == 0
    field.mosquitto.reload()
    assert stolen.ended.wait(WAIT_S)
    again = Client(field.cabinets, field.ca_file, "cab002")
    closing.callback(again.close)
    assert not again.accepted
    assert not kiosk.ended.is_set()
