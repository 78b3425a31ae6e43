"""A short walk through the simulated arcade, and the proof that it can fail."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from cloud.services.heartbeats import Heartbeats
from tests.marks import slow_after
from tests.simulation import century, invariants
from tests.simulation.__main__ import catch
from tests.simulation.run import RATES, shrink, simulate
from tests.simulation.wide_defects import ALL_DEFECTS
from tests.simulation.world import PowerCut

RUNS = 60


@pytest.mark.parametrize("seeds", slow_after(1, [range(10), range(10, RUNS)]), ids=str)
def test_no_invariant_breaks_with_all_faults_on(seeds: range) -> None:
    broken = {
        result.seed: result.broken for result in (simulate(seed) for seed in seeds) if result.broken
    }
    assert broken == {}


def test_without_faults_every_player_gets_everything() -> None:
    for seed in range(5):
        result = simulate(seed, rates={})
        assert result.broken == ""
        assert dict(result.branches) == {"settled whole": result.orders}
        assert result.orders == 6 + 2  # at the end each cabinet is paid once more


@pytest.mark.slow
def test_every_fault_strikes_and_every_end_of_an_order_is_met() -> None:
    struck, branches = set(), set()
    for seed in range(RUNS):
        result = simulate(seed, players=30)
        struck |= {fault.kind for fault in result.struck}
        branches |= set(result.branches)
    assert set(RATES) - struck == set()
    assert branches >= {
        "settled whole",
        "settled in part",
        "settled with nothing",
        "released",
        "a pulse was ambiguous",
        "a claim was refused",
    }


def _die_after_storing(monkeypatch: pytest.MonkeyPatch, last: int) -> None:
    """Lambda stores a heartbeat and dies before it answers, from the tenth to the ``last`` one."""
    handle, times = Heartbeats.handle, itertools.count()

    def die(*asked: Any) -> Any:
        link = handle(*asked)
        if 10 <= next(times) < last:
            raise PowerCut
        return link

    monkeypatch.setattr(Heartbeats, "handle", die)


def test_a_heartbeat_that_is_stored_has_to_be_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    _die_after_storing(monkeypatch, last=400)
    assert simulate(0, rates={}).broken.startswith("a heartbeat that is stored is answered: ")


def test_a_heartbeat_that_is_stored_counts_as_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    _die_after_storing(monkeypatch, last=400)
    monkeypatch.setattr(invariants, "MOST_UNANSWERED", 10**9)
    # The ledger has a heartbeat of seconds ago for hours, and `problems` says so rightly.
    assert simulate(0, rates={}).broken == ""


def test_the_same_seed_plays_the_same_run() -> None:
    assert simulate(3).trace == simulate(3).trace


def test_a_century_that_was_stopped_and_continued_is_the_same_as_one_in_one_go(
    tmp_path: Path,
) -> None:
    def played(state: Path, stop_after: int = 0) -> century.Century:
        fresh = century.Century(0, "a commit", cabinets=2, players=40)
        known = century.begin(fresh, state)
        assert century.play(known, state, 200, stop_after) is not bool(stop_after)
        return known

    whole = played(tmp_path / "whole.json")
    stopped = played(tmp_path / "parts.json", stop_after=2)
    assert 0 < stopped.purchases < 200
    continued = played(tmp_path / "parts.json")
    assert continued.purchases >= 200
    assert continued.line() == whole.line()
    assert continued.line().startswith("seed 0, commit a commit: ")


def test_a_century_is_not_continued_with_other_code(tmp_path: Path) -> None:
    state = tmp_path / "century.json"
    century.save(century.Century(0, "before", 2, 40), state)
    with pytest.raises(century.StateError, match="of commit before, and this would be now"):
        century.begin(century.Century(0, "now", 2, 40), state)


# Where the search begins for the defects that take many runs from seed 0 (`--defects` tells).
NEAR = {
    "an order is called settled although Stripe did not answer": 17,
    "the same card is forgiven again and again": 6,
    "what was captured before the ledger was restored goes back": 7,
    "claims and settles that contradict the ledger are told to nobody": 18,
    "a heartbeat's answer shows the claim ids": 17,
    "what was left with the broker is not asked for again": 8,
    "the sweep ends at an error that nobody expects": 14,
    "an order that fails stays in front of the others, and nobody is told": 14,
    "an order that waits for the cloud is shown as under way for ever": 15,
    "a cabinet that has gone silent is no problem": 26,
}


@pytest.mark.parametrize("name", slow_after(2, ALL_DEFECTS))
def test_a_planted_defect_is_caught(name: str) -> None:
    runs, told = catch(name, NEAR.get(name, 0))
    assert runs, told


@pytest.mark.slow
def test_a_broken_run_is_shortened_to_the_faults_that_matter(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ALL_DEFECTS["the sweep does not finish what a crash left"](monkeypatch)
    # Fewer faults than in a real run: leaving each out once takes a run.
    rates = {kind: rate / 4 for kind, rate in RATES.items()}
    seed = next(seed for seed in range(100) if simulate(seed, 1, 4, rates).broken)
    first, short = simulate(seed, 1, 4, rates), shrink(seed, 1, 4, rates)
    assert short.broken
    assert len(short.struck) < len(first.struck) / 4
