"""Amounts of money as a player reads them."""

from __future__ import annotations

from decimal import Decimal

from babel.numbers import format_currency, get_currency_symbol

from sandbox.stripe_simulator import currencies

LOCALE = "en_US"


def text(amount: int, currency: str) -> str:
    """``amount`` of the currency's smallest unit, as in ``$1.50``, ``¥300``, ``KWD 1.500``.

    The number of decimals is Stripe's, which for some currencies is not the locale's.
    """
    code, places = currency.upper(), currencies.decimals(currency)
    space = "\N{NO-BREAK SPACE}" if get_currency_symbol(code, LOCALE)[-1].isalpha() else ""
    pattern = f"\N{CURRENCY SIGN}{space}#,##0" + ("." + "0" * places if places else "")
    value = Decimal(amount).scaleb(-places)
    return format_currency(value, code, pattern, LOCALE, currency_digits=False)
