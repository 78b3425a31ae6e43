"""Stripe's rules for amounts of money, which the API counts in a currency's minor unit.

Source: Stripe's documentation, "Supported currencies" (zero-decimal, three-decimal and special
cases; minimum and maximum charge amounts). Codes are lower case, as the API has them.

The cloud has a table of its own. They must stay two: a mistake in a shared one would be in the code
under test and in what it is tested against, and no test would fail.
"""

from __future__ import annotations

from decimal import Decimal

LARGEST_AMOUNT = 99_999_999  # eight digits

_ZERO_DECIMAL = frozenset(
    {"bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv", "xaf",
     "xof", "xpf"}
)  # fmt: skip
_THREE_DECIMAL = frozenset({"bhd", "jod", "kwd", "omr", "tnd"})
# Without decimals in reality, with two in the API, which must be 00.
_ALWAYS_WHOLE = frozenset({"isk", "ugx"})

# The smallest charge in the major unit, as the documentation's table has it: for an account that
# settles in the same currency.
_MINIMUM_CHARGE = {
    "usd": "0.50",
    "aed": "2.00",
    "aud": "0.50",
    "brl": "0.50",
    "cad": "0.50",
    "chf": "0.50",
    "czk": "15.00",
    "dkk": "2.50",
    "eur": "0.50",
    "gbp": "0.30",
    "hkd": "4.00",
    "huf": "175.00",
    "inr": "0.50",
    "jpy": "50",
    "mxn": "10.00",
    "myr": "2.00",
    "nok": "3.00",
    "nzd": "0.50",
    "pln": "2.00",
    "ron": "2.00",
    "sek": "3.00",
    "sgd": "0.50",
    "thb": "10.00",
}


def decimals(currency: str) -> int:
    """How many of an amount's last digits are behind the decimal point."""
    code = currency.lower()
    if code in _ZERO_DECIMAL:
        return 0
    return 3 if code in _THREE_DECIMAL else 2


def minimum_charge(currency: str) -> int:
    """The smallest amount that can be charged; 1 where the documentation names none."""
    least = _MINIMUM_CHARGE.get(currency.lower())
    return 1 if least is None else int(Decimal(least).scaleb(decimals(currency)))


def divisor(currency: str) -> int:
    """What an amount must be divisible by."""
    code = currency.lower()
    if code in _THREE_DECIMAL:
        return 10
    return 100 if code in _ALWAYS_WHOLE else 1


def formatted(amount: int, currency: str) -> str:
    """``amount`` for an error message, as in ``1.50 USD``."""
    return f"{Decimal(amount).scaleb(-decimals(currency)):f} {currency.upper()}"
