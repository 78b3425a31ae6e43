"""Amounts in every kind of currency."""

from __future__ import annotations

import pytest

from cloud.core import money
from cloud.core.prices import Bonus, PriceList, credits_for, mistakes


@pytest.mark.parametrize(
    ("currency", "places"), [("USD", 2), ("eur", 2), ("JPY", 0), ("KRW", 0), ("KWD", 3)]
)
def test_currencies_have_the_decimals_that_stripe_counts(currency: str, places: int) -> None:
    assert money.decimals(currency) == places


@pytest.mark.parametrize(
    ("amount", "pulsed", "pulses", "currency", "part"),
    [
        (100, 1, 1, "USD", 100),
        (500, 2, 3, "USD", 333),
        (500, 1, 6, "JPY", 83),
        (1000, 1, 3, "KWD", 330),  # 333 cannot be charged: the last digit must be 0
        (1005, 3, 3, "KWD", 1005),  # the whole is the whole
        (50_000, 1, 3, "UGX", 16_600),
        (100, 0, 3, "USD", 0),
    ],
)
def test_a_part_is_rounded_down_to_what_can_be_charged(
    amount: int, pulsed: int, pulses: int, currency: str, part: int
) -> None:
    assert money.part(amount, pulsed, pulses, currency) == part


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        (150, "USD", "1.50 USD"),
        (5, "usd", "0.05 USD"),
        (300, "JPY", "300 JPY"),
        (1250, "KWD", "1.250 KWD"),
    ],
)
def test_amounts_are_written_with_their_decimals(amount: int, currency: str, text: str) -> None:
    assert money.text(amount, currency) == text


@pytest.mark.parametrize(
    ("quantity", "credits"),
    [(0, 0), (1, 1), (4, 4), (5, 6), (7, 8), (10, 13), (11, 14), (15, 19)],
)
def test_bonuses_are_given_as_often_as_they_fit(quantity: int, credits: int) -> None:
    prices = PriceList(100, "USD", (Bonus(5, 6), Bonus(10, 13)), most=20)
    assert credits_for(prices, quantity) == credits


@pytest.mark.parametrize(
    ("prices", "word"),
    [
        (PriceList(100, "usd"), "capital"),
        (PriceList(49, "USD"), "smallest charge"),
        (PriceList(0, "KWD"), "smallest charge"),
        (PriceList(105, "KWD"), "steps of 10"),
        (PriceList(100, "USD", most=0), "at most"),
        (PriceList(100, "USD", (Bonus(5, 5),)), "nothing more"),
        (PriceList(100, "USD", (Bonus(50, 60),)), "never be bought"),
        (PriceList(100, "USD", (Bonus(5, 6), Bonus(5, 7))), "same quantity"),
    ],
)
def test_a_price_list_that_cannot_be_sold_says_why(prices: PriceList, word: str) -> None:
    assert any(word in mistake for mistake in mistakes(prices))


def test_a_good_price_list_has_no_mistakes_and_its_fingerprint_tells_it_apart() -> None:
    prices = PriceList(100, "USD", (Bonus(5, 6),))
    assert mistakes(prices) == []
    assert prices.fingerprint != PriceList(100, "USD", (Bonus(5, 7),)).fingerprint
