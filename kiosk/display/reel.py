"""The operator's pictures: the marquee's logo, and a reel that takes turns with the words."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

import pygame

log = logging.getLogger(__name__)

KINDS = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
MOST = 20
LARGEST = 1200  # pixels of the longer side, which is what a column of a large screen shows


def logo(path: Path | None) -> pygame.Surface | None:
    """The picture in ``path``; one that cannot be shown is named in the log, and is none."""
    if path is None:
        return None
    try:
        return smooth(pygame.image.load(path))
    except (OSError, pygame.error) as error:
        log.warning(
            "the logo %s cannot be shown (%s): the cabinet's name stands for it", path, error
        )
        return None


class Reel:
    """The pictures of a folder by their names, read in the background, as large ones take time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._pictures: tuple[pygame.Surface, ...] = ()
        self._thread = threading.Thread(target=self._read, name="reel", daemon=True)

    def start(self) -> None:
        """Starts to read."""
        self._thread.start()

    def join(self) -> None:
        """Waits until all are read."""
        self._thread.join()

    def pictures(self) -> tuple[pygame.Surface, ...]:
        """Those that are read so far."""
        return self._pictures

    def _read(self) -> None:
        try:
            paths = sorted(p for p in self._folder.iterdir() if p.suffix.lower() in KINDS)
        except OSError as error:
            log.warning("the reel's folder %s cannot be read: %s", self._folder, error.strerror)
            return
        if len(paths) > MOST:
            log.warning("the reel shows the first %d of %d pictures", MOST, len(paths))
        for path in paths[:MOST]:
            try:
                picture = _small(pygame.image.load(path))
            except (OSError, pygame.error) as error:
                log.warning("the picture %s cannot be shown: %s", path, error)
            else:
                self._pictures = (*self._pictures, picture)
        if not self._pictures:
            log.warning("there is no picture in the reel's folder %s", self._folder)


def smooth(picture: pygame.Surface) -> pygame.Surface:
    """The picture in 32 bits with transparency, which scaling needs, without a display."""
    return picture.convert(pygame.Surface((1, 1), pygame.SRCALPHA, 32))


def _small(picture: pygame.Surface) -> pygame.Surface:
    """Scaled once, here, so that the loop never has to."""
    picture = smooth(picture)
    longer = max(picture.get_size())
    if longer <= LARGEST:
        return picture
    w, h = picture.get_size()
    size = (max(1, w * LARGEST // longer), max(1, h * LARGEST // longer))
    return pygame.transform.smoothscale(picture, size)
