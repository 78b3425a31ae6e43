"""What keeps a picture from burning into the screen. Pure: no pygame, no clock.

The whole picture drifts (:func:`drift`), frames are dim every other minute and a shadow passes over
the marquee (``kiosk.display.sprites``), and once a night the screen shows plain colours
(:func:`cycle_colour`).
"""

from __future__ import annotations

import math

from kiosk.core.view import Screen
from kiosk.display.theme import Colour

# Two slow waves of different length: the path covers the whole rim before it repeats.
_ACROSS, _DOWN = 1380.0, 1860.0  # seconds
DRIFT_STEP = 5.0  # seconds between two looks at where the picture is
CYCLE_SECONDS = 120.0
_COLOURS: tuple[Colour, ...] = (
    (255, 255, 255), (255, 0, 0), (0, 255, 0), (0, 0, 255), (0, 0, 0),
)  # fmt: skip
_COLOUR_SECONDS = 4.0  # far from flashing
IDLE = (
    Screen.READY,
    Screen.OFFLINE,
    Screen.OUT_OF_ORDER,
    Screen.MAINTENANCE,
    Screen.FREE_PLAY,
)


def drift(t: float, rim: int) -> tuple[int, int]:
    """How far the screen's corner lies from the picture's, 0 to 2 ``rim`` pixels each way."""
    t = math.floor(t / DRIFT_STEP) * DRIFT_STEP
    return (
        rim + round(rim * math.sin(2 * math.pi * t / _ACROSS)),
        rim + round(rim * math.sin(2 * math.pi * t / _DOWN)),
    )


def cycle_colour(seconds: float) -> Colour | None:
    """What the whole screen shows ``seconds`` into the nightly cycle; ``None`` at its end."""
    if not 0 <= seconds < CYCLE_SECONDS:
        return None
    return _COLOURS[int(seconds / _COLOUR_SECONDS) % len(_COLOURS)]


def cycle_is_due(minute: int, wanted: int | None, last: int | None) -> bool:
    """Whether the cycle begins in this minute of the day. ``last`` is the minute asked before."""
    return wanted is not None and minute == wanted and last is not None and last != minute
