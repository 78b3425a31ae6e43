"""The calls to the cloud, against a real server that does what servers do."""

from __future__ import annotations

import gzip
import json
import logging
import queue
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from kiosk import __version__
from kiosk.adapters.cloud_client import CloudClient
from kiosk.config.schema import CloudConfig
from kiosk.core.effects import ClaimCall, LinkCall
from kiosk.core.events import Answered, NotAnswered
from sandbox import ports

TOKEN = "token-0123456789-secret"
WAIT_S = 8.0
CLAIM = ClaimCall("cab001", "cs_1", "c1")
NO_JSON = ClaimCall("cab001", "cs_2", object())  # type: ignore[arg-type]

Event = Answered | NotAnswered


@dataclass(frozen=True)
class Asked:
    """What the server was asked. ``peer`` is the connection's other end."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    peer: tuple[str, int]


def answer(status: int, body: bytes, *headers: str) -> bytes:
    """A whole answer, as it goes over the wire."""
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


GOOD = answer(200, b'{"credits": 3}')


class Cloud:
    """A server whose answers are set by the test: bytes, or a function that writes to a socket.

    They are given one after the other, and the last one again and again.
    """

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.asked: queue.SimpleQueue[Asked] = queue.SimpleQueue()
        self.answers: list[bytes | Callable[[socket.socket], None]] = [GOOD]
        self.stopping = threading.Event()
        self.gate: threading.Barrier | None = None
        cloud = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = dict(self.headers.items())
                peer = self.client_address
                cloud.asked.put(Asked(self.command, self.path, headers, body, peer))
                if cloud.gate is not None:
                    cloud.gate.wait(WAIT_S)
                given = cloud.answers.pop(0) if len(cloud.answers) > 1 else cloud.answers[0]
                with suppress(OSError):
                    if isinstance(given, bytes):
                        self.wfile.write(given)
                    else:
                        self.close_connection = True
                        given(self.connection)

            do_GET = do_POST

            def log_message(self, format: str, *args: object) -> None:
                """Says nothing."""

        class Server(ThreadingHTTPServer):
            daemon_threads = False

            def handle_error(self, request: object, client_address: object) -> None:
                """A client that breaks off is no error here."""

        self._server = Server(("127.0.0.1", 0), Handler)
        if context is not None:
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.address = f"127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def close(self) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._thread.join(WAIT_S)
        self._server.server_close()

    def times_asked(self) -> int:
        return self.asked.qsize()


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    made = Cloud()
    yield made
    made.close()


@pytest.fixture
def heard() -> queue.SimpleQueue[Event]:
    return queue.SimpleQueue()


@pytest.fixture
def client(heard: queue.SimpleQueue[Event], cloud: Cloud) -> Iterator[Callable[..., CloudClient]]:
    """Makes a client of ``url`` (the cloud's, if not said)."""
    with ExitStack() as stack:

        def make(timeout_s: float = 5.0, url: str = f"http://{cloud.address}") -> CloudClient:
            settings = CloudConfig.model_validate(
                {"url": url, "token": TOKEN, "timeout_s": timeout_s}
            )
            made = CloudClient(settings, "cab001", heard.put)
            made.start()
            stack.callback(made.stop)
            return made

        yield make


def only(heard: queue.SimpleQueue[Event]) -> Event:
    """The one event that came."""
    event = heard.get(timeout=WAIT_S)
    assert heard.empty()
    return event


def reason(heard: queue.SimpleQueue[Event]) -> str:
    """Why there was no answer: one plain sentence without the token."""
    event = only(heard)
    assert isinstance(event, NotAnswered)
    assert event.call is CLAIM
    assert TOKEN not in event.reason
    assert "\n" not in event.reason
    assert len(event.reason) < 200
    return event.reason


def test_an_answer_comes_back_with_its_call(
    cloud: Cloud, client: Callable[..., CloudClient], heard: queue.SimpleQueue[Event]
) -> None:
    client().send(CLAIM)
    assert only(heard) == Answered(CLAIM, 200, {"credits": 3})
    asked = cloud.asked.get()
    assert (asked.method, asked.path) == ("POST", "/claim")
    assert json.loads(asked.body) == {
        "machine_id": "cab001",
        "order_id": "cs_1",
        "claim_id": "c1",
    }
    assert asked.headers["Authorization"] == f"Bearer {TOKEN}"
    assert asked.headers["User-Agent"] == f"arcade-kiosk/{__version__}"
    assert asked.headers["Content-Type"] == "application/json"


def test_a_path_in_the_address_is_kept(
    cloud: Cloud, client: Callable[..., CloudClient], heard: queue.SimpleQueue[Event]
) -> None:
    client(url=f"http://{cloud.address}/prod/").send(CLAIM)
    only(heard)
    assert cloud.asked.get().path == "/prod/claim"


@pytest.mark.parametrize("status", [201, 400, 401, 404, 409, 413, 429, 500])
def test_an_answer_in_json_is_an_answer_whatever_its_status(
    cloud: Cloud, client: Callable[..., CloudClient], heard: queue.SimpleQueue[Event], status: int
) -> None:
    cloud.answers = [answer(status, b'{"error": "no"}')]
    client().send(CLAIM)
    assert only(heard) == Answered(CLAIM, status, {"error": "no"})
    assert cloud.times_asked() == 1


@pytest.mark.parametrize("status", [502, 503, 504])
def test_what_passes_by_itself_is_tried_again(
    cloud: Cloud, client: Callable[..., CloudClient], heard: queue.SimpleQueue[Event], status: int
) -> None:
    cloud.answers = [answer(status, b"<html>"), answer(status, b"<html>"), GOOD]
    client().send(CLAIM)
    assert only(heard) == Answered(CLAIM, 200, {"credits": 3})
    assert cloud.times_asked() == 3


def test_after_three_times_the_trouble_is_the_answer(
    cloud: Cloud, client: Callable[..., CloudClient], heard: queue.SimpleQueue[Event]
) -> None:
    cloud.answers = [answer(503, b'{"error": "busy"}')]
    client().send(CLAIM)
    assert only(heard) == Answered(CLAIM, 503, {"error": "busy"})
    assert cloud.times_asked() == 3


def test_a_connection_that_broke_is_tried_again(
    cloud: Cloud, client: Callable[..., CloudClient], heard: queue.SimpleQueue[Event]
) -> None:
    cloud.answers = [lambda _connection: None, GOOD]
    client().send(CLAIM)
    assert only(heard) == Answered(CLAIM, 200, {"credits": 3})
    first, second = cloud.asked.get(), cloud.asked.get()
    assert first.body == second.body


@pytest.mark.parametrize("wait", ["3600", "Wed, 21 Oct 2099 07:28:00 GMT", "soon"])
def test_a_wait_that_the_server_asks_for_is_not_waited_for_beyond_the_time(
    cloud: Cloud, client: Callable[..., CloudClient], heard: queue.SimpleQueue[Event], wait: str
) -> None:
    cloud.answers = [answer(503, b'{"error": "later"}', f"Retry-After: {wait}")]
    client().send(CLAIM)
    assert only(heard) == Answered(CLAIM, 503, {"error": "later"})
    assert cloud.times_asked() == 1


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (answer(200, b"<!doctype html><title>Log in</title>"), "answered HTTP 200 without JSON"),
        (answer(500, b"<h1>Oops</h1>"), "answered HTTP 500 without JSON"),
        (answer(200, b""), "answered HTTP 200 without JSON"),
        (answer(204, b""), "answered HTTP 204 without JSON"),
        (answer(200, b"[" * 60_000), "answered HTTP 200 without JSON"),
        (answer(200, b"\xff\xfe\xff"), "answered HTTP 200 without JSON"),
        (answer(200, b"[1, 2]"), "answered HTTP 200 without a JSON object"),
        (answer(200, b'"token"'), "answered HTTP 200 without a JSON object"),
        (answer(200, b" " * 65_537 + b"{}"), "answered with more than 64 KB"),
        (answer(302, b"{}", "Location: http://127.0.0.1:9/elsewhere"), "set url in [cloud]"),
        (answer(308, b"{}", "Location: /claim"), "set url in [cloud]"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{", "broke its answer off"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "could not be asked (ConnectionError): check url in [cloud]"),
    ],
    ids=[
        "html", "html 500", "empty", "no content", "deep", "not text", "list", "string", "huge",
        "redirect", "redirect to itself", "cut off", "no http",
    ],
)  # fmt: skip
def test_what_is_no_answer_is_told_in_plain_words(
    cloud: Cloud,
    client: Callable[..., CloudClient],
    heard: queue.SimpleQueue[Event],
    given: bytes,
    told: str,
) -> None:
    cloud.answers = [lambda connection: connection.sendall(given)]
    client().send(CLAIM)
    assert told in reason(heard)
    assert all(cloud.asked.get().path == "/claim" for _ in range(cloud.times_asked()))


def test_an_answer_without_end_is_left_at_its_limit(
    cloud: Cloud, client: Callable[..., CloudClient], heard: queue.SimpleQueue[Event]
) -> None:
    def endless(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while not cloud.stopping.is_set():
            connection.sendall(b" " * 65536)

    cloud.answers = [endless]
    client().send(CLAIM)
    assert "answered with more than 64 KB" in reason(heard)


def test_a_packed_answer_cannot_be_larger_than_it_looks(
    cloud: Cloud, client: Callable[..., CloudClient], heard: queue.SimpleQueue[Event]
) -> None:
    cloud.answers = [answer(200, gzip.compress(b" " * 50_000_000), "Content-Encoding: gzip")]
    client().send(CLAIM)
    assert "answered with more than 64 KB" in reason(heard)


def dripping_head(stopping: threading.Event) -> Callable[[socket.socket], None]:
    def drip(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        while not stopping.wait(0.02):
            connection.sendall(b"x")

    return drip


def dripping_body(stopping: threading.Event) -> Callable[[socket.socket], None]:
    def drip(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n{")
        while not stopping.wait(0.02):
            connection.sendall(b" ")

    return drip


def dripping_without_end(stopping: threading.Event) -> Callable[[socket.socket], None]:
    def drip(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.0 200 OK\r\nConnection: close\r\n\r\n{")
        while not stopping.wait(0.02):
            connection.sendall(b" ")

    return drip


def silent(stopping: threading.Event) -> Callable[[socket.socket], None]:
    def wait(_connection: socket.socket) -> None:
        stopping.wait(WAIT_S)

    return wait


@pytest.mark.parametrize("how", [silent, dripping_head, dripping_body, dripping_without_end])
def test_a_call_ends_in_its_time_however_slowly_the_server_answers(
    cloud: Cloud,
    client: Callable[..., CloudClient],
    heard: queue.SimpleQueue[Event],
    how: Callable[[threading.Event], Callable[[socket.socket], None]],
) -> None:
    asking = client(timeout_s=0.5)
    # First over connections that are kept from a call before, then over new ones.
    cloud.gate = threading.Barrier(3)
    for _ in range(3):
        asking.send(CLAIM)
    for _ in range(3):
        assert isinstance(heard.get(timeout=WAIT_S), Answered)
    cloud.gate = None
    cloud.answers = [how(cloud.stopping)]  # which ends only with the test
    asking.send(CLAIM)
    assert reason(heard) == f"the cloud {cloud.address} did not answer within 0.5 s"
    # And no thread is held: as many slow calls as there are, all of them come back.
    for _ in range(6):
        asking.send(CLAIM)
    for _ in range(6):
        assert isinstance(heard.get(timeout=WAIT_S), NotAnswered)
    cloud.answers = [GOOD]
    asking.send(CLAIM)
    assert only(heard) == Answered(CLAIM, 200, {"credits": 3})


def test_a_claim_takes_the_connection_that_was_used_last(
    cloud: Cloud, client: Callable[..., CloudClient], heard: queue.SimpleQueue[Event]
) -> None:
    """Whichever of the threads makes it: the others may have been closed meanwhile."""
    asking = client()
    cloud.gate = threading.Barrier(3)
    for _ in range(3):
        asking.send(CLAIM)
    for _ in range(3):
        heard.get(timeout=WAIT_S)
    cloud.gate = None
    opened = {cloud.asked.get(timeout=WAIT_S).peer for _ in range(3)}
    assert len(opened) == 3
    used = []
    for _ in range(6):
        asking.send(CLAIM)
        heard.get(timeout=WAIT_S)
        used.append(cloud.asked.get(timeout=WAIT_S).peer)
    assert set(used) == {used[0]}
    assert used[0] in opened


def test_a_slow_call_does_not_hold_up_another(
    cloud: Cloud, client: Callable[..., CloudClient], heard: queue.SimpleQueue[Event]
) -> None:
    cloud.answers = [silent(cloud.stopping), GOOD]
    asking = client()
    asking.send(CLAIM)
    cloud.asked.get(timeout=WAIT_S)
    other = LinkCall("cab001")
    asking.send(other)
    assert only(heard) == Answered(other, 200, {"credits": 3})


def test_a_connection_is_kept_for_the_next_call(
    cloud: Cloud, client: Callable[..., CloudClient], heard: queue.SimpleQueue[Event]
) -> None:
    asking = client()
    for _ in range(9):
        asking.send(CLAIM)
        heard.get(timeout=WAIT_S)
    assert len({cloud.asked.get().peer for _ in range(9)}) == 1  # whichever thread makes a call


def test_each_call_comes_back_once(
    cloud: Cloud, client: Callable[..., CloudClient], heard: queue.SimpleQueue[Event]
) -> None:
    calls = [ClaimCall("cab001", f"cs_{number}", "c1") for number in range(50)]
    asking = client()
    for call in calls:
        asking.send(call)
    came = [heard.get(timeout=WAIT_S).call for _ in calls]
    assert sorted(call.name for call in came) == sorted(call.name for call in calls)
    assert heard.empty()


def test_a_cloud_that_is_not_there_is_named(
    client: Callable[..., CloudClient], heard: queue.SimpleQueue[Event]
) -> None:
    port = ports.free("127.0.0.1")
    client(url=f"http://127.0.0.1:{port}").send(CLAIM)
    assert reason(heard) == f"the cloud 127.0.0.1:{port} cannot be reached: nothing listens there"


def test_a_name_that_nobody_knows_is_named(
    client: Callable[..., CloudClient],
    heard: queue.SimpleQueue[Event],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def unknown(*_args: object, **_more: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    client(url="https://cloud.invalid").send(CLAIM)
    assert reason(heard) == (
        "the cloud cloud.invalid cannot be reached: its name is unknown here, check the network"
    )


def test_a_call_ends_in_its_time_however_slowly_its_name_is_looked_up(
    client: Callable[..., CloudClient],
    heard: queue.SimpleQueue[Event],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked_up = threading.Event()

    def slow(*_args: object, **_more: object) -> None:
        looked_up.wait(2 * WAIT_S)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    asking = client(url="https://cloud.invalid", timeout_s=0.5)
    asking.send(CLAIM)
    assert reason(heard) == "the cloud cloud.invalid did not answer within 0.5 s"
    looked_up.set()
    asking.stop()
    assert heard.empty()


def test_a_body_that_is_no_json_comes_back_as_any_other_call(
    cloud: Cloud, client: Callable[..., CloudClient], heard: queue.SimpleQueue[Event]
) -> None:
    asking = client()
    asking.send(NO_JSON)
    event = only(heard)
    assert isinstance(event, NotAnswered)
    assert event.reason == f"the cloud {cloud.address} could not be asked (TypeError)"
    asking.send(CLAIM)
    assert isinstance(only(heard), Answered)


def test_over_tls_a_cloud_that_cannot_prove_itself_never_sees_the_token(
    client: Callable[..., CloudClient], heard: queue.SimpleQueue[Event], tmp_path: Path
) -> None:
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-keyout", "key.pem", "-out", "cert.pem", "-days", "2", "-subj", "/CN=nobody",
         "-addext", "subjectAltName=IP:127.0.0.1"],
        cwd=tmp_path, check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    impostor = Cloud(context)
    try:
        client(url=f"https://{impostor.address}").send(CLAIM)
        assert "cannot be trusted" in reason(heard)
        assert impostor.times_asked() == 0
    finally:
        impostor.close()


def test_https_to_a_server_without_it_is_named(
    cloud: Cloud, client: Callable[..., CloudClient], heard: queue.SimpleQueue[Event]
) -> None:
    client(url=f"https://{cloud.address}").send(CLAIM)
    assert "does not speak TLS" in reason(heard)


def test_the_environment_changes_neither_the_way_nor_the_token(
    cloud: Cloud,
    client: Callable[..., CloudClient],
    heard: queue.SimpleQueue[Event],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{ports.free('127.0.0.1')}")
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{ports.free('127.0.0.1')}")
    client().send(CLAIM)
    assert isinstance(only(heard), Answered)
    assert cloud.asked.get().headers["Authorization"] == f"Bearer {TOKEN}"


def test_the_token_is_in_no_log(
    cloud: Cloud,
    client: Callable[..., CloudClient],
    heard: queue.SimpleQueue[Event],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    cloud.answers = [answer(503, b"{}"), lambda _connection: None, answer(302, b""), GOOD]
    asking = client()
    asking.send(CLAIM)
    heard.get(timeout=WAIT_S)
    asking.send(NO_JSON)
    heard.get(timeout=WAIT_S)
    assert caplog.records
    assert TOKEN not in caplog.text


def test_stop_breaks_off_what_is_under_way_and_tells_nothing_more(
    cloud: Cloud, client: Callable[..., CloudClient], heard: queue.SimpleQueue[Event]
) -> None:
    cloud.answers = [silent(cloud.stopping)]
    asking = client(timeout_s=30.0)
    for _ in range(10):
        asking.send(CLAIM)
    for _ in range(3):
        cloud.asked.get(timeout=WAIT_S)
    before = threading.active_count()
    asking.stop()
    assert threading.active_count() <= before - 3
    assert heard.empty()
    assert cloud.times_asked() == 0
