"""Publishing through a real broker: returned means taken."""

from __future__ import annotations

import contextlib
import queue
import select
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from cloud.adapters.mqtt_publisher import MqttPublisher
from cloud.adapters.publisher import PublishFailed
from sandbox import ports
from sandbox.broker import Account, EmbeddedBroker
from tests.plugins.mosquitto import Certificates, Mosquitto

WAIT_S = 10.0


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[EmbeddedBroker]:
    made = EmbeddedBroker(tmp_path, Account("cloud", "pass:word/1"))
    made.start()
    yield made
    made.stop()


@pytest.fixture
def publisher(broker: EmbeddedBroker) -> Iterator[MqttPublisher]:
    made = MqttPublisher(broker.url)
    yield made
    made.close()


def test_a_message_arrives_with_qos_1(broker: EmbeddedBroker, publisher: MqttPublisher) -> None:
    arrived: queue.SimpleQueue[mqtt.MQTTMessage] = queue.SimpleQueue()
    ready: queue.SimpleQueue[bool] = queue.SimpleQueue()
    listener = mqtt.Client(CallbackAPIVersion.VERSION2)
    listener.username_pw_set("cloud", "pass:word/1")
    listener.on_subscribe = lambda *_: ready.put(True)
    listener.on_message = lambda _client, _data, message: arrived.put(message)
    listener.connect("127.0.0.1", broker.port)
    listener.loop_start()
    listener.subscribe("arcade/#", qos=1)
    ready.get(timeout=10)
    publisher.publish("arcade/machine/cab001/coinpulse", b"{}")
    message = arrived.get(timeout=10)
    listener.disconnect()
    listener.loop_stop()
    assert (message.topic, message.payload, message.qos) == (
        "arcade/machine/cab001/coinpulse",
        b"{}",
        1,
    )


def test_a_broker_that_went_away_is_a_failure_and_its_return_is_noticed(
    broker: EmbeddedBroker, publisher: MqttPublisher
) -> None:
    publisher.publish("a", b"1")
    broker.stop()
    impatient = MqttPublisher(broker.url, timeout=0.2)
    with pytest.raises(PublishFailed, match="cannot be reached"):
        impatient.publish("a", b"2")
    broker.start()
    publisher.publish("a", b"3")
    impatient.close()


def test_a_refused_password_is_a_failure_that_does_not_tell_it(broker: EmbeddedBroker) -> None:
    url = f"mqtt://cloud:wrong-password@127.0.0.1:{broker.port}"
    publisher = MqttPublisher(url, timeout=0.5)
    with pytest.raises(PublishFailed) as failure:
        publisher.publish("a", b"1")
    publisher.close()
    assert "wrong-password" not in str(failure.value)


def test_closing_without_having_published_is_fine() -> None:
    MqttPublisher("mqtt://localhost:1").close()


class Line:
    """A TCP proxy to a broker. Connections that were made before :meth:`cut` stay open and carry
    nothing any more, like those of a machine that was frozen. With ``holding`` each answer waits
    for :meth:`release`. ``sent`` has what clients send."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._dead: set[int] = set()
        self._number = 0
        self.connections = 0
        self.silent = False
        self.holding = False
        self.sent: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._held: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._released: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.url = f"mqtt://cloud:pass%3Aword%2F1@127.0.0.1:{self.port}"
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def cut(self) -> None:
        """What is connected now is dead from now on; new connections work."""
        self._dead = set(range(self._number + 1))

    def wait_for(self, payload: bytes) -> None:
        """Returns once a client has sent ``payload``."""
        sent = b""
        while payload not in sent:
            sent += self.sent.get(timeout=WAIT_S)

    def release(self) -> None:
        """Passes on the next answer that is held: a CONNACK or a PUBACK, four bytes each."""
        self._released.put(self._held.get(timeout=WAIT_S))

    def close(self) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def _accept(self) -> None:
        while not self._stopping.is_set():
            if select.select([self._listener], [], [], 0.02)[0]:
                client, _ = self._listener.accept()
                self._number += 1
                self.connections += 1
                carry = threading.Thread(target=self._carry, args=(client, self._number))
                self._threads.append(carry)
                carry.start()

    def _carry(self, client: socket.socket, number: int) -> None:
        with client, socket.create_connection(("127.0.0.1", self._port)) as broker:
            while not self._stopping.is_set():
                ready, _, _ = select.select([client, broker], [], [], 0.02)
                for one, other in ((client, broker), (broker, client)):
                    if one not in ready:
                        continue
                    with contextlib.suppress(OSError):
                        data = one.recv(65536)
                        if not data:
                            return
                        if one is client:
                            self.sent.put(data)
                        if number in self._dead or self.silent:
                            continue
                        if one is broker and self.holding:
                            for start in range(0, len(data), 4):
                                self._held.put(data[start : start + 4])
                        else:
                            other.sendall(data)
                while not self._released.empty():
                    client.sendall(self._released.get())


@pytest.fixture
def line(broker: EmbeddedBroker) -> Iterator[Line]:
    made = Line(broker.port)
    yield made
    made.close()


class Clock:
    """The time that the publisher sees: it stands still, but for what a test adds and for sleeps.

    The publisher's waits for the broker are real, but they only end when this clock says so.
    """

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr("cloud.adapters.mqtt_publisher.time", made)
    return made


Through = Callable[[float], MqttPublisher]


@pytest.fixture
def through(line: Line, clock: Clock) -> Iterator[Through]:
    """Makes publishers with a timeout, by way of ``line``."""
    made: list[MqttPublisher] = []

    def make(timeout: float) -> MqttPublisher:
        made.append(MqttPublisher(line.url, timeout, clock.time))
        return made[-1]

    yield make
    for publisher in made:
        publisher.close()


class Publishing:
    """A publish under way, in a thread of its own."""

    def __init__(self, publisher: MqttPublisher, payload: bytes) -> None:
        self._publisher = publisher
        self._payload = payload
        self._result: queue.SimpleQueue[str] = queue.SimpleQueue()
        threading.Thread(target=self._publish, daemon=True).start()

    def result(self) -> str:
        """Why it failed, or nothing."""
        return self._result.get(timeout=WAIT_S)

    def _publish(self) -> None:
        try:
            self._publisher.publish("a", self._payload)
        except PublishFailed as failure:
            self._result.put(str(failure))
        else:
            self._result.put("")


def test_after_a_minute_frozen_a_message_needs_no_more_than_a_new_connection(
    line: Line, through: Through, clock: Clock
) -> None:
    publisher = through(4.0)
    publisher.publish("a", b"1")
    publisher.publish("a", b"2")
    assert line.connections == 1
    line.cut()
    clock.now += 60
    publisher.publish("a", b"3")
    assert line.connections == 2
    assert clock.now == 1060.0


def test_a_connection_that_died_unheard_is_replaced_within_the_timeout(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    # On the real clock, and far apart: 0.2 s of silence, and 40 s for all of it.
    monkeypatch.setattr("cloud.adapters.mqtt_publisher.PATIENCE", 0.005)
    publisher = MqttPublisher(line.url, 40.0)
    publisher.publish("a", b"1")
    line.cut()
    publishing = Publishing(publisher, b"second")
    assert publishing.result() == ""
    assert line.connections == 2
    publisher.close()


def test_a_connection_that_was_quiet_and_died_is_replaced_at_once(line: Line) -> None:
    """As after a Lambda was frozen for some seconds. With a quarter of this timeout for each
    message, as for a connection that is busy, the test would not end."""
    now = [1000.0]
    publisher = MqttPublisher(line.url, 3600.0, lambda: now[0])
    publisher.publish("a", b"1")
    line.cut()
    now[0] += 5
    publishing = Publishing(publisher, b"second")
    assert publishing.result() == ""
    assert line.connections == 2
    publisher.close()


def test_a_connection_that_was_quiet_is_given_four_times_its_slowest_answer(
    line: Line, through: Through, clock: Clock
) -> None:
    publisher = through(4.0)
    line.holding = True
    publishing = Publishing(publisher, b"first")
    line.release()
    line.wait_for(b"first")
    clock.now += 0.1
    line.release()
    assert publishing.result() == ""
    clock.now += 5
    publishing = Publishing(publisher, b"second")
    line.wait_for(b"second")
    clock.now += 0.3
    line.release()
    assert publishing.result() == ""
    assert line.connections == 1


def test_a_slow_broker_is_waited_for_and_not_called_dead(
    line: Line, through: Through, clock: Clock
) -> None:
    """Others are heard in between, so the connection lives."""
    publisher = through(0.4)
    publisher.publish("a", b"1")
    line.holding = True
    under_way = []
    for payload in (b"second", b"third", b"fourth"):
        under_way.append(Publishing(publisher, payload))
        line.wait_for(payload)
    for publishing in under_way:
        clock.now += 0.09  # each time a little less than a quarter of it
        line.release()
        assert publishing.result() == ""
    assert line.connections == 1


def test_the_timeout_bounds_connecting_and_confirmation_together(
    line: Line, through: Through, clock: Clock
) -> None:
    publisher = through(0.4)
    line.holding = True
    publishing = Publishing(publisher, b"first")
    line.wait_for(b"MQTT")
    clock.now += 0.3
    line.release()
    line.wait_for(b"first")
    clock.now += 0.11
    assert "did not confirm the message" in publishing.result()


def test_with_a_silent_broker_a_publish_ends_in_its_time_however_often(
    line: Line, through: Through, clock: Clock
) -> None:
    publisher = through(0.4)
    publisher.publish("a", b"1")
    line.silent = True
    for _ in range(3):
        clock.now += 60
        publishing = Publishing(publisher, b"unheard")
        line.wait_for(b"MQTT")  # it connects anew
        clock.now += 0.41
        assert "cannot be reached" in publishing.result()
    line.silent = False
    publisher.publish("a", b"2")


def test_a_broker_that_comes_back_is_used_at_once(
    broker: EmbeddedBroker, publisher: MqttPublisher, clock: Clock
) -> None:
    publisher.publish("a", b"1")
    broker.stop()
    broker.start()
    assert Publishing(publisher, b"2").result() == ""
    assert clock.slept == []
    assert clock.now == 1000.0


# With TLS, which the embedded broker has not


@pytest.fixture(scope="module")
def tls_port(
    certificates: Certificates,
    add_account: Callable[[Path, str, str], None],
    start_mosquitto: Callable[[Path, str, tuple[int, ...]], Mosquitto],
    tmp_path_factory: pytest.TempPathFactory,
) -> int:
    """The port of a mosquitto whose certificate a private authority signed."""
    folder = tmp_path_factory.mktemp("mosquitto")
    add_account(folder / "passwords", "cloud", "pass:word/1")
    port = ports.free("127.0.0.1")
    text = (
        f"listener {port} 127.0.0.1\nallow_anonymous false\nset_tcp_nodelay true\n"
        f"certfile {certificates.server}\nkeyfile {certificates.server_key}\n"
        f"password_file {folder}/passwords\n"
    )
    start_mosquitto(folder / "mosquitto.conf", text, (port,))
    return port


def test_a_private_authority_is_trusted_where_its_file_is_named(
    tls_port: int, certificates: Certificates
) -> None:
    arrived: queue.SimpleQueue[bytes | bytearray] = queue.SimpleQueue()
    listener = mqtt.Client(CallbackAPIVersion.VERSION2)
    listener.username_pw_set("cloud", "pass:word/1")
    listener.tls_set(str(certificates.ca_file))
    ready = threading.Event()
    listener.on_subscribe = lambda *_: ready.set()
    listener.on_message = lambda _client, _data, message: arrived.put(message.payload)
    listener.connect("localhost", tls_port)
    listener.loop_start()
    listener.subscribe("arcade/#", qos=1)
    assert ready.wait(10)
    url = f"mqtts://cloud:pass%3Aword%2F1@localhost:{tls_port}"
    publisher = MqttPublisher(url, ca_file=str(certificates.ca_file))
    publisher.publish("arcade/machine/cab001/coinpulse", b"{}")
    publisher.close()
    assert arrived.get(timeout=10) == b"{}"
    listener.disconnect()
    listener.loop_stop()


@pytest.mark.parametrize(
    ("host", "ca"),
    [("localhost", ""), ("localhost", "other_ca_file"), ("127.0.0.1", "ca_file")],
    ids=["the system's authorities", "another authority", "another name"],
)
def test_a_broker_that_cannot_prove_itself_never_gets_the_message(
    tls_port: int, certificates: Certificates, host: str, ca: str
) -> None:
    ca_file = str(getattr(certificates, ca)) if ca else ""
    url = f"mqtts://cloud:pass%3Aword%2F1@{host}:{tls_port}"
    publisher = MqttPublisher(url, timeout=0.3, ca_file=ca_file)
    with pytest.raises(PublishFailed):
        publisher.publish("arcade/machine/cab001/coinpulse", b"{}")
    publisher.close()
