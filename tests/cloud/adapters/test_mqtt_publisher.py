"""Publishing through a real broker: returned means taken."""

from __future__ import annotations

import queue
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
