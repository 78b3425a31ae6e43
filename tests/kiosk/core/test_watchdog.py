"""When the engine counts as stuck, and what is shown then."""

from __future__ import annotations

import pytest

from kiosk.core.view import Alert, Screen, View
from kiosk.core.watchdog import STUCK, watched
from tools.views import OFFER

READY = View(Screen.READY, OFFER)


@pytest.mark.parametrize("busy_s", [0.0, 0.1, 3.1])
def test_an_engine_that_answers_has_its_view_shown(busy_s: float) -> None:
    assert watched(READY, busy_s, longest_pulse_s=0.1) is READY


@pytest.mark.parametrize(("longest_pulse_s", "busy_s"), [(0.1, 3.2), (2.0, 5.1)])
@pytest.mark.parametrize("screen", [s for s in Screen if s is not Screen.STARTING])
def test_a_stuck_engine_has_no_code(screen: Screen, longest_pulse_s: float, busy_s: float) -> None:
    before = Alert("E3", "the broker is away")
    view = watched(View(screen, OFFER, alerts=(before,)), busy_s, longest_pulse_s)
    assert view == View(Screen.OUT_OF_ORDER, alerts=(before, STUCK))
    assert STUCK.code == "E7"


def test_a_journal_may_take_a_while_to_open_at_the_start_and_not_for_ever() -> None:
    starting = View(Screen.STARTING)
    assert watched(starting, 29.0, 0.1) is starting
    assert watched(starting, 31.0, 0.1).alerts == (STUCK,)
