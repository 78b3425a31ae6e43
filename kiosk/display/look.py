"""What the operator chose of the screen's looks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pygame

from kiosk.display.theme import Theme


@dataclass(frozen=True)
class Look:
    """Times are seconds.

    ``languages`` alternate every ``language_s``. Every ``reel_every_s`` one of the pictures of
    ``reel`` takes the place of the attract screen's text for ``reel_s``. ``drifts`` moves the
    picture against burn-in; ``reduced_motion`` leaves out transitions and all that only decorates.
    """

    theme: Theme
    languages: tuple[str, ...] = ("en",)
    language_s: float = 12.0
    reduced_motion: bool = False
    drifts: bool = True
    logo: pygame.Surface | None = None
    reel: Callable[[], tuple[pygame.Surface, ...]] = tuple
    reel_s: float = 8.0
    reel_every_s: float = 30.0
