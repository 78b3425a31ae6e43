"""The services over every store, and over what a store may do to them: lag, and lose answers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cloud.core.orders import OrderState
from cloud.services.sweep import Swept
from cloud.stores.base import Ledger
from tests.cloud.stores.conftest import Open
from tests.fakes.arcade import Arcade
from tests.fakes.ledgers import AnswerLostLedger, LaggingLedger, RetryingLedger


@pytest.fixture
def lagging(opened: Open) -> LaggingLedger:
    return LaggingLedger(opened("ledger"), opened("index"))


@pytest.fixture
def arcade(tmp_path: Path, lagging: LaggingLedger) -> Arcade:
    """An arcade whose ledger's lists stand still until they are told to catch up."""
    return Arcade(tmp_path, lagging)


def test_the_sweep_does_not_act_on_an_order_that_the_index_shows_as_it_was(
    arcade: Arcade, lagging: LaggingLedger
) -> None:
    order_id = arcade.pay()
    lagging.catch_up()
    arcade.claim(order_id)
    arcade.now += 121
    assert arcade.cloud.sweep().released == 0
    assert arcade.order(order_id).state is OrderState.CLAIMED
    arcade.settle(order_id, 1, 1)
    settled = arcade.order(order_id)
    assert arcade.cloud.sweep().finished == 0
    assert arcade.order(order_id) == settled
    assert arcade.stripe.calls.count("capture") == 1


def test_the_sweep_finds_an_order_as_soon_as_the_index_does(
    arcade: Arcade, lagging: LaggingLedger
) -> None:
    order_id = arcade.pay()
    arcade.now += 120
    assert arcade.cloud.sweep() == Swept()
    lagging.catch_up()
    assert arcade.cloud.sweep().released == 1
    assert arcade.order(order_id).state is OrderState.RELEASED


def test_the_sweep_leaves_the_link_of_a_cabinet_that_only_the_index_takes_for_silent(
    arcade: Arcade, lagging: LaggingLedger
) -> None:
    link_id = arcade.link()
    arcade.ask("/status", {"healthy": True})
    lagging.catch_up()
    arcade.now += 700
    arcade.ask("/status", {"healthy": True})
    assert arcade.cloud.sweep().switched_off == 0
    assert arcade.stripe.links[link_id]["active"]
    lagging.catch_up()
    arcade.now += 601
    assert arcade.cloud.sweep().switched_off == 1
    # The index still has it: there is nothing left to do for it.
    assert arcade.cloud.sweep() == Swept()


def test_a_heartbeat_answers_with_the_orders_as_they_are(
    arcade: Arcade, lagging: LaggingLedger
) -> None:
    claimed, settled, opened = arcade.pay(), arcade.pay(), arcade.pay()
    lagging.catch_up()
    arcade.claim(claimed)
    arcade.claim(settled, "claim-2")
    arcade.settle(settled, 1, 1, "claim-2")
    _, body = arcade.ask("/status", {"healthy": True})
    assert [order["order_id"] for order in body["orders"]] == [opened]
    assert [order["order_id"] for order in body["claimed"]] == [claimed]


def test_finished_orders_that_the_index_still_lists_are_left_out(
    arcade: Arcade, lagging: LaggingLedger
) -> None:
    settled, opened = arcade.pay(), arcade.pay()
    lagging.catch_up()
    arcade.claim(settled)
    arcade.settle(settled, 1, 1)
    found = lagging.cabinet_items("cab001")
    assert [order.order_id for order in found.orders] == [opened]


def test_a_link_that_was_just_switched_on_is_left_on_though_the_index_calls_it_due(
    arcade: Arcade, lagging: LaggingLedger
) -> None:
    link_id = arcade.link()
    lagging.catch_up()
    arcade.now += 60
    assert arcade.cloud.sweep().switched_off == 1
    arcade.link()
    assert arcade.cloud.sweep() == Swept()
    assert arcade.stripe.links[link_id]["active"]


def test_a_heartbeat_switches_a_link_by_what_it_is_and_not_by_what_the_index_has(
    arcade: Arcade, lagging: LaggingLedger
) -> None:
    link_id = arcade.link()
    lagging.catch_up()
    for healthy in (False, True, False):
        _, body = arcade.ask("/status", {"healthy": healthy})
        assert arcade.stripe.links[link_id]["active"] is healthy
        assert body["link"]["state"] == ("active" if healthy else "off")


def test_a_link_that_the_index_does_not_list_yet_is_not_made_twice(arcade: Arcade) -> None:
    assert arcade.link() == arcade.link()
    assert len(arcade.stripe.links) == 1


def test_reconciliation_compares_the_orders_as_they_are(
    arcade: Arcade, lagging: LaggingLedger
) -> None:
    order_id = arcade.pay(3)
    lagging.catch_up()
    arcade.claim(order_id)
    arcade.settle(order_id, 2, 3)
    arcade.now += 3600
    assert arcade.cloud.reconciliation.compare(arcade.now - 86_400) == []


def serve(arcade: Arcade, repeats: int) -> str:
    """A payment from the scan to the charge; whoever gets no answer asks again."""
    for _ in range(repeats):
        status, body = arcade.ask("/create-payment-link", {})
        if status == 200:
            break
    session_id = arcade.stripe.pay(str(body["url"]).rpartition("/")[2], 3)
    calls: tuple[Callable[[], tuple[int, Any]], ...] = (
        lambda: arcade.deliver(arcade.completed(session_id)),
        lambda: arcade.claim(session_id),
        lambda: arcade.settle(session_id, 2, 3),
        lambda: arcade.ask("/status", {"healthy": True}),
    )
    for call in calls:
        statuses: list[int] = []
        while not statuses or (statuses[-1] != 200 and len(statuses) < repeats):
            statuses.append(call()[0])
        assert statuses == [503] * (len(statuses) - 1) + [200]
    arcade.cloud.sweep()
    return session_id


def served_once(arcade: Arcade, order_id: str) -> None:
    order = arcade.order(order_id)
    assert (order.state, order.charged) == (OrderState.SETTLED, 200)
    assert arcade.stripe.charged(order_id) == 200
    assert arcade.stripe.calls.count("capture") == 1
    assert len(arcade.orders()) == 1
    assert len(arcade.links()) == 1
    assert arcade.incidents() == []


def test_a_store_that_retries_by_itself_makes_nobody_a_loser(
    tmp_path: Path, ledger: Ledger
) -> None:
    arcade = Arcade(tmp_path, RetryingLedger(ledger))
    order_id = serve(arcade, repeats=1)
    served_once(arcade, order_id)
    assert len(arcade.publisher.of("coinpulse")) == 1


@pytest.mark.parametrize("number", range(1, 9))
def test_the_lost_answer_of_any_write_changes_nothing_in_the_end(
    tmp_path: Path, ledger: Ledger, number: int
) -> None:
    losing = AnswerLostLedger(ledger, number=0)
    arcade = Arcade(tmp_path, losing)
    losing.number = number
    order_id = serve(arcade, repeats=2)
    served_once(arcade, order_id)
