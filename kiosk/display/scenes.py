"""What each screen consists of: its form, its figure and its words, before any pixel is drawn."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from kiosk.core.view import Offer, Screen, View
from kiosk.display.catalogue import Words


class Arrangement(Enum):
    """How the parts stand to each other (``kiosk.display.layout`` draws them)."""

    OFFER = "the figure first, words and steps beside or below it"
    REVERSED = "words first, the figure beside or below them"
    CENTRED = "the figure in the middle, words below it"


class Figure(Enum):
    """The main picture of a screen."""

    CODE = "code"
    PHONE = "phone"
    CARD = "card"
    DROP = "coins that drop"
    NUMBER = "number"
    STICK = "joystick"
    COIN = "coin and slot"
    PLUG = "plug"
    WRENCH = "wrench"
    STAR = "star"
    CREATURE = "creature"


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
    """A composition. ``steps`` are the words below scan, pay, play, where those are shown.

    ``second_code`` is a smaller code beside another figure; ``stripes`` are the barrier's.
    ``notes`` says how much room the operator's lines may take.
    """

    arrangement: Arrangement
    figure: Figure
    lines: tuple[Line, ...]
    steps: tuple[str, ...] = ()
    second_code: bool = False
    stripes: bool = False
    notes: bool = False


def scene_of(view: View, words: Words) -> Scene:
    """The composition of a view. A code stands in it only where the view has an offer."""
    say, offer = words.say, view.offer
    match view.screen:
        case Screen.READY if offer:
            steps = (say("step_scan"), say("step_pay"), say("step_play"))
            lines = (Line(say("scan_to_play"), Role.HEADLINE), *_offer(offer, words))
            return Scene(Arrangement.OFFER, Figure.CODE, lines, steps)
        case Screen.PAYING if offer:
            lines = (
                Line(say("almost_there"), Role.HEADLINE),
                Line(say("finish_on_the_phone"), Role.BODY),
                Line(words.price(offer), Role.PRICE),
            )
            return Scene(Arrangement.OFFER, Figure.PHONE, lines, second_code=True)
        case Screen.PAYING:
            return _plain(words, Figure.PHONE, "almost_there", "finish_on_the_phone")
        case Screen.DECLINED:
            told = ("no_luck", "not_paid", "try_again")
            if view.released:
                told = ("money_back", "given_back", "not_charged")
            headline, what, next_step = map(say, told)
            lines = (
                Line(headline, Role.HEADLINE),
                Line(what, Role.BODY),
                Line(next_step, Role.BODY),
            )
            return Scene(Arrangement.REVERSED, Figure.CODE if offer else Figure.CARD, lines)
        case Screen.CREDITING:
            return _plain(words, Figure.DROP, "thank_you", "get_ready")
        case Screen.PLAYING:
            left = words.counted("credits_left", view.credits_left)
            lines = (Line(left, Role.HEADLINE), Line(say("have_fun"), Role.BODY))
            if offer is None:
                return Scene(Arrangement.CENTRED, Figure.NUMBER, lines)
            lines = (*lines, Line(say("scan_for_more"), Role.BONUS))
            return Scene(Arrangement.OFFER, Figure.NUMBER, lines, second_code=True)
        case Screen.GAME_OVER:
            lines = (Line(say("game_over"), Role.HEADLINE), Line(say("one_more"), Role.BODY))
            if offer is None:
                return Scene(Arrangement.CENTRED, Figure.CREATURE, lines)
            return Scene(Arrangement.REVERSED, Figure.CODE, (*lines, *_offer(offer, words)))
        case Screen.STARTING:
            return _plain(words, Figure.STICK, "warming_up", "coins_work")
        case Screen.OUT_OF_ORDER:
            return _plain(words, Figure.PLUG, "out_of_order", "tell_the_staff", stripes=True)
        case Screen.MAINTENANCE:
            return _plain(words, Figure.WRENCH, "back_soon", "being_serviced", stripes=True)
        case Screen.FREE_PLAY:
            return _plain(words, Figure.STAR, "free_play", "press_start")
        case _ if view.payment_waits:
            return _plain(words, Figure.COIN, "payment_waits", "nothing_is_lost")
        case _:
            return _plain(words, Figure.COIN, "coins_only", "cards_are_away")


def _plain(
    words: Words, figure: Figure, headline: str, body: str, *, stripes: bool = False
) -> Scene:
    lines = (Line(words.say(headline), Role.HEADLINE), Line(words.say(body), Role.BODY))
    return Scene(Arrangement.CENTRED, figure, lines, stripes=stripes, notes=True)


def _offer(offer: Offer, words: Words) -> tuple[Line, ...]:
    lines = [Line(words.price(offer), Role.PRICE)]
    # An offer, not a table: more than two would not be read.
    lines += [Line(words.bonus(b.quantity, b.credits), Role.BONUS) for b in offer.bonuses[:2]]
    return tuple(lines)
