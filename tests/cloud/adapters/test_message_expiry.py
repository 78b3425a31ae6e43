"""When a message is of no use any more is told to a broker that speaks MQTT 5."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from cloud.adapters.mqtt_publisher import MqttPublisher
from sandbox import ports
from tests.plugins.mosquitto import Mosquitto

TOPIC = "arcade/machine/cab001/coinpulse"


@pytest.fixture(scope="module")
def port(
    start_mosquitto: Callable[[Path, str, tuple[int, ...]], Mosquitto],
    tmp_path_factory: pytest.TempPathFactory,
) -> int:
    """The port of a mosquitto that takes anybody."""
    free = ports.free("127.0.0.1")
    config = tmp_path_factory.mktemp("mosquitto") / "mosquitto.conf"
    start_mosquitto(config, f"listener {free} 127.0.0.1\nallow_anonymous true\n", (free,))
    return free


@pytest.fixture
def closing() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def heard(
    port: int, closing: ExitStack, version: MQTTProtocolVersion
) -> queue.SimpleQueue[mqtt.MQTTMessage]:
    """What a client of that version hears on the topic."""
    arrived: queue.SimpleQueue[mqtt.MQTTMessage] = queue.SimpleQueue()
    ready = threading.Event()
    client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=version)
    client.on_subscribe = lambda *_: ready.set()
    client.on_message = lambda _client, _data, message: arrived.put(message)
    client.connect("127.0.0.1", port)
    client.loop_start()
    closing.callback(client.loop_stop)
    closing.callback(client.disconnect)
    client.subscribe(TOPIC, qos=1)
    assert ready.wait(8.0)
    return arrived


def expiry(message: mqtt.MQTTMessage) -> int | None:
    """The seconds that the broker sent along with a message."""
    return getattr(message.properties, "MessageExpiryInterval", None)


def test_with_mqtt_5_the_broker_learns_when_a_message_expires(
    port: int, closing: ExitStack
) -> None:
    of_5 = heard(port, closing, MQTTProtocolVersion.MQTTv5)
    of_3 = heard(port, closing, MQTTProtocolVersion.MQTTv311)
    publisher = MqttPublisher(f"mqtt://127.0.0.1:{port}", version="5")
    closing.callback(publisher.close)
    publisher.publish(TOPIC, b"1", 118)
    publisher.publish(TOPIC, b"2")
    first, second = of_5.get(timeout=8.0), of_5.get(timeout=8.0)
    assert expiry(first) in (117, 118)
    assert expiry(second) is None
    # The kiosk speaks 3.1.1, and gets the same message.
    assert [of_3.get(timeout=8.0).payload for _ in range(2)] == [b"1", b"2"]


def test_with_mqtt_3_a_message_is_published_without(port: int, closing: ExitStack) -> None:
    of_5 = heard(port, closing, MQTTProtocolVersion.MQTTv5)
    publisher = MqttPublisher(f"mqtt://127.0.0.1:{port}", version="3.1.1")
    closing.callback(publisher.close)
    publisher.publish(TOPIC, b"1", 118)
    assert expiry(of_5.get(timeout=8.0)) is None
