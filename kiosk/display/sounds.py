"""Plays the theme's sounds. A thread of its own: opening a sound device may take its time.

The device is opened for a sound and given back a while after it, as an open one keeps the machine
awake. Without a device the kiosk is silent, and that is no error.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pygame

from kiosk.core import sound_cues
from kiosk.core.sound_cues import SoundCue
from kiosk.core.view import Screen, View
from kiosk.display.window import Frame

log = logging.getLogger(__name__)

RATE = 22050  # Hz, as the shipped sounds are
IDLE = 8.0  # seconds after the last sound, until the device is given back


class Sounds:
    """Watches a window's frames and plays what is to be heard.

    ``files`` has a file for each sound's name, ``volume`` is 0 to 1, ``quiet`` the minutes of the
    day in which quiet begins and ends; the jingle comes every ``attract_every`` seconds.
    """

    def __init__(
        self,
        files: Mapping[str, Path],
        volume: float,
        quiet: tuple[int, int] | None,
        attract_every: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._files = files
        self._volume = volume
        self._quiet = quiet
        self._every = attract_every
        self._clock = clock
        self._before: View | None = None
        self._last = clock()
        self._wanted: queue.SimpleQueue[SoundCue | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._play, name="sounds", daemon=True)

    def start(self) -> None:
        """Starts to play."""
        self._thread.start()

    def stop(self) -> None:
        """Ends; what is being played is cut off."""
        self._wanted.put(None)
        self._thread.join(2.0)

    def on_frame(self, frame: Frame) -> None:
        """Listens to what the screen shows; takes no time."""
        now = frame.view
        if now is self._before:
            if now.screen is Screen.READY and sound_cues.attracts(
                now, self._clock() - self._last, self._every
            ):
                self._want(SoundCue.ATTRACT)
            return
        sound = sound_cues.cue_for(self._before, now)
        if self._before is None or now.screen is not self._before.screen:
            self._last = self._clock()
        self._before = now
        if sound:
            self._want(sound)

    def _want(self, sound: SoundCue) -> None:
        self._last = self._clock()
        self._wanted.put(sound)

    def _play(self) -> None:
        known: dict[SoundCue, pygame.mixer.Sound] = {}
        reported = False
        while True:
            try:
                sound = self._wanted.get(timeout=IDLE if pygame.mixer.get_init() else None)
            except queue.Empty:
                known.clear()
                pygame.mixer.quit()
                continue
            if sound is None:
                known.clear()
                pygame.mixer.quit()
                return
            here = time.localtime()
            quiet = sound_cues.is_quiet(here.tm_hour * 60 + here.tm_min, self._quiet)
            volume = sound_cues.loudness(sound, self._volume, quiet)
            if not volume:
                continue
            try:
                if not pygame.mixer.get_init():
                    pygame.mixer.init(RATE, -16, 1, 1024)
                if sound not in known:
                    known[sound] = pygame.mixer.Sound(self._files[sound.value])
                known[sound].set_volume(volume)
                known[sound].play()
            except pygame.error as error:
                if not reported:
                    log.info("the kiosk is silent: %s", error)
                reported = True
