"""Saves a picture of every screen that was shown: the last frame in which nothing changes place."""

from __future__ import annotations

import logging
from pathlib import Path

import pygame

from kiosk.display.window import Frame
from kiosk.errors import KioskError

log = logging.getLogger(__name__)


class Shots:
    """Watches a window and writes ``01-starting.png``, ``02-ready.png`` … into ``folder``.

    Each coin of a payment has a picture of its own. A screen that went before its transition was
    over has none. A number that rolls is on a picture only if it never came to rest.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0
        self._last: tuple[pygame.Surface, str] | None = None
        self._last_rolls = False

    def open(self) -> None:
        """Makes the folder. Raises :class:`KioskError` if that does not work."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise KioskError(
                f"the folder {self._folder} for the pictures cannot be made: {error.strerror}"
            ) from error

    def on_frame(self, frame: Frame) -> None:
        """Keeps the frame, if it is settled, and saves the one before if the screen changed."""
        if not frame.settled:
            return
        view = frame.view
        name = view.screen.value.replace(" ", "-")
        if view.coins:
            name += f"-{view.coin}-of-{view.coins}"
        if self._last is not None and self._last[1] != name:
            self.save()
            self._last = None
        if self._last is not None and frame.number_rolls and not self._last_rolls:
            return
        self._last, self._last_rolls = (frame.surface.copy(), name), frame.number_rolls

    def save(self) -> None:
        """Saves the last settled frame."""
        if self._last is None:
            return
        surface, name = self._last
        self._count += 1
        path = self._folder / f"{self._count:02}-{name}.png"
        try:
            pygame.image.save(surface, str(path))
        except (OSError, pygame.error) as error:
            log.warning("the picture %s cannot be saved: %s", path, error)
