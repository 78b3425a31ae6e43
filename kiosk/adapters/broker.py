"""The connection to the MQTT broker. The only module of the kiosk that knows paho.

One thread owns paho's client and does everything with it; other threads queue commands for it. So
an acknowledgement for a connection that is gone can be recognised, and whatever paho raises ends a
connection, never the thread.

The session outlives its connections: the client id is the cabinet's own and no session is clean,
so the broker keeps what was not acknowledged and sends it again.
"""

from __future__ import annotations

import json
import logging
import random
import selectors
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.reasoncodes import ReasonCode

from kiosk.adapters.network import unreachable
from kiosk.config.schema import BrokerConfig
from kiosk.core.cabinet.rules import backoff
from kiosk.core.events import BrokerDown, BrokerUp, MessageArrived, Receipt
from kiosk.errors import KioskError

if TYPE_CHECKING:
    from paho.mqtt.client import SocketLike

log = logging.getLogger(__name__)

_KINDS = ("coinpulse", "gameover", "payment")
_HANDSHAKE_S = 10.0  # from the TCP connection to the granted subscriptions
_DISCONNECT_S = 1.0
_KEEPALIVE_CHECK_S = 1.0

# What a CONNACK of MQTT 3.1.1 refuses with, as paho numbers it.
_REFUSALS = {
    133: "it does not accept the client id",
    134: "check username and password in [broker]",
    135: "check username and password in [broker]",
    136: "it is out of service",
}


class BrokerError(KioskError):
    """The connection cannot even be prepared."""


class Broker:
    """Passes ``put`` the connection's state and each message, from its own thread.

    It connects again for as long as it runs, after 1 s, 2 s … 30 s at the most, each shortened at
    random. ``wait`` turns the number of failures in a row into seconds. Raises
    :class:`BrokerError` if the config's ``ca_file`` holds no certificate.
    """

    def __init__(
        self,
        settings: BrokerConfig,
        machine_id: str,
        put: Callable[[BrokerUp | BrokerDown | MessageArrived], None],
        wait: Callable[[int], float] = lambda failures: backoff(failures, random.random()),
    ) -> None:
        self._machine_id = machine_id
        self._put = put
        self._wait = wait
        self._broker = f"the broker {settings.host}:{settings.port}"
        self._no_mqtt = f"{self._broker} does not speak MQTT 3.1.1: check host and port in [broker]"
        self._topics = [f"arcade/machine/{machine_id}/{kind}" for kind in _KINDS]
        self._status_topic = f"arcade/machine/{machine_id}/status"
        self._context = _tls(settings.ca_file) if settings.tls else None
        self._client = self._new_client(settings)
        # Of other threads; acknowledgements go out before the topics are granted, the rest after.
        self._receipts: deque[Receipt] = deque()
        self._commands: deque[Callable[[], None]] = deque()
        self._wake_up: _WakeUp | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="broker", daemon=True)
        # Only the thread touches these.
        self._connection_number = 0
        self._accepted = False
        self._up = False
        self._refusal = ""
        self._reported = ""
        self._ending = False
        self._disconnect_until: float | None = None

    def start(self) -> None:
        """Starts to connect, and returns at once."""
        self._wake_up = _WakeUp()
        self._thread.start()

    def stop(self) -> None:
        """Disconnects if it can, and ends the thread; within 3 s, whatever the network does."""
        self._stopping.set()
        if self._wake_up is None:
            return
        self._wake_up.send()
        self._thread.join(3.0)
        if not self._thread.is_alive():
            self._wake_up.close()

    def ack(self, receipt: object) -> None:
        """Acknowledges a message, unless it came over an earlier connection: it comes again."""
        if not isinstance(receipt, Receipt):
            raise TypeError(f"{receipt!r} is no receipt of this broker")
        self._receipts.append(receipt)
        self._wake()

    def publish(self, topic: str, payload: bytes, retain: bool) -> None:
        """Sends a message with QoS 1, now or when there is a connection again."""
        self._enqueue(lambda: self._publish(topic, payload, retain))

    def announce(self, status: str) -> None:
        """Publishes the cabinet's retained status."""
        self.publish(self._status_topic, self._status(status), retain=True)

    def reconnect(self) -> None:
        """Ends the connection and makes another one, over which unacknowledged messages come again.

        If there is none now, the next one is ended and made again: there is always one after this.
        """
        self._enqueue(self._end_connection)

    def _new_client(self, settings: BrokerConfig) -> mqtt.Client:
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=f"cabinet-{self._machine_id}",
            clean_session=False,
            protocol=mqtt.MQTTv311,
            # We connect again ourselves; paho would also fall back to MQTT 3.1 by itself.
            reconnect_on_failure=False,
            manual_ack=True,
        )
        client.username_pw_set(
            settings.username or self._machine_id, settings.password.get_secret_value()
        )
        if self._context is not None:
            client.tls_set_context(self._context)
        client.will_set(self._status_topic, self._status("offline"), qos=1, retain=True)
        client.max_queued_messages_set(100)
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        client.on_socket_close = self._on_socket_close
        client.connect_async(settings.host, settings.port, keepalive=settings.keepalive_s)
        return client

    def _status(self, status: str) -> bytes:
        return json.dumps({"machineId": self._machine_id, "status": status}).encode()

    # Any thread

    def _enqueue(self, command: Callable[[], None]) -> None:
        self._commands.append(command)
        self._wake()

    def _wake(self) -> None:
        if self._wake_up is not None:
            self._wake_up.send()

    # The thread

    def _run(self) -> None:
        assert self._wake_up is not None
        failures = 0
        while not self._stopping.is_set():
            self._connection_number += 1
            self._accepted = self._up = False
            self._refusal = ""
            self._ending = False
            reason = self._connect_and_serve(self._wake_up)
            if self._stopping.is_set():
                return
            if self._ending:
                continue
            failures = 1 if self._up else failures + 1
            self._report_down(reason)
            self._stopping.wait(self._wait(failures))

    def _report_down(self, reason: str) -> None:
        """Reports a reason once, and not with each try."""
        if reason != self._reported:
            self._reported = reason
            self._put(BrokerDown(reason))

    def _connect_and_serve(self, wake_up: _WakeUp) -> str:
        """One connection, from its beginning to its end; returns why it ended."""
        try:
            self._client.reconnect()
            ended = self._serve(wake_up)
        except OSError as error:
            return unreachable(self._broker, error)
        except Exception as error:  # paho raises all sorts for what is no MQTT
            log.debug("paho failed", exc_info=error)
            return self._no_mqtt
        finally:
            self._close_socket()
        return self._refusal or ended or self._why_it_ended()

    def _why_it_ended(self) -> str:
        """The likely reason why the other side ended it, by how far the handshake had come."""
        if self._up:
            return f"the connection to {self._broker} broke"
        if self._accepted:
            return (
                f"{self._broker} ended the connection instead of granting this cabinet's topics: "
                "check what its account may do"
            )
        return (
            f"{self._broker} ended the connection without an answer: "
            "check username and password in [broker]"
        )

    def _serve(self, wake_up: _WakeUp) -> str:
        """Paho's work, until the connection ends, is refused, or :meth:`stop` is called.

        Returns why we ended it ourselves, or nothing.
        """
        handshake_until = time.monotonic() + _HANDSHAKE_S
        with selectors.DefaultSelector() as selector:
            selector.register(wake_up.receiver, selectors.EVENT_READ)
            connection = self._client.socket()
            if connection is None:
                return ""
            selector.register(connection, selectors.EVENT_READ)
            while not self._stopping.is_set() and not self._refusal:
                # A session's messages come before the grant, and rumqttd grants nothing while too
                # many of them are unacknowledged.
                if self._accepted:
                    self._acknowledge()
                if self._up:
                    self._run_commands()
                if self._ending:
                    break
                connection = self._client.socket()
                if connection is None:
                    return ""
                if not self._up and time.monotonic() > handshake_until:
                    return f"{self._broker} does not answer as a broker should"
                error = self._serve_once(selector, connection, _KEEPALIVE_CHECK_S)
                if error == MQTTErrorCode.MQTT_ERR_PROTOCOL:
                    return self._no_mqtt
                if error:
                    return ""
            if self._up and not self._refusal:
                selector.unregister(wake_up.receiver)
                until = time.monotonic() + _DISCONNECT_S
                if not self._stopping.is_set() or self._publish_offline(selector, until):
                    self._disconnect(selector, until)
        return ""

    def _serve_once(
        self, selector: selectors.BaseSelector, connection: SocketLike, timeout_s: float
    ) -> MQTTErrorCode:
        """Waits for a socket, does one round of paho's work, and returns its first error."""
        writing = selectors.EVENT_WRITE if self._client.want_write() else 0
        selector.modify(connection, selectors.EVENT_READ | writing)
        # What TLS has decrypted already makes no socket readable.
        pending = isinstance(connection, ssl.SSLSocket) and connection.pending() > 0
        ready = {key.fd for key, _ in selector.select(0 if pending else timeout_s)}
        if self._wake_up is not None and self._wake_up.receiver.fileno() in ready:
            self._wake_up.receiver.recv(4096)
        return self._run_client(pending or connection.fileno() in ready)

    def _run_client(self, readable: bool) -> MQTTErrorCode:
        """One round of paho's work; returns its first error."""
        error = MQTTErrorCode.MQTT_ERR_SUCCESS
        if readable:
            error = self._client.loop_read()
        if not error and self._client.want_write():
            error = self._client.loop_write()
        return error or self._client.loop_misc()

    def _publish_offline(self, selector: selectors.BaseSelector, until: float) -> bool:
        """Whether the broker has acknowledged the status "offline" before ``until``.

        After a DISCONNECT it does not publish the last will. So without the acknowledgement none
        is sent, and the last will says it.
        """
        self._acknowledge()
        self._run_commands()
        offline = self._client.publish(
            self._status_topic, self._status("offline"), qos=1, retain=True
        )
        while not offline.is_published():
            connection, left = self._client.socket(), until - time.monotonic()
            if connection is None or left <= 0 or self._serve_once(selector, connection, left):
                return False
        return True

    def _disconnect(self, selector: selectors.BaseSelector, until: float) -> None:
        """Sends DISCONNECT, upon which paho closes the socket."""
        self._disconnect_until = until
        self._client.disconnect()
        while (connection := self._client.socket()) is not None:
            left = until - time.monotonic()
            if left <= 0 or self._serve_once(selector, connection, left):
                break
        self._disconnect_until = None

    def _close_socket(self) -> None:
        """Closes the socket. Without a DISCONNECT before, the broker publishes the last will."""
        connection = self._client.socket()
        if connection is not None:
            connection.close()
        if self._context is not None:
            self._context.close_last()

    def _acknowledge(self) -> None:
        while self._receipts:
            receipt = self._receipts.popleft()
            if receipt.connection == self._connection_number:
                self._client.ack(receipt.mid, receipt.qos)

    def _run_commands(self) -> None:
        while self._commands and not self._ending:
            self._commands.popleft()()

    def _end_connection(self) -> None:
        self._ending = True

    def _publish(self, topic: str, payload: bytes, retain: bool) -> None:
        self._client.publish(topic, payload, qos=1, retain=retain)

    # Paho's callbacks

    def _on_connect(
        self, _client: object, _data: object, _flags: object, reason: ReasonCode, _more: object
    ) -> None:
        if reason.is_failure:
            why = _REFUSALS.get(reason.value, str(reason))
            refused = "the password" if reason.value in (134, 135) else "this cabinet"
            self._refusal = f"{self._broker} refused {refused}: {why}"
            return
        self._accepted = True
        self._client.subscribe([(topic, 1) for topic in self._topics])

    def _on_subscribe(
        self, _client: object, _data: object, _mid: int, codes: Sequence[ReasonCode], _more: object
    ) -> None:
        # Not zipped: a broker that answers with fewer codes has not granted the others.
        if len(codes) != len(self._topics) or any(code.is_failure for code in codes):
            self._refusal = (
                f"{self._broker} refused the topics arcade/machine/{self._machine_id}/…: "
                "check what its account may do"
            )
            return
        self._up = True
        self._reported = ""
        self._put(BrokerUp())

    def _on_message(self, _client: object, _data: object, message: mqtt.MQTTMessage) -> None:
        receipt = Receipt(message.mid, message.qos, self._connection_number)
        payload = bytes(message.payload)
        self._put(MessageArrived(message.topic, payload, receipt, bool(message.retain)))

    def _on_socket_close(self, _client: object, _data: object, connection: SocketLike) -> None:
        """Reads to the connection's end where we have sent DISCONNECT.

        Closed with bytes unread it would be reset, and a broker that finds it reset while it
        answers earlier packets publishes the last will in spite of the DISCONNECT.
        """
        if self._disconnect_until is None or not isinstance(connection, socket.socket):
            return
        with suppress(OSError):
            connection.shutdown(socket.SHUT_WR)
            while (left := self._disconnect_until - time.monotonic()) > 0:
                connection.settimeout(left)
                if not connection.recv(4096):
                    return


class _WakeUp:
    """Ends the broker thread's wait for its sockets, from another thread."""

    def __init__(self) -> None:
        self.receiver, self._sender = socket.socketpair()
        self.receiver.setblocking(False)
        self._sender.setblocking(False)

    def send(self) -> None:
        # A full pipe wakes the thread as well as one more byte, and a closed one has no thread.
        with suppress(OSError):
            self._sender.send(b"!")

    def close(self) -> None:
        self.receiver.close()
        self._sender.close()


class _Context(ssl.SSLContext):
    """A TLS context that can close the socket it made last.

    Paho leaves a socket whose handshake failed to the garbage collector.
    """

    _last: ssl.SSLSocket | None = None

    def wrap_socket(self, *args: object, **kwargs: object) -> ssl.SSLSocket:
        self._last = super().wrap_socket(*args, **kwargs)  # type: ignore[arg-type]
        return self._last

    def close_last(self) -> None:
        """Closes the last socket, if it is open."""
        if self._last is not None:
            self._last.close()
            self._last = None


def _tls(ca_file: Path | None) -> _Context:
    """A context that checks certificate and name, against ``ca_file`` or the system's list."""
    context = _Context(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca_file is None:
        context.load_default_certs()
        return context
    try:
        context.load_verify_locations(ca_file)
    except OSError as error:
        raise BrokerError(
            f"{ca_file} is no certificate that can be used (PEM): mend ca_file in [broker]"
        ) from error
    return context
