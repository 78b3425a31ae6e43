"""Statements of a cabinet that cannot all be true, and orders that a cabinet has no record of."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fakes.arcade import Arcade
from tests.fakes.stripe import lost as answers_lost


def kinds(arcade: Arcade, order_id: str) -> list[str]:
    """The kinds of the incidents of an order."""
    return [i.incident_id.removeprefix(f"{order_id}:") for i in arcade.incidents()]


def lost(arcade: Arcade, order_id: str) -> tuple[int, Any]:
    """The cabinet says that it has no record of an order."""
    return arcade.ask("/settle", {"order_id": order_id, "lost": True})


@pytest.fixture
def claimed(arcade: Arcade) -> str:
    order_id = arcade.pay(5)
    assert arcade.claim(order_id)[0] == 200
    return order_id


def test_a_claim_with_another_claim_id_is_an_incident(arcade: Arcade, claimed: str) -> None:
    for _ in range(3):
        status, body = arcade.claim(claimed, "another")
        assert (status, body["code"]) == (409, "claimed_by_other")
    assert kinds(arcade, claimed) == ["claim-claimed_by_other"]
    (incident,) = arcade.incidents()
    assert incident.machine_id == "cab001"
    assert "token" in incident.text


def test_a_settle_with_a_wrong_claim_id_is_an_incident(arcade: Arcade, claimed: str) -> None:
    for _ in range(3):
        status, body = arcade.settle(claimed, 0, 6, "another")
        assert (status, body["code"]) == (409, "claimed_by_other")
    assert kinds(arcade, claimed) == ["settle-claimed_by_other"]
    assert arcade.settle(claimed, 6, 6)[1]["charged"] == 500


def test_a_settle_of_an_order_that_nobody_claimed_is_an_incident(arcade: Arcade) -> None:
    order_id = arcade.pay(5)
    status, body = arcade.settle(order_id, 6, 6)
    assert (status, body["code"]) == (409, "not_claimed")
    assert kinds(arcade, order_id) == ["settle-not_claimed"]


def test_a_second_settle_with_other_numbers_is_an_incident(arcade: Arcade, claimed: str) -> None:
    arcade.settle(claimed, 0, 6)
    for _ in range(3):
        status, body = arcade.settle(claimed, 6, 6)
        assert (status, body["code"]) == (409, "settled_otherwise")
    assert kinds(arcade, claimed) == ["settle-settled_otherwise"]
    (incident,) = arcade.incidents()
    assert "0 of 6" in incident.text
    assert "6 of 6" in incident.text


def test_what_agrees_is_no_incident(arcade: Arcade, claimed: str) -> None:
    arcade.claim(claimed)
    arcade.settle(claimed, 6, 6)
    arcade.settle(claimed, 6, 6)
    assert arcade.claim(claimed)[0] == 200
    assert kinds(arcade, claimed) == []


def test_a_thief_of_the_token_learns_no_claim_id(arcade: Arcade, claimed: str) -> None:
    beat = arcade.ask("/status", {})[1]
    refused = arcade.claim(claimed, "another")[1]
    assert "claim-1" not in f"{beat} {refused}"


def test_a_lost_order_is_settled_with_nothing_and_told(arcade: Arcade, claimed: str) -> None:
    arcade.now += 300
    status, body = lost(arcade, claimed)
    assert (status, body["state"], body["charged"]) == (200, "settled", 0)
    assert lost(arcade, claimed)[0] == 200
    assert kinds(arcade, claimed) == ["lost"]
    assert not arcade.stripe.holds(claimed)


def test_an_order_is_not_lost_within_the_resume_window(arcade: Arcade, claimed: str) -> None:
    arcade.now += 299
    status, body = lost(arcade, claimed)
    assert (status, body["code"]) == (409, "not_lost_yet")
    assert arcade.order(claimed).state.value == "claimed"
    assert arcade.settle(claimed, 6, 6)[1]["charged"] == 500


def test_an_order_that_was_settled_or_never_claimed_cannot_be_lost(
    arcade: Arcade, claimed: str
) -> None:
    arcade.settle(claimed, 6, 6)
    opened = arcade.pay()
    arcade.now += 1000
    assert lost(arcade, claimed)[1]["charged"] == 500
    assert lost(arcade, opened)[1]["code"] == "not_claimed"
    assert kinds(arcade, claimed) == []


def test_what_was_made_of_an_order_that_a_thief_called_lost_is_given_away(
    arcade: Arcade, claimed: str
) -> None:
    arcade.now += 301
    lost(arcade, claimed)
    for _ in range(2):
        assert arcade.settle(claimed, 6, 6)[0] == 200
    order = arcade.order(claimed)
    assert (order.given_away, order.charged, arcade.stripe.charged(claimed)) == (6, 0, 0)
    assert kinds(arcade, claimed) == ["lost", "settle-after-lost"]
    assert "6 of 6" in arcade.incidents()[-1].text


def test_a_late_settle_of_a_lost_order_is_kept_while_stripe_is_away(
    arcade: Arcade, claimed: str
) -> None:
    arcade.now += 301
    arcade.stripe.trouble = answers_lost("cancel", "before", times=3)
    assert lost(arcade, claimed)[1]["state"] == "settling"
    assert arcade.settle(claimed, 6, 6)[0] == 200
    arcade.stripe.trouble = lambda _call, _when: None
    arcade.cloud.sweep()
    order = arcade.order(claimed)
    assert (order.state.value, order.given_away, order.charged) == ("settled", 6, 0)


def test_a_heartbeat_lists_no_more_orders_than_its_answer_may_be_large(arcade: Arcade) -> None:
    order_ids = []
    for _ in range(60):
        order_ids.append(arcade.pay())
        arcade.now += 1
    answer = arcade.ask("/status", {"healthy": True})[1]
    assert [order["order_id"] for order in answer["orders"]] == order_ids[:50]
