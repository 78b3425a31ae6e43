"""The views' way to the screen, frame by frame over a virtual clock, however fast they come.

Through feed, window and renderer the screens keep their order, each is shown whole, and no frame
has anything on it that is older than the screen before the current one.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy
import pygame
import pytest

from kiosk.core.view import Screen, View
from kiosk.display.animation import EPSILON
from kiosk.display.composer import Composition
from kiosk.display.shots import Shots
from kiosk.display.sprites import FRAME
from kiosk.display.window import Feed, Frame, Mounting, Window
from tests.kiosk.display.pixels import grey, with_zxing
from tools.views import OFFER, URL, renderer

SIZE = (320, 240)


def coin(number: int, closed: bool) -> View:
    return View(Screen.CREDITING, coin=number, coins=2, closed=closed)


STARTING, READY = View(Screen.STARTING), View(Screen.READY, OFFER)
PAYMENT = (
    View(Screen.PAYING, OFFER),
    coin(1, True), coin(1, False), coin(2, True), coin(2, False),
    View(Screen.PLAYING, OFFER, credits_left=2),
    View(Screen.PLAYING, OFFER, credits_left=1),
    View(Screen.GAME_OVER, OFFER),
    View(Screen.READY, OFFER),
)  # fmt: skip


@pytest.fixture(autouse=True)
def _one_slice_a_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each slice takes longer than a frame may spend on it, on any machine."""
    ticks = itertools.count()
    monkeypatch.setattr(time, "perf_counter", lambda: float(next(ticks)))


@pytest.fixture
def window() -> Iterator[Window]:
    look = replace(renderer(SIZE).look, drifts=False)
    window = Window("Galaxy Racer", Mounting(size=SIZE, headless=True), look)
    window.open()
    yield window
    window.close()


class Loop:
    """The window's loop over a virtual clock."""

    def __init__(self, window: Window) -> None:
        self.feed = Feed(STARTING)
        self._window = window
        self.t = 0.0

    def frames(self, count: int) -> None:
        for _ in range(count):
            self._window.advance(self.feed, self.t)
            self.t += FRAME

    def until_shown(self, view: View) -> None:
        while self._window._renderer.view is not view or not self._window._renderer.settled:
            self.frames(1)

    def play(self, views: tuple[View, ...], gap: Callable[[int], int]) -> None:
        """Puts the views, ``gap(n)`` frames before the ``n``-th, and waits for the last."""
        for number, view in enumerate(views):
            self.frames(gap(number))
            self.feed.put(view)
        self.until_shown(views[-1])
        self.frames(3)


@dataclass
class Seen:
    """What a frame showed: its view, whether it was settled, and what is wrong with its pixels."""

    view: View
    settled: bool
    problem: str


class Eye:
    """Watches a window, and compares each frame with the pictures that it may consist of."""

    def __init__(self, window: Window, loop: Loop) -> None:
        self._renderer = window._renderer
        self._loop = loop
        self._compositions: list[Composition] = []
        self._pictures: list[numpy.ndarray] = []
        self.seen: list[Seen] = []
        window.watch(self.on_frame)

    def on_frame(self, frame: Frame) -> None:
        composition = self._renderer.composition
        assert composition is not None
        if not self._compositions or self._compositions[-1] is not composition:
            self._compositions.append(composition)
            self._pictures.append(pixels(composition.static))
        self.seen.append(Seen(frame.view, frame.settled, self._problem(frame)))

    def _problem(self, frame: Frame) -> str:
        current, shown = self._pictures[-1], pixels(frame.surface)
        free = self._without_sprites(self._compositions[-1])
        if frame.settled:
            return "" if (shown == current)[free].all() else "is not whole"
        if len(self._pictures) == 1:
            return ""
        before = self._pictures[-2]
        free &= self._without_sprites(self._compositions[-2])
        known = (shown == current) | (shown == before)
        return "" if known[free].all() else "has something older on it"

    def _without_sprites(self, composition: Composition) -> numpy.ndarray:
        free = numpy.ones((SIZE[1], SIZE[0]), bool)
        for sprite in composition.sprites:
            box = sprite.bounds
            if box == self._renderer.grid.picture:
                placed = sprite.at(int(self._loop.t / sprite.step + EPSILON))
                if placed is None:
                    continue
                image, x, y = placed
                free[max(0, y) : y + image.get_height(), max(0, x) : x + image.get_width()] = False
            else:
                free[max(0, box.y) : box.bottom, max(0, box.x) : box.right] = False
        return free


def pixels(surface: pygame.Surface) -> numpy.ndarray:
    """Each pixel's colour as one number."""
    rows = numpy.frombuffer(pygame.image.tobytes(surface, "RGBA"), numpy.uint32)
    return rows.reshape(surface.get_height(), surface.get_width()).copy()


def steps(seen: list[Seen]) -> list[tuple[Screen, int]]:
    """The screens and coins in their order, each once."""
    return [key for key, _ in itertools.groupby((one.view.screen, one.view.coin) for one in seen)]


ORDER = [
    (Screen.STARTING, 0),
    (Screen.READY, 0),
    (Screen.PAYING, 0),
    (Screen.CREDITING, 1),
    (Screen.CREDITING, 2),
    (Screen.PLAYING, 0),
    (Screen.GAME_OVER, 0),
    (Screen.READY, 0),
]
GAPS: dict[str, Callable[[int], int]] = {
    **{f"{n} frames apart": lambda _, n=n: n for n in (0, 1, 2, 3, 5, 8, 13, 20)},  # type: ignore[misc]
    **{f"{n} frames before the first coin": lambda i, n=n: n if i == 1 else 30  # type: ignore[misc]
       for n in (0, 1, 2, 3, 5, 8, 11)},
    "in bursts": lambda i: 0 if i % 3 else 17,
}  # fmt: skip


QUICK = ("0 frames apart", "3 frames apart", "2 frames before the first coin", "in bursts")


@pytest.mark.parametrize("rested", [0, 40], ids=["at once", "after a rest"])
@pytest.mark.parametrize(
    "gap", [gap if gap in QUICK else pytest.param(gap, marks=pytest.mark.slow) for gap in GAPS]
)
def test_a_payment_is_shown_in_order_and_every_screen_whole(
    window: Window, gap: str, rested: int
) -> None:
    """After a rest the code's flight is rendered; at once there is a wipe instead."""
    loop = Loop(window)
    eye = Eye(window, loop)
    loop.until_shown(STARTING)
    loop.feed.put(READY)
    loop.until_shown(READY)
    loop.frames(rested)
    loop.play(PAYMENT, GAPS[gap])
    assert steps(eye.seen) == ORDER
    assert steps([one for one in eye.seen if one.settled]) == ORDER
    problems = [(str(one.view.screen), one.problem) for one in eye.seen if one.problem]
    assert problems == []


@pytest.mark.parametrize(
    "gap", ["0 frames apart", "3 frames apart", "2 frames before the first coin"]
)
def test_coins_that_drop_at_once_leave_the_payment_its_whole_frame(
    window: Window, gap: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each screen is drawn in one frame: the transition to the payment is still going on."""
    monkeypatch.setattr(time, "perf_counter", lambda: 0.0)
    loop = Loop(window)
    eye = Eye(window, loop)
    loop.until_shown(STARTING)
    loop.feed.put(READY)
    loop.until_shown(READY)
    loop.frames(40)
    loop.play(PAYMENT, GAPS[gap])
    assert steps([one for one in eye.seen if one.settled]) == ORDER


@pytest.mark.parametrize("quick", [False, True], ids=["in slices", "in one frame"])
@pytest.mark.parametrize("frames", [0, 1, 2, 4, 6, 9])
def test_a_code_that_is_worth_nothing_any_more_is_not_completed(
    window: Window, frames: int, quick: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The attract screen's transition is overtaken by a failure: its code is not shown for it."""
    if quick:
        monkeypatch.setattr(time, "perf_counter", lambda: 0.0)
    loop, codes, screens = Loop(window), [], []
    eye = Eye(window, loop)

    def on_frame(frame: Frame) -> None:
        screens.append(frame.view.screen)
        if not frame.settled and frame.view.screen is not Screen.READY:
            codes.append(with_zxing(grey(frame.surface)))

    first, last = View(Screen.OUT_OF_ORDER), View(Screen.MAINTENANCE)
    loop.feed.put(first)
    loop.until_shown(first)
    window.watch(on_frame)
    loop.feed.put(READY)
    loop.frames(frames)
    loop.feed.put(View(Screen.OFFLINE))
    loop.feed.put(last)
    loop.until_shown(last)
    assert [screen for screen, _ in itertools.groupby(screens)][-3:] == [
        Screen.READY, Screen.OFFLINE, Screen.MAINTENANCE,
    ]  # fmt: skip
    assert all(code == set() for code in codes)
    assert [one.problem for one in eye.seen if one.problem] == []


@pytest.mark.parametrize("gap", ["0 frames apart", "1 frames apart", "5 frames apart", "in bursts"])
def test_every_picture_is_of_a_settled_screen_with_its_code(
    window: Window, gap: str, tmp_path: Path
) -> None:
    shots = Shots(tmp_path)
    shots.open()
    window.watch(shots.on_frame)
    loop = Loop(window)
    loop.until_shown(STARTING)
    loop.feed.put(READY)
    loop.until_shown(READY)
    loop.play(PAYMENT, GAPS[gap])
    shots.save()
    pictures = sorted(tmp_path.iterdir())
    assert [path.name for path in pictures] == [
        "01-starting.png",
        "02-ready.png",
        "03-paying.png",
        "04-crediting-1-of-2.png",
        "05-crediting-2-of-2.png",
        "06-playing.png",
        "07-game-over.png",
        "08-ready.png",
    ]
    for path in pictures:
        shows = path.stem.partition("-")[2] in ("ready", "paying", "playing", "game-over")
        assert with_zxing(grey(pygame.image.load(path))) == ({URL} if shows else set()), path
