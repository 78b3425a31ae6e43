"""Which screens follow one another while somebody pays, whatever order the events come in."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from kiosk.core import messages
from kiosk.core.cabinet.rules import Mode
from kiosk.core.entries import Entry, Kind
from kiosk.core.events import (
    BrokerDown,
    BrokerUp,
    Event,
    JournalFailed,
    JournalOpened,
    RelayFailed,
    RelayReady,
)
from kiosk.core.view import Screen
from tests.fakes.bench import OFFER, Bench

Action = Callable[[Bench], object]


def ready() -> Bench:
    """A cabinet that shows its code."""
    bench = Bench()
    bench.start()
    assert bench.view.screen is Screen.READY
    bench.views.clear()
    return bench


@pytest.fixture
def bench() -> Bench:
    return ready()


def changes(bench: Bench) -> list[Screen]:
    """The screens after every event, each once for as long as it stays."""
    return [screen for screen, _ in itertools.groupby(view.screen for view in bench.views)]


def status(name: str) -> Action:
    return lambda bench: bench.message("payment", {"machineId": "cab001", "status": name})


def hint(bench: Bench) -> None:
    bench.hint("cs_1")


def heartbeat_with_the_order(bench: Bench) -> None:
    bench.feed(BrokerUp())
    bench.answer("heartbeat", bench.beat("cs_1"))


def heartbeat(bench: Bench) -> None:
    bench.feed(BrokerUp())
    bench.answer("heartbeat", bench.beat())


def heartbeat_unanswered(bench: Bench) -> None:
    bench.feed(BrokerUp())
    bench.no_answer("heartbeat")


def broker_lost_and_back(bench: Bench) -> None:
    bench.feed(BrokerDown("no route to the broker"))
    bench.feed(BrokerUp())


def new_offer(bench: Bench) -> None:
    status("offer_changed")(bench)
    if "link" in bench.state.cloud.under_way:
        bench.answer("link", OFFER)


def seconds(bench: Bench) -> None:
    bench.wait(20)


def claim_unanswered(bench: Bench) -> None:
    if "claim cs_1" in bench.state.cloud.under_way:
        bench.no_answer("claim cs_1")
        bench.wait(1)


def claim_undecided(bench: Bench) -> None:
    if "claim cs_1" in bench.state.cloud.under_way:
        bench.answer("claim cs_1", {"error": "later"}, 503)
        bench.wait(1)


BETWEEN: tuple[Action, ...] = (
    status("processing"),
    hint,
    heartbeat_with_the_order,
    heartbeat,
    heartbeat_unanswered,
    broker_lost_and_back,
    new_offer,
    seconds,
    claim_unanswered,
    claim_undecided,
)

# What says that a payment came to nothing can only be about another one, once there is an order.
AFTER = (*BETWEEN, status("cancelled"), status("declined"), status("released"))


@pytest.mark.parametrize(("before", "after"), [(2, 1), (1, 2)])
@pytest.mark.parametrize("found", [hint, heartbeat_with_the_order])
def test_no_other_screen_comes_between_paying_and_crediting(
    found: Action, before: int, after: int
) -> None:
    """Whatever happens after "processing", and after the order was found."""
    for first in itertools.product(BETWEEN, repeat=before):
        for second in itertools.product(AFTER, repeat=after):
            bench = ready()
            actions = (status("processing"), *first, found, *second)
            for action in actions:
                action(bench)
            bench.grant("cs_1", credits=2)
            bench.wait(1)
            assert changes(bench)[:2] == [Screen.PAYING, Screen.CREDITING], actions
            assert Screen.READY not in changes(bench), actions


def test_a_hint_without_a_status_before_it_is_shown_as_paying(bench: Bench) -> None:
    hint(bench)
    status("processing")(bench)
    bench.grant("cs_1")
    assert changes(bench)[:2] == [Screen.PAYING, Screen.CREDITING]


def test_a_payment_of_which_nothing_more_comes_is_shown_until_its_time_is_over(
    bench: Bench,
) -> None:
    status("processing")(bench)
    bench.wait(bench.rules.paying_s - 0.1)
    assert changes(bench) == [Screen.PAYING]
    hint(bench)
    bench.wait(1)  # the status's time is over, the order's claim is not answered yet
    bench.grant("cs_1")
    assert changes(bench)[:2] == [Screen.PAYING, Screen.CREDITING]


def test_a_payment_that_is_begun_and_left_takes_the_code_from_nobody(bench: Bench) -> None:
    """Whoever has a photo of the code can begin payments from anywhere, again and again."""
    for _ in range(5):
        status("processing")(bench)
        assert (bench.view.screen, bench.view.offer) == (Screen.PAYING, messages.offer(OFFER))
        bench.wait(60)
        if "heartbeat" in bench.state.cloud.under_way:
            bench.answer("heartbeat", bench.beat())
    assert all(view.offer for view in bench.views)


def test_the_code_stays_while_an_order_is_claimed(bench: Bench) -> None:
    hint(bench)
    assert (bench.view.screen, bench.view.offer) == (Screen.PAYING, messages.offer(OFFER))


def test_two_phones_may_pay_one_cabinet_at_once(bench: Bench) -> None:
    status("processing")(bench)
    bench.hint("cs_2")
    assert bench.view.offer is not None
    bench.hint("cs_1")
    bench.grant("cs_2")
    bench.grant("cs_1", credits=2)
    bench.wait(5)
    assert bench.pulses == [("cs_2", 1), ("cs_1", 1), ("cs_1", 2)]


@pytest.mark.parametrize(
    "lost",
    [
        BrokerDown("no route to the broker"),
        JournalFailed("the disk is full"),
        RelayFailed("the pin is in use"),
    ],
)
def test_a_payment_under_way_shows_no_code_that_cannot_be_served(bench: Bench, lost: Event) -> None:
    status("processing")(bench)
    bench.feed(lost)
    assert bench.view.offer is None


@pytest.mark.parametrize("mode", [Mode.FREE_PLAY, Mode.MAINTENANCE])
def test_where_nothing_is_sold_a_payment_under_way_shows_no_code(mode: Mode) -> None:
    bench = Bench(mode=mode)
    bench.feed(RelayReady())
    bench.feed(JournalOpened(()))
    bench.feed(BrokerUp())
    status("processing")(bench)
    assert (bench.view.screen, bench.view.offer) == (Screen.PAYING, None)


def test_a_status_that_is_cleared_does_not_hide_a_claim(bench: Bench) -> None:
    status("processing")(bench)
    hint(bench)
    for name in ("cancelled", "processing", "cancelled"):
        status(name)(bench)
    bench.grant("cs_1")
    assert changes(bench)[:2] == [Screen.PAYING, Screen.CREDITING]


def test_a_claimed_order_whose_pulse_has_to_wait_is_still_paying(bench: Bench) -> None:
    """The first order's last pulse was a moment ago: the pause after it is not over."""
    hint(bench)
    bench.grant("cs_1")
    bench.settled("cs_1")
    bench.views.clear()
    bench.hint("cs_2")
    bench.grant("cs_2")
    assert changes(bench) == [Screen.PAYING]
    bench.wait(1)
    assert changes(bench)[:2] == [Screen.PAYING, Screen.CREDITING]


def test_a_payment_in_a_credited_game_goes_from_paying_to_crediting_too() -> None:
    bench = Bench()
    bench.start(Entry(Kind.CREDITS_LEFT, number=2))
    bench.views.clear()
    status("processing")(bench)
    hint(bench)
    bench.grant("cs_1")
    assert changes(bench)[:2] == [Screen.PAYING, Screen.CREDITING]


def test_a_restart_shows_an_order_before_its_first_pulse_as_paying() -> None:
    bench = Bench()
    bench.start(
        Entry(Kind.CLAIM, "cs_1", claim_id="mine"),
        Entry(Kind.CLAIMED, "cs_1", credits=1, pulses=1),
    )
    assert bench.view.screen is Screen.PAYING
    bench.views.clear()
    bench.grant("cs_1")
    assert changes(bench)[0] is Screen.CREDITING
