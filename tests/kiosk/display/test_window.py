"""The drawing loop: what reaches the screen, and when it sleeps."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pygame
import pytest

from kiosk.core.view import Screen, View
from kiosk.display.shots import Shots
from kiosk.display.window import QUEUE, DisplayError, Feed, Frame, Mounting, Window
from kiosk.errors import KioskError
from tests.kiosk.display.pixels import grey, with_zxing
from tools.views import OFFER, URL, renderer

STARTING, READY, PAYING = View(Screen.STARTING), View(Screen.READY, OFFER), View(Screen.PAYING)


class TestFeed:
    def test_shows_every_view_once_however_fast_they_come(self) -> None:
        feed = Feed(STARTING)
        for view in (READY, PAYING, READY):
            feed.put(view)
        assert [feed.take() for _ in range(4)] == [READY, PAYING, READY, READY]
        assert not feed.arrived.is_set()

    def test_takes_the_same_view_for_no_news(self) -> None:
        feed = Feed(STARTING)
        feed.put(STARTING)
        assert not feed.arrived.is_set()
        assert feed.take() == STARTING

    def test_leaves_the_oldest_out_when_there_are_too_many(self) -> None:
        feed = Feed(STARTING)
        views = [View(Screen.CREDITING, coin=n, coins=60) for n in range(1, 61)]
        for view in views:
            feed.put(view)
        assert [feed.take() for _ in range(QUEUE)] == views[-QUEUE:]


SIZE = (320, 240)


def make(night_cycle: int | None = None, **mounting: Any) -> Window:
    """A window of the smallest size."""
    look = renderer(SIZE).look
    window = Window("Galaxy Racer", Mounting(**{"size": SIZE} | mounting), look, night_cycle)
    window.open()
    return window


@pytest.fixture
def window() -> Iterator[Window]:
    window = make(headless=True)
    yield window
    window.close()


def run(window: Window, feed: Feed, until: Callable[[View], bool]) -> list[Screen]:
    """Runs the loop until a frame satisfies ``until``; returns the screens that were drawn."""
    stop = threading.Event()
    seen: list[Screen] = []

    def on_frame(frame: Frame) -> None:
        view = frame.view
        assert frame.code is None or view.offer is not None
        if not seen or seen[-1] is not view.screen:
            seen.append(view.screen)
        if until(view):
            stop.set()

    window.watch(on_frame)
    window.run(feed, stop)
    return seen


def test_the_loop_draws_what_comes_while_it_runs(window: Window) -> None:
    feed = Feed(STARTING)

    def until(view: View) -> bool:
        if view == STARTING:
            feed.put(PAYING)
            feed.put(READY)
        return view == READY

    assert run(window, feed, until) == [Screen.STARTING, Screen.PAYING, Screen.READY]


def test_a_window_that_is_closed_ends_the_loop() -> None:
    window = make()
    stop = threading.Event()
    pygame.event.post(pygame.event.Event(pygame.QUIT))
    window.run(Feed(STARTING), stop)
    assert stop.is_set()
    window.close()


@pytest.mark.parametrize("key", [pygame.K_ESCAPE, pygame.K_q])
def test_keys_that_close_a_window_do_not_close_a_kiosk(key: int) -> None:
    window = make(fullscreen=True)
    pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=key))
    assert run(window, Feed(READY), lambda view: view == READY) == [Screen.READY]
    window.close()


def test_no_screen_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDL_VIDEODRIVER", "no-such-driver")
    pygame.display.quit()
    with pytest.raises(DisplayError, match=r"there is no screen to draw on .*headless = true"):
        make(size=None, fullscreen=True)


def test_a_display_that_is_not_there_is_one_sentence() -> None:
    with pytest.raises(DisplayError, match=r"there is no display 7 .*this machine has 1"):
        make(display=7)
    pygame.display.quit()


def test_a_screen_that_is_too_small_is_one_sentence() -> None:
    with pytest.raises(DisplayError, match=r"the screen has 256 × 192 pixels .*less overscan"):
        make(headless=True, overscan=10.0)


def test_the_code_is_where_the_frame_says_in_any_mounting() -> None:
    for rotation in (0, 90, 180, 270):
        window = make(headless=True, size=(900, 600), rotation=rotation, overscan=4.0)
        frames: list[Frame] = []
        window.watch(frames.append)
        for n in range(40):
            window.step(READY, n / 30)
        code = frames[-1].code
        assert code is not None
        picture = grey(frames[-1].surface)
        assert with_zxing(picture[code.y : code.bottom, code.x : code.right]) == {URL}
        assert picture[:20].max() == picture[:, :30].max() == picture[-20:].max() == 0
        window.close()


def test_the_nightly_cycle_begins_when_its_minute_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    window = make(headless=True, night_cycle=4 * 60)
    frames: list[Frame] = []
    window.watch(frames.append)
    here = [time.struct_time((2026, 1, 1, 3, 59, 0, 0, 0, 0))]
    monkeypatch.setattr(time, "localtime", lambda: here[0])
    window.step(READY, 0.0)
    window.step(READY, 30.0)
    assert frames[-1].code is not None
    here[0] = time.struct_time((2026, 1, 1, 4, 0, 0, 0, 0, 0))
    window.step(READY, 60.0)
    window.step(READY, 60.5)
    assert frames[-1].code is None
    window.step(READY, 60.5 + 121)
    assert frames[-1].code is not None


class TestShots:
    def frame(self, shots: Shots, view: View) -> None:
        surface = pygame.Surface(SIZE)
        renderer(SIZE).draw(surface, view, 0.0)
        shots.on_frame(Frame(surface, view, None, True))

    def test_saves_a_picture_of_each_screen_and_coin(self, tmp_path: Path) -> None:
        shots = Shots(tmp_path / "out")
        shots.open()
        for view in (STARTING, READY, READY, View(Screen.CREDITING, coin=1, coins=2)):
            self.frame(shots, view)
        self.frame(shots, View(Screen.CREDITING, coin=2, coins=2))
        shots.save()
        assert [path.name for path in sorted((tmp_path / "out").iterdir())] == [
            "01-starting.png",
            "02-ready.png",
            "03-crediting-1-of-2.png",
            "04-crediting-2-of-2.png",
        ]
        assert pygame.image.load(tmp_path / "out" / "02-ready.png").get_size() == (320, 240)

    def test_a_frame_of_a_transition_is_no_picture(self, tmp_path: Path) -> None:
        shots = Shots(tmp_path)
        whole, half = pygame.Surface(SIZE), pygame.Surface(SIZE)
        whole.fill((9, 99, 9))
        shots.on_frame(Frame(half, STARTING, None, False))
        shots.on_frame(Frame(half, READY, None, False))
        shots.on_frame(Frame(whole, READY, None, True))
        shots.on_frame(Frame(half, PAYING, None, False))
        shots.save()
        [picture] = tmp_path.iterdir()
        assert picture.name == "01-ready.png"
        assert pygame.image.load(picture).get_at((5, 5))[:3] == (9, 99, 9)

    def test_a_number_that_rolls_is_on_no_picture_if_it_ever_came_to_rest(
        self, tmp_path: Path
    ) -> None:
        shots = Shots(tmp_path)
        drawn = renderer(SIZE)
        surface, t = pygame.Surface(SIZE), 0.0
        at_rest, rolled = surface, []
        for left in (3, 2, 1):
            view = View(Screen.PLAYING, credits_left=left)
            for _ in range(90 if left > 1 else 3):
                drawn.draw(surface, view, t)
                frame = Frame(surface, view, None, drawn.settled, drawn.number_rolls)
                rolled.append(frame.number_rolls)
                shots.on_frame(frame)
                t += 1 / 30
            if left == 2:
                at_rest = surface.copy()
        shots.save()
        [picture] = tmp_path.iterdir()
        assert pygame.image.tobytes(pygame.image.load(picture), "RGB") == pygame.image.tobytes(
            at_rest, "RGB"
        )
        assert rolled[-3:] == [True] * 3

    def test_nothing_shown_is_nothing_saved(self, tmp_path: Path) -> None:
        Shots(tmp_path).save()
        assert list(tmp_path.iterdir()) == []

    def test_a_folder_that_cannot_be_made_is_one_sentence(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(KioskError, match="for the pictures cannot be made"):
            Shots(tmp_path / "file" / "out").open()

    def test_a_picture_that_cannot_be_saved_does_not_stop_the_screen(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        shots = Shots(tmp_path / "out")
        shots.open()
        self.frame(shots, READY)
        (tmp_path / "out").rmdir()
        shots.save()
        assert "cannot be saved" in caplog.text
