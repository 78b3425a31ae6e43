"""The mirror over real HTTP: pictures, the stream, the state, and nothing that can be written."""

from __future__ import annotations

import contextlib
import io
import json
import socket
import threading
import time
from collections.abc import Iterator

import pygame
import pytest
import requests

from kiosk.core.view import Screen, View
from kiosk.display.mirror import Mirror
from kiosk.display.window import Frame
from kiosk.errors import KioskError
from tools.views import OFFER, URL, renderer

SIZE = (320, 240)
READY = View(Screen.READY, OFFER)


class Cabinet:
    """A mirror, and a thread that draws into it as a window does."""

    def __init__(self) -> None:
        self.mirror = Mirror("127.0.0.1", 0, lambda: {"pulses_made": 7})
        self.base = f"http://127.0.0.1:{self.mirror.start()}"
        self.view = READY
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._draw)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()
        self.mirror.stop()

    def _draw(self) -> None:
        on, surface = renderer(SIZE), pygame.Surface(SIZE)
        begun = time.monotonic()
        while not self._stop.wait(0.02):
            view = self.view
            on.draw(surface, view, time.monotonic() - begun)
            assert on.view is not None
            self.mirror.on_frame(Frame(surface, on.view, on.code, on.settled))


@pytest.fixture
def cabinet() -> Iterator[Cabinet]:
    cabinet = Cabinet()
    cabinet.start()
    yield cabinet
    cabinet.stop()


def test_the_picture_is_the_frame_of_now(cabinet: Cabinet) -> None:
    answer = requests.get(cabinet.base + "/screen.png", timeout=10)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "image/png"
    assert answer.headers["Cache-Control"] == "no-store"
    assert pygame.image.load(io.BytesIO(answer.content), "a.png").get_size() == SIZE


def test_the_state_says_what_is_on_the_screen_and_where_the_code_is(cabinet: Cabinet) -> None:
    requests.get(cabinet.base + "/screen.png", timeout=10)
    state = requests.get(cabinet.base + "/state", timeout=10).json()
    assert state["screen"] == "ready"
    assert state["pulses_made"] == 7
    assert state["shows_qr"] is True
    assert state["qr"]["url"] == URL
    assert 0 < state["qr"]["x"] < SIZE[0]
    assert 0 < state["qr"]["w"] <= SIZE[1]


def test_events_tell_each_change_once(cabinet: Cabinet) -> None:
    with requests.get(cabinet.base + "/events", stream=True, timeout=10) as answer:
        lines = answer.iter_lines(chunk_size=1)

        def following() -> str:
            for line in lines:
                if line.startswith(b"data: "):
                    return str(json.loads(line[6:]).get("screen"))
            raise AssertionError("the events ended")

        while following() != "ready":
            pass
        cabinet.view = View(Screen.PAYING)
        assert following() == "paying"
        cabinet.view = View(Screen.CREDITING, coin=1, coins=3)
        assert following() == "crediting"


def test_the_stream_sends_frames_while_something_moves(cabinet: Cabinet) -> None:
    with requests.get(cabinet.base + "/stream", stream=True, timeout=10) as answer:
        kind = answer.headers["Content-Type"]
        assert kind == "multipart/x-mixed-replace; boundary=frame"
        pictures = 0
        for line in answer.iter_lines(chunk_size=1):
            if line == b"Content-Type: image/jpeg":
                pictures += 1
                if pictures == 3:
                    break
    assert pictures == 3


def test_several_may_look_at_once_and_go(cabinet: Cabinet) -> None:
    streams = [requests.get(cabinet.base + "/stream", stream=True, timeout=10) for _ in range(3)]
    for stream in streams:
        assert next(stream.iter_content(64))
        stream.close()
    assert requests.get(cabinet.base + "/state", timeout=10).ok


def test_there_is_no_other_page_and_nothing_to_write(cabinet: Cabinet) -> None:
    answer = requests.get(cabinet.base + "/../etc/passwd", timeout=10)
    assert answer.status_code == 404
    assert requests.post(cabinet.base + "/state", data="{}", timeout=10).status_code == 501


def test_no_page_of_another_origin_may_show_or_read_it(cabinet: Cabinet) -> None:
    for path in ("/state", "/screen.png", "/nothing"):
        origin = {"Origin": "https://elsewhere.example"}
        answer = requests.get(cabinet.base + path, headers=origin, timeout=10)
        assert "Access-Control-Allow-Origin" not in answer.headers
        assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1", 200),
        ("127.0.0.1:8010", 200),
        ("127.5.5.5", 200),
        ("localhost:9000", 200),  # a port that is forwarded has any number
        ("LocalHost", 200),
        ("[::1]:8010", 200),
        ("cab001.local:8010", 200),
        ("192.168.1.5", 200),
        ("evil.example", 403),
        ("evil.example:8010", 403),
        ("localhost.evil.example", 403),
        ("127.0.0.1.evil.example", 403),
        ("127.0.0.1@evil.example", 403),
        ("192.168.1.6", 403),
        ("", 403),
        ("[", 403),
    ],
)
def test_a_name_that_leads_here_and_is_not_ours_gets_nothing(host: str, status: int) -> None:
    """As a page's does, whose owner lets its name lead to 127.0.0.1 (DNS rebinding)."""
    mirror = Mirror("127.0.0.1", 0, hosts=("cab001.local", "192.168.1.5"))
    base = f"http://127.0.0.1:{mirror.start()}"
    try:
        for path in ("/state", "/nothing"):
            answer = requests.get(base + path, headers={"Host": host}, timeout=10)
            expected = 404 if path == "/nothing" and status == 200 else status
            assert answer.status_code == expected
            assert ("[mirror] hosts" in answer.text) == (status == 403)
    finally:
        mirror.stop()


def test_a_mirror_is_asked_for_where_it_listens() -> None:
    mirror = Mirror("LOCALHOST", 0)
    port = mirror.start()
    try:
        assert requests.get(f"http://localhost:{port}/state", timeout=10).ok
    finally:
        mirror.stop()


class TestManyConnections:
    """Whoever can connect must not take the sockets that payments need."""

    def idle(self, base: str, count: int) -> list[socket.socket]:
        host, port = base.removeprefix("http://").split(":")
        return [socket.create_connection((host, int(port)), 5) for _ in range(count)]

    def until_served(self, base: str) -> None:
        """Whoever waits gets an answer in the end."""
        end = time.monotonic() + 20
        while time.monotonic() < end:
            with contextlib.suppress(requests.RequestException):
                assert requests.get(base + "/state", timeout=5).ok
                return
            time.sleep(0.01)
        raise AssertionError("nobody is served any more")

    def test_no_more_than_the_limit_are_held_and_it_is_said_once(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        mirror = Mirror("127.0.0.1", 0, most=4)
        base = f"http://127.0.0.1:{mirror.start()}"
        others = set(threading.enumerate())
        connections = self.idle(base, 200)
        try:
            # All but four are closed at once, and read as ended.
            ended = [one for one in connections if ends(one, 0.5 if one in connections[4:] else 0)]
            assert len(ended) == 196
            assert len(set(threading.enumerate()) - others) <= 4
        finally:
            for one in connections:
                one.close()
            self.until_served(base)
            mirror.stop()
        assert caplog.text.count("the mirror has 4 connections") == 1

    def test_a_connection_that_asks_nothing_is_ended(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("kiosk.display.mirror_server.REQUEST_SECONDS", 0.1)
        mirror = Mirror("127.0.0.1", 0, most=2)
        base = f"http://127.0.0.1:{mirror.start()}"
        silent, slow = self.idle(base, 2)
        try:
            for byte in b"GET /state HTTP/1.1\r\nHost: loc":  # a byte at a time buys no time
                with contextlib.suppress(OSError):
                    slow.sendall(bytes([byte]))
                time.sleep(0.01)
            assert ends(silent, 5)
            assert ends(slow, 5)
            self.until_served(base)
        finally:
            silent.close()
            slow.close()
            mirror.stop()

    def test_a_stream_goes_on_for_longer_than_a_request_may_take(
        self, cabinet: Cabinet, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("kiosk.display.mirror_server.REQUEST_SECONDS", 0.1)
        begun = time.monotonic()
        with requests.get(cabinet.base + "/stream", stream=True, timeout=10) as answer:
            for line in answer.iter_lines(chunk_size=1):
                if line == b"--frame" and time.monotonic() - begun > 0.5:
                    return
        raise AssertionError("the stream ended")

    def test_idle_connections_do_not_outlive_the_mirror(self) -> None:
        mirror = Mirror("127.0.0.1", 0)
        base = f"http://127.0.0.1:{mirror.start()}"
        (silent,) = self.idle(base, 1)
        self.until_served(base)
        mirror.stop()
        assert ends(silent, 2)
        silent.close()


def ends(connection: socket.socket, seconds: float) -> bool:
    """Whether the other side ends it within so many seconds, without a word."""
    connection.settimeout(seconds or 0.01)
    try:
        return connection.recv(1) == b""
    except ConnectionError:
        return True
    except TimeoutError:
        return False


def test_a_screen_that_does_not_draw_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kiosk.display.mirror.FRAME_TIMEOUT", 0.01)
    mirror = Mirror("127.0.0.1", 0)
    base = f"http://127.0.0.1:{mirror.start()}"
    try:
        answer = requests.get(base + "/screen.png", timeout=10)
    finally:
        mirror.stop()
    assert answer.status_code == 503
    assert "does not draw" in answer.text


def test_no_frame_is_copied_while_nobody_looks() -> None:
    mirror = Mirror("127.0.0.1", 0)
    mirror.start()
    mirror.on_frame(Frame(pygame.Surface(SIZE), READY, None, True))
    assert mirror._frame is None
    mirror.stop()


def test_a_port_that_is_taken_is_one_sentence() -> None:
    first = Mirror("127.0.0.1", 0)
    port = first.start()
    try:
        with pytest.raises(KioskError, match=rf"cannot listen on 127.0.0.1:{port} .*\[mirror\]"):
            Mirror("127.0.0.1", port).start()
    finally:
        first.stop()
