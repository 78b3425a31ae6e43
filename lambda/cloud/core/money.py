"""Amounts in a currency's smallest unit, as Stripe counts them.

Source: Stripe's "Supported currencies" (zero-decimal, three-decimal and special cases; minimum
charge amounts).
"""

from __future__ import annotations

ZERO_DECIMALS = frozenset(
    [
        "BIF",
        "CLP",
        "DJF",
        "GNF",
        "JPY",
        "KMF",
        "KRW",
        "MGA",
        "PYG",
        "RWF",
        "VND",
        "VUV",
        "XAF",
        "XOF",
        "XPF",
    ],
)
THREE_DECIMALS = frozenset(["BHD", "JOD", "KWD", "OMR", "TND"])

# What Stripe can charge in.
_CODES = """
    AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BWP BYN BZD
    CAD CDF CHF CLP CNY COP CRC CVE CZK DJF DKK DOP DZD EGP ETB EUR FJD FKP GBP GEL GIP GMD GNF GTQ
    GYD HKD HNL HTG HUF IDR ILS INR ISK JMD JOD JPY KES KGS KHR KMF KRW KWD KYD KZT LAK LBP LKR LRD
    LSL MAD MDL MGA MKD MMK MNT MOP MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK
    PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SEK SGD SHP SLE SOS SRD STD SZL THB TJS TND TOP
    TRY TTD TWD TZS UAH UGX USD UYU UZS VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW
    """
CURRENCIES = frozenset(_CODES.split())

# Stripe takes these amounts only in such steps: the last digit of a three-decimal amount is 0, and
# ISK and UGX have no decimals but are counted as if they had two.
STEPS = dict.fromkeys(THREE_DECIMALS, 10) | {"ISK": 100, "UGX": 100}

# The smallest charge for a settlement in the same currency.
MINIMUM = {
    "AED": 200, "AUD": 50, "BRL": 50, "CAD": 50, "CHF": 50, "CZK": 1500, "DKK": 250, "EUR": 50,
    "GBP": 30, "HKD": 400, "HUF": 17500, "INR": 50, "JPY": 50, "MXN": 1000, "MYR": 200,
    "NOK": 300, "NZD": 50, "PLN": 200, "RON": 200, "SEK": 300, "SGD": 50, "THB": 1000, "USD": 50,
}  # fmt: skip


def decimals(currency: str) -> int:
    """How many digits of an amount in ``currency`` stand after the point."""
    code = currency.upper()
    if code in ZERO_DECIMALS:
        return 0
    return 3 if code in THREE_DECIMALS else 2


def step(currency: str) -> int:
    """The step in which Stripe takes amounts of ``currency``: 1 but for a few."""
    return STEPS.get(currency.upper(), 1)


def part(amount: int, pulsed: int, pulses: int, currency: str) -> int:
    """``pulsed`` of ``pulses`` parts of ``amount``, rounded down to what Stripe can charge.

    All of them are the whole amount, whatever its last digits are.
    """
    if pulsed >= pulses:
        return amount
    share = amount * pulsed // pulses
    return share - share % step(currency)


def text(amount: int, currency: str) -> str:
    """``amount`` for people, as in ``1.50 USD``."""
    places = decimals(currency)
    if amount < 0:
        return f"-{text(-amount, currency)}"
    whole, rest = divmod(amount, 10**places)
    return (
        f"{whole}.{rest:0{places}d} {currency.upper()}" if places else f"{whole} {currency.upper()}"
    )
