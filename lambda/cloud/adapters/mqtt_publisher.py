"""Publishes over MQTT with a connection that is kept; returns after the broker's PUBACK.

The only module of the cloud that knows paho, which it imports for the first message: most calls
publish none.
"""

from __future__ import annotations

import contextlib
import logging
import secrets
import threading
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from cloud.adapters.publisher import PublishFailed

if TYPE_CHECKING:
    from paho.mqtt.client import Client
    from paho.mqtt.reasoncodes import ReasonCode

    from cloud.adapters.broker_tls import BrokerContext

log = logging.getLogger(__name__)


class MqttPublisher:
    """A :class:`~cloud.adapters.publisher.Publisher` for ``mqtt[s]://user:password@host:port``.

    Connects at the first message and again whenever the connection broke; ``timeout`` seconds bound
    the wait for the connection and for the PUBACK together. A message whose PUBACK did not come in
    time may still arrive: what is published is a hint, and hints may come twice.

    With mqtts:// the broker must prove itself: against ``ca_file``, or the system's list if empty.
    """

    def __init__(self, url: str, timeout: float = 4.0, ca_file: str = "") -> None:
        address = urlsplit(url)
        self._host = address.hostname or ""
        self._tls = address.scheme == "mqtts"
        self._port = address.port or (8883 if self._tls else 1883)
        self._username = unquote(address.username or "")
        self._password = unquote(address.password or "")
        self._ca_file = ca_file
        self._timeout = timeout
        self._connected = threading.Event()
        self._lock = threading.Lock()
        self._client: Client | None = None
        self._context: BrokerContext | None = None

    def publish(self, topic: str, payload: bytes) -> None:
        client = self._started()
        if not self._connected.wait(self._timeout):
            raise PublishFailed(f"the broker {self._host}:{self._port} cannot be reached")
        sent = client.publish(topic, payload, qos=1)
        # Both are what paho raises for a message that it could not even queue.
        with contextlib.suppress(RuntimeError, ValueError):
            sent.wait_for_publish(self._timeout)
        if not sent.rc and sent.is_published():
            return
        raise PublishFailed(f"the broker {self._host}:{self._port} did not confirm the message")

    def close(self) -> None:
        with self._lock:
            if self._client:
                self._client.disconnect()
                self._client.loop_stop()
                if self._context is not None:
                    self._context.close_last()
                self._client = None

    def _started(self) -> Client:
        """The client, connected or connecting."""
        with self._lock:
            if self._client is None:
                self._client = self._new_client()
                self._client.connect_async(self._host, self._port, keepalive=30)
                self._client.loop_start()
            return self._client

    def _new_client(self) -> Client:
        from paho.mqtt.client import Client, MQTTv311
        from paho.mqtt.enums import CallbackAPIVersion

        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=f"cloud-{secrets.token_hex(6)}",
            protocol=MQTTv311,
        )
        if self._username:
            client.username_pw_set(self._username, self._password)
        if self._tls:
            from cloud.adapters import broker_tls

            self._context = broker_tls.context(self._ca_file)
            client.tls_set_context(self._context)
        client.reconnect_delay_set(1, 8)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        return client

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
