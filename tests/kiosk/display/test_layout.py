"""Where things stand, for any size of a screen."""

from __future__ import annotations

import pytest

from kiosk.display.layout import SMALLEST_TEXT, Box, card_box, code_box, grid, places
from kiosk.display.scenes import Arrangement
from kiosk.display.transitions import FLIGHT_FRAMES, coin_size, flight

SIZES = [
    (width, height)
    for width in (320, 480, 600, 800, 1024, 1366, 1920, 3840)
    for height in (240, 320, 480, 599, 768, 1080, 1920)
    if 0.5 < width / height < 5.4
]
sizes = pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
arrangements = pytest.mark.parametrize(
    ("arrangement", "more"),
    [
        (Arrangement.OFFER, {"steps": True}),
        (Arrangement.OFFER, {"code": True, "notes": 1}),
        (Arrangement.OFFER, {}),
        (Arrangement.REVERSED, {}),
        (Arrangement.CENTRED, {"notes": 4}),
        (Arrangement.CENTRED, {"steps": True}),
    ],
    ids=["offer", "second code", "plain", "turned", "notes", "stage"],
)


@sizes
@arrangements
def test_places_lie_on_the_screen_and_apart(
    size: tuple[int, int], arrangement: Arrangement, more: dict[str, int]
) -> None:
    on = grid(*size)
    at = places(on, arrangement, **more)  # type: ignore[arg-type]
    found = [on.marquee, at.figure, at.words, at.strip]
    found += [part for part in (at.steps, at.code) if part is not None]
    for number, place in enumerate(found):
        assert place.w > 0
        assert place.h > 0
        assert not any(place.overlaps(other) for other in found[number + 1 :])
    assert all(on.safe.contains(place) for place in found[1:])
    assert bool(at.steps) == bool(more.get("steps"))
    assert bool(at.code) == bool(more.get("code"))


@sizes
def test_words_have_room_for_some_lines_on_every_screen(size: tuple[int, int]) -> None:
    on = grid(*size)
    for arrangement in Arrangement:
        assert places(on, arrangement).words.h >= 3 * on.smallest_text


@sizes
def test_codes_are_more_than_a_third_of_the_shorter_side(size: tuple[int, int]) -> None:
    on = grid(*size)
    shorter = min(size)
    for arrangement in (Arrangement.OFFER, Arrangement.REVERSED):
        at = places(on, arrangement, steps=arrangement is Arrangement.OFFER)
        assert code_box(card_box(at.figure, on.unit), 41)[0].w * 3 >= shorter
    second = places(on, Arrangement.OFFER, code=True).code
    assert second is not None
    assert second.w == second.h
    assert second.w * 3 >= shorter


@sizes
@pytest.mark.parametrize("steps", [True, False])
def test_a_code_that_flies_off_never_covers_the_one_that_stays(
    size: tuple[int, int], steps: bool
) -> None:
    on = grid(*size)
    frame = 2 * on.unit
    ready = places(on, Arrangement.OFFER, steps=steps)
    paying = places(on, Arrangement.OFFER, code=True)
    assert paying.code is not None
    card = card_box(ready.figure, on.unit).inset(-frame // 2)
    for number in range(FLIGHT_FRAMES):
        flying, _ = flight(number, card, paying.figure.centre, coin_size(card))
        assert not flying.overlaps(paying.code), number


@sizes
def test_what_matters_is_on_the_screen_wherever_the_picture_drifts(size: tuple[int, int]) -> None:
    on = grid(*size)
    for x in (0, on.rim, 2 * on.rim):
        screen = Box(x, 2 * on.rim - x, *size)
        assert screen.contains(on.safe)
        assert on.picture.contains(screen)


@sizes
@pytest.mark.parametrize("modules", [33, 41, 71])
def test_a_code_has_whole_pixels_and_stays_within_its_card(
    size: tuple[int, int], modules: int
) -> None:
    on = grid(*size)
    card = card_box(places(on, Arrangement.OFFER, steps=True).figure, on.unit)
    box, scale = code_box(card, modules)
    assert box.w == box.h == scale * modules
    assert card.contains(box)


@sizes
def test_no_word_is_below_a_thirtieth_of_the_height(size: tuple[int, int]) -> None:
    on = grid(*size)
    assert on.smallest_text * 30 >= size[1]
    assert on.smallest_text >= SMALLEST_TEXT


def test_a_picture_that_does_not_drift_has_no_rim() -> None:
    on = grid(800, 480, drifts=False)
    assert on.picture == on.safe == Box(0, 0, 800, 480)


def test_a_box_is_split_and_cut_without_losing_a_pixel() -> None:
    upper, lower = Box(3, 5, 100, 77).split(0.3, 4)
    assert (upper.bottom + 4, lower.bottom) == (lower.y, 82)
    left, right = Box(3, 5, 100, 77).cut(0.3, 4)
    assert (left.right + 4, right.right) == (right.x, 103)


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_a_box_that_is_turned_four_times_is_where_it_was(degrees: int) -> None:
    box, whole = Box(10, 20, 30, 5), (200, 100)
    turned = box
    for _ in range(4):
        turned = turned.turned(degrees, whole)
        assert Box(0, 0, *(whole if degrees in (0, 180) else (whole[1], whole[0]))).contains(turned)
        if degrees in (90, 270):
            whole = (whole[1], whole[0])
    assert turned == box
