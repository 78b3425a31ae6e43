"""A cabinet that its operator has disabled: no code, no stream of questions, and back at once."""

from __future__ import annotations

import pytest

from kiosk.core.events import BrokerUp, JournalOpened, RelayReady
from kiosk.core.view import Screen
from tests.fakes.bench import OFFER, Bench

DISABLED = {"error": "cab001 is disabled: its operator enables it", "code": "disabled"}


@pytest.fixture
def bench() -> Bench:
    made = Bench()
    made.start()
    return made


def disable(bench: Bench) -> None:
    bench.message("payment", {"machineId": "cab001", "status": "offer_changed", "timestamp": "t"})
    bench.answer("link", DISABLED, 409)


def codes(bench: Bench) -> list[str]:
    return [alert.code for alert in bench.view.alerts]


def test_it_shows_no_code_and_says_why(bench: Bench) -> None:
    assert bench.view.offer
    disable(bench)
    assert (bench.view.screen, bench.view.offer) == (Screen.OFFLINE, None)
    assert codes(bench) == ["E5"]


def test_it_asks_again_only_with_its_heartbeats(bench: Bench) -> None:
    disable(bench)
    before = len(bench.calls("link"))
    bench.wait(200)
    assert len(bench.calls("link")) == before
    bench.wait(200)
    bench.answer("heartbeat", bench.beat(state="off"))
    assert len(bench.calls("link")) == before + 1


def test_it_sells_again_as_soon_as_it_is_told(bench: Bench) -> None:
    disable(bench)
    bench.message("payment", {"machineId": "cab001", "status": "offer_changed", "timestamp": "u"})
    bench.answer("link", OFFER)
    assert bench.view.offer
    assert codes(bench) == []


def test_a_cabinet_that_starts_while_it_is_disabled_learns_the_end_of_it_by_a_heartbeat() -> None:
    bench = Bench()
    for event in (RelayReady(), JournalOpened((), False), BrokerUp()):
        bench.feed(event)
    bench.answer("link", DISABLED, 409)
    bench.answer("heartbeat", bench.beat(state="off"))
    bench.answer("link", DISABLED, 409)
    bench.wait(120)
    assert codes(bench) == ["E5"]
    bench.wait(190)
    bench.answer("heartbeat", bench.beat())
    bench.answer("link", OFFER)
    assert bench.view.offer


def test_it_gives_what_was_paid_before_and_what_is_free(bench: Bench) -> None:
    disable(bench)
    bench.hint("free_cab001_r1", 2)
    bench.grant("free_cab001_r1", 2)
    bench.wait(5)
    assert bench.pulses == [("free_cab001_r1", 1), ("free_cab001_r1", 2)]
    bench.settled("free_cab001_r1")


def test_a_gateways_409_is_still_trouble_and_no_decision(bench: Bench) -> None:
    bench.message("payment", {"machineId": "cab001", "status": "offer_changed", "timestamp": "t"})
    bench.answer("link", {"error": "conflict"}, 409)
    assert codes(bench) == ["E4"]
