"""The order of a usual payment is made from signed events; Stripe is asked where they do not do."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cloud.core import cabinets
from cloud.core.orders import Order, OrderState
from cloud.core.payments import HOLD_SECONDS
from tests.fakes.arcade import SETTINGS, Arcade
from tests.fakes.ledgers import CountingLedger, ForwardingLedger


def paid(arcade: Arcade, quantity: int = 1, **more: Any) -> str:
    """A player has paid, and Stripe has told nothing yet."""
    session_id = arcade.stripe.pay(arcade.link(), quantity, **more)
    arcade.stripe.calls.clear()
    return session_id


def tell(arcade: Arcade, *bodies: bytes) -> list[str]:
    """Stripe's events in this order; returns what was done for each."""
    answers = [arcade.deliver(body) for body in bodies]
    assert [status for status, _ in answers] == [200] * len(bodies)
    return [str(body["message"]) for _, body in answers]


def cancelled(arcade: Arcade, session_id: str, created: float | None = None) -> bytes:
    """The hold is cancelled in the dashboard; the event of that."""
    intent_id = arcade.stripe.payments[session_id].intent_id
    arcade.stripe.accounts[intent_id].status = "canceled"
    subject = {"id": intent_id, "metadata": {"machine_id": "cab001"}}
    return arcade.event("payment_intent.canceled", subject, created)


def test_a_usual_payment_asks_stripe_nothing_before_the_answer_to_its_claim(
    arcade: Arcade,
) -> None:
    """The player waits until then; Stripe is asked when the machine has given."""
    session_id = paid(arcade, 5)
    begun = arcade.event(
        "payment_intent.created", {"id": "pi_1", "metadata": {"machine_id": "cab001"}}
    )
    done = tell(arcade, begun, arcade.reserved(session_id), arcade.completed(session_id))
    assert done == ["published to cab001: processing", "the hold is kept", "the order is stored"]
    (hint,) = arcade.publisher.of("coinpulse")
    status, answer = arcade.claim(hint["orderId"])
    assert (status, answer["credits"]) == (200, 6)
    assert arcade.stripe.calls == []
    assert arcade.settle(session_id, 6, 6)[0] == 200
    assert arcade.stripe.calls == ["capture"]
    assert arcade.stripe.charged(session_id) == 500


def test_an_order_is_the_same_whoever_told_of_it(arcade: Arcade, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    asking = Arcade(tmp_path / "other")
    told = []
    for made, events in ((arcade, True), (asking, False)):
        session_id = paid(made, 5, card="card-1")
        until = made.now + HOLD_SECONDS
        made.stripe.payments[session_id] = replace(
            made.stripe.payments[session_id], hold_until=until
        )
        if events:
            tell(made, made.reserved(session_id))
        tell(made, made.completed(session_id))
        told.append(replace(made.order(session_id), write_id=""))
        assert made.stripe.calls == ([] if events else ["payment"])
    assert told[0] == told[1]
    assert told[0].card
    assert "card-1" not in repr(vars(told[0]))
    asking.close()


@pytest.mark.parametrize("order", [*itertools.permutations(range(3))], ids=str)
@pytest.mark.parametrize("lost", [None, 0, 1], ids=["all come", "no created", "no charge"])
def test_in_whatever_order_they_come_twice_one_order_is_made(
    arcade: Arcade, order: tuple[int, ...], lost: int | None
) -> None:
    session_id = paid(arcade, 2)
    subject = {"id": "pi_1", "metadata": {"machine_id": "cab001"}}
    bodies = [
        arcade.event("payment_intent.created", subject),
        arcade.reserved(session_id),
        arcade.completed(session_id),
    ]
    tell(arcade, *(bodies[n] for n in (*order, *order) if n != lost))
    (made,) = arcade.orders()
    assert (made.state, made.credits, made.amount) == (OrderState.OPEN, 2, 200)
    assert len(arcade.publisher.of("coinpulse")) == 1
    first = lost != 1 and order.index(1) < order.index(2)
    assert ("payment" in arcade.stripe.calls) is not first


@pytest.mark.parametrize(
    "changes",
    [
        {"amount_subtotal": 250, "amount_total": 250},
        {"amount_total": 180, "total_details": {"amount_discount": 20}},
        {"currency": "eur"},
        {"optional_items": [{"price": "price_2"}]},
        {"payment_intent": "pi_of_others"},
    ],
    ids=str,
)
def test_what_is_odd_in_an_event_is_asked_of_stripe(
    arcade: Arcade, changes: dict[str, Any]
) -> None:
    session_id = paid(arcade, 2)
    tell(arcade, arcade.reserved(session_id), arcade.completed(session_id, **changes))
    assert arcade.stripe.calls == ["payment"]
    assert (arcade.order(session_id).quantity, arcade.order(session_id).amount) == (2, 200)


def test_several_prices_are_asked_of_stripe_and_given_back(arcade: Arcade) -> None:
    """A link that somebody gave a second item: the amount is no whole number of plays."""
    session_id = paid(arcade)
    several = replace(arcade.stripe.payments[session_id], amount=350, price_id="", quantity=0)
    arcade.stripe.payments[session_id] = several
    tell(arcade, arcade.reserved(session_id), arcade.completed(session_id))
    assert arcade.stripe.calls[0] == "payment"
    assert arcade.order(session_id).state is OrderState.RELEASED


def test_money_that_was_charged_at_once_is_asked_of_stripe(arcade: Arcade) -> None:
    session_id = paid(arcade, held=False)
    done = tell(arcade, arcade.reserved(session_id), arcade.completed(session_id))
    assert done == ["no hold for a cabinet", "the order is stored"]
    assert arcade.stripe.calls == ["payment"]
    assert not arcade.order(session_id).held


def test_another_payment_method_is_asked_of_stripe(arcade: Arcade) -> None:
    session_id = paid(arcade)
    details = {"type": "klarna", "klarna": {}}
    charge = arcade.reserved(session_id, payment_method_details=details)
    tell(arcade, charge, arcade.completed(session_id))
    assert arcade.stripe.calls == ["payment"]
    assert arcade.order(session_id).held


def test_a_charge_of_another_shop_on_the_account_is_not_kept(arcade: Arcade) -> None:
    session_id = paid(arcade)
    for metadata in ({}, None, {"machine_id": 7}):
        body = arcade.reserved(session_id, metadata=metadata)
        assert tell(arcade, body) == ["no hold for a cabinet"]
    assert arcade.ledger.hold(arcade.stripe.payments[session_id].intent_id) is None


def test_the_charge_of_another_installation_makes_no_order(arcade: Arcade) -> None:
    """It may name a cabinet of ours; its session is of a link that we do not have."""
    session_id = paid(arcade)
    theirs = arcade.completed(session_id, payment_link="plink_of_others")
    tell(arcade, arcade.reserved(session_id), theirs)
    assert arcade.orders() == []
    assert arcade.stripe.holds(session_id)


def test_a_forged_charge_is_no_hold(arcade: Arcade) -> None:
    session_id = paid(arcade)
    assert arcade.deliver(arcade.reserved(session_id), secret="whsec_of_others")[0] == 400
    tell(arcade, arcade.completed(session_id))
    assert arcade.stripe.calls == ["payment"]


def test_a_late_event_is_asked_of_stripe(arcade: Arcade) -> None:
    """Nobody waits for it, and a restored ledger may have lost what became of it."""
    session_id = paid(arcade)
    tell(arcade, arcade.reserved(session_id))
    body = arcade.completed(session_id)
    arcade.now += 121
    done = tell(arcade, body)
    assert done == ["the order is stored and released: it is too late"]
    assert arcade.stripe.calls == ["payment", "cancel"]
    assert arcade.publisher.of("coinpulse") == []


def test_a_hold_that_was_heard_to_be_cancelled_makes_no_order(arcade: Arcade) -> None:
    """Also where the events of before it come after it."""
    session_id = paid(arcade)
    charge, session = arcade.reserved(session_id), arcade.completed(session_id)
    done = tell(arcade, cancelled(arcade, session_id), charge, session)
    assert done[1:] == ["the hold is known already", "no order: the money is not there"]
    assert arcade.orders() == []


def test_a_hold_that_is_cancelled_between_its_events_is_an_order_that_went_back(
    arcade: Arcade,
) -> None:
    session_id = paid(arcade, 3)
    charge, session = arcade.reserved(session_id), arcade.completed(session_id)
    done = tell(arcade, charge, cancelled(arcade, session_id), session)
    assert done[1:] == ["the order is released", "the order is stored already"]
    order = arcade.order(session_id)
    assert (order.state, order.amount, order.credits, order.charged) == (
        OrderState.RELEASED, 300, 3, 0,
    )  # fmt: skip
    assert "cancelled" in order.reason
    assert arcade.claim(session_id)[0] == 409
    assert arcade.publisher.of("coinpulse") == []
    assert arcade.incidents() == []


class Meanwhile(ForwardingLedger):
    """Calls ``then`` once, right before the first order is stored."""

    then: Callable[[], object] | None = None

    def insert(self, item: Any) -> Any:
        if isinstance(item, Order) and self.then:
            then, self.then = self.then, None
            then()
        return super().insert(item)


def test_a_hold_that_is_cancelled_while_its_order_is_being_stored_gives_no_plays(
    arcade: Arcade,
) -> None:
    """The event of the session has seen the hold, and stores the order a moment later."""
    ledger = Meanwhile(arcade.ledger)
    arcade.use(ledger, SETTINGS)
    session_id = paid(arcade)
    tell(arcade, arcade.reserved(session_id))
    body = cancelled(arcade, session_id)
    ledger.then = lambda: tell(arcade, body)
    assert tell(arcade, arcade.completed(session_id)) == ["the order is stored already"]
    assert arcade.order(session_id).state is OrderState.RELEASED
    assert arcade.claim(session_id)[0] == 409
    assert arcade.publisher.of("coinpulse") == []


def test_an_order_that_is_stored_while_its_hold_is_cancelled_gives_no_plays(
    arcade: Arcade,
) -> None:
    ledger = Meanwhile(arcade.ledger)
    arcade.use(ledger, SETTINGS)
    session_id = paid(arcade)
    tell(arcade, arcade.reserved(session_id))
    body = arcade.completed(session_id)
    ledger.then = lambda: tell(arcade, body)
    assert tell(arcade, cancelled(arcade, session_id)) == ["the order is released"]
    assert arcade.order(session_id).state is OrderState.RELEASED
    assert arcade.claim(session_id)[0] == 409


def test_a_checkout_that_was_left_and_ended_by_stripe_makes_no_order(arcade: Arcade) -> None:
    subject = {"id": "pi_left", "metadata": {"machine_id": "cab001"}}
    body = arcade.event("payment_intent.canceled", subject)
    assert tell(arcade, body, body) == ["published to cab001: cancelled"] * 2
    assert arcade.orders() == []


def test_a_hold_that_ends_long_after_its_payment_leaves_nothing(arcade: Arcade) -> None:
    session_id = paid(arcade)
    tell(arcade, arcade.reserved(session_id))
    arcade.now += 7 * 24 * 3600
    tell(arcade, cancelled(arcade, session_id, created=arcade.now - 121))
    assert arcade.orders() == []


def test_after_the_claim_a_lost_event_changes_nothing(arcade: Arcade) -> None:
    session_id = paid(arcade)
    charge, session = arcade.reserved(session_id), arcade.completed(session_id)
    tell(arcade, charge, session)
    arcade.claim(session_id)
    before = arcade.order(session_id)
    tell(arcade, session, charge)
    assert arcade.order(session_id) == before


@pytest.mark.parametrize("on", [True, False])
def test_a_cabinet_that_is_gone_is_hinted_at_only_while_its_link_is_on(
    arcade: Arcade, on: bool
) -> None:
    """The hint does not wait for the look at the cabinet, unless its link says that it may be."""
    session_id = paid(arcade)
    stamp = arcade.cloud.clock.stamp
    cabinet = arcade.ledger.cabinet("cab001")
    assert cabinet is not None
    arcade.ledger.replace(cabinet, cabinets.remove(cabinet, stamp()))
    if not on:
        (link,) = arcade.links()
        arcade.ledger.replace(link, cabinets.want(link, False, 0, stamp()))
    tell(arcade, arcade.reserved(session_id), arcade.completed(session_id))
    assert len(arcade.publisher.of("coinpulse")) == on
    assert arcade.order(session_id).state is OrderState.RELEASED
    assert arcade.claim(session_id)[0] == 401


def test_a_link_that_is_to_be_off_still_gives_what_was_paid(arcade: Arcade) -> None:
    session_id = paid(arcade)
    (link,) = arcade.links()
    arcade.ledger.replace(link, cabinets.want(link, False, 0, arcade.cloud.clock.stamp()))
    tell(arcade, arcade.reserved(session_id), arcade.completed(session_id))
    assert len(arcade.publisher.of("coinpulse")) == 1
    assert arcade.claim(session_id)[0] == 200


def test_a_kept_hold_tells_nothing_of_the_card(arcade: Arcade) -> None:
    session_id = paid(arcade, card="card-of-ada")
    tell(arcade, arcade.reserved(session_id))
    hold = arcade.ledger.hold(arcade.stripe.payments[session_id].intent_id)
    assert hold is not None
    assert "card-of-ada" not in repr(vars(hold))
    assert len(hold.card) == 64


def test_what_a_link_sells_is_read_once(arcade: Arcade) -> None:
    counting = CountingLedger(arcade.ledger)
    arcade.use(counting, SETTINGS)
    for reads in (3, 2):  # the link, the hold, the cabinet
        session_id = paid(arcade)
        tell(arcade, arcade.reserved(session_id))
        counting.counts.clear()
        tell(arcade, arcade.completed(session_id))
        assert counting.counts == {"reads": reads, "writes": 1}
