"""Transitions between two screens: which one is taken, and its geometry. Pure: no pygame.

The screens without payments fall like a shutter, and the attract screen rises; a payment moves
forward, a declined one back; the attract screen's code turns into a coin when it was scanned, while
a smaller one stands on the next screen already.
"""

from __future__ import annotations

import math
from enum import Enum

from kiosk.core.view import Screen
from kiosk.display.layout import Box

SECONDS = 0.3
FLIGHT_FRAMES = 12


class Transition(Enum):
    """How the next picture comes: from which side, or by a flight over it."""

    CUT = "at once"
    FORWARD = "from the left"
    BACK = "from the right"
    FALL = "from above"
    RISE = "from below"
    FLIGHT = "the code becomes a coin and flies"


_CLOSED = (Screen.OFFLINE, Screen.OUT_OF_ORDER, Screen.MAINTENANCE)


def transition(before: Screen, after: Screen, had_code: bool, reduced_motion: bool) -> Transition:
    """The transition between two screens; there is none with ``reduced_motion``."""
    # While a game goes on only its number changes, and that rolls. After a start the code is
    # wanted at once.
    if reduced_motion or before is after is Screen.PLAYING or before is Screen.STARTING:
        return Transition.CUT
    # A code that flies from another screen would cover the one that stays.
    if before is Screen.READY and after is Screen.PAYING and had_code:
        return Transition.FLIGHT
    if after in _CLOSED and before is not after:
        return Transition.FALL
    if after in (Screen.READY, Screen.FREE_PLAY) and before is not after:
        return Transition.RISE
    return Transition.BACK if after is Screen.DECLINED else Transition.FORWARD


def revealed(kind: Transition, share: float, whole: Box) -> Box:
    """The part of the next picture that is seen after ``share`` (0 to 1) of the transition."""
    share = min(1.0, max(0.0, share))
    eased = share * share * (3 - 2 * share)
    w, h = round(whole.w * eased), round(whole.h * eased)
    match kind:
        case Transition.FORWARD:
            return Box(whole.x, whole.y, w, whole.h)
        case Transition.BACK:
            return Box(whole.right - w, whole.y, w, whole.h)
        case Transition.FALL:
            return Box(whole.x, whole.y, whole.w, h)
        case Transition.RISE:
            return Box(whole.x, whole.bottom - h, whole.w, h)
        case _:
            return whole


def newly_revealed(kind: Transition, before: float, share: float, whole: Box) -> Box:
    """What is revealed now and was not ``before``."""
    old, new = revealed(kind, before, whole), revealed(kind, share, whole)
    match kind:
        case Transition.FORWARD:
            return Box(old.right, new.y, new.right - old.right, new.h)
        case Transition.BACK:
            return Box(new.x, new.y, old.x - new.x, new.h)
        case Transition.FALL:
            return Box(new.x, old.bottom, new.w, new.bottom - old.bottom)
        case Transition.RISE:
            return Box(new.x, new.y, new.w, old.y - new.y)
        case _:
            return new


def coin_size(card: Box) -> int:
    """How large the coin is that a card of this size turns into."""
    return max(12, card.w // 3)


def flight(frame: int, card: Box, target: tuple[int, int], coin: int) -> tuple[Box, bool]:
    """Where the flying card or coin is in one of ``FLIGHT_FRAMES``, and whether it is a coin yet.

    It turns once, and while it stands on edge the card has become the coin.
    """
    share = frame / (FLIGHT_FRAMES - 1)
    size = card.w + (coin - card.w) * min(1.0, share * 1.6)
    turn = max(0.08, abs(math.cos(math.pi * share)))
    x = card.centre[0] + (target[0] - card.centre[0]) * share
    y = card.centre[1] + (target[1] - card.centre[1]) * share
    w, h = max(2, round(size * turn)), max(2, round(size))
    return Box(round(x - w / 2), round(y - h / 2), w, h), share >= 0.5
