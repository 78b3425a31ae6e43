"""Publishes over MQTT with a connection that is kept; returns after the broker's PUBACK.

The only module of the cloud that knows paho, which it imports for the first message: most calls
publish none.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from cloud.adapters.publisher import PublishFailed

if TYPE_CHECKING:
    from paho.mqtt.client import Client
    from paho.mqtt.properties import Properties
    from paho.mqtt.reasoncodes import ReasonCode

    from cloud.adapters.broker_tls import BrokerContext

log = logging.getLogger(__name__)

KEEPALIVE_SECONDS = 30
# A broker drops a client that was silent for one and a half keepalives.
DEAD_AFTER_SECONDS = 1.5 * KEEPALIVE_SECONDS
# How much of the timeout a PUBACK may take on an old connection, if nothing else comes either.
PATIENCE = 0.25
# One that was not heard for QUIET_SECONDS may have died while the Lambda was frozen, and a player
# waits: it gets this many times what its slowest PUBACK took, and no less than LEAST_SECONDS. If it
# was alive after all, the hint comes twice, which is harmless.
QUIET_SECONDS = 1.0
TIMES_ITS_SLOWEST = 4.0
LEAST_SECONDS = 0.05
RETRY_SECONDS = 0.25


class MqttPublisher:
    """A :class:`~cloud.adapters.publisher.Publisher` for ``mqtt[s]://user:password@host:port``.

    Connects for the first message and keeps the connection. ``timeout`` seconds bound a publish
    with all that it needs: waiting for others, connecting, and the PUBACK. A message whose PUBACK
    did not come in time may still arrive: what is published is a hint, and hints may come twice.
    With mqtts:// the broker must prove itself: against ``ca_file``, or the system's list if empty.
    Only with MQTT ``version`` 5 does the broker learn when a message expires.

    A Lambda is frozen between two calls, and its connection dies meanwhile without a word. So one
    that was not heard for longer than a broker keeps it is replaced before it is used; and one
    that stays silent after a message is replaced, and the message sent again.

    ``clock`` tells how long ago a connection was heard. It is that of the wall, which goes on while
    the machine is frozen.
    """

    def __init__(
        self,
        url: str,
        timeout: float = 4.0,
        clock: Callable[[], float] = time.time,
        ca_file: str = "",
        version: str = "3.1.1",
    ) -> None:
        address = urlsplit(url)
        self._host = address.hostname or ""
        self._tls = address.scheme == "mqtts"
        self._port = address.port or (8883 if self._tls else 1883)
        self._username = unquote(address.username or "")
        self._password = unquote(address.password or "")
        self._ca_file = ca_file
        self._version = version
        self._timeout = timeout
        self._clock = clock
        self._lock = threading.Lock()
        self._connection: _Connection | None = None
        self._dropped: list[_Connection] = []

    def publish(self, topic: str, payload: bytes, expiry_s: int | None = None) -> None:
        deadline = time.monotonic() + self._timeout
        while True:
            connection, is_new = self._usable()
            if connection.wait_until_up(deadline):
                silence = self._timeout if is_new else connection.patience(self._timeout * PATIENCE)
                if connection.publish(topic, payload, expiry_s, deadline, silence):
                    return
                failure = "did not confirm the message"
            else:
                failure = "cannot be reached"
            self._drop(connection)
            if is_new:
                # The next try finds the same, but for a broker that is just starting.
                time.sleep(min(RETRY_SECONDS, _until(deadline)))
            if connection.is_refused or time.monotonic() >= deadline:
                raise PublishFailed(f"the broker {self._host}:{self._port} {failure}")

    def close(self) -> None:
        with self._lock:
            ended, self._dropped = self._dropped, []
            if self._connection:
                ended.append(self._connection)
                self._connection = None
        for connection in ended:
            connection.end()
            connection.join()

    def _usable(self) -> tuple[_Connection, bool]:
        """A connection that may be alive, up or coming up; and whether this call made it."""
        with self._lock:
            for old in [c for c in self._dropped if c.has_ended]:
                self._dropped.remove(old)
                old.join()
            if self._connection and self._connection.may_be_alive:
                return self._connection, False
            if self._connection:
                self._drop_locked(self._connection)
            self._connection = _Connection(
                self._host,
                self._port,
                self._username,
                self._password,
                self._context() if self._tls else None,
                self._timeout,
                self._clock,
                self._version,
            )
            return self._connection, True

    def _context(self) -> BrokerContext:
        from cloud.adapters import broker_tls

        return broker_tls.context(self._ca_file)

    def _drop(self, connection: _Connection) -> None:
        with self._lock:
            self._drop_locked(connection)

    def _drop_locked(self, connection: _Connection) -> None:
        # Its thread may be waiting for the network: it is joined once it has ended.
        connection.end()
        if connection not in self._dropped:
            self._dropped.append(connection)
        if self._connection is connection:
            self._connection = None


class _Connection:
    """One connection, which is never mended: whoever needs one again makes another at once."""

    def __init__(
        self,
        host: str,
        port: int,
        username: str,
        password: str,
        tls: BrokerContext | None,
        timeout: float,
        clock: Callable[[], float],
        version: str,
    ) -> None:
        from paho.mqtt.client import Client, MQTTv5, MQTTv311
        from paho.mqtt.enums import CallbackAPIVersion

        self._address = f"{host}:{port}"
        self._clock = clock
        self._heard_at = clock()
        self._heard = 0
        self._confirmed: set[int] = set()
        self._slowest = 0.0
        self._changed = threading.Condition()
        self._up = False
        self._over = False
        self.is_refused = False
        self.has_ended = False
        self._client = client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=f"cloud-{secrets.token_hex(6)}",
            protocol=MQTTv5 if version == "5" else MQTTv311,
            reconnect_on_failure=False,
        )
        self._expires = version == "5"
        self._tls = tls
        if username:
            client.username_pw_set(username, password)
        if tls:
            client.tls_set_context(tls)
        client.connect_timeout = timeout
        client.on_connect = self._on_connect
        client.on_connect_fail = self._on_connect_fail
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        client.on_log = self._on_log
        client.connect_async(host, port, keepalive=KEEPALIVE_SECONDS)
        client.loop_start()

    @property
    def may_be_alive(self) -> bool:
        """Whether nothing says that it is dead. Pings keep it heard, while there is anybody to send
        them; a clock that jumped says nothing, so that counts as too long."""
        return not self._over and abs(self._clock() - self._heard_at) < DEAD_AFTER_SECONDS

    def patience(self, most: float) -> float:
        """How many seconds, at most ``most``, it may be silent after a message."""
        if abs(self._clock() - self._heard_at) < QUIET_SECONDS or not self._slowest:
            return most
        return min(most, max(LEAST_SECONDS, TIMES_ITS_SLOWEST * self._slowest))

    def wait_until_up(self, deadline: float) -> bool:
        """Whether the broker has taken the connection before ``deadline``."""
        with self._changed:
            self._changed.wait_for(lambda: self._up or self._over, _until(deadline))
            return self._up and not self._over

    def publish(
        self, topic: str, payload: bytes, expiry_s: int | None, deadline: float, silence: float
    ) -> bool:
        """Whether the broker has confirmed the message before ``deadline``; given up as soon as
        nothing at all was heard of the broker for ``silence`` seconds."""
        with self._changed:
            heard = self._heard
        try:
            sent = self._client.publish(topic, payload, qos=1, properties=self._expiry(expiry_s))
        except ValueError:  # what paho raises for a message that it cannot even queue
            return False
        begun = time.monotonic()
        quiet_until = begun + silence
        with self._changed:
            while sent.mid not in self._confirmed:
                if self._over or time.monotonic() >= min(deadline, quiet_until):
                    return False
                self._changed.wait(_until(min(deadline, quiet_until)))
                if self._heard != heard:
                    heard, quiet_until = self._heard, time.monotonic() + silence
            self._confirmed.discard(sent.mid)
            self._slowest = max(self._slowest, time.monotonic() - begun)
        return True

    def _expiry(self, expiry_s: int | None) -> Properties | None:
        from paho.mqtt.packettypes import PacketTypes
        from paho.mqtt.properties import Properties

        if expiry_s is None or not self._expires:
            return None
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        properties.MessageExpiryInterval = expiry_s
        return properties

    def end(self) -> None:
        """Lets the connection end; returns at once."""
        self._give_up()
        self._client.disconnect()

    def join(self) -> None:
        """Returns once the connection's thread has ended."""
        self._client.loop_stop()
        if self._tls:
            self._tls.close_last()

    def _give_up(self) -> None:
        with self._changed:
            self._over = True
            self._changed.notify_all()

    def _note_heard(self, confirmed: int | None = None) -> None:
        with self._changed:
            if confirmed is not None:
                self._confirmed.add(confirmed)
            self._heard += 1
            self._heard_at = self._clock()
            self._changed.notify_all()

    # An exception in a callback would end paho's thread: these do nothing that can fail.
    def _on_connect(
        self,
        client: Client,
        _data: object,
        _flags: object,
        reason: ReasonCode,
        _more: object,
    ) -> None:
        if reason.is_failure:
            log.error("the broker %s refused the cloud: %s", self._address, reason)
            self.is_refused = True
            self._give_up()
            return
        with self._changed:
            self._up = True
            if self._over:  # it came up after everybody had given it up
                client.disconnect()
        self._note_heard()

    def _on_connect_fail(self, client: Client, _data: object) -> None:
        # paho would wait and try its first connection again.
        client.disconnect()
        self.has_ended = True
        self._give_up()

    def _on_disconnect(self, *_arguments: object) -> None:
        self.has_ended = True
        self._give_up()

    def _on_publish(self, _client: object, _data: object, message: int, *_more: object) -> None:
        self._note_heard(confirmed=message)

    def _on_log(self, _client: object, _data: object, _level: int, text: str) -> None:
        # The only place where paho tells of the answer to a ping.
        if text.startswith("Received PINGRESP"):
            self._note_heard()


def _until(deadline: float) -> float:
    return max(0.0, deadline - time.monotonic())
