"""Prices as people write them."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from babel import Locale
from babel.numbers import format_currency, get_currency_symbol


def price(
    amount: int, currency: str, decimals: int, locale: Locale, can_write: Callable[[str], bool]
) -> str:
    """``amount`` (in the smallest unit) by the rules of ``locale``, as in ``$1.00`` or ``1,00 €``.

    Where there is no sign or the typeface lacks it (``can_write``), the currency's three letters
    stand for it.
    """
    value = Decimal(amount).scaleb(-decimals)
    pattern = locale.currency_formats["standard"].pattern.partition(";")[0]
    # Digits after the point are as many as the cloud said, not as babel's table has them.
    pattern = pattern.replace(".00", "." + "0" * decimals if decimals else "")
    sign = get_currency_symbol(currency, locale)
    if sign.upper() == currency.upper() or not can_write(sign):
        space = "" if "\N{NO-BREAK SPACE}" in pattern else "\N{NO-BREAK SPACE}"
        pattern = pattern.replace("¤", f"¤¤{space}" if pattern.startswith("¤") else f"{space}¤¤")
    text = format_currency(value, currency, pattern, locale=locale, currency_digits=False)
    # Thin spaces are in few typefaces; marks of direction are in none.
    for mark in "\N{NARROW NO-BREAK SPACE}\N{THIN SPACE}":
        text = text.replace(mark, "\N{NO-BREAK SPACE}")
    return "".join(c for c in text if c not in "\N{LEFT-TO-RIGHT MARK}\N{RIGHT-TO-LEFT MARK}")
