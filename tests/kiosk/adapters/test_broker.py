"""The connection to the broker, against a real one, and against scripts of what none should do."""

from __future__ import annotations

import json
import queue
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from kiosk.adapters.broker import Broker, BrokerError
from kiosk.config.schema import BrokerConfig
from kiosk.core.events import BrokerDown, BrokerUp, MessageArrived, Receipt
from sandbox import ports
from sandbox.broker import Account, EmbeddedBroker
from tests.plugins.mosquitto import Certificates, Mosquitto

PASSWORD = "pass-the-word"
WAIT_S = 8.0
CABINET = "cab001"
COIN = f"arcade/machine/{CABINET}/coinpulse"
STATUS = f"arcade/machine/{CABINET}/status"

Event = BrokerUp | BrokerDown | MessageArrived


class Ear:
    """Hears what the broker's connection tells, in order."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self.reasons: list[str] = []
        self.on_message: Callable[[], None] = lambda: None

    def put(self, event: Event) -> None:
        if isinstance(event, MessageArrived):
            self.on_message()
        if isinstance(event, BrokerDown):
            self.reasons.append(event.reason)
        self._queue.put(event)

    def next(self) -> Event:
        return self._queue.get(timeout=WAIT_S)

    def up(self) -> None:
        """Waits for the connection; it may fail before."""
        while self.next() != BrokerUp():
            continue

    def down(self) -> str:
        event = self.next()
        assert isinstance(event, BrokerDown)
        return event.reason

    def message(self) -> MessageArrived:
        """The next message; the connection may come and go before."""
        while not isinstance(event := self.next(), MessageArrived):
            continue
        return event


class Cable:
    """A way to a port that can be cut, without either end saying goodbye."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._server = ports.listen("127.0.0.1", 0)
        self.port = ports.port_of(self._server)
        self._ends: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def cut(self) -> None:
        ends, self._ends = self._ends, []
        for end in ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def unplug(self) -> None:
        """Cuts it for good: who connects again is refused."""
        with suppress(OSError):  # it may be unplugged already
            self._server.shutdown(socket.SHUT_RDWR)
        self.cut()

    def close(self) -> None:
        self.unplug()
        for thread in self._threads:
            thread.join(WAIT_S)
            assert not thread.is_alive()
        self._server.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._server.accept()
                far = socket.create_connection(("127.0.0.1", self._to))
                self._ends += [near, far]
                thread = threading.Thread(target=self._carry, args=(near, far))
                self._threads.append(thread)
                thread.start()

    def _carry(self, near: socket.socket, far: socket.socket) -> None:
        with near, far:
            back = threading.Thread(target=self._pump, args=(far, near))
            back.start()
            self._pump(near, far)
            back.join(WAIT_S)

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


class Script:
    """A broker that sends ``answers``: the first after the CONNECT, each other after a packet.

    With each connection it begins anew. With a ``context`` it speaks TLS. It acknowledges a
    status unless ``acknowledges`` is false.
    """

    def __init__(
        self, *answers: bytes, context: ssl.SSLContext | None = None, acknowledges: bool = True
    ) -> None:
        self._answers = answers
        self._context = context
        self._acknowledges = acknowledges
        self.statuses: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._server = ports.listen("127.0.0.1", 0)
        self.port = ports.port_of(self._server)
        self.connects: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self.asked: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self.hung_up: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        # Of these connections those that were ended in order, not reset.
        self.ended: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._now: socket.socket | None = None
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def send(self, packets: bytes) -> None:
        assert self._now is not None
        self._now.sendall(packets)

    def cut(self) -> None:
        if self._now is not None:
            with suppress(OSError):
                self._now.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self.cut()
        self._thread.join(WAIT_S)
        assert not self._thread.is_alive()
        self._server.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                self._now, _ = self._server.accept()
                with self._now, suppress(OSError):
                    self._talk(self._now)

    def _talk(self, connection: socket.socket) -> None:
        if self._context is not None:
            connection = self._context.wrap_socket(connection, server_side=True)
        heard = b""
        with connection:
            try:
                heard = connection.recv(4096)
                self.connects.put(heard)
                for answer in self._answers:
                    connection.sendall(answer)
                    heard += (more := connection.recv(4096))
                    self.asked.put(more)
                    self._take_status(connection, more)
                while more := connection.recv(4096):
                    heard += more
                    self._take_status(connection, more)
                self.ended.put(heard)
            finally:
                self.hung_up.put(heard)

    def _take_status(self, connection: socket.socket, received: bytes) -> None:
        _, separator, rest = received.partition(STATUS.encode())
        if separator:
            mid = int.from_bytes(rest[:2], "big")
            if self._acknowledges:
                connection.sendall(acknowledged(mid))
            self.statuses.put(mid)


class Bystander:
    """Another client of the broker: publishes, and hears a cabinet's status."""

    def __init__(self, port: int, username: str = CABINET) -> None:
        self.heard: queue.SimpleQueue[mqtt.MQTTMessage] = queue.SimpleQueue()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2)
        self._client.username_pw_set(username, PASSWORD)
        self._client.on_message = lambda _client, _data, message: self.heard.put(message)
        ready = threading.Event()
        # With each connection anew: paho reconnects by itself, and a clean session forgets.
        self._client.on_connect = self._subscribe
        self._client.on_subscribe = lambda *_: ready.set()
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        assert ready.wait(WAIT_S)

    def _subscribe(self, client: mqtt.Client, *_details: object) -> None:
        client.subscribe(STATUS, 1)

    def publish(self, payload: bytes, topic: str = COIN, retain: bool = False) -> None:
        sent = self._client.publish(topic, payload, qos=1, retain=retain)
        sent.wait_for_publish(WAIT_S)
        assert sent.is_published()

    def status(self) -> object:
        return json.loads(self.heard.get(timeout=WAIT_S).payload)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@pytest.fixture
def ear() -> Ear:
    return Ear()


@pytest.fixture
def closing() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[EmbeddedBroker]:
    made = EmbeddedBroker(tmp_path, Account(CABINET, PASSWORD))
    made.start()
    yield made
    made.stop()


@pytest.fixture
def bystander(broker: EmbeddedBroker) -> Iterator[Bystander]:
    made = Bystander(broker.port)
    yield made
    made.close()


@pytest.fixture
def cable(broker: EmbeddedBroker) -> Iterator[Cable]:
    made = Cable(broker.port)
    yield made
    made.close()


@pytest.fixture
def connect(ear: Ear, closing: ExitStack) -> Callable[..., Broker]:
    """Connects a cabinet to a port, without TLS unless said, and without patience."""

    def make(port: int, password: str = PASSWORD, **settings: object) -> Broker:
        config = BrokerConfig.model_validate(
            {"host": "127.0.0.1", "port": port, "tls": False, "password": password} | settings
        )
        made = Broker(config, CABINET, ear.put, wait=lambda _tries: 0.02)
        closing.callback(made.stop)
        made.start()
        return made

    return make


@pytest.fixture
def script(closing: ExitStack) -> Callable[..., Script]:
    def make(*answers: bytes, **options: Any) -> Script:
        made = Script(*answers, **options)
        closing.callback(made.close)
        return made

    return make


ACCEPTED = b"\x20\x02\x00\x00"
DISCONNECT = b"\xe0\x00"
GRANTED = b"\x90\x05\x00\x01\x01\x01\x01"


def published(payload: bytes, mid: int) -> bytes:
    """A PUBLISH with QoS 1 on the coin's topic."""
    body = len(COIN).to_bytes(2, "big") + COIN.encode() + mid.to_bytes(2, "big") + payload
    return bytes([0x32, len(body)]) + body


def acknowledged(mid: int) -> bytes:
    return b"\x40\x02" + mid.to_bytes(2, "big")


def test_a_message_arrives_with_its_topic_and_bytes(
    broker: EmbeddedBroker, bystander: Bystander, connect: Callable[..., Broker], ear: Ear
) -> None:
    connect(broker.port)
    assert ear.next() == BrokerUp()
    for kind in ("coinpulse", "gameover", "payment"):
        topic = f"arcade/machine/{CABINET}/{kind}"
        bystander.publish(b"\xff not even JSON", topic)
        arrived = ear.message()
        assert (arrived.topic, arrived.payload) == (topic, b"\xff not even JSON")


def test_a_broker_that_is_not_there_at_start_is_named_and_waited_for(
    broker: EmbeddedBroker, connect: Callable[..., Broker], ear: Ear
) -> None:
    broker.stop()
    connect(broker.port)
    where = f"127.0.0.1:{broker.port}"
    assert ear.down() == f"the broker {where} cannot be reached: nothing listens there"
    broker.start()
    ear.up()


def test_a_broker_that_goes_away_and_comes_back_is_told_of_once_each(
    broker: EmbeddedBroker, connect: Callable[..., Broker], ear: Ear
) -> None:
    connect(broker.port)
    ear.up()
    ear.reasons.clear()
    broker.stop()
    assert ear.down() == f"the connection to the broker 127.0.0.1:{broker.port} broke"
    assert "nothing listens there" in ear.down()
    broker.start()
    ear.up()
    # Between the two it tried many times, and may have met a broker that was still starting.
    assert len(ear.reasons) == len(set(ear.reasons))


def test_what_was_not_acknowledged_comes_again(
    cable: Cable, bystander: Bystander, connect: Callable[..., Broker], ear: Ear
) -> None:
    kiosk = connect(cable.port)
    ear.up()
    bystander.publish(b"one")
    first = ear.message()
    # The status goes the way that an acknowledgement would: when it is through, that is too.
    kiosk.announce("online")
    bystander.status()
    cable.cut()
    again = ear.message()
    assert (again.topic, again.payload) == (first.topic, first.payload)
    assert again.receipt != first.receipt


def test_what_was_acknowledged_does_not_come_again(
    cable: Cable, bystander: Bystander, connect: Callable[..., Broker], ear: Ear
) -> None:
    kiosk = connect(cable.port)
    ear.up()
    bystander.publish(b"one")
    kiosk.ack(ear.message().receipt)
    kiosk.announce("online")
    bystander.status()
    cable.cut()
    ear.up()
    bystander.publish(b"two")
    assert ear.message().payload == b"two"


def test_a_connection_that_is_made_anew_brings_what_was_not_acknowledged(
    broker: EmbeddedBroker, bystander: Bystander, connect: Callable[..., Broker], ear: Ear
) -> None:
    kiosk = connect(broker.port)
    ear.up()
    kiosk.announce("online")
    assert bystander.status() == {"machineId": CABINET, "status": "online"}
    bystander.publish(b"one")
    first = ear.message()
    kiosk.reconnect()
    again = ear.message()
    assert (again.payload, ear.reasons) == (b"one", [])
    assert again.receipt != first.receipt
    # It said goodbye: nobody was told by the last will that the cabinet is offline.
    kiosk.announce("out_of_order")
    assert bystander.status() == {"machineId": CABINET, "status": "out_of_order"}


def test_a_connection_that_is_made_anew_while_there_is_none_comes_up(
    broker: EmbeddedBroker, connect: Callable[..., Broker], ear: Ear
) -> None:
    broker.stop()
    kiosk = connect(broker.port)
    ear.down()
    kiosk.reconnect()
    broker.start()
    ear.up()
    ear.up()


def test_a_message_that_was_retained_is_told_from_one_that_was_sent(
    broker: EmbeddedBroker, bystander: Bystander, connect: Callable[..., Broker], ear: Ear
) -> None:
    bystander.publish(b"kept", retain=True)
    connect(broker.port)
    ear.up()
    assert ear.message().retained
    bystander.publish(b"sent")
    arrived = ear.message()
    assert (arrived.payload, arrived.retained) == (b"sent", False)


def test_an_acknowledgement_is_not_sent_over_another_connection(
    script: Callable[..., Script], connect: Callable[..., Broker], ear: Ear
) -> None:
    # This broker begins to count anew with each connection: the old receipt fits the number.
    repeating = script(ACCEPTED, GRANTED + published(b"one", mid=7))
    kiosk = connect(repeating.port)
    old = ear.message().receipt
    repeating.cut()
    assert acknowledged(7) not in repeating.hung_up.get(timeout=WAIT_S)
    new = ear.message().receipt
    kiosk.ack(old)
    kiosk.stop()
    assert acknowledged(7) not in repeating.hung_up.get(timeout=WAIT_S)
    assert isinstance(old, Receipt)
    assert isinstance(new, Receipt)
    assert (old.mid, old.qos) == (new.mid, new.qos) == (7, 1)


def test_an_acknowledgement_is_sent_over_its_own_connection(
    script: Callable[..., Script], connect: Callable[..., Broker], ear: Ear
) -> None:
    sending = script(ACCEPTED, GRANTED + published(b"one", mid=7))
    kiosk = connect(sending.port)
    kiosk.ack(ear.message().receipt)
    kiosk.stop()
    assert acknowledged(7) in sending.hung_up.get(timeout=WAIT_S)


def test_nothing_is_sent_before_the_broker_has_granted_the_topics(
    script: Callable[..., Script], connect: Callable[..., Broker], ear: Ear
) -> None:
    refusing = script(ACCEPTED, b"\x90\x05\x00\x01\x80\x80\x80")
    kiosk = connect(refusing.port)
    kiosk.announce("online")
    for _ in range(3):
        assert b"online" not in refusing.hung_up.get(timeout=WAIT_S)
    ear.down()


def test_an_acknowledgement_needs_a_receipt(
    connect: Callable[..., Broker], script: Callable[..., Script]
) -> None:
    kiosk = connect(script().port)
    with pytest.raises(TypeError):
        kiosk.ack("a note")


def test_the_session_outlives_the_kiosk(
    broker: EmbeddedBroker, bystander: Bystander, connect: Callable[..., Broker], ear: Ear
) -> None:
    first = connect(broker.port)
    ear.up()
    first.stop()
    bystander.publish(b"while the kiosk was away")
    connect(broker.port)
    assert ear.message().payload == b"while the kiosk was away"


def test_a_kiosk_that_is_gone_without_a_word_is_offline(
    cable: Cable, bystander: Bystander, connect: Callable[..., Broker], ear: Ear
) -> None:
    kiosk = connect(cable.port)
    ear.up()
    kiosk.announce("online")
    assert bystander.status() == {"machineId": CABINET, "status": "online"}
    # Back before the broker has seen the end of the first connection, it would take the session
    # over, and the embedded broker publishes no last will then.
    cable.unplug()
    assert bystander.status() == {"machineId": CABINET, "status": "offline"}


def test_a_kiosk_that_stops_is_offline_for_who_asks_later(
    broker: EmbeddedBroker,
    bystander: Bystander,
    connect: Callable[..., Broker],
    ear: Ear,
    closing: ExitStack,
) -> None:
    kiosk = connect(broker.port)
    ear.up()
    kiosk.announce("online")
    assert bystander.status() == {"machineId": CABINET, "status": "online"}
    kiosk.stop()
    assert bystander.status() == {"machineId": CABINET, "status": "offline"}
    later = Bystander(broker.port)
    closing.callback(later.close)
    kept = later.heard.get(timeout=WAIT_S)
    assert kept.retain
    assert json.loads(kept.payload)["status"] == "offline"


def test_a_kiosk_that_stops_disconnects_once_the_broker_has_acknowledged_that_it_is_offline(
    script: Callable[..., Script], connect: Callable[..., Broker], ear: Ear, closing: ExitStack
) -> None:
    slow = script(ACCEPTED, GRANTED, acknowledges=False)
    kiosk = connect(slow.port)
    ear.up()
    stopping = threading.Thread(target=kiosk.stop)
    stopping.start()
    closing.callback(stopping.join)
    mid = slow.statuses.get(timeout=WAIT_S)
    slow.send(published(b"one", mid=7))
    assert ear.message().payload == b"one"  # it reads on
    # With the acknowledgement more comes, which it does not wait for but must not leave unread.
    slow.send(acknowledged(mid) + published(b"two", mid=8) * 20)
    assert slow.ended.get(timeout=WAIT_S).endswith(DISCONNECT)


def test_without_an_acknowledgement_of_offline_the_last_will_is_left_to_say_it(
    script: Callable[..., Script],
    connect: Callable[..., Broker],
    ear: Ear,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("kiosk.adapters.broker._DISCONNECT_S", 0.05)
    deaf = script(ACCEPTED, GRANTED, acknowledges=False)
    kiosk = connect(deaf.port)
    ear.up()
    kiosk.stop()
    sent = deaf.hung_up.get(timeout=WAIT_S)
    assert b"offline" in sent[sent.rindex(STATUS.encode()) :]
    assert DISCONNECT not in sent


def test_a_connection_that_is_made_anew_ends_in_order_with_messages_unread(
    script: Callable[..., Script], connect: Callable[..., Broker], ear: Ear
) -> None:
    sending = script(ACCEPTED, GRANTED + published(b"one", mid=7))
    kiosk = connect(sending.port)
    ear.message()

    def reconnect_once() -> None:
        ear.on_message = lambda: None
        kiosk.reconnect()

    # The thread that has just read the first of these has the command before it reads another.
    ear.on_message = reconnect_once
    sending.send(published(b"two", mid=8) * 20)
    assert sending.ended.get(timeout=WAIT_S).endswith(DISCONNECT)
    ear.up()


def test_what_is_published_while_the_broker_is_away_is_sent_when_it_is_back(
    broker: EmbeddedBroker, connect: Callable[..., Broker], ear: Ear, closing: ExitStack
) -> None:
    broker.stop()
    kiosk = connect(broker.port)
    ear.down()
    kiosk.announce("online")
    broker.start()
    ear.up()
    bystander = Bystander(broker.port)
    closing.callback(bystander.close)
    assert bystander.status() == {"machineId": CABINET, "status": "online"}


def test_a_broker_that_hangs_up_on_the_account_sends_the_operator_to_the_password(
    broker: EmbeddedBroker, connect: Callable[..., Broker], ear: Ear
) -> None:
    connect(broker.port, password="wrong-one")
    assert ear.down() == (
        f"the broker 127.0.0.1:{broker.port} ended the connection without an answer: "
        "check username and password in [broker]"
    )


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (1, "does not speak MQTT 3.1.1"),
        (2, "refused this cabinet: it does not accept the client id"),
        (3, "refused this cabinet: it is out of service"),
        (4, "refused the password: check username and password in [broker]"),
        (5, "refused the password: check username and password in [broker]"),
    ],
)
def test_a_refusal_is_named_once_and_tried_again(
    script: Callable[..., Script],
    connect: Callable[..., Broker],
    ear: Ear,
    code: int,
    told: str,
) -> None:
    refusing = script(bytes([0x20, 2, 0, code]))
    connect(refusing.port)
    for _ in range(3):
        sent = refusing.connects.get(timeout=WAIT_S)
        assert b"\x00\x04MQTT\x04" in sent  # 3.1.1, and never an older one
    assert [reason for reason in ear.reasons if told in reason] == ear.reasons
    assert len(ear.reasons) == 1
    assert PASSWORD not in ear.reasons[0]


@pytest.mark.parametrize("granted", [b"\x01\x80\x01", b"\x80\x80\x80", b"\x01"])
def test_a_refused_topic_is_no_connection(
    script: Callable[..., Script], connect: Callable[..., Broker], ear: Ear, granted: bytes
) -> None:
    refusing = script(ACCEPTED, b"\x90" + bytes([2 + len(granted)]) + b"\x00\x01" + granted)
    connect(refusing.port)
    assert ear.down() == (
        f"the broker 127.0.0.1:{refusing.port} refused the topics arcade/machine/cab001/…: "
        "check what its account may do"
    )
    refusing.connects.get(timeout=WAIT_S)
    refusing.connects.get(timeout=WAIT_S)  # it tries again


NO_MQTT = "does not speak MQTT 3.1.1: check host and port in [broker]"


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        # It looks like the beginning of a longer packet.
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "does not answer as a broker should"),
        (b"\x20\x00", NO_MQTT),
        (b"\x20\xff\xff\xff\xff\xff", NO_MQTT),
        (ACCEPTED + b"\x90\x03\x00\x01\x77", NO_MQTT),
        (ACCEPTED + b"\x90\x01\x00", NO_MQTT),
        (ACCEPTED + b"\x30\x02\x00\x09", NO_MQTT),
        (ACCEPTED + b"\x32\x03\x00\x01\xff", NO_MQTT),
        (ACCEPTED + b"\x30\x03\x00\x01\xff", NO_MQTT),
        (ACCEPTED + b"\xf0\x00", NO_MQTT),
    ],
    ids=[
        "http", "empty connack", "endless length", "unknown grant", "torn grant", "torn publish",
        "publish without a number", "topic that is no text", "unknown packet",
    ],
)  # fmt: skip
def test_what_is_no_mqtt_ends_the_connection_and_not_the_thread(
    script: Callable[..., Script],
    connect: Callable[..., Broker],
    ear: Ear,
    monkeypatch: pytest.MonkeyPatch,
    answer: bytes,
    told: str,
) -> None:
    monkeypatch.setattr("kiosk.adapters.broker._HANDSHAKE_S", 0.1)
    monkeypatch.setattr("kiosk.adapters.broker._KEEPALIVE_CHECK_S", 0.02)
    babbling = script(answer)
    connect(babbling.port)
    assert ear.down() == f"the broker 127.0.0.1:{babbling.port} {told}"
    for _ in range(3):
        babbling.connects.get(timeout=WAIT_S)


def test_a_broker_that_hangs_up_instead_of_granting_sends_the_operator_to_the_rights(
    script: Callable[..., Script], connect: Callable[..., Broker], ear: Ear
) -> None:
    ending = script(ACCEPTED)
    connect(ending.port)
    ending.asked.get(timeout=WAIT_S)
    ending.cut()
    assert ear.down() == (
        f"the broker 127.0.0.1:{ending.port} ended the connection instead of granting this "
        "cabinet's topics: check what its account may do"
    )


@pytest.mark.parametrize("answers", [(), (ACCEPTED,)], ids=["no connack", "no suback"])
def test_a_broker_that_says_nothing_is_left_after_a_while(
    script: Callable[..., Script],
    connect: Callable[..., Broker],
    ear: Ear,
    monkeypatch: pytest.MonkeyPatch,
    answers: tuple[bytes, ...],
) -> None:
    monkeypatch.setattr("kiosk.adapters.broker._HANDSHAKE_S", 0.1)
    monkeypatch.setattr("kiosk.adapters.broker._KEEPALIVE_CHECK_S", 0.02)
    silent = script(*answers)
    connect(silent.port)
    where = f"127.0.0.1:{silent.port}"
    assert ear.down() == f"the broker {where} does not answer as a broker should"
    silent.connects.get(timeout=WAIT_S)
    silent.connects.get(timeout=WAIT_S)


def test_a_connection_that_died_without_a_sign_is_noticed(
    script: Callable[..., Script], ear: Ear, closing: ExitStack
) -> None:
    dead = script(ACCEPTED, GRANTED)  # and nothing more, not even to a ping
    settings = BrokerConfig.model_validate(
        {"host": "127.0.0.1", "port": dead.port, "tls": False, "password": PASSWORD}
    ).model_copy(update={"keepalive_s": 1})  # less than a config may say
    kiosk = Broker(settings, CABINET, ear.put)
    closing.callback(kiosk.stop)
    kiosk.start()
    assert ear.next() == BrokerUp()
    assert ear.down() == f"the connection to the broker 127.0.0.1:{dead.port} broke"


def test_the_client_and_its_session_are_the_cabinets_own(
    script: Callable[..., Script], connect: Callable[..., Broker]
) -> None:
    looking = script()
    connect(looking.port)
    sent = looking.connects.get(timeout=WAIT_S)
    flags = sent[sent.index(b"MQTT") + 5]
    assert flags & 0b10 == 0  # not clean
    assert b"\x00\x0ecabinet-cab001" in sent


def test_the_waits_grow_with_each_failure_and_begin_anew_after_a_connection(
    broker: EmbeddedBroker, ear: Ear, closing: ExitStack
) -> None:
    tries: queue.SimpleQueue[int] = queue.SimpleQueue()

    def wait(failed: int) -> float:
        tries.put(failed)
        return 0.02

    broker.stop()
    settings = BrokerConfig.model_validate(
        {"host": "127.0.0.1", "port": broker.port, "tls": False, "password": PASSWORD}
    )
    kiosk = Broker(settings, CABINET, ear.put, wait)
    closing.callback(kiosk.stop)
    kiosk.start()
    assert [tries.get(timeout=WAIT_S) for _ in range(3)] == [1, 2, 3]
    broker.start()
    ear.up()
    while not tries.empty():
        tries.get()
    broker.stop()
    assert [tries.get(timeout=WAIT_S) for _ in range(2)] == [1, 2]


def test_stop_is_quick_whatever_the_broker_does(
    script: Callable[..., Script],
    connect: Callable[..., Broker],
    ear: Ear,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Nothing but the stop itself ends the thread's wait.
    monkeypatch.setattr("kiosk.adapters.broker._KEEPALIVE_CHECK_S", 60.0)
    silent = script()
    kiosk = connect(silent.port)
    silent.connects.get(timeout=WAIT_S)
    kiosk.stop()
    assert "broker" not in [thread.name for thread in threading.enumerate()]
    kiosk.stop()
    kiosk.announce("online")  # and what comes late is no error
    assert ear.reasons == []


def test_a_ca_file_without_a_certificate_is_refused_at_once(tmp_path: Path, ear: Ear) -> None:
    ca_file = tmp_path / "ca.pem"
    ca_file.write_text("no certificate")
    settings = BrokerConfig.model_validate(
        {"host": "localhost", "password": PASSWORD, "ca_file": ca_file}
    )
    with pytest.raises(BrokerError, match=r"ca\.pem is no certificate"):
        Broker(settings, CABINET, ear.put)


# With TLS and an access list, which the embedded broker has not


@pytest.fixture(scope="module")
def tls_port(
    certificates: Certificates,
    add_account: Callable[[Path, str, str], None],
    start_mosquitto: Callable[[Path, str, tuple[int, ...]], Mosquitto],
    tmp_path_factory: pytest.TempPathFactory,
) -> int:
    """The port of a mosquitto whose accounts may use their own topics and no others."""
    folder = tmp_path_factory.mktemp("mosquitto")
    for account in (CABINET, "cab002"):
        add_account(folder / "passwords", account, PASSWORD)
    (folder / "acl").touch(mode=0o600)
    (folder / "acl").write_text("pattern readwrite arcade/machine/%u/#\n")
    port = ports.free("127.0.0.1")
    text = (
        f"listener {port} 127.0.0.1\n"
        "allow_anonymous false\nset_tcp_nodelay true\n"
        f"certfile {certificates.server}\nkeyfile {certificates.server_key}\n"
        f"password_file {folder}/passwords\nacl_file {folder}/acl\n"
    )
    start_mosquitto(folder / "mosquitto.conf", text, (port,))
    return port


def test_over_tls_with_its_own_account_and_topics_a_cabinet_hears_what_is_for_it(
    tls_port: int, certificates: Certificates, connect: Callable[..., Broker], ear: Ear
) -> None:
    kiosk = connect(tls_port, host="localhost", tls=True, ca_file=certificates.ca_file)
    assert ear.next() == BrokerUp()
    kiosk.publish(COIN, b"from the cabinet itself", retain=False)
    arrived = ear.message()
    assert arrived.payload == b"from the cabinet itself"
    assert isinstance(arrived.receipt, Receipt)
    kiosk.ack(arrived.receipt)


def test_over_tls_a_wrong_password_is_named_and_never_shown(
    tls_port: int, certificates: Certificates, connect: Callable[..., Broker], ear: Ear
) -> None:
    connect(
        tls_port,
        password="wrong-one",
        host="localhost",
        tls=True,
        ca_file=certificates.ca_file,
    )
    reason = ear.down()
    assert reason.endswith("refused the password: check username and password in [broker]")
    assert "wrong-one" not in reason


def test_over_tls_what_comes_together_is_told_at_once(
    certificates: Certificates,
    script: Callable[..., Script],
    connect: Callable[..., Broker],
    ear: Ear,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # In one TLS record: what is decrypted already makes no socket readable.
    monkeypatch.setattr("kiosk.adapters.broker._KEEPALIVE_CHECK_S", 60.0)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.server, certificates.server_key)
    sending = script(
        ACCEPTED, GRANTED + published(b"one", 1) + published(b"two", 2), context=context
    )
    connect(sending.port, host="localhost", tls=True, ca_file=certificates.ca_file)
    assert [ear.message().payload, ear.message().payload] == [b"one", b"two"]


def test_a_connection_whose_tls_failed_is_closed_before_the_next_try(
    script: Callable[..., Script], ear: Ear, closing: ExitStack
) -> None:
    babbling = script(b"220 no TLS here, and a line that is long enough\r\n")
    settings = BrokerConfig.model_validate(
        {"host": "127.0.0.1", "port": babbling.port, "password": PASSWORD}
    )
    kiosk = Broker(settings, CABINET, ear.put, wait=lambda _tries: 60.0)
    closing.callback(kiosk.stop)
    kiosk.start()
    assert "does not speak TLS" in ear.down()
    babbling.hung_up.get(timeout=WAIT_S)


@pytest.mark.parametrize(
    ("host", "ca", "told"),
    [
        ("localhost", "other_ca_file", "cannot be trusted"),
        ("localhost", None, "cannot be trusted"),
        ("127.0.0.1", "ca_file", "cannot be trusted, IP address mismatch"),
    ],
    ids=["another authority", "the system's authorities", "another name"],
)
def test_over_tls_a_broker_that_cannot_prove_itself_is_refused_and_waited_for(
    tls_port: int,
    certificates: Certificates,
    connect: Callable[..., Broker],
    ear: Ear,
    host: str,
    ca: str | None,
    told: str,
) -> None:
    ca_file = getattr(certificates, ca) if ca else None
    connect(tls_port, host=host, tls=True, ca_file=ca_file)
    assert told in ear.down()


def test_a_broker_without_tls_is_told_from_one_that_is_away(
    broker: EmbeddedBroker, connect: Callable[..., Broker], ear: Ear
) -> None:
    connect(broker.port, tls=True)
    reason = ear.down()
    assert "does not speak TLS" in reason or "broke the connection off" in reason
