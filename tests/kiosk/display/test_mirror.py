"""The mirror over real HTTP: pictures, the stream, the state, and nothing that can be written."""

from __future__ import annotations

import io
import json
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
