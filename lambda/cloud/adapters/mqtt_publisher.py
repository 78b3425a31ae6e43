"""Publishes over MQTT with a connection that is kept; returns after the broker's PUBACK.

The only module of the cloud that knows paho.
"""

from __future__ import annotations

import contextlib
import logging
import secrets
import ssl
import threading
from urllib.parse import unquote, urlsplit

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode

from cloud.adapters.publisher import PublishFailed

log = logging.getLogger(__name__)


class MqttPublisher:
    """A :class:`~cloud.adapters.publisher.Publisher` for ``mqtt[s]://user:password@host:port``.

    Connects at the first message and again whenever the connection broke; ``timeout`` seconds bound
    the wait for the connection and for the PUBACK together. A message whose PUBACK did not come in
    time may still arrive: what is published is a hint, and hints may come twice.
    """

    def __init__(self, url: str, timeout: float = 4.0) -> None:
        address = urlsplit(url)
        self._host = address.hostname or ""
        self._port = address.port or (8883 if address.scheme == "mqtts" else 1883)
        self._timeout = timeout
        self._connected = threading.Event()
        self._lock = threading.Lock()
        self._started = False
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=f"cloud-{secrets.token_hex(6)}",
            protocol=mqtt.MQTTv311,
        )
        if address.username:
            self._client.username_pw_set(unquote(address.username), unquote(address.password or ""))
        if address.scheme == "mqtts":
            self._client.tls_set_context(ssl.create_default_context())
        self._client.reconnect_delay_set(1, 8)
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect

    def publish(self, topic: str, payload: bytes) -> None:
        self._start()
        if not self._connected.wait(self._timeout):
            raise PublishFailed(f"the broker {self._host}:{self._port} cannot be reached")
        sent = self._client.publish(topic, payload, qos=1)
        # Both are what paho raises for a message that it could not even queue.
        with contextlib.suppress(RuntimeError, ValueError):
            sent.wait_for_publish(self._timeout)
        if not sent.rc and sent.is_published():
            return
        raise PublishFailed(f"the broker {self._host}:{self._port} did not confirm the message")

    def close(self) -> None:
        with self._lock:
            if self._started:
                self._client.disconnect()
                self._client.loop_stop()
                self._started = False

    def _start(self) -> None:
        with self._lock:
            if not self._started:
                self._client.connect_async(self._host, self._port, keepalive=30)
                self._client.loop_start()
                self._started = True

    # An exception in a callback would end paho's thread: these do nothing that can fail.
    def _on_connect(
        self,
        _client: object,
        _data: object,
        _flags: object,
        reason: ReasonCode,
        _more: object,
    ) -> None:
        if reason.is_failure:
            log.error("the broker %s:%s refused the cloud: %s", self._host, self._port, reason)
        else:
            self._connected.set()

    def _on_disconnect(
        self,
        _client: object,
        _data: object,
        _flags: object,
        _reason: object,
        _more: object,
    ) -> None:
        self._connected.clear()
