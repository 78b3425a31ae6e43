"""What people do to a charge after the game: recorded beside the order, and nothing else."""

from __future__ import annotations

import pytest

from cloud.core.orders import OrderState
from tests.fakes.arcade import Arcade


def served(arcade: Arcade, pulsed: int = 3, held: bool = True) -> str:
    order_id = arcade.pay(3, held=held)
    arcade.claim(order_id)
    arcade.settle(order_id, pulsed, 3)
    return order_id


def told(arcade: Arcade, order_id: str, kind: str = "charge.refunded") -> str:
    charge = {"id": "ch_1", "payment_intent": arcade.order(order_id).intent_id}
    status, body = arcade.deliver(arcade.event(kind, charge))
    assert status == 200
    return str(body["message"])


def test_a_refund_by_hand_is_recorded_once_and_takes_no_pulse_back(arcade: Arcade) -> None:
    order_id = served(arcade)
    arcade.stripe.accounts[arcade.order(order_id).intent_id].refunded = 200
    sent = len(arcade.publisher.sent)
    assert told(arcade, order_id) == "recorded"
    assert told(arcade, order_id) == "nothing to record"
    order = arcade.order(order_id)
    assert (order.state, order.charged, order.pulsed) == (OrderState.SETTLED, 300, 3)
    assert (order.refunded, order.disputed) == (200, False)
    assert len(arcade.publisher.sent) == sent


@pytest.mark.parametrize("kind", ["charge.dispute.created", "charge.dispute.closed"])
def test_a_dispute_is_recorded(arcade: Arcade, kind: str) -> None:
    order_id = served(arcade)
    arcade.stripe.accounts[arcade.order(order_id).intent_id].disputed = True
    assert told(arcade, order_id, kind) == "recorded"
    assert arcade.order(order_id).disputed


@pytest.mark.parametrize("held", [True, False])
@pytest.mark.parametrize("pulsed", [0, 1])
def test_our_own_refund_of_what_was_not_given_is_no_news(
    arcade: Arcade, pulsed: int, held: bool
) -> None:
    order_id = served(arcade, pulsed, held)
    assert told(arcade, order_id) == "nothing to record"
    assert arcade.order(order_id).refunded == 0


def test_an_order_under_way_is_left_alone(arcade: Arcade) -> None:
    order_id = arcade.pay()
    before = arcade.order(order_id)
    assert told(arcade, order_id) == "the order is under way"
    assert arcade.order(order_id) == before


@pytest.mark.parametrize("charge", [{}, {"payment_intent": None}, {"payment_intent": "pi_other"}])
def test_a_charge_that_is_none_of_ours_is_left_alone(
    arcade: Arcade, charge: dict[str, object]
) -> None:
    status, body = arcade.deliver(arcade.event("charge.refunded", charge))
    assert (status, body["message"]) == (200, "no order of ours")


def test_a_dispute_is_told_to_the_operator_at_once_and_once(arcade: Arcade) -> None:
    order_id = served(arcade, 2)
    arcade.stripe.accounts[arcade.order(order_id).intent_id].disputed = True
    for _ in range(2):
        told(arcade, order_id, "charge.dispute.created")
    (incident,) = arcade.incidents()
    assert (incident.order_id, incident.machine_id) == (order_id, "cab001")
    assert "disputes the charge of 2.00 USD for 2 of 3 pulses" in incident.text


def test_a_dispute_of_an_order_that_is_not_finished_is_told_too(arcade: Arcade) -> None:
    order_id = arcade.pay(held=False)
    told(arcade, order_id, "charge.dispute.created")
    assert "disputes" in arcade.incidents()[0].text
