"""The screen itself: a window, the whole display, or a surface in memory; and the loop that draws.

The loop runs in the main thread, as SDL wants it, and sleeps until something must change.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

import pygame

from kiosk.core.view import View
from kiosk.display.painter import Painter
from kiosk.errors import KioskError

log = logging.getLogger(__name__)

FRAME = 1 / 30  # seconds: the screen never moves faster
LOOK = 0.25  # how often the window's own events are looked at, while nothing moves
HEADLESS_SIZE = (1280, 720)
QUEUE = 8

OnFrame = Callable[[pygame.Surface, Sequence[pygame.Rect], View, Painter], None]


class DisplayError(KioskError):
    """There is no screen to draw on."""


class Feed:
    """Views on their way from the engine's thread to the screen.

    Each is shown for a frame at least, so that a state that lasts a moment is not skipped. More
    than ``QUEUE`` of them at once leave the oldest out.
    """

    def __init__(self, first: View) -> None:
        self._shown = first
        self._last = first
        self._fresh: deque[View] = deque(maxlen=QUEUE)
        self._lock = threading.Lock()
        self.arrived = threading.Event()

    def put(self, view: View) -> None:
        """A new view; any thread may."""
        with self._lock:
            if view != self._last:
                self._last = view
                self._fresh.append(view)
                self.arrived.set()

    def take(self) -> View:
        """The view to show now: the next one, or again the last if there is no other."""
        with self._lock:
            if self._fresh:
                self._shown = self._fresh.popleft()
            if not self._fresh:
                self.arrived.clear()
            return self._shown


class Window:
    """The cabinet's screen.

    ``size`` of ``None`` is the display's own. ``headless`` draws in memory only. Raises
    :class:`DisplayError`.
    """

    def __init__(
        self, title: str, size: tuple[int, int] | None, fullscreen: bool, headless: bool
    ) -> None:
        self._headless = headless
        self._fullscreen = fullscreen and not headless
        self._surface = self._open(title, size)
        self._painter = Painter(self._surface.get_size(), title)
        self._watchers: list[OnFrame] = []

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
            view = feed.take()
            dirty = self._painter.draw(self._surface, view, now - begun)
            if dirty:
                if not self._headless:
                    pygame.display.update(dirty)
                for watcher in self._watchers:
                    watcher(self._surface, dirty, view, self._painter)
            spent = time.monotonic() - now
            due = self._painter.next_change(view, time.monotonic() - begun)
            rest = max(FRAME - spent, min(due, LOOK))
            if feed.arrived.wait(rest):
                # However fast views come, a frame has its time.
                stop.wait(max(0.0, FRAME - (time.monotonic() - now)))

    def close(self) -> None:
        """Gives the display back."""
        if not self._headless:
            pygame.display.quit()

    def _open(self, title: str, size: tuple[int, int] | None) -> pygame.Surface:
        if self._headless:
            return pygame.Surface(size or HEADLESS_SIZE)
        try:
            pygame.display.init()
            pygame.display.set_caption(title)
            if self._fullscreen:
                surface = pygame.display.set_mode(size or (0, 0), pygame.FULLSCREEN)
                pygame.mouse.set_visible(False)
            else:
                surface = pygame.display.set_mode(size or HEADLESS_SIZE)
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
