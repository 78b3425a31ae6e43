"""How screens leave for the next, and what keeps them from burning in."""

from __future__ import annotations

from itertools import pairwise

import pytest

from kiosk.core.view import Screen
from kiosk.display import burn_in
from kiosk.display.layout import Box
from kiosk.display.transitions import (
    FLIGHT_FRAMES,
    Transition,
    flight,
    newly_revealed,
    revealed,
    transition,
)

WHOLE = Box(0, 0, 200, 100)
WIPES = (Transition.FORWARD, Transition.BACK, Transition.FALL, Transition.RISE)


@pytest.mark.parametrize(
    ("before", "after", "had_code", "kind"),
    [
        (Screen.READY, Screen.PAYING, True, Transition.FLIGHT),
        # Their codes stand where the next screen's does: a flight would cover it.
        (Screen.PLAYING, Screen.PAYING, True, Transition.FORWARD),
        (Screen.GAME_OVER, Screen.PAYING, True, Transition.FORWARD),
        (Screen.DECLINED, Screen.PAYING, True, Transition.FORWARD),
        (Screen.PAYING, Screen.PAYING, True, Transition.FORWARD),
        (Screen.STARTING, Screen.READY, False, Transition.CUT),
        (Screen.OFFLINE, Screen.PAYING, False, Transition.FORWARD),
        (Screen.PAYING, Screen.CREDITING, False, Transition.FORWARD),
        (Screen.PAYING, Screen.DECLINED, False, Transition.BACK),
        (Screen.READY, Screen.OFFLINE, True, Transition.FALL),
        (Screen.OFFLINE, Screen.READY, False, Transition.RISE),
        (Screen.READY, Screen.MAINTENANCE, True, Transition.FALL),
        (Screen.READY, Screen.READY, True, Transition.FORWARD),
        (Screen.PLAYING, Screen.PLAYING, True, Transition.CUT),
    ],
)
def test_a_transition_tells_what_happened(
    before: Screen, after: Screen, had_code: bool, kind: Transition
) -> None:
    assert transition(before, after, had_code, reduced_motion=False) is kind
    assert transition(before, after, had_code, reduced_motion=True) is Transition.CUT


@pytest.mark.parametrize("kind", WIPES)
def test_strips_cover_the_screen_once_andredraw(kind: Transition) -> None:
    shares = [n / 9 for n in range(10)]
    strips = [newly_revealed(kind, before, share, WHOLE) for before, share in pairwise(shares)]
    assert sum(strip.w * strip.h for strip in strips) == WHOLE.w * WHOLE.h
    for number, strip in enumerate(strips):
        assert WHOLE.contains(strip)
        assert not any(strip.overlaps(other) for other in strips[number + 1 :])
    assert revealed(kind, 1.0, WHOLE) == WHOLE


def test_the_code_becomes_a_coin_while_it_stands_on_edge() -> None:
    card, target = Box(10, 10, 80, 80), (150, 50)
    boxes = [flight(n, card, target, 20) for n in range(FLIGHT_FRAMES)]
    assert boxes[0] == (card, False)
    last, is_coin = boxes[-1]
    assert is_coin
    assert (last.w, last.h) == (20, 20)
    assert abs(last.centre[0] - target[0]) <= 1
    edge = next(n for n, (_, coin) in enumerate(boxes) if coin)
    assert boxes[edge][0].w < boxes[edge][0].h / 3


def test_the_picture_drifts_over_the_whole_rim_and_slowly() -> None:
    places = [burn_in.drift(t, 13) for t in range(0, 40_000, 5)]
    assert {x for x, _ in places} == {y for _, y in places} == set(range(27))
    for one, other in pairwise(places):
        assert max(abs(one[0] - other[0]), abs(one[1] - other[1])) <= 1


def test_the_cycle_shows_each_colour_for_a_while() -> None:
    colours = [burn_in.cycle_colour(t / 10) for t in range(1200)]
    assert len(set(colours)) == 5
    changes = sum(a != b for a, b in pairwise(colours))
    assert changes <= 120 / 2
    assert burn_in.cycle_colour(burn_in.CYCLE_SECONDS) is None


@pytest.mark.parametrize(
    ("minute", "wanted", "last", "due"),
    [
        (240, 240, 239, True),
        (240, 240, 240, False),  # once in its minute
        (240, 240, None, False),  # not at a start
        (241, 240, 240, False),
        (240, None, 239, False),
    ],
)
def test_the_cycle_is_due_once_a_night(
    minute: int, wanted: int | None, last: int | None, due: bool
) -> None:
    assert burn_in.cycle_is_due(minute, wanted, last) is due
