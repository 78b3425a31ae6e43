"""The embedded MQTT broker: rumqttd, from the package ``iotcore``, in a process of its own."""

from __future__ import annotations

import json
import logging
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from sandbox import ports

log = logging.getLogger(__name__)

HOST = "127.0.0.1"
CONNECTIONS = 2000

# MQTT 3.1.1 only: with MQTT 5 this broker forgets what it queued for an absent client.
_CONFIG = """\
id = 0

[router]
id = 0
max_connections = {connections}
max_outgoing_packet_count = 200
max_segment_size = 1048576
max_segment_count = 10

[v4.1]
name = "cabinets"
listen = "{host}:{port}"
next_connection_delay_ms = 1

[v4.1.connections]
connection_timeout_ms = 5000
max_payload_size = 65536
max_inflight_count = 100

[v4.1.connections.auth]
{username} = {password}
"""

_CONNACK_ACCEPTED = b"\x20\x02\x00\x00"


class BrokerFailed(Exception):
    """The broker did not start; the message says what to do."""


@dataclass(frozen=True)
class Account:
    """The one account of the embedded broker, for the cloud and the cabinets alike."""

    username: str
    password: str


class EmbeddedBroker:
    """A broker on the loopback interface that keeps its files in ``directory``.

    Sessions and what is queued for them outlive a client's connection, not the broker itself.
    ``port`` 0 takes any free port; it keeps the port that it got over ``stop`` and ``start``.
    """

    def __init__(self, directory: Path, account: Account, port: int = 0) -> None:
        self._directory = directory
        self._account = account
        self._process: subprocess.Popen[bytes] | None = None
        self.port = port

    @property
    def url(self) -> str:
        """The broker's address with its account: a secret."""
        username, password = (
            quote(self._account.username, safe=""),
            quote(self._account.password, safe=""),
        )
        return f"mqtt://{username}:{password}@{HOST}:{self.port}"

    @property
    def log_file(self) -> Path:
        """Where the broker's own output goes."""
        return self._directory / "broker.log"

    def start(self, timeout: float = 10.0) -> None:
        """Returns once the broker takes connections; raises :class:`BrokerFailed`.

        Where its port was taken by another, it takes any free one: see :attr:`port` afterwards.
        """
        deadline = time.monotonic() + timeout
        # Between the probe and the broker's own bind another program may take the port.
        for _ in range(5):
            self.port = ports.free(HOST, self.port)
            if self._run(deadline):
                log.info("the MQTT broker listens on %s:%d", HOST, self.port)
                return
        raise BrokerFailed(f"the MQTT broker does not start: {self.log_file} says why")

    def stop(self) -> None:
        """Ends the broker at once; nothing happens if it does not run."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        if process.stdin:
            process.stdin.close()

    def _run(self, deadline: float) -> bool:
        config = self._directory / "broker.toml"
        config.touch(mode=0o600)
        config.write_text(self._config())
        with self.log_file.open("wb") as output:
            self._process = subprocess.Popen(
                # -P: modules in this directory would hide others of the same name.
                [sys.executable, "-P", str(Path(__file__).with_name("broker_process.py")), config],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                # Ctrl-C in a terminal reaches the whole group: only the sandbox ends its broker.
                start_new_session=True,
            )
        while time.monotonic() < deadline and self._process.poll() is None:
            if self._answers():
                return True
            time.sleep(0.02)
        self.stop()
        return False

    def _config(self) -> str:
        # TOML's basic strings are JSON's, and so may its keys be.
        return _CONFIG.format(
            connections=CONNECTIONS,
            host=HOST,
            port=self.port,
            username=json.dumps(self._account.username),
            password=json.dumps(self._account.password),
        )

    def _answers(self) -> bool:
        """Whether it accepts the account: only then it is our broker and not another's port."""
        try:
            with socket.create_connection((HOST, self.port), timeout=1.0) as connection:
                connection.sendall(_connect_packet(self._account))
                return connection.recv(4) == _CONNACK_ACCEPTED
        except OSError:
            return False


def _connect_packet(account: Account) -> bytes:
    """MQTT 3.1.1's CONNECT: clean session, an account, keep-alive 5 s."""
    fields = b"".join(
        len(text).to_bytes(2, "big") + text
        for text in (b"sandbox-probe", account.username.encode(), account.password.encode())
    )
    body = b"\x00\x04MQTT\x04\xc2\x00\x05" + fields
    # A length has seven bits a byte, the lowest first; two bytes are enough for any account.
    return b"\x10" + bytes([len(body) % 128 | 128, len(body) // 128]) + body
