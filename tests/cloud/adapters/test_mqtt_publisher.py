"""Publishing through a real broker: returned means taken."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from cloud.adapters.mqtt_publisher import MqttPublisher
from cloud.adapters.publisher import PublishFailed
from sandbox.broker import Account, EmbeddedBroker


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
