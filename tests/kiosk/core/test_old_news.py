"""A screen that tells of a payment has a cause that exists now: nothing old, nothing for ever."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from kiosk.core.entries import Entry, Kind
from kiosk.core.events import BrokerDown, BrokerUp, JournalOpened, RelayReady
from kiosk.core.view import Screen
from tests.fakes.bench import Bench

CLOUD_TIME = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def bench() -> Bench:
    """A cabinet that knows the cloud's time; its own clock says something else."""
    made = Bench()
    made.start()
    made.wait(300)
    made.answer("heartbeat", made.beat() | {"time": stamp(0)})
    return made


def stamp(seconds: float) -> str:
    """The cloud's time so many seconds after it answered the heartbeat."""
    text = (CLOUD_TIME + timedelta(seconds=seconds)).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def tell(bench: Bench, status: str, retained: bool = False, **more: str) -> None:
    body = {"machineId": "cab001", "status": status, **more}
    bench.message("payment", body, retained=retained)


def hint(bench: Bench, order_id: str, payment_id: str) -> None:
    body = {"machineId": "cab001", "credits": 1, "orderId": order_id, "paymentId": payment_id}
    bench.message("coinpulse", body)


def game_over(bench: Bench, timestamp: str, retained: bool = False) -> None:
    body = {"machineId": "cab001", "status": "game_over", "timestamp": timestamp}
    bench.message("gameover", body, retained=retained)


def cloud_is_away(bench: Bench, seconds: float) -> None:
    """Nobody answers for so long, whatever is asked."""
    end = bench.now + seconds
    while bench.now < end:
        for name in tuple(bench.state.cloud.under_way):
            bench.no_answer(name)
        bench.wait(1)


# Orders that wait for the cloud


def test_an_order_that_the_cloud_does_not_grant_is_paying_for_a_minute(bench: Bench) -> None:
    bench.hint("cs_1")
    cloud_is_away(bench, 59)
    assert bench.view.screen is Screen.PAYING
    cloud_is_away(bench, 2)
    view = bench.view
    assert (view.screen, view.offer, view.payment_waits) == (Screen.OFFLINE, None, True)
    cloud_is_away(bench, 3600)
    assert bench.view.screen is Screen.OFFLINE
    bench.wait(31)
    bench.grant("cs_1", credits=2)
    assert (bench.view.screen, bench.view.payment_waits) == (Screen.CREDITING, False)


def test_a_restart_without_the_cloud_does_not_count_coins_for_ever() -> None:
    bench = Bench()
    bench.feed(RelayReady())
    entries = (
        Entry(Kind.CLAIM, "cs_1", claim_id="mine"),
        Entry(Kind.CLAIMED, "cs_1", credits=5, pulses=5),
        Entry(Kind.PULSE_BEGINS, "cs_1", number=1),
        Entry(Kind.PULSE_OVER, "cs_1", number=1),
    )
    bench.feed(JournalOpened(entries))
    bench.feed(BrokerDown("no route to the broker"))
    assert (bench.view.screen, bench.view.coin, bench.view.coins) == (Screen.CREDITING, 1, 5)
    # The credit that was made is played meanwhile.
    game_over(bench, "a")
    cloud_is_away(bench, 61)
    assert (bench.view.screen, bench.view.payment_waits) == (Screen.OFFLINE, True)
    bench.feed(BrokerUp())
    bench.wait(31)
    bench.grant("cs_1", credits=5, age=100)
    assert bench.view.screen is Screen.CREDITING
    assert bench.pulses == [("cs_1", 2)]


def test_a_cabinet_whose_claims_are_not_answered_shows_no_code(bench: Bench) -> None:
    """Its heartbeats are, so that the cloud counts as there."""
    bench.hint("cs_1")
    for _ in range(120):
        for name in tuple(bench.state.cloud.under_way):
            if name == "heartbeat":
                bench.answer(name, bench.beat())
            else:
                bench.answer(name, {"error": "later"}, 503)
        bench.wait(1)
        assert bench.view.offer is None
    assert bench.view.payment_waits


def test_the_screen_changes_by_itself_when_the_time_is_over(bench: Bench) -> None:
    bench.hint("cs_1")
    bench.feed(BrokerDown("no route to the broker"))
    before = bench.now
    for _ in range(400):
        if bench.view.screen is not Screen.PAYING:
            break
        for name in tuple(bench.state.cloud.under_way):
            bench.no_answer(name)
        bench.wait(0.5)
    assert bench.now - before == pytest.approx(bench.rules.waiting_s, abs=1)


# News that are none


@pytest.mark.parametrize("status", ["processing", "declined", "released", "cancelled"])
def test_what_was_told_long_ago_is_not_shown(bench: Bench, status: str) -> None:
    bench.wait(100)
    tell(bench, status, timestamp=stamp(100 - 61))
    assert bench.view.screen is Screen.READY
    tell(bench, status, timestamp=stamp(-3 * 24 * 3600))
    assert bench.view.screen is Screen.READY
    assert bench.acks == [1, 2]


def test_what_was_told_a_moment_ago_is_shown(bench: Bench) -> None:
    bench.wait(100)
    tell(bench, "processing", timestamp=stamp(100 - 59))
    assert bench.view.screen is Screen.PAYING


@pytest.mark.parametrize("timestamp", ["", "yesterday", "2026-13-01T00:00:00Z", "0000-01-01T00Z"])
def test_a_time_that_cannot_be_read_hides_nothing(bench: Bench, timestamp: str) -> None:
    tell(bench, "processing", timestamp=timestamp)
    assert bench.view.screen is Screen.PAYING


def test_what_the_broker_kept_for_a_kiosk_that_has_just_started_is_no_news() -> None:
    """It comes before the answer to the first heartbeat, which alone tells what time it is."""
    bench = Bench()
    bench.feed(RelayReady())
    bench.feed(JournalOpened(()))
    bench.feed(BrokerUp())
    for status in ("processing", "declined", "released"):
        tell(bench, status, timestamp=stamp(0))
        assert bench.view.screen is Screen.STARTING
    assert bench.acks == [1, 2, 3]
    bench.answer("heartbeat", bench.beat() | {"time": stamp(0)})
    tell(bench, "processing", timestamp=stamp(0))
    assert bench.view.screen is Screen.PAYING


def test_a_new_offer_is_asked_for_however_late_that_is_told(bench: Bench) -> None:
    tell(bench, "offer_changed", timestamp=stamp(-24 * 3600))
    assert bench.call("link")


def test_what_was_retained_changes_neither_screen_nor_credits(bench: Bench) -> None:
    tell(bench, "processing", retained=True)
    assert bench.view.screen is Screen.READY
    other = Bench()
    other.start(Entry(Kind.CREDITS_LEFT, number=2))
    game_over(other, "a", retained=True)
    assert other.view.credits_left == 2
    assert other.acks == [1]


def test_a_retained_hint_is_a_hint(bench: Bench) -> None:
    """Whether its order is still open is for the cloud to say."""
    bench.message(
        "coinpulse", {"machineId": "cab001", "credits": 1, "orderId": "cs_1"}, retained=True
    )
    assert bench.call("claim cs_1")


# Payments by their names


@pytest.mark.parametrize("status", ["processing", "declined", "cancelled"])
def test_what_is_told_of_a_payment_after_its_order_is_not_shown(bench: Bench, status: str) -> None:
    hint(bench, "cs_1", "pi_1")
    bench.grant("cs_1")
    bench.settled("cs_1")
    tell(bench, status, paymentId="pi_1")
    assert bench.view.screen is Screen.PLAYING
    tell(bench, "processing", paymentId="pi_2")
    assert bench.view.screen is Screen.PAYING


def test_an_order_of_a_heartbeat_names_its_payment_too(bench: Bench) -> None:
    bench.wait(300)
    body = bench.beat("cs_1")
    body["orders"][0]["payment_id"] = "pi_1"
    bench.answer("heartbeat", body)
    bench.answer("claim cs_1", {"error": "released", "code": "released"}, 409)
    tell(bench, "processing", paymentId="pi_1")
    assert bench.view.screen is Screen.READY


def test_a_payment_that_went_back_is_told_for_its_whole_time(bench: Bench) -> None:
    """Stripe tells a moment later that the hold was cancelled."""
    hint(bench, "cs_1", "pi_1")
    bench.answer("claim cs_1", {"error": "too late", "code": "too_late"}, 409)
    tell(bench, "released")
    bench.wait(0.04)
    tell(bench, "cancelled", paymentId="pi_1")
    bench.wait(bench.rules.declined_s - 0.1)
    assert bench.view.screen is Screen.DECLINED
    bench.wait(0.1)
    assert bench.view.screen is Screen.READY


def test_a_payment_that_another_player_gave_up_does_not_end_this_one(bench: Bench) -> None:
    tell(bench, "processing", paymentId="pi_2")
    tell(bench, "cancelled", paymentId="pi_1")
    assert bench.view.screen is Screen.PAYING
    tell(bench, "cancelled", paymentId="pi_2")
    assert bench.view.screen is Screen.READY


# Games


def test_a_game_over_that_is_told_again_later_is_counted_once() -> None:
    bench = Bench()
    bench.start(Entry(Kind.CREDITS_LEFT, number=5))
    for timestamp in ("a", "b", "a", "b", "b"):
        game_over(bench, timestamp)
    assert bench.view.credits_left == 3


def test_a_game_over_without_credits_is_not_counted_when_it_comes_again(bench: Bench) -> None:
    game_over(bench, "a")
    bench.hint("cs_1")
    bench.grant("cs_1")
    bench.settled("cs_1")
    game_over(bench, "a")
    assert bench.view.credits_left == 1
