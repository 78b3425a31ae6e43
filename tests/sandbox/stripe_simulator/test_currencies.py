"""The simulator's table of currencies, against Stripe's documentation and against the cloud's."""

from __future__ import annotations

import pytest
from babel.core import get_global

from cloud.core import money
from sandbox.stripe_simulator import currencies


@pytest.mark.parametrize(
    ("code", "decimals"),
    [("usd", 2), ("jpy", 0), ("xaf", 0), ("kwd", 3), ("isk", 2), ("ugx", 2), ("huf", 2)],
)
def test_decimals_are_as_documented(code: str, decimals: int) -> None:
    assert currencies.decimals(code) == currencies.decimals(code.upper()) == decimals


@pytest.mark.parametrize(
    ("code", "amount"), [("usd", 50), ("gbp", 30), ("huf", 17500), ("jpy", 50), ("krw", 1)]
)
def test_minimum_charges_are_as_documented(code: str, amount: int) -> None:
    assert currencies.minimum_charge(code) == currencies.minimum_charge(code.upper()) == amount


@pytest.mark.parametrize(
    ("code", "divisor"), [("usd", 1), ("jpy", 1), ("kwd", 10), ("isk", 100), ("ugx", 100)]
)
def test_divisors_are_as_documented(code: str, divisor: int) -> None:
    assert currencies.divisor(code) == currencies.divisor(code.upper()) == divisor


@pytest.mark.parametrize(
    ("amount", "code", "text"),
    [
        (150, "usd", "1.50 USD"),
        (5, "eur", "0.05 EUR"),
        (300, "jpy", "300 JPY"),
        (0, "KWD", "0.000 KWD"),
    ],
)
def test_an_amount_in_a_message_has_the_currencys_decimals(
    amount: int, code: str, text: str
) -> None:
    assert currencies.formatted(amount, code) == text


def test_the_clouds_table_which_is_independent_agrees() -> None:
    # Every code that is or was in use, so that an entry in one table only is found.
    for code in get_global("all_currencies"):
        assert (money.decimals(code), money.step(code), money.MINIMUM.get(code, 1)) == (
            currencies.decimals(code),
            currencies.divisor(code),
            currencies.minimum_charge(code),
        ), code
