"""A real mosquitto with TLS, and the certificates of an authority that no system knows."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

WAIT_S = 8.0
HOST = "127.0.0.1"

Need = Callable[..., str]


@dataclass(frozen=True)
class Certificates:
    """A server's certificate and key for ``localhost``, and two authorities: one signed it."""

    ca_file: Path
    other_ca_file: Path
    server: Path
    server_key: Path


class Mosquitto:
    """A mosquitto that runs with a config file whose listeners are on these ports."""

    def __init__(self, program: str, config: Path, ports: tuple[int, ...]) -> None:
        self._program = program
        self._config = config
        self._ports = ports
        self._process: subprocess.Popen[bytes] | None = None
        self.log_file = config.with_suffix(".log")

    def start(self) -> None:
        """Returns once it listens on all of its ports."""
        with self.log_file.open("ab") as told:
            self._process = subprocess.Popen(
                [self._program, "-c", self._config], stdout=told, stderr=told
            )
        until = time.monotonic() + WAIT_S
        while not all(_listens(port) for port in self._ports):
            assert self._process.poll() is None, self.log_file.read_text()
            assert time.monotonic() < until
            time.sleep(0.01)

    def reload(self) -> None:
        """Lets it read its files again, as `systemctl reload` does."""
        assert self._process
        self._process.send_signal(signal.SIGHUP)

    def stop(self) -> None:
        """Ends it as systemd would: it writes down what it keeps."""
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            process.wait(WAIT_S)


def _listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection((HOST, port), 1.0):
        return True
    return False


@pytest.fixture(scope="session")
def certificates(need: Need, tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Made anew for each run."""
    openssl = need("openssl")
    folder = tmp_path_factory.mktemp("certificates")

    def request(*arguments: str) -> None:
        key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
        subprocess.run(
            [openssl, "req", "-x509", *key, "-days", "2", *arguments],
            cwd=folder,
            check=True,
            capture_output=True,
        )

    for ca in ("ca", "other"):
        request(
            "-keyout", f"{ca}.key", "-out", f"{ca}.pem", "-subj", f"/CN=a made-up authority {ca}"
        )  # fmt: skip
    request(
        "-keyout", "server.key", "-out", "server.pem", "-subj", "/CN=localhost",
        "-CA", "ca.pem", "-CAkey", "ca.key",
        "-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=CA:FALSE",
    )  # fmt: skip
    return Certificates(
        folder / "ca.pem", folder / "other.pem", folder / "server.pem", folder / "server.key"
    )


@pytest.fixture(scope="session")
def add_account(need: Need) -> Callable[[Path, str, str], None]:
    """Writes an account into a password file as an operator would; makes the file if need be."""
    program = need("mosquitto_passwd", package="mosquitto")

    def add(file: Path, name: str, password: str) -> None:
        file.touch(mode=0o600)
        subprocess.run(
            [program, file, name],
            input=f"{password}\n{password}\n".encode(),
            check=True,
            capture_output=True,
        )

    return add


@pytest.fixture(scope="module")
def start_mosquitto(need: Need) -> Iterator[Callable[[Path, str, tuple[int, ...]], Mosquitto]]:
    """Starts a mosquitto from a config's text, to be kept in a file; it ends with the module."""
    program = need("mosquitto")
    with ExitStack() as stack:

        def start(config: Path, text: str, ports: tuple[int, ...]) -> Mosquitto:
            # Started by root it would become a user who may not read the test's folder.
            config.write_text(f"user root\n{text}" if os.getuid() == 0 else text)
            made = Mosquitto(program, config, ports)
            stack.callback(made.stop)
            made.start()
            return made

        yield start
