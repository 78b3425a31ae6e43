"""The small parts: ports, state, the HTTP server, the sweeper, prices."""

from __future__ import annotations

import json
import logging
import socket
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import requests

from cloud.server.http_server import HttpServer
from cloud.server.sweeper import Sweeper
from sandbox import ports, prices, sandbox_state

WAIT = 10.0


def test_a_free_port_is_found_and_a_taken_one_is_refused_in_one_sentence() -> None:
    with ports.listen("127.0.0.1", 0) as first:
        taken = ports.port_of(first)
        with pytest.raises(ports.PortTaken, match=f"port {taken} of 127.0.0.1 is taken: end"):
            ports.listen("127.0.0.1", taken)


def test_the_port_of_the_last_run_is_taken_again_or_replaced_by_another() -> None:
    with ports.listen("127.0.0.1", 0) as first:
        before = ports.port_of(first)
        with ports.listen_again("127.0.0.1", before) as other:
            assert ports.port_of(other) != before
    with ports.listen_again("127.0.0.1", before) as again:
        assert ports.port_of(again) == before


@pytest.mark.parametrize("host", ["192.0.2.1", "no such host"])
def test_an_address_of_another_machine_is_refused(host: str) -> None:
    with pytest.raises(ports.PortTaken, match="--host"):
        ports.listen(host, 0)


def test_secrets_are_made_once_and_kept_private(tmp_path: Path) -> None:
    made = sandbox_state.load(tmp_path)
    sandbox_state.save(tmp_path, made)
    assert sandbox_state.load(tmp_path) == made
    assert sandbox_state.new_state() != made
    assert [p.stat().st_mode & 0o777 for p in tmp_path.iterdir()] == [0o600]


def test_a_file_that_others_could_read_is_not_written_into(tmp_path: Path) -> None:
    (tmp_path / "state.json.new").write_text("left by a crash")
    (tmp_path / "state.json.new").chmod(0o644)
    sandbox_state.save(tmp_path, sandbox_state.new_state())
    assert (tmp_path / "state.json").stat().st_mode & 0o777 == 0o600


GOOD = {
    "stripe_key": "k",
    "webhook_secret": "w",
    "mqtt_username": "u",
    "mqtt_password": "p",
    "api_port": 1,
    "stripe_port": 2,
    "mqtt_port": 3,
}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "\xff",
        json.dumps({"stripe_key": "k"}),
        json.dumps(GOOD | {"api_port": "1"}),
        json.dumps(GOOD | {"api_port": True}),
        json.dumps(GOOD | {"more": 1}),
    ],
)
def test_a_state_that_cannot_be_read_is_named_and_kept(tmp_path: Path, text: str) -> None:
    file = tmp_path / "state.json"
    file.write_text(text, "latin-1")
    with pytest.raises(
        sandbox_state.DataFolderUnusable, match=r"state\.json cannot be read .*: delete it"
    ):
        sandbox_state.load(tmp_path)
    assert file.read_text("latin-1") == text


def test_a_good_state_is_read(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text(json.dumps(GOOD))
    assert sandbox_state.load(tmp_path).mqtt_port == 3


def test_two_sandboxes_do_not_share_a_folder(tmp_path: Path) -> None:
    with (
        sandbox_state.locked(tmp_path),
        pytest.raises(sandbox_state.DataFolderUnusable, match="another sandbox uses"),
    ):
        sandbox_state.locked(tmp_path).__enter__()
    with sandbox_state.locked(tmp_path):
        pass


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "state.json.new").mkdir()  # nothing can be written where a folder is
    with pytest.raises(
        sandbox_state.DataFolderUnusable, match=rf"^{tmp_path} cannot be written to"
    ):
        sandbox_state.save(tmp_path, sandbox_state.new_state())


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(
        sandbox_state.DataFolderUnusable, match=r"cannot be written to .*choose another --data"
    ):
        sandbox_state.locked(tmp_path / "file" / "folder").__enter__()


class Slow:
    """An application that responds once ``go_on`` is set."""

    def __init__(self) -> None:
        self.called = threading.Event()
        self.go_on = threading.Event()

    def __call__(self, _environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        self.called.set()
        self.go_on.wait(WAIT)
        start_response("200 OK", [("Content-Length", "2")])
        return [b"ok"]


def ended(connection: socket.socket) -> bool:
    """Whether the other side closed it, in whichever way."""
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def test_a_stopped_server_has_closed_its_port_and_connections() -> None:
    app = Slow()
    app.go_on.set()
    listener = ports.listen("127.0.0.1", 0)
    port = ports.port_of(listener)
    server = HttpServer(app, listener, threads=2)
    server.start()
    with requests.Session() as web:
        assert web.get(f"http://127.0.0.1:{port}/", timeout=WAIT).text == "ok"
        with socket.create_connection(("127.0.0.1", port), timeout=WAIT) as idle:
            server.stop()
            assert ended(idle)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=WAIT)


def test_a_server_stops_although_a_response_is_still_being_made() -> None:
    app = Slow()
    listener = ports.listen("127.0.0.1", 0)
    server = HttpServer(app, listener, threads=2)
    server.start()
    with socket.create_connection(listener.getsockname(), timeout=WAIT) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert app.called.wait(WAIT)
        server.stop(timeout=0.01)
        assert ended(client)
    app.go_on.set()


def test_a_failed_sweep_is_followed_by_the_next(
    caplog: pytest.LogCaptureFixture,
) -> None:
    swept = threading.Semaphore(0)

    def sweep() -> None:
        swept.release()
        raise RuntimeError("no ledger")

    sweeper = Sweeper(sweep, seconds=0.001)
    with caplog.at_level(logging.ERROR):
        sweeper.start()
        assert swept.acquire(timeout=WAIT)
        assert swept.acquire(timeout=WAIT)
        sweeper.stop()
    assert "a sweep failed" in caplog.text


def test_a_waiting_sweeper_stops_at_once() -> None:
    sweeper = Sweeper(lambda: pytest.fail("it swept"), seconds=3600)
    sweeper.start()
    sweeper.stop()
    assert "sweeper" not in {thread.name for thread in threading.enumerate()}


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        (100, "usd", "$1.00"),
        (123456, "EUR", "\u20ac1,234.56"),
        (300, "jpy", "\u00a5300"),
        (1000, "krw", "\u20a91,000"),
        (1500, "kwd", "KWD\u00a01.500"),
        (250, "chf", "CHF\u00a02.50"),
        (500, "isk", "ISK\u00a05.00"),  # Stripe counts it with decimals that do not exist
        (5, "usd", "$0.05"),
    ],
)
def test_amounts_are_shown_with_stripes_decimals(amount: int, currency: str, text: str) -> None:
    assert prices.text(amount, currency) == text
