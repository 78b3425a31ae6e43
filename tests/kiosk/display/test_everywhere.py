"""Every screen in every size, language and theme: nothing cut, covered, or too small to read."""

from __future__ import annotations

import pygame
import pytest

from kiosk.display.composer import Composition
from kiosk.display.layout import Box
from kiosk.display.renderer import Renderer
from tests.marks import slow_after
from tools.views import LOCALES, SIZES, THEMES, VIEWS, drawn, renderer


@pytest.mark.parametrize("size", slow_after(2, SIZES), ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("theme", slow_after(1, THEMES))
def test_every_word_has_its_place(theme: str, size: tuple[int, int]) -> None:
    found = []
    for locale in LOCALES:
        # Without what only moves, which has no words.
        on, surface = renderer(size, theme, locale, reduced_motion=True), pygame.Surface(size)
        for number, (name, view) in enumerate(VIEWS.items()):
            on.draw(surface, view, number * 5.0)
            assert on.composition is not None
            found += [
                f"{name}, {locale}: {problem}" for problem in problems(on, on.composition, size)
            ]
    assert found == []


def problems(on: Renderer, shown: Composition, size: tuple[int, int]) -> list[str]:
    """What is wrong with the boxes of a composition."""
    found = []
    inks = [block.ink for block in shown.blocks]
    places = shown.places
    if not shown.blocks:
        found.append("has no words")
    for number, (block, ink) in enumerate(zip(shown.blocks, inks, strict=True)):
        homes = [places.words, places.strip, *([places.steps] if places.steps else [])]
        if not any(home.inset(-1).contains(ink) for home in homes):
            found.append(f"{block.text!r} is out of its place")
        if not on.grid.safe.contains(ink):
            found.append(f"{block.text!r} is cut")
        if block.size * 30 < size[1]:
            found.append(f"{block.text!r} is too small")
        if any(ink.overlaps(other) for other in inks[number + 1 :]):
            found.append(f"{block.text!r} overlaps other words")
        if shown.card and ink.overlaps(shown.card):
            found.append(f"{block.text!r} overlaps the code's card")
    if (shown.view.offer is None) != (shown.code is None):
        found.append("has a code and no offer, or an offer and no code")
    if shown.is_substitute:
        found.append("its code cannot be read")
    if shown.code and shown.code.w * 3 < min(size):
        found.append("its code is too small")
    return found


def test_a_word_out_of_place_would_be_found() -> None:
    on = renderer((800, 480))
    drawn(on, VIEWS["ready"])
    shown = on.composition
    assert shown is not None
    block = shown.blocks[0]
    moved = block.box.moved(0, 900)
    shown.blocks[0] = type(block)(block.text, block.role, 3, moved, pygame.Surface((9, 9)))
    shown.blocks[1] = type(block)("x", None, 99, Box(0, 0, 9, 9), pygame.Surface((9, 9)))
    told = " ".join(problems(on, shown, (800, 480)))
    for word in ("out of its place", "cut", "too small"):
        assert word in told
