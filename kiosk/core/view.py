"""What the screen is to show: the words between the rules and the drawing.

The rules make a :class:`View` from the cabinet's state (``kiosk.core.screens``); the drawing
(``kiosk.display``) turns one into pixels and knows nothing else of the cabinet.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Screen(Enum):
    """The compositions that the display has, one for each thing a player can be told."""

    STARTING = "starting"
    READY = "ready"
    PAYING = "paying"
    DECLINED = "declined"
    CREDITING = "crediting"
    PLAYING = "playing"
    GAME_OVER = "game over"
    OFFLINE = "offline"
    OUT_OF_ORDER = "out of order"


@dataclass(frozen=True)
class Bonus:
    """Buy ``quantity`` plays and get ``credits``."""

    quantity: int
    credits: int


@dataclass(frozen=True)
class Offer:
    """What scanning the code buys, as the cloud said it.

    ``amount`` is the price of one play in the currency's smallest unit, ``decimals`` how many of
    its digits stand after the point (0 for JPY, 2 for USD, 3 for KWD).
    """

    url: str
    amount: int
    currency: str
    decimals: int
    bonuses: tuple[Bonus, ...] = ()


@dataclass(frozen=True)
class View:
    """One moment of the screen.

    ``offer`` is present only while a payment can succeed: no offer, no QR code. ``coin`` of
    ``coins`` counts the relay's pulses while crediting. ``message`` is one sentence for the player
    (why a card was declined), ``notes`` short lines for the operator, drawn small.
    """

    screen: Screen
    offer: Offer | None = None
    coin: int = 0
    coins: int = 0
    credits_left: int = 0
    message: str = ""
    notes: tuple[str, ...] = ()
