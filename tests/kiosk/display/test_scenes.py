"""What the screens say, before any pixel is drawn."""

from __future__ import annotations

import pytest

from kiosk.core.view import Bonus, Offer, Screen, View
from kiosk.display import money
from kiosk.display.scenes import Figure, scene
from kiosk.display.theme import NIGHT, TEXT_COLOURS, contrast
from tests.kiosk.display.views import OFFER, URL, VIEWS


def words(view: View) -> str:
    return " / ".join(line.text for line in scene(view, lambda _: True).lines)


def test_every_screen_has_a_composition_of_its_own() -> None:
    told = {screen: words(View(screen)) for screen in Screen if screen is not Screen.READY}
    assert len(set(told.values())) == len(told)
    assert all(told.values())


def test_an_offer_is_an_offer_and_not_a_table() -> None:
    assert words(VIEWS["ready"]) == "Scan to play / $1.00 a play / 5 get you 6"


def test_no_more_than_two_bonuses_crowd_the_screen() -> None:
    bonuses = tuple(Bonus(n, n + 1) for n in (3, 5, 10))
    assert "10 get you" not in words(View(Screen.READY, Offer(URL, 100, "USD", 2, bonuses)))


def test_a_code_is_there_exactly_where_an_offer_is() -> None:
    for view in VIEWS.values():
        told = scene(view, lambda _: True)
        assert (told.figure is Figure.CODE or told.small_code) == (view.offer is not None)


def test_a_declined_card_gets_its_reason_and_a_way_on() -> None:
    told = words(View(Screen.DECLINED, OFFER, message="Your card has expired."))
    assert "Your card has expired." in told
    assert "not charged" in told
    assert "another card" in told


def test_offline_says_that_coins_work() -> None:
    assert "Card payment is offline – coins still work" in words(View(Screen.OFFLINE))


def test_one_credit_is_singular() -> None:
    assert "Credit left" in words(View(Screen.PLAYING, credits_left=1))
    assert "Credits left" in words(View(Screen.PLAYING, credits_left=2))


@pytest.mark.parametrize(
    ("amount", "currency", "decimals", "told"),
    [
        (100, "USD", 2, "$1.00"),
        (123456, "USD", 2, "$1,234.56"),
        (500, "JPY", 0, "¥500"),
        (12500, "KRW", 0, "₩12,500"),
        (1250, "KWD", 3, "KWD 1.250"),
        (99, "EUR", 2, "€0.99"),
    ],
)
def test_prices_are_written_as_people_write_them(
    amount: int, currency: str, decimals: int, told: str
) -> None:
    price = money.price(amount, currency, decimals, lambda _: True)
    assert price.replace("\N{NO-BREAK SPACE}", " ") == told


def test_a_sign_that_the_typeface_lacks_becomes_letters() -> None:
    price = money.price(12500, "KRW", 0, lambda text: "₩" not in text)
    assert price.replace("\N{NO-BREAK SPACE}", " ") == "KRW 12,500"


@pytest.mark.parametrize("ground", ["night", "dusk"])
@pytest.mark.parametrize("name", TEXT_COLOURS)
def test_every_text_stands_out_seven_to_one(name: str, ground: str) -> None:
    assert contrast(getattr(NIGHT, name), getattr(NIGHT, ground)) >= 7.0


def test_contrast_is_that_of_wcag() -> None:
    assert contrast((255, 255, 255), (0, 0, 0)) == pytest.approx(21.0)
    assert contrast((119, 119, 119), (255, 255, 255)) == pytest.approx(4.48, abs=0.01)
