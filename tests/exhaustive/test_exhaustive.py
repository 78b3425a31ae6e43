"""A bounded run of the exhaustive check, and the proof that it can fail."""

from __future__ import annotations

import pytest

from tests.exhaustive.defects import PLANTED, Planted
from tests.exhaustive.model import Model
from tests.exhaustive.search import search
from tests.exhaustive.world import FAULTS
from tests.marks import slow_after


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("CRITICAL")


@pytest.mark.parametrize("held", [True, False], ids=["hold", "charge"])
def test_without_a_fault_no_order_of_events_breaks_an_invariant(held: bool) -> None:
    found = search(Model((held,)), most_faults=0)
    assert found.violation is None
    assert found.layers[0].is_complete
    assert found.states > 1000
    assert found.ends > 10


# What can happen only after another fault: a journal is lost while the kiosk does not run, and only
# after a power cut it matters what was forgiven.
AFTER = {"journal lost": "process killed", "day's limit reached": "power cut"}
QUICK = ("relay fails", "request lost", "hint lost", "Stripe away")


@pytest.mark.parametrize(
    "fault", slow_after(len(QUICK), [*QUICK, *(f for f in FAULTS if f not in QUICK)])
)
def test_no_fault_at_any_moment_breaks_an_invariant(fault: str) -> None:
    faults = {fault, AFTER[fault]} if fault in AFTER else {fault}
    found = search(Model((True,), frozenset(faults)))
    assert found.violation is None
    assert [layer.is_complete for layer in found.layers] == [True] * (len(faults) + 1)
    assert all(layer.states > 0 for layer in found.layers)


@pytest.mark.slow
def test_two_orders_at_once_break_no_invariant() -> None:
    found = search(Model((True, False), frozenset()), most_depth=11)
    assert found.violation is None
    assert found.states > 5000


@pytest.mark.parametrize("planted", slow_after(4, PLANTED), ids=lambda planted: planted.name)
def test_a_planted_defect_is_found_with_the_steps_that_lead_to_it(
    planted: Planted, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted.plant(monkeypatch)
    found = search(Model((planted.held,), frozenset(planted.faults)))
    assert found.violation is not None
    assert found.violation.told
    assert found.violation.path[0]


def test_the_same_search_sees_the_same_states() -> None:
    first, second = (search(Model((True,)), most_faults=0) for _ in range(2))
    assert (first.states, first.steps, first.ends) == (second.states, second.steps, second.ends)
