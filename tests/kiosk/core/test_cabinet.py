"""What the cabinet does about everything that happens to it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kiosk.core import order_book
from kiosk.core.cabinet.rules import Mode, backoff
from kiosk.core.effects import (
    Acknowledge,
    Append,
    ClaimCall,
    Pulse,
    ReopenJournal,
    ReopenRelay,
    Report,
)
from kiosk.core.entries import Entry, Kind
from kiosk.core.events import (
    Answered,
    BrokerDown,
    BrokerUp,
    JournalFailed,
    JournalOpened,
    PulseMade,
    RelayFailed,
    RelayReady,
)
from kiosk.core.view import Bonus, Offer, Screen, View
from tests.fakes.bench import OFFER, Bench


@pytest.fixture
def bench() -> Bench:
    made = Bench()
    made.start()
    return made


def refusal(code: str, error: str = "no") -> dict[str, object]:
    """The cloud's own answer that a claim or a settle does not apply."""
    return {"error": error, "code": code}


# Money


def test_one_order_from_the_hint_to_the_settle(bench: Bench) -> None:
    bench.hint("cs_1")
    assert bench.call("claim cs_1").body["machine_id"] == "cab001"
    bench.grant("cs_1", credits=3)
    bench.wait(1)
    assert bench.pulses == [("cs_1", 1), ("cs_1", 2), ("cs_1", 3)]
    call = bench.call("settle cs_1")
    assert (call.body["pulsed"], call.body["pulses"]) == (3, 3)
    bench.settled("cs_1")
    assert bench.state.order_book.unfinished == {}
    assert bench.view.credits_left == 3


def test_everything_stands_behind_its_entry(bench: Bench) -> None:
    kinds = [type(e) for e in bench.hint("cs_1")]
    assert kinds == [Append, Acknowledge, ClaimCall]
    effects = bench.grant("cs_1")
    kinds_written = [e.entry.kind for e in effects if isinstance(e, Append)]
    assert kinds_written == [Kind.CLAIMED, Kind.PULSE_BEGINS, Kind.PULSE_OVER, Kind.SETTLE]
    order = [type(e) for e in effects]
    assert order.index(Pulse) > order.index(Append)
    assert [e.entry.kind for e in effects[: order.index(Pulse)] if isinstance(e, Append)] == [
        Kind.CLAIMED,
        Kind.PULSE_BEGINS,
    ]


def test_a_hint_makes_no_pulse_by_itself(bench: Bench) -> None:
    bench.hint("cs_1", credits=100)
    bench.no_answer("claim cs_1")
    bench.wait(60)
    assert bench.pulses == []


def test_the_clouds_number_of_credits_counts_and_not_the_hints(bench: Bench) -> None:
    bench.hint("cs_1", credits=500)
    bench.grant("cs_1", credits=2)
    bench.wait(5)
    assert len(bench.pulses) == 2


def test_pulses_for_each_credit_are_the_operators() -> None:
    bench = Bench(pulses_per_credit=3)
    bench.start()
    bench.hint("cs_1")
    bench.grant("cs_1", credits=2)
    bench.wait(5)
    assert len(bench.pulses) == 6
    assert bench.call("settle cs_1").body["pulses"] == 6
    assert bench.state.order_book.credits_left == 2


def test_pulses_keep_their_distance(bench: Bench) -> None:
    bench.hint("cs_1")
    bench.hint("cs_2")
    bench.grant("cs_1", credits=2)
    bench.grant("cs_2", credits=2)
    assert len(bench.pulses) == 1
    bench.wait(0.39)
    assert len(bench.pulses) == 1
    bench.wait(0.02)
    assert len(bench.pulses) == 2
    bench.wait(2)
    assert bench.pulses == [("cs_1", 1), ("cs_1", 2), ("cs_2", 1), ("cs_2", 2)]


def test_a_hint_that_comes_again_is_acknowledged_and_nothing_else(bench: Bench) -> None:
    bench.hint("cs_1")
    assert [type(e) for e in bench.hint("cs_1")] == [Acknowledge]
    bench.grant("cs_1")
    bench.settled("cs_1")
    assert [type(e) for e in bench.hint("cs_1")] == [Acknowledge]
    assert bench.pulses == [("cs_1", 1)]


def test_a_refused_claim_makes_no_pulse_and_is_over(bench: Bench) -> None:
    bench.hint("cs_1")
    bench.answer("claim cs_1", refusal("too_late", "the deadline has passed"), status=409)
    assert bench.pulses == []
    assert bench.state.order_book.unfinished == {}
    assert "the deadline has passed" in bench.reports
    assert bench.state.cloud.ready


@pytest.mark.parametrize("status", [401, 403, 429, 500, 502, 503])
def test_a_claim_that_was_not_decided_is_asked_again(bench: Bench, status: int) -> None:
    bench.hint("cs_1")
    first = bench.call("claim cs_1")
    bench.answer("claim cs_1", {"error": "later"}, status=status)
    assert not bench.state.cloud.ready
    bench.wait(0.6)
    assert bench.call("claim cs_1").body == first.body
    bench.grant("cs_1")
    assert bench.pulses == [("cs_1", 1)]


@pytest.mark.parametrize(
    "change",
    [
        {"order_id": "cs_2"},
        {"claim_id": "another"},
        {"credits": 0},
        {"credits": "3"},
        {"credits": True},
        {"credits": 10**6},
        {"age_seconds": None},
        {"age_seconds": -1},
        {"state": 7},
    ],
)
def test_a_grant_that_cannot_be_used_makes_no_pulse(bench: Bench, change: dict[str, Any]) -> None:
    bench.hint("cs_1")
    call = bench.call("claim cs_1")
    good = {
        "order_id": "cs_1",
        "claim_id": call.body["claim_id"],
        "credits": 1,
        "state": "claimed",
        "age_seconds": 0,
    }
    bench.feed(Answered(call, 200, good | change))
    assert bench.pulses == []
    assert bench.state.cloud.problem
    bench.wait(1)
    bench.grant("cs_1")
    assert bench.pulses == [("cs_1", 1)]


def test_a_settle_is_repeated_until_the_cloud_has_it(bench: Bench) -> None:
    bench.hint("cs_1")
    bench.grant("cs_1")
    for _ in range(6):
        bench.no_answer("settle cs_1")
        bench.wait(31)
    bench.settled("cs_1")
    assert bench.state.order_book.unfinished == {}
    bodies = {json.dumps(c.body) for c in bench.calls("settle")}
    assert len(bodies) == 1


def test_a_refused_settle_is_over_and_reported(bench: Bench) -> None:
    bench.hint("cs_1")
    bench.grant("cs_1")
    bench.answer("settle cs_1", refusal("settled_otherwise", "settled with 0 of 1"), status=409)
    assert bench.state.order_book.unfinished == {}
    assert "settled with 0 of 1" in bench.reports


# What a gateway in front of the cloud, or whatever else has its address, may say.
GATEWAYS_OWN = [
    (400, {"message": "Bad Request"}),
    (403, {"message": "Forbidden"}),
    (404, {"message": "Not Found"}),
    (404, {"error": "there is no such call"}),
    (408, {"message": "Request Timeout"}),
    (409, {"error": "conflict", "code": "Conflict"}),
    (413, {"message": "Request Too Long"}),
    (429, {"message": "Too Many Requests"}),
    (502, {"message": "Internal server error"}),
    (200, {"message": "Healthy"}),
    (200, {"order_id": "cs_2", "state": "settled"}),
]


@pytest.mark.parametrize(("status", "body"), GATEWAYS_OWN)
def test_a_settle_is_over_only_by_the_clouds_own_words(
    bench: Bench, status: int, body: dict[str, object]
) -> None:
    bench.hint("cs_1")
    bench.grant("cs_1")
    first = bench.call("settle cs_1").body
    for _ in range(5):
        bench.answer("settle cs_1", body, status)
        assert bench.view.alerts[0].code == "E4"
        bench.wait(31)
    assert bench.call("settle cs_1").body == first
    bench.settled("cs_1")
    assert bench.entries[-1] == Entry(Kind.SETTLED, "cs_1")


@pytest.mark.parametrize(("status", "body"), GATEWAYS_OWN)
def test_a_claim_is_refused_only_by_the_clouds_own_words(
    bench: Bench, status: int, body: dict[str, object]
) -> None:
    bench.hint("cs_1")
    first = bench.call("claim cs_1").body
    bench.answer("claim cs_1", body, status)
    bench.wait(31)
    assert bench.call("claim cs_1").body == first
    bench.grant("cs_1")
    assert bench.pulses == [("cs_1", 1)]


def test_a_settle_that_the_cloud_did_not_hear_is_sent_again(bench: Bench) -> None:
    bench.hint("cs_1")
    bench.grant("cs_1", credits=2)
    bench.wait(1)
    first = bench.call("settle cs_1").body
    bench.settled("cs_1")
    bench.wait(300)
    bench.answer("heartbeat", bench.beat(claimed=[claimed_here(5)]))
    assert bench.call("settle cs_1").body == first
    bench.no_answer("settle cs_1")
    bench.wait(31)
    bench.settled("cs_1")
    assert bench.state.unreported == frozenset()
    assert [e.kind for e in bench.entries].count(Kind.SETTLE) == 1


def test_a_settle_that_the_cloud_did_not_hear_is_sent_again_after_a_restart(bench: Bench) -> None:
    bench.hint("cs_1")
    bench.grant("cs_1")
    first = bench.call("settle cs_1").body
    bench.settled("cs_1")
    again = Bench()
    again.start(*bench.entries)
    again.wait(300)
    again.answer("heartbeat", again.beat(claimed=[claimed_here(9000)]))
    assert again.call("settle cs_1").body == first


def test_the_orders_that_could_be_settled_again_are_bounded() -> None:
    entries = []
    for number in range(order_book.REMEMBERED + 50):
        name = f"cs_{number}"
        entries += [
            Entry(Kind.CLAIM, name, claim_id="mine"),
            Entry(Kind.CLAIMED, name, credits=1, pulses=1),
            Entry(Kind.SETTLE, name),
            Entry(Kind.SETTLED, name),
        ]
    done = order_book.fold(entries).done
    assert list(done) == [f"cs_{number}" for number in range(50, 50 + order_book.REMEMBERED)]


def test_an_answer_that_comes_twice_counts_once(bench: Bench) -> None:
    bench.hint("cs_1")
    call = bench.call("claim cs_1")
    bench.grant("cs_1")
    settle = bench.call("settle cs_1")
    bench.feed(Answered(call, 409, {"error": "late"}))
    bench.settled("cs_1")
    bench.feed(Answered(settle, 200, {}))
    bench.feed(Answered(call, 200, {}))
    assert bench.pulses == [("cs_1", 1)]
    assert bench.state.order_book.unfinished == {}


# After a crash


def left(*more: Entry, pulses: int = 5) -> list[Entry]:
    return [
        Entry(Kind.CLAIM, "cs_1", claim_id="mine"),
        Entry(Kind.CLAIMED, "cs_1", credits=pulses, pulses=pulses),
        *more,
    ]


def pulse(number: int) -> list[Entry]:
    return [
        Entry(Kind.PULSE_BEGINS, "cs_1", number=number),
        Entry(Kind.PULSE_OVER, "cs_1", number=number),
    ]


def test_an_unanswered_claim_is_asked_again_with_its_own_id() -> None:
    bench = Bench()
    bench.start(Entry(Kind.CLAIM, "cs_1", claim_id="mine"))
    assert bench.call("claim cs_1").body["claim_id"] == "mine"


def test_a_restart_goes_on_with_the_next_pulse() -> None:
    bench = Bench()
    bench.start(*left(*pulse(1), *pulse(2)))
    assert bench.pulses == []
    bench.grant("cs_1", credits=5, age=10)
    bench.wait(5)
    assert bench.pulses == [("cs_1", 3), ("cs_1", 4), ("cs_1", 5)]
    assert bench.call("settle cs_1").body["pulsed"] == 5


def test_a_restart_alone_pulses_nothing() -> None:
    bench = Bench()
    bench.start(*left(*pulse(1)))
    for _ in range(20):
        bench.no_answer("claim cs_1")
        bench.wait(31)
    assert bench.pulses == []


def test_after_the_resume_window_what_was_made_is_settled() -> None:
    bench = Bench()
    bench.start(*left(*pulse(1), *pulse(2)))
    bench.grant("cs_1", credits=5, age=300.1)
    bench.wait(5)
    assert bench.pulses == []
    assert bench.call("settle cs_1").body["pulsed"] == 2


@pytest.mark.parametrize(("charged", "pulsed"), [(False, 4), (True, 5)])
def test_an_ambiguous_pulse_is_never_made_again(charged: bool, pulsed: int) -> None:
    bench = Bench(charge_ambiguous=charged)
    bench.start(*left(*pulse(1), *pulse(2), Entry(Kind.PULSE_BEGINS, "cs_1", number=3)))
    bench.grant("cs_1", credits=5, age=10)
    bench.wait(5)
    assert bench.pulses == [("cs_1", 4), ("cs_1", 5)]
    assert bench.call("settle cs_1").body["pulsed"] == pulsed
    assert "its end is unknown" in bench.reports


def test_an_ambiguous_last_pulse_is_settled_without_it() -> None:
    bench = Bench()
    bench.start(*left(Entry(Kind.PULSE_BEGINS, "cs_1", number=1), pulses=1))
    bench.grant("cs_1", age=1)
    assert bench.pulses == []
    assert bench.call("settle cs_1").body["pulsed"] == 0


def test_an_order_that_was_taken_away_is_settled_with_what_was_made() -> None:
    bench = Bench()
    bench.start(*left(*pulse(1)))
    bench.answer("claim cs_1", refusal("released", "the order was released"), status=409)
    assert bench.call("settle cs_1").body["pulsed"] == 1
    assert bench.pulses == []


def test_a_settle_left_over_is_sent_again() -> None:
    bench = Bench()
    bench.start(*left(*pulse(1), Entry(Kind.SETTLE, "cs_1", number=1)))
    assert bench.call("settle cs_1").body["pulsed"] == 1
    assert bench.calls("claim") == []


def test_a_journal_that_makes_no_sense_stops_the_money() -> None:
    bench = Bench()
    bench.feed(RelayReady())
    bench.feed(JournalOpened((Entry(Kind.SETTLED, "cs_1"),)))
    bench.feed(BrokerUp())
    assert bench.view.screen is Screen.OUT_OF_ORDER
    assert "damaged" in bench.view.alerts[0].text
    assert bench.view.alerts[0].code == "E1"
    assert bench.calls("link") == []


# A machine that lost its power, and with it what the game knew


def test_after_a_power_cut_what_was_given_before_is_not_charged() -> None:
    bench = Bench()
    bench.start(*left(*pulse(1), *pulse(2), pulses=3), power_was_lost=True)
    bench.grant("cs_1", credits=3, age=30)
    bench.wait(1)
    bench.wait(1)
    assert [number for _, number in bench.pulses] == [3]
    assert bench.call("settle cs_1").body["pulsed"] == 1
    assert bench.state.order_book.credits_left == 1


def test_after_a_long_power_cut_nothing_is_given_and_nothing_charged() -> None:
    bench = Bench()
    bench.start(*left(*pulse(1), *pulse(2), pulses=3), power_was_lost=True)
    bench.grant("cs_1", credits=3, age=301)
    assert bench.pulses == []
    assert bench.call("settle cs_1").body["pulsed"] == 0


def test_a_second_power_cut_of_an_order_is_not_forgiven() -> None:
    """It is the same card on the same day, whatever the cloud knows of the first one."""
    bench = Bench()
    entries = (*left(*pulse(1), pulses=3), Entry(Kind.FORGIVEN, "cs_1", number=1), *pulse(2))
    bench.start(*entries, power_was_lost=True)
    bench.grant("cs_1", credits=3)
    bench.wait(1)
    bench.wait(1)
    assert [number for _, number in bench.pulses] == [3]
    assert charged(bench) == (2, 3, 1)
    assert "card was forgiven today" in bench.reports


def test_a_power_cut_that_was_dealt_with_is_not_dealt_with_again() -> None:
    bench = Bench()
    bench.start(
        *left(*pulse(1), pulses=3), Entry(Kind.FORGIVEN, "cs_1", number=1), power_was_lost=True
    )
    assert [e.kind for e in bench.entries].count(Kind.FORGIVEN) == 1


def test_an_operator_may_charge_for_a_game_that_keeps_its_credits() -> None:
    bench = Bench(forgive_lost=False)
    bench.start(*left(*pulse(1), *pulse(2), pulses=3), power_was_lost=True)
    bench.grant("cs_1", credits=3)
    bench.wait(1)
    bench.wait(1)
    assert [number for _, number in bench.pulses] == [3]
    assert bench.call("settle cs_1").body["pulsed"] == 3


def test_the_credits_left_are_gone_with_the_power() -> None:
    bench = Bench()
    bench.start(Entry(Kind.CREDITS_LEFT, number=4), power_was_lost=True)
    assert bench.view.screen is Screen.READY
    assert bench.entries[-1] == Entry(Kind.CREDITS_LEFT, number=0)


def test_an_ambiguous_pulse_before_a_power_cut_is_never_charged() -> None:
    bench = Bench(charge_ambiguous=True)
    begun = Entry(Kind.PULSE_BEGINS, "cs_1", number=1)
    bench.start(*left(begun, pulses=3), power_was_lost=True)
    bench.grant("cs_1", credits=3)
    bench.wait(1)
    bench.wait(1)
    assert [number for _, number in bench.pulses] == [2, 3]
    assert bench.call("settle cs_1").body["pulsed"] == 2


def test_half_a_credit_is_not_given_after_a_power_cut() -> None:
    """Of two credits of two pulses each one pulse was made: one whole credit can still be."""
    bench = Bench(pulses_per_credit=2)
    claim = Entry(Kind.CLAIM, "cs_1", claim_id="mine")
    claimed = Entry(Kind.CLAIMED, "cs_1", credits=2, pulses=4)
    bench.start(claim, claimed, *pulse(1), power_was_lost=True)
    bench.grant("cs_1", credits=2)
    bench.wait(1)
    bench.wait(1)
    assert [number for _, number in bench.pulses] == [2, 3]
    assert bench.call("settle cs_1").body == {
        "machine_id": "cab001",
        "order_id": "cs_1",
        "claim_id": "mine",
        "pulsed": 2,
        "pulses": 4,
        "made": 3,
        "forgiven": 1,
        "ambiguous": 0,
    }
    assert bench.state.order_book.credits_left == 1


def test_the_entries_of_a_power_cut_stand_together_and_first() -> None:
    """A start that fails between them would take the power cut for dealt with."""
    bench = Bench()
    bench.feed(RelayReady())
    entries = left(*pulse(1), *pulse(2), pulses=3)
    effects = bench.feed(JournalOpened(tuple(entries), power_was_lost=True))
    kinds = [type(e) for e in effects if not isinstance(e, Report)]
    first = [e for e in effects if isinstance(e, Append)]
    assert kinds[: len(first)] == [Append] * len(first)
    begin = effects.index(first[0])
    assert effects[begin : begin + len(first)] == first
    assert [e.entry.kind for e in first] == [Kind.CREDITS_LEFT, Kind.POWER_LOST]


# A player with a hand on the plug


def cut_after(number: int, pulses: int = 12, **answer: Any) -> Bench:
    """A cabinet whose power was cut after so many pulses of an order, and is straight back."""
    bench = Bench()
    made = [entry for n in range(1, number + 1) for entry in pulse(n)]
    bench.start(*left(*made, pulses=pulses), power_was_lost=True)
    assert bench.pulses == []
    call = bench.call("claim cs_1")
    body = {"order_id": "cs_1", "claim_id": "mine", "credits": pulses, "state": "claimed"}
    bench.feed(Answered(call, 200, {**body, "age_seconds": 30, **answer}))
    bench.wait(5)
    bench.wait(5)
    return bench


def charged(bench: Bench) -> tuple[object, object, object]:
    body = bench.call("settle cs_1").body
    return body["pulsed"], body["made"], body["forgiven"]


def test_the_first_power_cut_of_a_day_is_forgiven() -> None:
    bench = cut_after(11)
    assert charged(bench) == (1, 12, 11)


def test_a_card_that_was_forgiven_today_pays_for_all_that_was_made() -> None:
    bench = cut_after(11, card_forgiven_today=True)
    assert charged(bench) == (12, 12, 0)
    assert "card was forgiven today" in bench.reports


def test_a_cabinet_forgives_so_many_pulses_a_day_and_no_more() -> None:
    assert charged(cut_after(11, forgiven_today=1)) == (1, 12, 11)
    assert charged(cut_after(11, forgiven_today=2)) == (12, 12, 0)


@pytest.mark.parametrize(
    ("answer", "settled"),
    [({}, (0, 11, 11)), ({"card_forgiven_today": True}, (11, 11, 0)),
     ({"forgiven_today": 11}, (11, 11, 0))],
)  # fmt: skip
def test_to_stay_away_for_longer_than_the_window_is_no_way_around(
    answer: dict[str, Any], settled: tuple[int, int, int]
) -> None:
    assert charged(cut_after(11, age_seconds=301, **answer)) == settled


def test_nothing_is_pulsed_before_it_is_decided_what_a_power_cut_costs() -> None:
    bench = Bench()
    bench.start(*left(*pulse(1), pulses=3), power_was_lost=True)
    for _ in range(5):
        bench.no_answer("claim cs_1")
        bench.wait(31)
    assert bench.pulses == []
    kinds = [e.kind for e in bench.entries]
    assert Kind.POWER_LOST in kinds
    assert Kind.FORGIVEN not in kinds
    bench.grant("cs_1", credits=3)
    kinds = [e.kind for e in bench.entries]
    assert kinds.index(Kind.FORGIVEN) < max(
        n for n, k in enumerate(kinds) if k is Kind.PULSE_BEGINS
    )


def test_what_was_decided_holds_after_another_restart() -> None:
    first = cut_after(2, pulses=5, card_forgiven_today=True)
    upto = [e.kind for e in first.entries].index(Kind.NOT_FORGIVEN) + 1
    again = Bench()
    again.start(*first.entries[:upto])
    again.grant("cs_1", credits=5)
    again.wait(2)
    again.wait(2)
    assert charged(again) == (5, 5, 0)


def test_a_power_cut_before_the_answer_is_decided_once() -> None:
    bench = Bench()
    cut = Entry(Kind.POWER_LOST, "cs_1", number=1)
    bench.start(*left(*pulse(1), cut, pulses=3), power_was_lost=True)
    bench.grant("cs_1", credits=3)
    bench.wait(2)
    bench.wait(2)
    assert [e.kind for e in bench.entries].count(Kind.POWER_LOST) == 1
    assert charged(bench) == (2, 3, 1)


def test_what_is_not_settled_yet_counts_for_the_day_too() -> None:
    """Two cuts within one order: the cloud knows nothing of the first."""
    bench = Bench()
    made = [entry for n in range(1, 10) for entry in pulse(n)]
    forgiven = Entry(Kind.FORGIVEN, "cs_1", number=9)
    more = [entry for n in range(10, 14) for entry in pulse(n)]
    bench.start(*left(*made, forgiven, *more, pulses=20), power_was_lost=True)
    bench.grant("cs_1", credits=20)
    assert Kind.NOT_FORGIVEN in [e.kind for e in bench.entries]


def test_a_released_order_tells_all_that_was_made_before_the_power_went() -> None:
    bench = Bench()
    bench.start(*left(*pulse(1), pulses=3), power_was_lost=True)
    bench.answer("claim cs_1", refusal("released"), status=409)
    assert charged(bench) == (1, 1, 0)


# A journal that does not know what the cloud knows


def claimed_here(age: float, order_id: str = "cs_1") -> dict[str, object]:
    return {"order_id": order_id, "credits": 3, "age_seconds": age}


def test_an_order_that_the_journal_lost_is_settled_with_nothing(bench: Bench) -> None:
    bench.wait(300)
    bench.answer("heartbeat", bench.beat(claimed=[claimed_here(301)]))
    lost = {"machine_id": "cab001", "order_id": "cs_1", "lost": True}
    assert bench.call("settle cs_1").body == lost
    assert bench.pulses == []
    bench.settled("cs_1")
    assert bench.state.order_book.unfinished == {}


def test_a_lost_order_is_left_alone_inside_the_resume_window(bench: Bench) -> None:
    bench.wait(300)
    bench.answer("heartbeat", bench.beat(claimed=[claimed_here(300)]))
    assert bench.calls("settle") == []


def test_an_order_whose_hint_was_refused_first_is_settled_too(bench: Bench) -> None:
    bench.hint("cs_1")
    bench.answer("claim cs_1", refusal("claimed_by_other", "it is claimed already"), status=409)
    bench.wait(300)
    bench.answer("heartbeat", bench.beat(claimed=[claimed_here(301)]))
    assert bench.call("settle cs_1").body["lost"] is True


def test_an_order_of_the_journal_is_not_taken_for_lost(bench: Bench) -> None:
    bench.hint("cs_1")
    bench.grant("cs_1", credits=3)
    bench.wait(1)
    bench.wait(1)
    bench.wait(300)
    bench.answer("heartbeat", bench.beat(claimed=[claimed_here(301)]))
    assert [e.number for e in bench.entries if e.kind is Kind.SETTLE] == [3]


# Trouble


def test_a_journal_that_fails_stops_everything_until_it_is_back(bench: Bench) -> None:
    bench.hint("cs_1")
    bench.feed(JournalFailed("the disk is full"))
    assert bench.view.screen is Screen.OUT_OF_ORDER
    assert bench.view.offer is None
    bench.grant("cs_1")
    bench.hint("cs_2")
    assert bench.pulses == []
    assert bench.acks == [1]
    effects = bench.wait(10)
    assert ReopenJournal() in effects
    bench.feed(JournalOpened((Entry(Kind.CLAIM, "cs_1", claim_id="mine"),)))
    assert bench.call("claim cs_1").body["claim_id"] == "mine"


def test_a_relay_that_fails_settles_with_what_was_made_and_takes_no_more(
    bench: Bench,
) -> None:
    bench.makes_pulses = False
    bench.hint("cs_1")
    bench.grant("cs_1", credits=3)
    bench.feed(RelayFailed("the relay is stuck"))
    assert bench.call("settle cs_1").body["pulsed"] == 0
    assert bench.view.screen is Screen.OUT_OF_ORDER
    bench.hint("cs_2")
    assert bench.calls("claim cs_2") == []
    assert ReopenRelay() in bench.wait(10)
    bench.feed(RelayReady())
    bench.answer("heartbeat", bench.beat(state="off"))
    bench.answer("heartbeat", bench.beat("cs_2"))
    assert bench.calls("claim cs_2")


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\xff\xfe",
        b"not json",
        b"[]",
        b"null",
        b"{}",
        b'{"machineId": "cab002", "credits": 1, "orderId": "cs_1"}',
        b'{"machineId": "cab001", "credits": "1", "orderId": "cs_1"}',
        b'{"machineId": "cab001", "credits": 0, "orderId": "cs_1"}',
        b'{"machineId": "cab001", "credits": 1}',
        b'{"machineId": "cab001", "credits": 1, "orderId": 7}',
        b'{"machineId": "cab001", "credits": 1, "orderId": "a b"}',
        b"[" * 100_000,
        b'"' + b"x" * 20_000 + b'"',
    ],
    ids=lambda raw: repr(raw[:50]),
)
def test_a_message_that_cannot_be_used_is_dropped_and_the_next_one_works(
    bench: Bench, raw: bytes
) -> None:
    bench.message("coinpulse", None, raw=raw)
    assert bench.calls("claim") == []
    assert bench.acks == [1]
    assert bench.state.broker.dropped == 1
    assert "dropped" in bench.reports
    bench.hint("cs_1")
    assert bench.calls("claim cs_1")


def test_unknown_fields_and_unknown_topics(bench: Bench) -> None:
    bench.message(
        "coinpulse",
        {"machineId": "cab001", "credits": 1, "orderId": "cs_1", "colour": "red"},
    )
    assert bench.calls("claim cs_1")
    bench.message("other", {"machineId": "cab001"})
    assert bench.acks == [1, 2]
    assert bench.state.broker.dropped == 1


def test_open_orders_of_a_heartbeat_are_claimed(bench: Bench) -> None:
    bench.wait(301)
    bench.answer("heartbeat", bench.beat("cs_1", "cs_2"))
    assert bench.calls("claim cs_1")
    assert bench.calls("claim cs_2")
    ids = {c.body["claim_id"] for c in bench.calls("claim")}
    assert len(ids) == 2


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"link": None, "orders": []},
        {"link": {}, "orders": [7]},
        {"link": {}, "orders": [{"order_id": 7}]},
        {"link": {}, "orders": "none"},
    ],
)
def test_a_heartbeats_answer_that_cannot_be_used_is_trouble_with_the_cloud(
    bench: Bench, body: dict[str, Any]
) -> None:
    bench.wait(301)
    bench.answer("heartbeat", body)
    assert bench.view.screen is Screen.OFFLINE
    bench.wait(1)
    bench.answer("heartbeat", bench.beat())
    assert bench.view.screen is Screen.READY


# Free play and maintenance


class TestNothingIsSold:
    @pytest.fixture(params=[Mode.FREE_PLAY, Mode.MAINTENANCE])
    def mode(self, request: pytest.FixtureRequest) -> Mode:
        assert isinstance(request.param, Mode)
        return request.param

    def begin(self, mode: Mode, *entries: Entry) -> Bench:
        """A cabinet that starts in a mode: its heartbeat is answered."""
        bench = Bench(mode=mode)
        bench.feed(RelayReady())
        bench.feed(JournalOpened(entries))
        bench.feed(BrokerUp())
        bench.answer("heartbeat", bench.beat(state="off"))
        return bench

    def test_the_screen_says_so_and_has_no_code(self, mode: Mode) -> None:
        view = self.begin(mode).view
        assert view.screen.value == mode.value
        assert view.offer is None
        assert view.alerts == ()

    def test_the_cloud_is_told_to_take_no_money_for_it(self, mode: Mode) -> None:
        bench = self.begin(mode)
        (call,) = bench.calls("heartbeat")
        assert (call.body["healthy"], call.body["state"]) == (False, mode.value)
        assert call.body["problems"] == []
        assert bench.calls("link") == []
        assert bench.announced == [mode.name.lower()]

    def test_an_order_that_is_open_is_left_to_be_given_back(self, mode: Mode) -> None:
        bench = self.begin(mode)
        bench.hint("cs_1")
        assert bench.calls("claim") == []
        assert bench.entries == []

    def test_an_order_that_was_claimed_before_is_given(self, mode: Mode) -> None:
        claim = Entry(Kind.CLAIM, "cs_1", claim_id="c1")
        bench = self.begin(mode, claim, Entry(Kind.CLAIMED, "cs_1", credits=2, pulses=2))
        bench.grant("cs_1", 2)
        bench.wait(2)
        assert bench.pulses == [("cs_1", 1), ("cs_1", 2)]
        assert bench.call("settle cs_1").body["pulsed"] == 2

    def test_a_broken_relay_is_still_out_of_order(self, mode: Mode) -> None:
        bench = self.begin(mode)
        bench.feed(RelayFailed("the pin is taken"))
        assert bench.view.screen is Screen.OUT_OF_ORDER
        assert bench.calls("heartbeat")[-1].body["state"] == "troubled"


def test_a_link_that_the_cloud_switched_off_has_a_code_for_the_operator(bench: Bench) -> None:
    bench.wait(301)
    bench.answer("heartbeat", bench.beat(state="off"))
    bench.answer("link", {"error": "this cabinet is not to be paid"}, 409)
    assert bench.view.screen is Screen.OFFLINE
    assert [alert.code for alert in bench.view.alerts] in (["E4"], ["E5"])


def test_each_part_has_an_alert_code_of_its_own(bench: Bench) -> None:
    bench.feed(RelayFailed("the pin is taken"))
    bench.feed(BrokerDown("no route"))
    bench.feed(JournalFailed("the disk is full"))
    assert [alert.code for alert in bench.view.alerts] == ["E1", "E2", "E3"]


def test_the_view_tells_when_the_relay_is_closed(bench: Bench) -> None:
    bench.makes_pulses = False
    bench.hint("cs_1", 2)
    bench.grant("cs_1", 2)
    assert (bench.view.coin, bench.view.closed) == (1, True)
    bench.feed(PulseMade("cs_1", 1))
    assert (bench.view.coin, bench.view.closed) == (1, False)
    bench.wait(1)
    assert (bench.view.coin, bench.view.closed) == (2, True)


@pytest.mark.parametrize(("status", "released"), [("declined", False), ("released", True)])
@pytest.mark.parametrize("reason", ["expired_card", "insufficient_funds", "released", "", 7, None])
def test_why_a_payment_came_to_nothing_does_not_reach_the_screen(
    bench: Bench, status: str, released: bool, reason: object
) -> None:
    """A cloud of before still sends Stripe's code for it."""
    bench.message("payment", {"machineId": "cab001", "status": status, "reason": reason})
    assert bench.view == View(Screen.DECLINED, bench.view.offer, released=released)


# Heartbeats


def beats_in(bench: Bench, seconds: float) -> int:
    """How many heartbeats there are in so many seconds, each answered at once."""
    before = len(bench.calls("heartbeat"))
    end = bench.now + seconds
    while bench.now < end:
        bench.wait(1)
        if "heartbeat" in bench.state.cloud.under_way:
            bench.answer("heartbeat", bench.beat())
    return len(bench.calls("heartbeat")) - before


def test_a_well_cabinet_says_so_every_five_minutes(bench: Bench) -> None:
    assert beats_in(bench, 3600) == 12


def test_a_change_of_health_is_told_at_once_and_only_once(bench: Bench) -> None:
    bench.feed(BrokerDown("no route to the broker"))
    call = bench.call("heartbeat")
    assert call.body["healthy"] is False
    assert call.body["problems"] == ["no route to the broker"]
    bench.answer("heartbeat", bench.beat(state="off"))
    assert "heartbeat" not in bench.state.cloud.under_way
    bench.feed(BrokerUp())
    assert bench.call("heartbeat").body["healthy"] is True


def test_open_orders_are_asked_for_often_while_the_broker_is_away(bench: Bench) -> None:
    bench.feed(BrokerDown("no route to the broker"))
    assert 18 <= beats_in(bench, 300) <= 22


def test_open_orders_are_asked_for_while_a_payment_is_being_made(bench: Bench) -> None:
    bench.message("payment", {"machineId": "cab001", "status": "processing"})
    assert beats_in(bench, 60) >= 3


def test_a_very_long_problem_is_told_once(bench: Bench) -> None:
    bench.feed(BrokerDown("x" * 1000))
    bench.answer("heartbeat", bench.beat(state="off"))
    assert "heartbeat" not in bench.state.cloud.under_way


def test_the_cloud_is_asked_less_and_less_often_while_it_is_away(bench: Bench) -> None:
    bench.wait(301)
    bench.no_answer("heartbeat")
    asked = 0
    end = bench.now + 300
    while bench.now < end:
        bench.wait(0.5)
        if "heartbeat" in bench.state.cloud.under_way:
            bench.no_answer("heartbeat")
            asked += 1
    assert 10 <= asked <= 20


def test_waits_grow_to_half_a_minute_and_are_jittered() -> None:
    assert [backoff(n, 0.0) for n in range(4)] == [0.5, 1.0, 2.0, 4.0]
    assert backoff(50, 0.0) == 30.0
    assert backoff(50, 1.0) == 15.0


# What the screen says


def test_the_screen_starts_then_invites(bench: Bench) -> None:
    assert bench.view.screen is Screen.READY
    assert bench.view.offer == Offer(OFFER["url"], 100, "USD", 2, (Bonus(5, 6),))
    new = Bench()
    assert new.view.screen is Screen.STARTING
    new.wait(21)
    assert new.view.screen is Screen.OFFLINE


@pytest.mark.parametrize("missing", ["broker", "cloud", "relay", "journal", "link"])
def test_a_code_is_shown_only_while_everything_is_well(bench: Bench, missing: str) -> None:
    match missing:
        case "broker":
            bench.feed(BrokerDown("gone"))
        case "cloud":
            bench.wait(301)
            bench.no_answer("heartbeat")
        case "relay":
            bench.feed(RelayFailed("gone"))
        case "journal":
            bench.feed(JournalFailed("gone"))
        case "link":
            bench.wait(301)
            bench.answer("heartbeat", bench.beat(state="off"))
    assert bench.view.offer is None
    assert bench.view.screen in (Screen.OFFLINE, Screen.OUT_OF_ORDER)
    if missing != "link":
        assert bench.view.alerts


def test_a_new_price_brings_a_new_code(bench: Bench) -> None:
    bench.message("payment", {"machineId": "cab001", "status": "offer_changed"})
    bench.answer("link", OFFER | {"url": "https://buy.example/plink_2", "amount": 200})
    assert bench.view.offer is not None
    assert bench.view.offer.url.endswith("plink_2")


@pytest.mark.parametrize(
    "change",
    [
        {"url": "javascript:x"},
        {"amount": 0},
        {"decimals": 9},
        {"bonuses": 7},
        {"url": 3},
    ],
)
def test_an_offer_that_cannot_be_used_is_not_shown(change: dict[str, Any]) -> None:
    bench = Bench()
    bench.feed(RelayReady())
    bench.feed(JournalOpened(()))
    bench.feed(BrokerUp())
    bench.answer("link", OFFER | change)
    assert bench.view.offer is None
    bench.wait(1)
    bench.answer("link", OFFER)
    bench.answer("heartbeat", bench.beat())
    assert bench.view.screen is Screen.READY


def test_a_payment_is_followed_on_the_screen(bench: Bench) -> None:
    bench.message("payment", {"machineId": "cab001", "status": "processing"})
    assert bench.view.screen is Screen.PAYING
    assert bench.view.offer is not None
    bench.message(
        "payment",
        {"machineId": "cab001", "status": "declined", "reason": "insufficient_funds"},
    )
    assert (bench.view.screen, bench.view.released) == (Screen.DECLINED, False)
    assert bench.view.offer is not None
    bench.wait(11)
    assert bench.view.screen is Screen.READY


def test_a_payment_that_nobody_finishes_is_forgotten(bench: Bench) -> None:
    bench.message("payment", {"machineId": "cab001", "status": "processing"})
    for _ in range(10):
        bench.wait(10)
        if "heartbeat" in bench.state.cloud.under_way:
            bench.answer("heartbeat", bench.beat())
    assert bench.view.screen is Screen.READY


def test_a_payment_that_went_back_is_told(bench: Bench) -> None:
    bench.message("payment", {"machineId": "cab001", "status": "released"})
    assert bench.view.released


def test_coins_are_counted_as_they_drop(bench: Bench) -> None:
    bench.makes_pulses = False
    bench.hint("cs_1")
    assert bench.view.screen is Screen.PAYING
    bench.grant("cs_1", credits=3)
    view = bench.view
    assert (view.screen, view.coin, view.coins) == (Screen.CREDITING, 1, 3)
    assert view.offer is None


def game_over(bench: Bench, stamp: str) -> None:
    bench.message("gameover", {"machineId": "cab001", "status": "game_over", "timestamp": stamp})


def play(bench: Bench, order_id: str, credits: int) -> None:
    bench.hint(order_id)
    bench.grant(order_id, credits=credits)
    bench.wait(5)
    bench.settled(order_id)


def test_credits_count_down_with_the_games_and_up_with_more_credits(
    bench: Bench,
) -> None:
    play(bench, "cs_1", 2)
    assert (bench.view.screen, bench.view.credits_left) == (Screen.PLAYING, 2)
    game_over(bench, "a")
    play(bench, "cs_2", 1)
    assert bench.view.credits_left == 2
    game_over(bench, "b")
    game_over(bench, "b")  # the broker delivers it again
    assert bench.view.credits_left == 1
    game_over(bench, "c")
    assert bench.view.screen is Screen.GAME_OVER
    bench.wait(9)
    assert bench.view.screen is Screen.READY
    game_over(bench, "d")
    assert bench.view.credits_left == 0


def test_a_quiet_time_brings_the_attract_screen_back(bench: Bench) -> None:
    play(bench, "cs_1", 2)
    bench.wait(100)
    assert bench.view.screen is Screen.PLAYING
    bench.wait(81)
    assert bench.view.credits_left == 0
    assert bench.view.screen is Screen.READY


def test_credits_left_survive_a_restart_of_the_kiosk(bench: Bench) -> None:
    play(bench, "cs_1", 2)
    again = Bench()
    again.start(*bench.entries)
    assert (again.view.screen, again.view.credits_left) == (Screen.PLAYING, 2)


def test_the_retained_status_tells_whether_credits_can_be_given(bench: Bench) -> None:
    assert bench.announced == ["online"]
    bench.feed(RelayFailed("stuck"))
    bench.feed(RelayReady())
    bench.feed(BrokerDown("gone"))
    bench.feed(BrokerUp())
    assert bench.announced == ["online", "out_of_order", "online", "online"]


def test_the_network_coming_back_ends_the_wait_for_the_cloud(bench: Bench) -> None:
    bench.feed(BrokerDown("no route to the broker"))
    for _ in range(8):
        bench.no_answer("heartbeat")
        bench.wait(31)
    bench.no_answer("heartbeat")
    bench.feed(BrokerUp())
    assert bench.call("heartbeat").body["healthy"] is True


def test_a_wait_for_the_cloud_is_a_wait_and_no_spin(bench: Bench) -> None:
    bench.wait(301)
    bench.no_answer("heartbeat")
    bench.feed(BrokerDown("no route to the broker"))
    before = bench.count
    bench.wait(0.4)
    assert bench.count == before


def test_an_answer_that_cannot_be_written_down_is_asked_for_again(bench: Bench) -> None:
    bench.hint("cs_1")
    claim = bench.call("claim cs_1")
    bench.feed(JournalFailed("the disk is full"))
    before = len(bench.entries)
    bench.grant("cs_1")
    bench.feed(Answered(claim, 409, {"error": "late"}))
    assert len(bench.entries) == before
    bench.feed(JournalOpened(tuple(bench.entries)))
    bench.grant("cs_1")
    assert bench.pulses == [("cs_1", 1)]


def test_heartbeats_of_cabinets_that_started_together_drift_apart() -> None:
    early, late = Bench(jitter=1.0), Bench(jitter=0.0)
    for bench in (early, late):
        bench.start()
        bench.wait(286)
    assert len(early.calls("heartbeat")) == len(late.calls("heartbeat")) + 1
    late.wait(14)
    assert len(early.calls("heartbeat")) == len(late.calls("heartbeat"))


def test_cabinets_that_lost_the_cloud_together_do_not_come_back_together() -> None:
    early, late = Bench(jitter=1.0), Bench(jitter=0.0)
    for bench in (early, late):
        bench.start()
        bench.hint("cs_1")
        bench.no_answer("claim cs_1")
        bench.wait(0.3)
    assert len(early.calls("claim cs_1")) == len(late.calls("claim cs_1")) + 1
    late.wait(0.2)
    assert len(early.calls("claim cs_1")) == len(late.calls("claim cs_1"))
