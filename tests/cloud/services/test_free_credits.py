"""Credits that an operator gives for nothing: once, over every break, and never as money."""

from __future__ import annotations

import pytest

from cloud.cli.desk import AdminError
from cloud.core import order_life
from cloud.core.orders import OrderState
from cloud.core.prices import PriceList
from cloud.http import receipt
from cloud.stores.base import LedgerUnavailable
from tests.fakes.arcade import Arcade
from tests.fakes.ledgers import AnswerLostLedger

REASON = ("--reason", "ate a coin")
ORDER_ID = "free_cab001_r1"


def give(arcade: Arcade, *words: str) -> str:
    arcade.type("credit", "cab001", "2", *REASON, "--request", "r1", *words)
    return ORDER_ID


def test_free_credits_go_the_way_of_every_order_and_cost_nobody_anything(arcade: Arcade) -> None:
    order_id = give(arcade)
    [hint] = arcade.publisher.of("coinpulse")
    assert (hint["orderId"], hint["credits"], hint["paymentId"]) == (order_id, 2, "")
    status, answer = arcade.claim(order_id)
    assert (status, answer["credits"]) == (200, 2)
    status, answer = arcade.settle(order_id, 2, 2)
    assert (status, answer["state"], answer["charged"], answer["amount"]) == (200, "settled", 0, 0)
    order = arcade.order(order_id)
    assert order.free
    assert order.given_away == 0
    assert arcade.stripe.calls == []
    assert arcade.incidents() == []


def test_who_gave_them_when_and_why_is_kept_and_told(
    arcade: Arcade, capsys: pytest.CaptureFixture[str]
) -> None:
    order = arcade.order(give(arcade))
    assert order.note == "ate a coin"
    assert "@" in order.by
    assert order.paid_at_ms == arcade.now * 1000
    capsys.readouterr()
    arcade.claim(ORDER_ID)
    arcade.settle(ORDER_ID, 2, 2)
    arcade.type("order", ORDER_ID)
    told = capsys.readouterr().out
    assert f"{order.by} gives 2 plays for nothing: ate a coin" in told
    assert told.endswith("The credits are free: there is no payment.\n")
    assert "Stripe" not in told


def test_the_same_request_is_given_once(arcade: Arcade, capsys: pytest.CaptureFixture[str]) -> None:
    give(arcade)
    arcade.claim(ORDER_ID)
    arcade.settle(ORDER_ID, 2, 2)
    capsys.readouterr()
    give(arcade)
    assert "was given already" in capsys.readouterr().out
    assert [order.order_id for order in arcade.orders()] == [ORDER_ID]
    assert len(arcade.publisher.of("coinpulse")) == 1


def test_a_command_whose_write_got_no_answer_is_typed_again(arcade: Arcade) -> None:
    arcade.use(AnswerLostLedger(arcade.ledger))
    with pytest.raises(LedgerUnavailable):
        give(arcade)
    give(arcade)
    assert [order.credits for order in arcade.orders()] == [2]


def test_a_cabinet_that_was_off_gets_them_with_its_heartbeat(arcade: Arcade) -> None:
    arcade.publisher.broken = True
    give(arcade)
    _, answer = arcade.ask("/status", {"state": "ready", "version": "1", "healthy": True})
    assert [order["order_id"] for order in answer["orders"]] == [ORDER_ID]


def test_a_hint_that_is_lost_is_sent_again_by_the_sweep(arcade: Arcade) -> None:
    arcade.publisher.broken = True
    give(arcade)
    arcade.publisher.broken = False
    arcade.cloud.sweep()
    assert len(arcade.publisher.of("coinpulse")) == 1


def test_what_nobody_fetches_is_withdrawn_and_no_money_moves(arcade: Arcade) -> None:
    give(arcade, "--minutes", "5")
    arcade.now += 301
    arcade.cloud.sweep()
    assert arcade.order(ORDER_ID).state is OrderState.RELEASED
    assert arcade.claim(ORDER_ID)[0] == 409
    assert arcade.stripe.calls == []
    # "Your money went back" would be told to whoever stands there.
    assert arcade.publisher.of("payment") == []


def test_a_cloud_that_dies_before_the_end_leaves_it_to_the_sweep(arcade: Arcade) -> None:
    give(arcade)
    arcade.claim(ORDER_ID)
    lossy = AnswerLostLedger(arcade.ledger)
    arcade.use(lossy)
    arcade.settle(ORDER_ID, 1, 2)
    arcade.use(lossy.inner)
    arcade.cloud.sweep()
    order = arcade.order(ORDER_ID)
    assert (order.state, order.pulsed, order.charged) == (OrderState.SETTLED, 1, 0)
    assert arcade.stripe.calls == []


def test_pulses_forgiven_after_a_power_cut_take_nothing_from_paying_players(
    arcade: Arcade,
) -> None:
    give(arcade)
    arcade.claim(ORDER_ID)
    arcade.settle(ORDER_ID, 1, 2, made=2, forgiven=1)
    assert arcade.incidents() == []
    paid = arcade.pay()
    arcade.claim(paid)
    assert arcade.claim(paid)[1]["forgiven_today"] == 0


def test_neither_reconcile_nor_going_live_asks_stripe_for_them(
    arcade: Arcade, capsys: pytest.CaptureFixture[str]
) -> None:
    give(arcade)
    assert [m for m in arcade.cloud.going_live.mistakes() if ORDER_ID in m] == []
    arcade.claim(ORDER_ID)
    arcade.settle(ORDER_ID, 2, 2)
    arcade.now += 3600
    arcade.type("reconcile")
    told = capsys.readouterr().out
    assert "the books agree" in told
    assert "1 orders" not in told


def test_they_can_be_neither_refunded_nor_charged(arcade: Arcade) -> None:
    give(arcade)
    arcade.claim(ORDER_ID)
    arcade.settle(ORDER_ID, 2, 2)
    with pytest.raises(AdminError, match="was free"):
        arcade.type("refund", ORDER_ID, "--reason", "x")
    assert arcade.stripe.calls == []


def test_they_are_taken_back_by_release_while_nobody_has_them(arcade: Arcade) -> None:
    give(arcade)
    arcade.type("release", ORDER_ID)
    assert arcade.order(ORDER_ID).state is OrderState.RELEASED
    assert arcade.stripe.calls == []


@pytest.mark.parametrize("fetched", [True, False])
def test_their_receipt_speaks_of_no_money(arcade: Arcade, fetched: bool) -> None:
    give(arcade)
    if fetched:
        arcade.claim(ORDER_ID)
        arcade.settle(ORDER_ID, 2, 2)
    text = receipt.text_of(arcade.order(ORDER_ID))
    assert "free" in text.sentence
    assert "USD" not in text.sentence
    assert text.final is fetched


def test_a_free_order_in_every_state_has_a_life_without_money(arcade: Arcade) -> None:
    give(arcade)
    arcade.type("release", ORDER_ID)
    told = " ".join(step.sentence for step in order_life.life(arcade.order(ORDER_ID)))
    assert "USD" not in told
    assert "money" not in told


def test_the_currency_is_that_of_the_cabinet(arcade: Arcade) -> None:
    arcade.add_cabinet("cab002", PriceList(100, "JPY"))
    arcade.type("credit", "cab002", "1", *REASON, "--request", "a")
    assert arcade.order("free_cab002_a").currency == "JPY"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["cab001", "0", *REASON], "1 to 99 can be given"),
        (["cab001", "100", *REASON], "1 to 99 can be given"),
        (["cab009", "1", *REASON], "no cabinet cab009"),
        (["cab001", "1", "--reason", "a\nb"], "--reason must be one line"),
        (["cab001", "1", "--reason", ""], "--reason must be one line"),
        (["cab001", "1", *REASON, "--minutes", "0"], "--minutes must be"),
        (["cab001", "1", *REASON, "--minutes", "nan"], "--minutes must be"),
        (["cab001", "1", *REASON, "--request", "a b"], "--request"),
    ],
)
def test_what_cannot_be_given_is_one_sentence(
    arcade: Arcade, words: list[str], sentence: str
) -> None:
    with pytest.raises(AdminError, match=sentence):
        arcade.type("credit", *words)
    assert arcade.orders() == []
