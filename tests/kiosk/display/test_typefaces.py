"""Every text is drawn with the typeface that the theme has for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pygame
import pytest

from kiosk.core.view import View
from kiosk.display import theme
from kiosk.display.catalogue import Words
from kiosk.display.scenes import Role, scene_of
from tools.views import TITLE, VIEWS, drawn, renderer

NIGHT = theme.load("night")
LETTER_TEST = 24  # the size at which single letters are drawn to see whether a typeface has them


@pytest.fixture
def rendered(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Path]]:
    """Each text that was rendered, with the file of its typeface."""
    texts: list[tuple[str, Path]] = []

    class Font(pygame.font.Font):
        def __init__(self, file: Path, size: int) -> None:
            super().__init__(file, size)
            self._of = (file, size)

        def render(self, text: str, *more: Any) -> pygame.Surface:  # type: ignore[override]
            file, size = self._of
            if len(text) > 1 or size != LETTER_TEST:
                texts.append((text, file))
            return super().render(text, *more)

    monkeypatch.setattr(pygame.font, "Font", Font)
    return texts


def wanted(text: str, view: View, words: Words) -> set[Path]:
    """The typefaces that may draw a text of a view."""
    display, plain = {
        "zh": (NIGHT.chinese, NIGHT.chinese),
        "ja": (NIGHT.japanese, NIGHT.japanese),
    }.get(words.language, (NIGHT.display, NIGHT.text))
    if text == TITLE.upper() or text.lstrip("/").isdigit():
        return {NIGHT.display}
    scene = scene_of(view, words)
    if text in scene.steps:
        return {plain}
    roles = {line.role for line in scene.lines if text in line.text.replace("|", "")}
    if roles:
        return {display if role in (Role.HEADLINE, Role.PRICE) else plain for role in roles}
    notes = " · ".join(f"{note.code} · {note.text}" for note in view.alerts)
    assert all(word in notes for word in text.split()), f"{text!r} is on no screen"
    return {NIGHT.text}


def test_the_typefaces_of_the_theme_differ() -> None:
    """Else a wrong one could not be told from the right one."""
    assert len({NIGHT.display, NIGHT.text, NIGHT.chinese, NIGHT.japanese}) == 4


@pytest.mark.parametrize("locale", ["en", "de", "zh", "ja"])
@pytest.mark.parametrize("name", VIEWS)
def test_each_text_has_its_typeface(
    name: str, locale: str, rendered: list[tuple[str, Path]]
) -> None:
    view = VIEWS[name]
    on = renderer((800, 480), locale=locale)
    drawn(on, view)
    words = on._scheduler._composer.words(locale)
    assert len(rendered) >= 3
    for text, face in rendered:
        assert {face} == wanted(text, view, words), text
