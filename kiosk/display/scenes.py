"""What each screen consists of, in words: the compositions, before any pixel is drawn.

Every text of the screen is here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from kiosk.core.view import Offer, Screen, View
from kiosk.display import money


class Figure(Enum):
    """What stands in the screen's place of honour."""

    CODE = "code"
    PHONE = "phone"
    COIN = "coin"
    NUMBER = "number"
    PAD = "pad"
    PLUG = "plug"


class Role(Enum):
    """What a line is, which decides its face, size and colour."""

    HEADLINE = "headline"
    PRICE = "price"
    BODY = "body"
    BONUS = "bonus"


@dataclass(frozen=True)
class Line:
    """One line of words; it may be wrapped."""

    text: str
    role: Role


@dataclass(frozen=True)
class Scene:
    """A composition. ``number`` is drawn large for ``Figure.NUMBER``; ``coins`` is (lit, all)."""

    figure: Figure
    lines: tuple[Line, ...]
    steps: bool = False
    number: int = 0
    coins: tuple[int, int] = (0, 0)
    small_code: bool = False


STEPS = ("SCAN", "PAY", "PLAY")


def scene(view: View, can_write: Callable[[str], bool]) -> Scene:
    """The composition of a view. A code stands in it only where the view has an offer."""
    offer = view.offer
    match view.screen:
        case Screen.READY if offer:
            return Scene(
                Figure.CODE, (Line("Scan to play", Role.HEADLINE), *_price(offer, can_write)), True
            )
        case Screen.DECLINED:
            lines: tuple[Line, ...] = (
                Line("No luck", Role.HEADLINE),
                Line(view.message, Role.BODY),
                Line("You were not charged. Try again, or another card.", Role.BODY),
            )
            return Scene(Figure.CODE if offer else Figure.PHONE, lines)
        case Screen.PAYING:
            return Scene(
                Figure.PHONE,
                (
                    Line("Almost there", Role.HEADLINE),
                    Line("Finish on your phone. Your coins drop here.", Role.BODY),
                ),
            )
        case Screen.CREDITING:
            return Scene(
                Figure.COIN,
                (
                    Line(f"Coin {view.coin} of {view.coins}", Role.HEADLINE),
                    Line("Thank you! Get ready.", Role.BODY),
                ),
                coins=(view.coin, view.coins),
            )
        case Screen.PLAYING:
            lines = (
                Line("Credits left" if view.credits_left != 1 else "Credit left", Role.HEADLINE),
                Line("Have fun!", Role.BODY),
            )
            if offer:
                lines += (Line("Scan for more", Role.BONUS),)
            return Scene(
                Figure.NUMBER, lines, number=view.credits_left, small_code=offer is not None
            )
        case Screen.GAME_OVER:
            lines = (
                Line("Game over", Role.HEADLINE),
                Line("One more? You nearly had it.", Role.BODY),
            )
            if offer:
                lines += _price(offer, can_write)
            return Scene(Figure.CODE if offer else Figure.PAD, lines)
        case Screen.STARTING:
            return Scene(
                Figure.PAD,
                (Line("Warming up", Role.HEADLINE), Line("Coins work already.", Role.BODY)),
            )
        case Screen.OUT_OF_ORDER:
            return Scene(
                Figure.PLUG,
                (
                    Line("Out of order", Role.HEADLINE),
                    Line("Please tell the staff. Card payment is closed.", Role.BODY),
                ),
            )
        case _:
            return Scene(
                Figure.PAD,
                (
                    Line("Coins only", Role.HEADLINE),
                    Line("Card payment is offline – coins still work", Role.BODY),
                ),
            )


def _price(offer: Offer, can_write: Callable[[str], bool]) -> tuple[Line, ...]:
    told = money.price(offer.amount, offer.currency, offer.decimals, can_write)
    lines = [Line(f"{told} a play", Role.PRICE)]
    lines += [Line(f"{b.quantity} get you {b.credits}", Role.BONUS) for b in offer.bonuses[:2]]
    return tuple(lines)
