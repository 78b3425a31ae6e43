"""The screen's words in each language, from the one catalogue (``assets/catalogue.toml``)."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from babel import Locale, UnknownLocaleError
from babel.numbers import format_decimal

from kiosk import assets
from kiosk.core.view import Offer
from kiosk.display import money

LANGUAGES = ("en", "es", "de", "fr", "pt", "zh", "ja", "ms")
# The territory of a language that is configured without one: it decides how money is written.
_DEFAULT_LOCALES = {"en": "en_US", "zh": "zh_Hans_CN", "pt": "pt_BR"}


@lru_cache(maxsize=1)
def texts() -> dict[str, dict[str, Any]]:
    """The whole catalogue: name of a text, language, and its words or their plural forms."""
    return tomllib.loads(assets.path("catalogue.toml").read_text(encoding="utf-8"))


class Words:
    """The words of one language. ``locale`` is it, or it and a territory: ``es`` or ``es_MX``.

    ``can_write`` tells whether the typefaces have all letters of a text.
    """

    def __init__(self, locale: str, can_write: Callable[[str], bool] = lambda _: True) -> None:
        self.language = locale.partition("_")[0]
        self._can_write = can_write
        try:
            self._locale = Locale.parse(_DEFAULT_LOCALES.get(locale, locale))
        except (UnknownLocaleError, ValueError):
            self._locale = Locale.parse(self.language)

    def say(self, name: str) -> str:
        """A text that depends on nothing."""
        return self._of(name)

    def counted(self, name: str, count: int) -> str:
        """A text in the form that goes with ``count``."""
        return self._of(name, self._locale.plural_form(count))

    def price(self, offer: Offer) -> str:
        """What one play costs, as an offer."""
        text = money.price(
            offer.amount, offer.currency, offer.decimals, self._locale, self._can_write
        )
        return self._of("a_play").format(price=text)

    def bonus(self, quantity: int, credits: int) -> str:
        """What buying more at once brings."""
        return self._of("bonus").format(n=self.number(quantity), m=self.number(credits))

    def number(self, value: int) -> str:
        """A count by the locale's rules."""
        return str(format_decimal(value, locale=self._locale))

    def _of(self, name: str, form: str = "other") -> str:
        text = texts()[name][self.language]
        return str(text.get(form, text["other"]) if isinstance(text, dict) else text)
