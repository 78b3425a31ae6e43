"""An order keeps what happened to it, and never grows without end."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from cloud.core import order_life, orders
from cloud.core.order_history import MOST_STEPS
from cloud.core.orders import Order, OrderState, SettleRequest
from cloud.core.stamps import Stamp
from cloud.stores.records import from_document, to_document
from cloud.stores.sqlite import SqliteLedger
from tests.cloud.stores.test_stores import ORDER
from tests.fakes.arcade import Arcade
from tests.fakes.ledgers import CountingLedger


def test_each_step_is_stored_by_the_write_that_it_is_about() -> None:
    counting = CountingLedger(SqliteLedger(Path(":memory:")))
    arcade = Arcade(Path(), counting)
    arcade.link()
    counting.counts.clear()
    order_id = arcade.pay()
    arcade.claim(order_id)
    arcade.settle(order_id, 1, 1)
    steps = [step.what for step in arcade.order(order_id).history]
    assert steps == ["paid", "stored", "claimed", "settling", "settled"]
    # Hold, store, claim, settle and charge: as many as without a history.
    assert counting.counts["writes"] == 5
    arcade.close()


def test_what_comes_again_and_again_does_not_make_an_order_grow() -> None:
    order: Order = replace(ORDER, state=OrderState.RELEASED, claim_id="c", credits=1)
    for number in range(1000):
        request = SettleRequest(order.machine_id, order.order_id, "c", number % 7, 10)
        late = orders.settle(order, request, Stamp(number, f"w{number}"))
        assert isinstance(late, Order)
        order = late
    assert len(order.history) == MOST_STEPS
    assert order.history[-1].at_ms == 999
    assert order.history[0].at_ms == 1


def test_an_order_of_the_version_before_tells_what_it_can() -> None:
    settled = replace(
        ORDER, state=OrderState.SETTLED, claimed_at_ms=5, changed_at_ms=9, pulsed=1, pulses=1
    )
    document = to_document(settled)
    del document["history"]
    read = from_document(Order, document)
    assert read.history == ()
    told = [(t.at_ms, t.where) for t in order_life.life(read)]
    assert told == [(ORDER.paid_at_ms, "Stripe"), (5, "cabinet"), (9, "Stripe")]


def test_a_step_that_a_newer_cloud_wrote_is_told_as_it_is() -> None:
    document = to_document(ORDER) | {"history": [[7, "moon landing", "twice", "more"]]}
    (told,) = order_life.life(from_document(Order, document))
    assert (told.at_ms, told.sentence) == (7, "moon landing twice")
