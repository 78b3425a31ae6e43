"""What the screens consist of, before any pixel is drawn."""

from __future__ import annotations

import pytest

from kiosk.core.view import Bonus, Offer, Screen, View
from kiosk.display.catalogue import LANGUAGES, Words
from kiosk.display.scenes import Figure, scene_of
from tools.views import OFFER, URL, VIEWS


def words(view: View, language: str = "en") -> str:
    return " / ".join(line.text for line in scene_of(view, Words(language)).lines)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_screen_has_words_of_its_own(language: str) -> None:
    result = {s: words(View(s), language) for s in Screen if s is not Screen.READY}
    assert len(set(result.values())) == len(result)
    assert all(result.values())


def test_screens_are_told_apart_without_reading_or_colour() -> None:
    """By the figure, the arrangement and the stripes alone."""
    seen = {}
    for screen in Screen:
        result = scene_of(View(screen, OFFER if screen is Screen.READY else None), Words("en"))
        seen[screen] = (result.arrangement, result.figure, result.stripes)
    assert len(set(seen.values())) == len(seen)


def test_an_offer_is_an_offer_and_not_a_table() -> None:
    assert words(VIEWS["ready"]) == "Scan to play / $1.00 a play / 5 get you 6"


def test_no_more_than_two_bonuses_crowd_the_screen() -> None:
    bonuses = tuple(Bonus(n, n + 1) for n in (3, 5, 10))
    assert "10 get you" not in words(View(Screen.READY, Offer(URL, 100, "USD", 2, bonuses)))


def test_a_code_is_there_exactly_where_an_offer_is() -> None:
    for view in VIEWS.values():
        result = scene_of(view, Words("en"))
        assert (result.figure is Figure.CODE or result.second_code) == (view.offer is not None)


def test_a_declined_card_is_told_without_a_word_about_the_card() -> None:
    """Everybody in the arcade can read it: why, is for the phone."""
    result = words(View(Screen.DECLINED, OFFER))
    assert "The payment did not go through." in result
    assert "Nothing was charged" in result
    assert "Try again" in result


@pytest.mark.parametrize(
    ("language", "card"),
    [
        ("en", "card"),
        ("es", "tarjeta"),
        ("de", "karte"),
        ("fr", "carte"),
        ("pt", "cartão"),
        ("zh", "卡"),
        ("ja", "カード"),
        ("ms", "kad"),
    ],
)
def test_no_language_says_of_a_declined_card_that_it_was_the_card(language: str, card: str) -> None:
    for offer in (OFFER, None):
        assert card not in words(View(Screen.DECLINED, offer), language).lower()


def test_money_that_went_back_is_no_bad_luck() -> None:
    result = words(View(Screen.DECLINED, OFFER, released=True))
    assert "Money back" in result
    assert "No luck" not in result


def test_offline_says_that_coins_work() -> None:
    assert "Card payment is offline – coins still work" in words(View(Screen.OFFLINE))


def test_one_credit_is_singular() -> None:
    assert "Credit left" in words(View(Screen.PLAYING, credits_left=1))
    assert "Credits left" in words(View(Screen.PLAYING, credits_left=2))
