"""Messages that were left with the broker: they come again before a code is shown."""

from __future__ import annotations

import random

import pytest

from kiosk.core.effects import Acknowledge, Append, Reconnect
from kiosk.core.entries import Entry, Kind
from kiosk.core.events import (
    BrokerDown,
    BrokerUp,
    JournalFailed,
    JournalOpened,
    RelayFailed,
    RelayReady,
)
from kiosk.core.view import Screen
from tests.fakes.bench import OFFER, Bench


@pytest.fixture
def bench() -> Bench:
    made = Bench()
    made.start()
    return made


def test_messages_left_while_the_journal_was_down_are_asked_for_when_it_is_back(
    bench: Bench,
) -> None:
    bench.feed(JournalFailed("the disk is full"))
    for number in range(30):
        assert bench.hint(f"cs_{number}")
    assert bench.acks == []
    bench.wait(10)
    effects = bench.feed(JournalOpened(()))
    assert effects.count(Reconnect()) == 1
    assert (bench.view.screen, bench.view.offer) == (Screen.OFFLINE, None)
    bench.feed(BrokerUp())
    bench.answer("heartbeat", bench.beat())
    bench.answer("heartbeat", bench.beat())
    assert bench.view.screen is Screen.READY


def test_a_journal_that_was_down_while_nothing_came_keeps_the_connection(bench: Bench) -> None:
    bench.feed(JournalFailed("the disk is full"))
    bench.wait(10)
    assert Reconnect() not in bench.feed(JournalOpened(()))
    bench.answer("heartbeat", bench.beat())
    bench.answer("heartbeat", bench.beat())
    assert bench.view.screen is Screen.READY


def test_an_acknowledgement_behind_an_entry_that_could_not_be_written_is_asked_for(
    bench: Bench,
) -> None:
    effects = bench.hint("cs_1")
    left = tuple(effect for effect in effects if not isinstance(effect, Append))
    assert any(isinstance(effect, Acknowledge) for effect in left)
    bench.feed(JournalFailed("the disk is full", undone=left))
    assert Reconnect() in bench.feed(JournalOpened(()))


def test_the_connection_is_made_anew_before_anything_is_written(bench: Bench) -> None:
    """Behind an entry that could not be written it would not be done."""
    bench.feed(JournalFailed("the disk is full"))
    bench.hint("cs_1")
    left = (Entry(Kind.CREDITS_LEFT, number=3),)
    effects = bench.feed(JournalOpened(left, power_was_lost=True))
    (first,) = [n for n, e in enumerate(effects) if isinstance(e, Append)]
    assert effects.index(Reconnect()) < first


def test_while_the_connection_is_being_made_no_trouble_is_told(bench: Bench) -> None:
    """The cloud would switch the link off, and on again."""
    bench.feed(JournalFailed("the disk is full"))
    bench.answer("heartbeat", bench.beat(state="off"))
    bench.hint("cs_1")
    before = len(bench.calls("heartbeat"))
    bench.feed(JournalOpened(()))
    assert len(bench.calls("heartbeat")) == before
    bench.feed(BrokerUp())
    assert bench.call("heartbeat").body["problems"] == []


def test_a_broker_that_is_away_stays_named_and_orders_are_asked_for(bench: Bench) -> None:
    """It tells no reason twice, so nobody would know it again."""
    bench.feed(JournalFailed("the disk is full"))
    bench.hint("cs_1")
    bench.feed(BrokerDown("no route to the broker"))
    for _ in range(2):
        bench.answer("heartbeat", bench.beat(state="off"))
    assert Reconnect() in bench.feed(JournalOpened(()))
    assert [alert.code for alert in bench.view.alerts] == ["E3"]
    assert bench.call("heartbeat").body["problems"] == ["no route to the broker"]
    bench.answer("heartbeat", bench.beat("cs_1"))
    assert bench.call("claim cs_1")


@pytest.mark.parametrize("seed", range(10))
def test_a_cabinet_that_shows_a_code_has_left_nothing_with_the_broker(seed: int) -> None:
    """Whatever happens in whatever order."""
    rng = random.Random(seed)
    bench = Bench()
    bench.start()
    left: set[int] = set()
    for number in range(300):
        match rng.randrange(7):
            case 0:
                effects = bench.feed(JournalFailed("the disk is full"))
            case 1:
                effects = bench.feed(JournalOpened(tuple(bench.entries)))
            case 2:
                effects = bench.feed(RelayFailed("stuck") if rng.random() < 0.5 else RelayReady())
            case 3:
                effects = bench.feed(BrokerDown("no route"))
                left.clear()
            case 4:
                effects = bench.feed(BrokerUp())
            case 5:
                effects = bench.hint(f"cs_{number}")
                left.add(bench.mid)
            case _:
                effects = bench.wait(11)
        left -= {bench.acks[-1]} if any(isinstance(e, Acknowledge) for e in effects) else set()
        if Reconnect() in effects:
            left.clear()
        for name in tuple(bench.state.cloud.under_way):
            if name == "link":
                bench.answer(name, OFFER)
            elif name == "heartbeat":
                bench.answer(name, bench.beat())
            else:
                bench.answer(name, {"error": "too late"}, 409)
        assert not (bench.view.offer and left)
