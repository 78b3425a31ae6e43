"""The embedded broker, asked by the client library that cabinets use."""

from __future__ import annotations

import queue
import socket
from collections.abc import Iterator
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode

from sandbox.broker import Account, BrokerFailed, EmbeddedBroker

ACCOUNT = Account("arcade", 'a "quoted" password')
WAIT = 10.0


class Cabinet:
    """A client with a session that outlives its connection."""

    def __init__(self, port: int, password: str = ACCOUNT.password) -> None:
        self.received: queue.Queue[bytes] = queue.Queue()
        self.connected: queue.Queue[tuple[ReasonCode, bool]] = queue.Queue()
        self._subscribed: queue.Queue[int] = queue.Queue()
        self._ended: queue.Queue[ReasonCode] = queue.Queue()
        self.client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id="cab001",
            protocol=mqtt.MQTTv311,
            clean_session=False,
            reconnect_on_failure=False,
        )
        self.client.username_pw_set(ACCOUNT.username, password)
        self.client.on_connect = lambda _c, _d, flags, reason, _p: self.connected.put(
            (reason, flags.session_present)
        )
        self.client.on_disconnect = lambda _c, _d, _f, reason, _p: self._ended.put(reason)
        self.client.on_subscribe = lambda _c, _d, mid, _r, _p: self._subscribed.put(mid)
        self.client.on_message = lambda _c, _d, message: self.received.put(bytes(message.payload))
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()

    def subscribe(self) -> None:
        self.client.subscribe("arcade/machine/cab001/#", qos=1)
        self._subscribed.get(timeout=WAIT)

    def leave(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()

    def refused(self) -> bool:
        """Whether the connection ended without being accepted."""
        self._ended.get(timeout=WAIT)
        self.client.loop_stop()
        return self.connected.empty() or self.connected.get()[0].is_failure


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[EmbeddedBroker]:
    found = EmbeddedBroker(tmp_path, ACCOUNT)
    found.start()
    yield found
    found.stop()


def publish(port: int, payload: bytes) -> None:
    client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv311)
    client.username_pw_set(ACCOUNT.username, ACCOUNT.password)
    client.connect("127.0.0.1", port)
    client.loop_start()
    sent = client.publish("arcade/machine/cab001/coinpulse", payload, qos=1)
    sent.wait_for_publish(WAIT)
    assert sent.is_published()
    client.disconnect()
    client.loop_stop()


def test_what_is_sent_while_a_cabinet_is_away_arrives_when_it_is_back(
    broker: EmbeddedBroker,
) -> None:
    cabinet = Cabinet(broker.port)
    assert cabinet.connected.get(timeout=WAIT)[1] is False
    cabinet.subscribe()
    cabinet.leave()
    publish(broker.port, b"one")
    publish(broker.port, b"two")
    back = Cabinet(broker.port)
    assert back.connected.get(timeout=WAIT)[1] is True
    assert [back.received.get(timeout=WAIT), back.received.get(timeout=WAIT)] == [
        b"one",
        b"two",
    ]
    back.leave()


def test_a_wrong_password_is_refused(broker: EmbeddedBroker) -> None:
    assert Cabinet(broker.port, password="wrong").refused()


def test_a_restart_keeps_the_port(broker: EmbeddedBroker) -> None:
    before = broker.port
    cabinet = Cabinet(before)
    cabinet.connected.get(timeout=WAIT)
    cabinet.leave()
    broker.stop()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", before), timeout=WAIT)
    broker.start()
    assert broker.port == before
    publish(broker.port, b"here again")


def test_a_wanted_port_that_is_taken_is_replaced_by_another(
    broker: EmbeddedBroker, tmp_path: Path
) -> None:
    other = EmbeddedBroker(tmp_path, ACCOUNT, port=broker.port)
    other.start()
    try:
        assert other.port != broker.port
    finally:
        other.stop()


def test_stopping_twice_is_stopping_once(broker: EmbeddedBroker) -> None:
    broker.stop()
    broker.stop()


def test_a_broker_that_cannot_start_names_its_log(tmp_path: Path) -> None:
    broker = EmbeddedBroker(tmp_path, Account("arcade", "x"))
    with pytest.raises(BrokerFailed, match=r"broker\.log says why"):
        broker.start(timeout=0.0)


@pytest.mark.usefixtures("broker")
def test_its_password_is_in_no_file_that_others_can_read(tmp_path: Path) -> None:
    holding = [p for p in tmp_path.iterdir() if b"quoted" in p.read_bytes()]
    assert [p.name for p in holding] == ["broker.toml"]
    assert all(p.stat().st_mode & 0o077 == 0 for p in holding)


def test_the_address_carries_the_account(broker: EmbeddedBroker) -> None:
    assert broker.url == f"mqtt://arcade:a%20%22quoted%22%20password@127.0.0.1:{broker.port}"


def test_it_prints_nothing(capfd: pytest.CaptureFixture[str], broker: EmbeddedBroker) -> None:
    publish(broker.port, b"x")
    Cabinet(broker.port, password="wrong").refused()
    assert capfd.readouterr() == ("", "")
