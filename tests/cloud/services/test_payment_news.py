"""What a cabinet is told of payments is new, and names the payment."""

from __future__ import annotations

import pytest

from cloud.core.orders import OrderState
from tests.fakes.arcade import Arcade

SUBJECT = {"id": "pi_1", "object": "payment_intent", "metadata": {"machine_id": "cab001"}}


@pytest.mark.parametrize(("age", "told"), [(59, 1), (61, 0), (3 * 24 * 3600, 0)])
@pytest.mark.parametrize(
    "type_",
    [
        "payment_intent.created",
        "payment_intent.processing",
        "payment_intent.payment_failed",
        "payment_intent.canceled",
    ],
)
def test_an_old_event_is_no_news(arcade: Arcade, type_: str, age: int, told: int) -> None:
    assert arcade.deliver(arcade.event(type_, SUBJECT, created=arcade.now - age))[0] == 200
    assert len(arcade.publisher.of("payment")) == told


def test_what_is_told_names_the_payment(arcade: Arcade) -> None:
    arcade.deliver(arcade.event("payment_intent.created", SUBJECT))
    session = {"id": "cs_1", "object": "checkout.session", "payment_intent": "pi_2"}
    body = session | {"metadata": {"machine_id": "cab001"}}
    arcade.deliver(arcade.event("checkout.session.async_payment_failed", body))
    assert [m["paymentId"] for m in arcade.publisher.of("payment")] == ["pi_1", "pi_2"]


def test_a_hint_and_a_heartbeat_name_the_payment_of_the_order(arcade: Arcade) -> None:
    order_id = arcade.pay()
    intent_id = arcade.order(order_id).intent_id
    assert intent_id
    assert [m["paymentId"] for m in arcade.publisher.of("coinpulse")] == [intent_id]
    orders = arcade.ask("/status", {"state": "ready", "version": "1"})[1]["orders"]
    assert [order["payment_id"] for order in orders] == [intent_id]


def test_a_payment_of_days_ago_that_goes_back_is_not_told_to_the_cabinet(arcade: Arcade) -> None:
    session_id = arcade.stripe.pay(arcade.link())
    body = arcade.completed(session_id, created=arcade.now - 3 * 24 * 3600)
    assert arcade.deliver(body)[0] == 200
    assert arcade.order(session_id).state is OrderState.RELEASED
    assert arcade.publisher.of("payment") == []


def test_a_game_over_that_is_sent_again_has_its_senders_time(arcade: Arcade) -> None:
    """The broker had it although the cloud answered that it had not."""
    body = {"timestamp": "2026-01-01T12:00:00.123Z"}
    arcade.ask("/gameover", body)
    arcade.now += 5
    arcade.ask("/gameover", body)
    told = [m["timestamp"] for m in arcade.publisher.of("gameover")]
    assert told == ["2026-01-01T12:00:00.123Z"] * 2


@pytest.mark.parametrize("timestamp", [7, "yesterday", "2026-01-01", "2026-01-01T12:00:00", "\n"])
def test_a_game_over_with_a_time_that_is_none_is_refused(arcade: Arcade, timestamp: object) -> None:
    status, answer = arcade.ask("/gameover", {"timestamp": timestamp})
    assert status == 400
    assert "timestamp" in answer["error"]
    assert arcade.publisher.of("gameover") == []
