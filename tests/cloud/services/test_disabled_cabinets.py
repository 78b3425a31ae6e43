"""A cabinet that its operator has disabled sells nothing, and takes nothing back."""

from __future__ import annotations

import pytest

from cloud.core.orders import OrderState
from cloud.stores.base import LedgerUnavailable
from tests.fakes.arcade import Arcade
from tests.fakes.ledgers import AnswerLostLedger
from tests.fakes.stripe import lost

HEALTHY = {"state": "ready", "version": "1", "healthy": True}


def beat(arcade: Arcade) -> dict[str, str]:
    status, answer = arcade.ask("/status", HEALTHY)
    assert status == 200
    return dict(answer["link"])


def on(arcade: Arcade) -> list[bool]:
    return [bool(link["active"]) for link in arcade.stripe.links.values()]


def test_its_link_is_off_and_no_call_of_the_cabinet_brings_it_back(arcade: Arcade) -> None:
    arcade.link()
    arcade.type("disable", "cab001")
    assert on(arcade) == [False]
    assert arcade.publisher.of("payment")[-1]["status"] == "offer_changed"
    status, answer = arcade.ask("/create-payment-link", {})
    assert (status, answer["code"]) == (409, "disabled")
    assert beat(arcade)["state"] == "off"
    arcade.now += 60
    arcade.cloud.sweep()
    assert on(arcade) == [False]


def test_enabled_it_sells_again_over_the_same_link(arcade: Arcade) -> None:
    link = arcade.link()
    arcade.type("disable", "cab001")
    arcade.type("enable", "cab001")
    assert arcade.publisher.of("payment")[-1]["status"] == "offer_changed"
    assert arcade.link() == link
    assert on(arcade) == [True]


def test_a_cabinet_that_missed_the_message_sells_again_with_its_heartbeat(arcade: Arcade) -> None:
    arcade.link()
    arcade.type("disable", "cab001")
    arcade.publisher.broken = True
    arcade.type("enable", "cab001")
    assert beat(arcade)["state"] == "active"


def test_a_heartbeat_that_was_faster_is_corrected_by_the_next_one(arcade: Arcade) -> None:
    arcade.link()
    before = arcade.cabinet()
    arcade.type("disable", "cab001")
    # A heartbeat that had read the cabinet before.
    arcade.cloud.links.follow(before, arcade.links(), healthy=True)
    assert on(arcade) == [True]
    beat(arcade)
    assert on(arcade) == [False]


def test_stripe_being_away_leaves_the_rest_to_the_sweep(arcade: Arcade) -> None:
    arcade.link()
    arcade.stripe.trouble = lost("switch_link", "before")
    with pytest.raises(Exception, match="does not answer"):
        arcade.type("disable", "cab001")
    arcade.cloud.sweep()
    assert on(arcade) == [False]


def test_a_command_that_dies_after_its_write_leaves_the_rest_to_the_sweep(arcade: Arcade) -> None:
    arcade.link()
    lossy = AnswerLostLedger(arcade.ledger, 2)
    arcade.use(lossy)
    with pytest.raises(LedgerUnavailable):
        arcade.type("disable", "cab001")
    arcade.use(lossy.inner)
    arcade.cloud.sweep()
    assert arcade.cabinet().disabled
    assert on(arcade) == [False]


def test_a_payment_over_a_page_that_was_still_open_goes_back(arcade: Arcade) -> None:
    session = arcade.stripe.pay(arcade.link())
    arcade.type("disable", "cab001")
    assert arcade.deliver(arcade.completed(session))[0] == 200
    order = arcade.order(session)
    assert (order.state, order.reason) == (OrderState.RELEASED, "its cabinet is disabled")
    assert not arcade.stripe.holds(session)


def test_what_was_paid_before_is_given_and_charged(arcade: Arcade) -> None:
    order_id = arcade.pay()
    arcade.type("disable", "cab001")
    assert arcade.claim(order_id)[0] == 200
    arcade.settle(order_id, 1, 1)
    assert arcade.stripe.charged(order_id) == 100


def test_going_live_gives_it_no_link(arcade: Arcade) -> None:
    arcade.add_cabinet("cab002")
    arcade.type("disable", "cab001")
    assert [c.machine_id for c in arcade.cloud.going_live.cabinets()] == ["cab002"]


def test_a_second_time_changes_nothing(arcade: Arcade, capsys: pytest.CaptureFixture[str]) -> None:
    arcade.type("disable", "cab001")
    arcade.type("disable", "cab001")
    arcade.type("enable", "cab001")
    arcade.type("enable", "cab001")
    told = capsys.readouterr().out
    assert "disabled already" in told
    assert "is not disabled" in told
