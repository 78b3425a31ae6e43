"""What a card's bill shows: set with the capture, and no reason to lose one."""

from __future__ import annotations

import pytest

from cloud.adapters.stripe_gateway import StripeRefused
from cloud.cli.desk import AdminError
from cloud.core import statements
from cloud.core.orders import OrderState
from tests.fakes.arcade import Arcade
from tests.fakes.stripe import lost


def play(arcade: Arcade) -> str:
    order_id = arcade.pay()
    arcade.claim(order_id)
    assert arcade.settle(order_id, 1, 1)[0] == 200
    return order_id


def shown(arcade: Arcade, order_id: str) -> str:
    return arcade.stripe.statements[arcade.order(order_id).intent_id]


def test_the_bill_shows_it_from_the_next_payment_on(arcade: Arcade) -> None:
    before = play(arcade)
    arcade.type("statement", "cab001", "GALAXY")
    after = play(arcade)
    arcade.type("statement", "cab001")
    cleared = play(arcade)
    assert [shown(arcade, i) for i in (before, after, cleared)] == ["", "GALAXY", ""]


def test_a_capture_that_is_repeated_says_the_same_whatever_was_changed_meanwhile(
    arcade: Arcade,
) -> None:
    arcade.type("statement", "cab001", "GALAXY")
    order_id = arcade.pay()
    arcade.claim(order_id)
    calls = iter([lost("capture", "after"), lost("intent", "before")])
    first, second = next(calls), next(calls)

    def trouble(call: str, when: str) -> None:
        first(call, when)
        second(call, when)

    arcade.stripe.trouble = trouble
    assert arcade.settle(order_id, 1, 1)[1]["state"] == "settling"
    arcade.type("statement", "cab001", "OTHER")
    arcade.cloud.sweep()
    assert arcade.order(order_id).state is OrderState.SETTLED
    assert shown(arcade, order_id) == "GALAXY"
    assert arcade.stripe.charged(order_id) == 100


def test_a_name_that_stripe_refuses_does_not_cost_the_charge(arcade: Arcade) -> None:
    arcade.type("statement", "cab001", "GALAXY")
    arcade.stripe.bad_statements = {"GALAXY"}
    order_id = play(arcade)
    assert arcade.stripe.charged(order_id) == 100
    assert shown(arcade, order_id) == ""
    assert arcade.order(order_id).state is OrderState.SETTLED


def test_a_refusal_for_another_reason_is_no_reason_to_ask_twice(arcade: Arcade) -> None:
    arcade.type("statement", "cab001", "GALAXY")
    order_id = arcade.pay()
    arcade.claim(order_id)

    def refuse(call: str, when: str) -> None:
        if (call, when) == ("capture", "before"):
            raise StripeRefused("Your card was declined.", "card_declined", 402)

    arcade.stripe.trouble = refuse
    arcade.settle(order_id, 1, 1)
    assert arcade.stripe.calls.count("capture") == 1


def test_a_cabinet_without_one_keeps_its_link(arcade: Arcade) -> None:
    link = arcade.link()
    arcade.type("statement", "cab001", "GALAXY")
    assert arcade.link() != link
    arcade.type("statement", "cab001")
    assert arcade.link() == link


@pytest.mark.parametrize("good", ["GALAXY", "a", "Hall 2 & 3", "x" * statements.MOST])
def test_what_every_bill_can_show_is_taken(good: str) -> None:
    assert statements.mistakes(good) == []


@pytest.mark.parametrize(
    ("bad", "sentence"),
    [
        ("x" * 11, "too long"),
        ("12345", "no letter"),
        ("a*b", "no bill shows"),
        ("a<b", "no bill shows"),
        ("it's", "no bill shows"),
        ('"q"', "no bill shows"),
        ("a\\b", "no bill shows"),
        ("Zoë", "no bill shows"),
        ("日本", "no bill shows"),
        ("a\nb", "no bill shows"),
        (" a", "a space"),
    ],
)
def test_what_a_bill_cannot_show_is_a_sentence(arcade: Arcade, bad: str, sentence: str) -> None:
    with pytest.raises(AdminError, match=sentence):
        arcade.type("statement", "cab001", bad)
    assert arcade.cabinet().statement == ""
