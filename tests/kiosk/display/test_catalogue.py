"""The words of the screen: all there in every language, and prices as people write them."""

from __future__ import annotations

import string
from pathlib import Path

import pytest
from babel import Locale

from kiosk.core.view import Offer
from kiosk.display import catalogue, scenes, theme
from kiosk.display.catalogue import LANGUAGES, Words, texts
from kiosk.display.lettering import Lettering
from kiosk.display.money import price
from tools.views import OFFER, THEMES, URL

NBSP = "\N{NO-BREAK SPACE}"


def forms(name: str, language: str) -> list[str]:
    told = texts()[name][language]
    return list(told.values()) if isinstance(told, dict) else [told]


def blanks(text: str) -> set[str]:
    """What is filled into a text."""
    return {key for _, key, _, _ in string.Formatter().parse(text) if key}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_is_there_in_every_language(language: str) -> None:
    for name, told in texts().items():
        assert set(told) == set(LANGUAGES), name
        wanted = blanks(forms(name, "en")[0])
        for form in forms(name, language):
            assert form.strip() == form != "", name
            assert blanks(form) == wanted, name


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", THEMES)
def test_every_typeface_has_every_letter(name: str, language: str) -> None:
    lettering = Lettering(theme.load(name))
    for text in texts():
        for form in forms(text, language):
            assert lettering.can_write(form, language), form
    digits = Words(language, lambda told: lettering.can_write(told, language))
    for currency in ("USD", "EUR", "JPY", "MYR", "CNY", "BRL", "MXN", "KRW", "KWD"):
        told = digits.price(Offer(URL, 123456, currency, 2))
        assert lettering.can_write(told, language), told


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_plural_of_a_language_has_a_form(language: str) -> None:
    for name, told in texts().items():
        if not isinstance(told[language], dict):
            continue
        rules = Locale.parse(language).plural_form
        assert {rules(count) for count in range(300)} <= set(told[language]), name


def test_every_text_is_on_some_screen() -> None:
    code = "".join(Path(module.__file__ or "").read_text("utf-8") for module in (scenes, catalogue))
    assert [name for name in texts() if f'"{name}"' not in code] == []


@pytest.mark.parametrize(
    ("place", "told"),
    [
        ("en", "$1.00 a play"),
        ("es", "1,00 US$ por partida"),
        ("es_MX", "USD 1.00 por partida"),
        ("de", "1,00 $ pro Spiel"),
        ("fr", "1,00 $US la partie"),
        ("pt", "US$ 1,00 por jogada"),
        ("zh", "每局 US$1.00"),
        ("ja", "1プレイ $1.00"),
        ("ms", "USD 1.00 sekali main"),
        ("en_XX", "$1.00 a play"),
    ],
)
def test_a_price_is_an_offer_in_each_language(place: str, told: str) -> None:
    assert Words(place).price(OFFER).replace(NBSP, " ") == told


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
def test_prices_have_the_digits_that_the_cloud_said(
    amount: int, currency: str, decimals: int, told: str
) -> None:
    written = price(amount, currency, decimals, Locale.parse("en_US"), lambda _: True)
    assert written.replace(NBSP, " ") == told


def test_a_sign_that_the_typeface_lacks_becomes_letters() -> None:
    def lacks(text: str) -> bool:
        return "₩" not in text

    for place, told in (("en_US", "KRW 12,500"), ("de", "12.500 KRW")):
        assert price(12500, "KRW", 0, Locale.parse(place), lacks).replace(NBSP, " ") == told


def test_counts_are_written_by_the_places_rules() -> None:
    assert Words("en").number(1234) == "1,234"
    assert Words("de").number(1234) == "1.234"
    assert Words("en").counted("credits_left", 1) == "Credit left"
    assert Words("en").counted("credits_left", 2) == "Credits left"
    assert Words("ja").counted("credits_left", 1) == Words("ja").counted("credits_left", 2)


@pytest.mark.parametrize("name", THEMES)
def test_a_letter_that_a_typeface_lacks_is_noticed(name: str) -> None:
    """Typefaces draw a box, or nothing at all, for what they lack."""
    lettering = Lettering(theme.load(name))
    for letter in ("₩", "ก", "扫"):
        assert not lettering.can_write(letter, "en")
    assert lettering.can_write("Aé$€ 1", "en")
    assert not lettering.can_write("扫", "ja")
    assert lettering.can_write("扫", "zh")
    assert "KRW" in Words("en", lambda told: lettering.can_write(told, "en")).price(
        Offer(URL, 12500, "KRW", 0)
    )
