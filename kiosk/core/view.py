"""What the screen is to show: the values that the rules hand to the drawing.

The rules make a :class:`View` from the cabinet's state (``kiosk.core.screens``); the drawing
(``kiosk.display``) turns one into pixels and knows nothing else of the cabinet.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Screen(Enum):
    """The compositions that the display has, one for each thing that a player has to know."""

    STARTING = "starting"
    READY = "ready"
    PAYING = "paying"
    DECLINED = "declined"
    CREDITING = "crediting"
    PLAYING = "playing"
    GAME_OVER = "game over"
    OFFLINE = "offline"
    OUT_OF_ORDER = "out of order"
    MAINTENANCE = "maintenance"
    FREE_PLAY = "free play"


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
class Alert:
    """What an operator should mend: a short code (``docs/cabinet.md`` lists them), a sentence."""

    code: str
    text: str


@dataclass(frozen=True)
class View:
    """All that the screen shows at one time.

    ``offer`` is present only while a payment can succeed: no offer, no QR code. ``coin`` of
    ``coins`` counts the relay's pulses while crediting, and ``closed`` says that the relay is
    closed for it now. ``payment_waits`` says that somebody has paid, and that their order waits for
    the cloud. ``released`` tells a payment that went back from one that was declined; why is for
    the player's phone, as everybody can read the screen. ``alerts`` are for the operator, drawn
    small.
    """

    screen: Screen
    offer: Offer | None = None
    coin: int = 0
    coins: int = 0
    closed: bool = False
    credits_left: int = 0
    payment_waits: bool = False
    released: bool = False
    alerts: tuple[Alert, ...] = ()
