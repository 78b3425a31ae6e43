"""Money that goes back by an operator's hand: never twice, never more than was charged."""

from __future__ import annotations

import pytest

from cloud.adapters.stripe_gateway import StripeRefused, StripeUnavailable
from cloud.cli.desk import AdminError
from cloud.core.hand_refunds import RefundState
from cloud.core.orders import Order, OrderState
from cloud.http import receipt
from cloud.stores.base import LedgerUnavailable
from tests.fakes.arcade import Arcade
from tests.fakes.ledgers import AnswerLostLedger
from tests.fakes.stripe import lost

REASON = ("--reason", "the stick was broken")
HALF = ("--amount", "2.50", "--request", "r1")


@pytest.fixture
def order(arcade: Arcade) -> Order:
    """An order of 5.00 USD that was given and charged."""
    order_id = arcade.pay(quantity=5)
    arcade.claim(order_id)
    arcade.settle(order_id, 6, 6)
    return arcade.order(order_id)


def refund(arcade: Arcade, order: Order, *words: str) -> None:
    arcade.type("refund", order.order_id, *REASON, *words)


def test_a_part_goes_back_with_its_reason_on_the_receipt(arcade: Arcade, order: Order) -> None:
    refund(arcade, order, *HALF)
    assert arcade.stripe.charged(order.order_id) == 250
    stored = arcade.order(order.order_id)
    assert (stored.state, stored.charged, stored.refunded) == (OrderState.SETTLED, 500, 250)
    assert stored.due_at_ms is None
    page = receipt.page(stored, stored.order_id, 0)
    assert "2.50 USD went back to your card (the stick was broken)" in page
    assert "you pay 2.50 USD of 5.00 USD" in page


def test_without_an_amount_all_that_is_left_goes_back(arcade: Arcade, order: Order) -> None:
    refund(arcade, order, *HALF)
    refund(arcade, order)
    assert arcade.stripe.charged(order.order_id) == 0
    with pytest.raises(AdminError, match="nothing is left"):
        refund(arcade, order)


def test_the_same_request_again_says_that_it_is_done(
    arcade: Arcade, order: Order, capsys: pytest.CaptureFixture[str]
) -> None:
    refund(arcade, order, *HALF)
    capsys.readouterr()
    refund(arcade, order, *HALF)
    assert capsys.readouterr().out.startswith("already done: 2.50 USD")
    assert arcade.stripe.charged(order.order_id) == 250


@pytest.mark.parametrize("amount", ["5.01", "0", "99999.00"])
def test_never_more_than_was_charged(arcade: Arcade, order: Order, amount: str) -> None:
    with pytest.raises(AdminError, match=r"at most 5\.00 USD can go back"):
        refund(arcade, order, "--amount", amount)
    assert "refund" not in arcade.stripe.calls


def test_of_a_partly_settled_order_only_what_was_captured_goes_back(arcade: Arcade) -> None:
    order_id = arcade.pay(quantity=5)
    arcade.claim(order_id)
    arcade.settle(order_id, 3, 6)
    with pytest.raises(AdminError, match=r"at most 2\.50 USD"):
        refund(arcade, arcade.order(order_id), "--amount", "2.51")
    refund(arcade, arcade.order(order_id), "--amount", "1.00")
    assert arcade.order(order_id).refunded == 100
    refund(arcade, arcade.order(order_id))
    assert arcade.stripe.charged(order_id) == 0
    assert arcade.order(order_id).refunded == 250


def test_it_is_stored_before_stripe_is_asked(arcade: Arcade, order: Order) -> None:
    asked: list[RefundState] = []

    def look(call: str, when: str) -> None:
        if (call, when) == ("refund", "before"):
            asked.extend(r.state for r in arcade.order(order.order_id).refunds)

    arcade.stripe.trouble = look
    refund(arcade, order, *HALF)
    assert asked == [RefundState.ASKED]


@pytest.mark.parametrize("call", ["has_refund", "intent", "refund"])
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("days", [0, 3])
def test_an_answer_that_is_lost_is_found_by_the_sweep_and_nothing_goes_back_twice(
    arcade: Arcade, order: Order, call: str, when: str, days: int
) -> None:
    if when == "after" and call != "refund":
        when = "before"
    arcade.stripe.trouble = lost(call, when)
    with pytest.raises(AdminError, match="as soon as Stripe answers"):
        refund(arcade, order, *HALF)
    if days:
        # By then Stripe has forgotten the idempotency keys.
        arcade.stripe.answers.clear()
    arcade.now += 61 + days * 86400
    arcade.cloud.sweep()
    stored = arcade.order(order.order_id)
    assert [r.state for r in stored.refunds] == [RefundState.DONE]
    assert stored.due_at_ms is None
    assert arcade.stripe.charged(order.order_id) == 250
    arcade.cloud.sweep()
    assert arcade.stripe.charged(order.order_id) == 250


def test_the_same_request_asks_again_at_once(arcade: Arcade, order: Order) -> None:
    arcade.stripe.trouble = lost("refund", "after")
    with pytest.raises(AdminError):
        refund(arcade, order, *HALF)
    refund(arcade, order, *HALF)
    assert arcade.stripe.charged(order.order_id) == 250


def test_another_one_waits_for_the_one_before(arcade: Arcade, order: Order) -> None:
    arcade.stripe.trouble = lost("refund", "after")
    with pytest.raises(AdminError):
        refund(arcade, order, *HALF)
    with pytest.raises(AdminError, match="an earlier refund"):
        refund(arcade, order, "--amount", "2.50", "--request", "r2")
    assert arcade.stripe.charged(order.order_id) == 250


@pytest.mark.parametrize("number", [1, 2])
def test_a_command_that_dies_at_a_write_is_finished_by_the_sweep(
    arcade: Arcade, order: Order, number: int
) -> None:
    lossy = AnswerLostLedger(arcade.ledger, number)
    arcade.use(lossy)
    with pytest.raises(LedgerUnavailable):
        refund(arcade, order, *HALF)
    arcade.use(lossy.inner)
    arcade.now += 61
    arcade.cloud.sweep()
    assert arcade.stripe.charged(order.order_id) == 250
    assert [r.state for r in arcade.order(order.order_id).refunds] == [RefundState.DONE]


def test_stripes_own_event_between_the_two_writes_counts_nothing_twice(
    arcade: Arcade, order: Order
) -> None:
    told: list[bool] = []

    def tell(call: str, when: str) -> None:
        if (call, when) == ("refund", "after") and not told:
            told.append(True)
            body = arcade.event("charge.refunded", {"payment_intent": order.intent_id})
            assert arcade.deliver(body)[0] == 200

    arcade.stripe.trouble = tell
    refund(arcade, order, *HALF)
    stored = arcade.order(order.order_id)
    assert told
    assert (stored.refunded, [r.state for r in stored.refunds]) == (250, [RefundState.DONE])
    refund(arcade, order, "--request", "rest")
    assert arcade.stripe.charged(order.order_id) == 0


def test_what_went_back_in_the_dashboard_meanwhile_is_not_given_again(
    arcade: Arcade, order: Order
) -> None:
    arcade.stripe.refund(order.intent_id, 400, "by hand")
    with pytest.raises(AdminError, match=r"only 1\.00 USD of it is left"):
        refund(arcade, order, *HALF)
    assert arcade.stripe.charged(order.order_id) == 100
    assert "was not made" in arcade.incidents()[-1].text
    assert arcade.order(order.order_id).due_at_ms is None


def test_a_refund_that_stripe_refuses_is_told_and_not_tried_for_ever(
    arcade: Arcade, order: Order
) -> None:
    def refuse(call: str, when: str) -> None:
        if (call, when) == ("refund", "before"):
            raise StripeRefused("Insufficient funds in Stripe account.", "balance_insufficient")

    arcade.stripe.trouble = refuse
    with pytest.raises(AdminError, match="Insufficient funds"):
        refund(arcade, order, *HALF)
    arcade.stripe.trouble = lambda _call, _when: None
    arcade.now += 3600
    arcade.cloud.sweep()
    assert arcade.stripe.charged(order.order_id) == 500
    assert len(arcade.incidents()) == 1
    refund(arcade, order, "--amount", "2.50", "--request", "r2")
    assert arcade.stripe.charged(order.order_id) == 250


def test_stripe_being_away_keeps_no_other_order_from_the_sweep(
    arcade: Arcade, order: Order
) -> None:
    def away(call: str, when: str) -> None:
        if call in ("has_refund", "refund"):
            raise StripeUnavailable("Stripe does not answer")

    arcade.stripe.trouble = away
    with pytest.raises(AdminError):
        refund(arcade, order, *HALF)
    waiting = arcade.pay()
    arcade.now += 121
    assert arcade.cloud.sweep().released == 1
    assert arcade.order(waiting).state is OrderState.RELEASED
    stored = arcade.order(order.order_id)
    assert stored.due_at_ms is not None
    assert stored.due_at_ms > arcade.now * 1000


def test_an_order_that_is_open_is_released_and_one_that_is_claimed_is_left(
    arcade: Arcade,
) -> None:
    order_id = arcade.pay()
    with pytest.raises(AdminError, match="`release` gives all"):
        refund(arcade, arcade.order(order_id))
    arcade.claim(order_id)
    for words in (("refund", order_id, *REASON), ("release", order_id)):
        with pytest.raises(AdminError, match="may be giving the plays"):
            arcade.type(*words)
    assert arcade.stripe.holds(order_id)
    arcade.settle(order_id, 1, 1)
    with pytest.raises(AdminError, match="`refund` gives its money back"):
        arcade.type("release", order_id)
    assert arcade.stripe.charged(order_id) == 100


def test_the_reason_of_a_release_is_on_the_receipt_and_who_asked_in_the_orders_life(
    arcade: Arcade, capsys: pytest.CaptureFixture[str]
) -> None:
    order_id = arcade.pay()
    arcade.type("release", order_id, "--reason", "<b>power cut</b>")
    assert not arcade.stripe.holds(order_id)
    page = receipt.page(arcade.order(order_id), order_id, 0)
    assert "The operator gave your money back (&lt;b&gt;power cut&lt;/b&gt;)" in page
    capsys.readouterr()
    arcade.type("order", order_id)
    told = capsys.readouterr().out
    assert f"{arcade.order(order_id).by} asked for it (<b>power cut</b>)" in told


def test_a_charge_that_a_bank_disputes_is_not_refunded_beside_it(
    arcade: Arcade, order: Order
) -> None:
    arcade.stripe.accounts[order.intent_id].disputed = True
    body = arcade.event("charge.dispute.created", {"payment_intent": order.intent_id})
    arcade.deliver(body)
    with pytest.raises(AdminError, match="disputes"):
        refund(arcade, order)


def test_money_that_was_charged_at_once_is_refunded_the_same_way(arcade: Arcade) -> None:
    order_id = arcade.pay(quantity=5, held=False)
    arcade.claim(order_id)
    arcade.settle(order_id, 3, 6)
    refund(arcade, arcade.order(order_id), "--amount", "1.00")
    assert arcade.stripe.charged(order_id) == 150


def test_an_orders_life_and_json_have_the_refund(
    arcade: Arcade, order: Order, capsys: pytest.CaptureFixture[str]
) -> None:
    refund(arcade, order, *HALF)
    capsys.readouterr()
    arcade.type("order", order.order_id)
    told = capsys.readouterr().out
    assert "2.50 USD is refunded for" in told
    assert told.endswith("The player has paid 2.50 USD of 5.00 USD.\n")


def test_a_stripe_that_does_not_say_whether_it_was_made_is_told_and_asked_again(
    arcade: Arcade, order: Order
) -> None:
    def refuse(call: str, when: str) -> None:
        if call == "has_refund":
            raise StripeRefused("The key may not read refunds.", "", 403)

    arcade.stripe.trouble = refuse
    with pytest.raises(AdminError, match="`problems` says why not"):
        refund(arcade, order, *HALF)
    arcade.now += 61
    arcade.cloud.sweep()
    assert ["may not read refunds" in i.text for i in arcade.incidents()] == [True]
    arcade.stripe.trouble = lambda _call, _when: None
    arcade.now += 61
    arcade.cloud.sweep()
    assert arcade.stripe.charged(order.order_id) == 250
