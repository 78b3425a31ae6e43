"""Prices as people write them."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from babel.numbers import format_currency

LOCALE = "en_US"


def price(amount: int, currency: str, decimals: int, can_write: Callable[[str], bool]) -> str:
    """``amount`` (in the smallest unit) with the currency's sign, as in ``$1.00``.

    Where the typeface lacks the sign (``can_write``), the currency's three letters stand for it.
    """
    value = Decimal(amount).scaleb(-decimals)
    pattern = "#,##0" + ("." + "0" * decimals if decimals else "")
    told = format_currency(value, currency, f"¤{pattern}", locale=LOCALE, currency_digits=False)
    if can_write(told):
        return told
    return format_currency(value, currency, f"¤¤ {pattern}", locale=LOCALE, currency_digits=False)
