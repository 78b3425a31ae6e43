"""Prices as people write them."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from babel.numbers import format_currency, get_currency_symbol

LOCALE = "en_US"


def price(amount: int, currency: str, decimals: int, can_write: Callable[[str], bool]) -> str:
    """``amount`` (in the smallest unit) with the currency's sign, as in ``$1.00``.

    Where there is no sign or the typeface lacks it (``can_write``), the currency's three letters
    stand for it.
    """
    value = Decimal(amount).scaleb(-decimals)
    pattern = "#,##0" + ("." + "0" * decimals if decimals else "")
    sign = get_currency_symbol(currency, LOCALE)
    form = "¤¤\N{NO-BREAK SPACE}" if sign[-1].isalpha() or not can_write(sign) else "¤"
    return format_currency(value, currency, form + pattern, locale=LOCALE, currency_digits=False)
