"""Where things stand, for any size of a screen."""

from __future__ import annotations

import pytest

from kiosk.display.layout import Box, card_box, code_box, layout

sizes = pytest.mark.parametrize(
    "size",
    [
        (width, height)
        for width in (480, 600, 800, 1024, 1366, 1920)
        for height in (480, 599, 768, 1080, 1920)
        if 0.5 < width / height < 2
    ],
)


@sizes
def test_places_lie_on_the_screen_and_apart(size: tuple[int, int]) -> None:
    lay = layout(*size)
    places = [lay.marquee, lay.figure, lay.column, lay.notes]
    for number, place in enumerate(places):
        assert place.w > 0
        assert place.h > 0
        assert place.x >= 0
        assert place.y >= 0
        assert place.right <= size[0]
        assert place.bottom <= size[1]
        assert not any(place.overlaps(other) for other in places[number + 1 :])


@sizes
def test_the_second_code_stands_below_the_words_of_its_column(size: tuple[int, int]) -> None:
    lay = layout(*size)
    words, card = lay.column_with_code
    assert not words.overlaps(card)
    assert words.y == lay.column.y
    assert words.h > 2 * lay.smallest_text
    assert card.w == card.h
    assert card.w * 3 >= min(size)
    assert lay.column.x <= card.x
    assert card.right <= lay.column.right
    assert card.bottom <= lay.column.bottom


@sizes
@pytest.mark.parametrize("modules", [33, 45, 71])
def test_a_code_has_whole_pixels_and_stays_within_its_card(
    size: tuple[int, int], modules: int
) -> None:
    lay = layout(*size)
    card = card_box(lay.figure, lay.unit)
    box, scale = code_box(card, modules)
    assert scale >= 1
    assert box.w == box.h == scale * modules
    assert scale * (modules + modules) > card.w or scale > 1
    assert box.x >= card.x
    assert box.right <= card.right
    assert box.y >= card.y
    assert box.bottom <= card.bottom


def test_a_box_is_split_without_a_gap() -> None:
    upper, lower = Box(3, 5, 100, 77).split(0.3)
    assert upper.bottom == lower.y
    assert upper.h + lower.h == 77
