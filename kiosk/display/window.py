"""The screen itself: a window, the whole display, or a surface in memory; and the loop that draws.

The loop runs in the main thread, as SDL wants it, and sleeps until something must change.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import pygame

from kiosk.core.view import View
from kiosk.display import burn_in
from kiosk.display.layout import Box
from kiosk.display.look import Look
from kiosk.display.mount import SMALLEST, Mount
from kiosk.display.renderer import Renderer
from kiosk.errors import KioskError

log = logging.getLogger(__name__)

FRAME = 1 / 30  # seconds: the screen never moves faster
POLL = 0.25  # seconds between two polls of the window's own events, while nothing moves
HEADLESS_SIZE = (1280, 720)
QUEUE = 32  # views: about a second, at a frame each
SLICE = 0.006  # seconds of a frame for drawing the next picture, so that no frame is missed
CLOCK_POLL = 20.0  # seconds between two reads of the time of day

OnFrame = Callable[["Frame"], None]


@dataclass(frozen=True)
class Frame:
    """What has just been drawn, and the view on it.

    ``code`` is where its code can be scanned, if it can: the whole of it is visible. ``settled``
    tells that the screen is shown whole, with no transition going on; ``number_rolls`` that a
    number on it is on its way to its next value.
    """

    surface: pygame.Surface
    view: View
    code: Box | None
    settled: bool
    number_rolls: bool = False


@dataclass(frozen=True)
class Mounting:
    """How the screen is put up. ``size`` of ``None`` is the display's own.

    ``display`` is the number of the screen, as SDL counts them; ``rotation`` and ``overscan`` are
    those of :class:`kiosk.display.mount.Mount`; ``headless`` draws in memory only.
    """

    size: tuple[int, int] | None = None
    fullscreen: bool = False
    headless: bool = False
    display: int = 0
    rotation: int = 0
    overscan: float = 0.0


class DisplayError(KioskError):
    """There is no screen to draw on."""


class Feed:
    """Views on their way from the engine's thread to the screen.

    Each is shown for a frame at least, so that no state is skipped, however short it is. More
    than ``QUEUE`` of them at once leave the oldest out. ``watch`` may put another view in the place
    of the one that is to be shown, in the screen's thread.
    """

    def __init__(self, first: View, watch: Callable[[View], View] = lambda view: view) -> None:
        self._watch = watch
        self._shown = first
        self._last = first
        self._waiting: deque[View] = deque(maxlen=QUEUE)
        self._lock = threading.Lock()
        self.arrived = threading.Event()

    def put(self, view: View) -> None:
        """A new view; any thread may."""
        with self._lock:
            if view != self._last:
                self._last = view
                self._waiting.append(view)
                self.arrived.set()

    def take(self) -> View:
        """The view to show now: the next one, or again the last if there is no other."""
        with self._lock:
            if self._waiting:
                self._shown = self._waiting.popleft()
            if not self._waiting:
                self.arrived.clear()
            return self._watch(self._shown)


class Window:
    """The cabinet's screen. :meth:`open` it first, then :meth:`run`, and :meth:`close` it.

    ``night_cycle`` is the minute of the day in which it shows the colours that keep it from
    burning in.
    """

    def __init__(
        self, title: str, mounting: Mounting, look: Look, night_cycle: int | None = None
    ) -> None:
        self._title = title
        self._mounting = mounting
        self._look = look
        self._headless = mounting.headless
        self._fullscreen = mounting.fullscreen and not mounting.headless
        self._surface: pygame.Surface
        self._mount: Mount
        self._renderer: Renderer
        self._view: View | None = None
        self._night_cycle = night_cycle
        self._minute: int | None = None
        self._clock_at = 0.0
        self._watchers: list[OnFrame] = []

    def open(self) -> None:
        """Takes the display. Raises :class:`DisplayError`."""
        self._surface = self._take_surface()
        self._mount = Mount(self._surface, self._mounting.rotation, self._mounting.overscan)
        if min(self._mount.size) < min(SMALLEST) or max(self._mount.size) < max(SMALLEST):
            w, h = self._mount.size
            raise DisplayError(
                f"the screen has {w} × {h} pixels and at least {SMALLEST[0]} × {SMALLEST[1]} are "
                "needed: take another one, or less overscan"
            )
        self._renderer = Renderer(self._mount.size, self._title, self._look)

    def watch(self, on_frame: OnFrame) -> None:
        """Calls ``on_frame`` after each frame, in the loop's thread."""
        self._watchers.append(on_frame)

    def run(self, feed: Feed, stop: threading.Event) -> None:
        """Draws until ``stop`` is set or the window is closed."""
        begun = time.monotonic()
        while not stop.is_set():
            now = time.monotonic()
            if self._closed():
                stop.set()
                return
            self.advance(feed, now - begun)
            if self._renderer.drawing:
                # The next picture is wanted soon, and nothing else is.
                continue
            spent = time.monotonic() - now
            due = self._renderer.next_change(time.monotonic() - begun)
            rest = max(FRAME - spent, min(due, POLL))
            if feed.arrived.wait(rest):
                # However fast views come, a frame has its time.
                stop.wait(max(0.0, FRAME - (time.monotonic() - now)))

    def advance(self, feed: Feed, t: float) -> None:
        """One frame, ``t`` seconds after the start, of the next view if the last one is shown."""
        if self._view is None or not self._renderer.busy:
            self._view = feed.take()
        self.step(self._view, t)

    def step(self, view: View, t: float) -> None:
        """One frame of ``view``, ``t`` seconds after the start."""
        self._read_clock(t)
        dirty = self._mount.copy(self._renderer.draw(self._mount.frame, view, t, SLICE))
        if not dirty:
            return
        if not self._headless:
            pygame.display.update(dirty)
        shown = self._renderer.view
        assert shown is not None
        if self._watchers:
            code = self._renderer.code
            on_screen = None if code is None else self._mount.on_screen(code)
            drawn = self._renderer
            frame = Frame(self._surface, shown, on_screen, drawn.settled, drawn.number_rolls)
            for watcher in self._watchers:
                watcher(frame)

    def close(self) -> None:
        """Gives the display back."""
        if not self._headless:
            pygame.display.quit()

    def _read_clock(self, t: float) -> None:
        if self._night_cycle is None or t < self._clock_at:
            return
        self._clock_at = t + CLOCK_POLL
        here = time.localtime()
        minute = here.tm_hour * 60 + here.tm_min
        if burn_in.cycle_is_due(minute, self._night_cycle, self._minute):
            self._renderer.start_colour_cycle(t)
        self._minute = minute

    def _take_surface(self) -> pygame.Surface:
        mounting, size = self._mounting, self._mounting.size
        if self._headless:
            return pygame.Surface(size or HEADLESS_SIZE)
        try:
            pygame.display.init()
            screens = pygame.display.get_num_displays()
            if mounting.display >= screens:
                raise DisplayError(
                    f"there is no display {mounting.display} (they are counted from 0, and this "
                    f"machine has {screens}): connect it, or say another display in [screen]"
                )
            pygame.display.set_caption(self._title)
            if self._fullscreen:
                surface = pygame.display.set_mode(
                    size or (0, 0), pygame.FULLSCREEN, display=mounting.display
                )
                pygame.mouse.set_visible(False)
            else:
                surface = pygame.display.set_mode(size or HEADLESS_SIZE, display=mounting.display)
        except pygame.error as error:
            raise DisplayError(
                f"there is no screen to draw on ({error}): connect one, put the user into the "
                "groups video and render, or say headless = true in [screen]"
            ) from error
        return surface

    def _closed(self) -> bool:
        """Whether a person closed the window. A kiosk that fills the display cannot be closed."""
        if self._headless:
            return False
        for event in pygame.event.get():
            if self._fullscreen:
                continue
            if event.type == pygame.QUIT:
                return True
            if event.type == pygame.KEYDOWN and event.key in (pygame.K_ESCAPE, pygame.K_q):
                return True
        return False
