"""A ledger was restored from before an order, and the order's cabinet reports it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from cloud.adapters.stripe_gateway import StripeUnavailable
from cloud.core.orders import OrderState
from cloud.stores.sqlite import SqliteLedger
from tests.fakes.arcade import Arcade


def forget(arcade: Arcade, order_id: str, path: Path) -> None:
    """Puts a ledger in the place of the arcade's that has all of it but the order."""
    kept = SqliteLedger(path)
    order = arcade.order(order_id)
    cabinet = arcade.ledger.cabinet(order.machine_id)
    link = arcade.ledger.link(arcade.stripe.payments[order_id].link_id)
    assert cabinet is not None
    assert link is not None
    kept.insert(cabinet)
    kept.insert(link)
    arcade.cloud.close()
    arcade.use(kept)


def claimed_and_lost(arcade: Arcade, path: Path, held: bool = True) -> str:
    """An order of three plays that was claimed before the ledger was restored."""
    order_id = arcade.pay(3, held=held)
    arcade.claim(order_id)
    forget(arcade, order_id, path)
    return order_id


@pytest.mark.parametrize("held", [True, False])
@pytest.mark.parametrize("pulsed", [0, 2, 3])
def test_what_a_cabinet_reports_of_a_lost_order_is_charged(
    arcade: Arcade, tmp_path: Path, held: bool, pulsed: int
) -> None:
    order_id = claimed_and_lost(arcade, tmp_path / "restored.db", held)
    assert arcade.settle(order_id, pulsed, 3)[0] == 200
    order = arcade.order(order_id)
    assert (order.state, order.pulsed, order.charged) == (OrderState.SETTLED, pulsed, 100 * pulsed)
    assert arcade.stripe.charged(order_id) == 100 * pulsed
    assert not arcade.stripe.holds(order_id)
    assert f"{pulsed} of 3 pulses" in arcade.incidents()[0].text
    # The same report again, and the event again, change nothing.
    assert arcade.settle(order_id, pulsed, 3)[0] == 200
    arcade.deliver(arcade.completed(order_id))
    assert arcade.order(order_id) == order
    arcade.now += 3600
    assert arcade.cloud.reconciliation.compare(0.0) == []


def test_a_lost_order_whose_hold_is_gone_is_told(arcade: Arcade, tmp_path: Path) -> None:
    order_id = claimed_and_lost(arcade, tmp_path / "restored.db")
    intent_id = arcade.stripe.payments[order_id].intent_id
    arcade.stripe.accounts[intent_id].status = "canceled"
    assert arcade.settle(order_id, 2, 3)[0] == 404
    (incident,) = arcade.incidents()
    assert (incident.order_id, incident.amount) == (order_id, 300)
    assert "cannot be charged" in incident.text


def test_while_stripe_is_away_the_cabinet_reports_again(
    arcade: Arcade, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order_id = claimed_and_lost(arcade, tmp_path / "restored.db")

    def away(_call: str, _when: str) -> None:
        raise StripeUnavailable("Stripe does not answer")

    with monkeypatch.context() as failing:
        failing.setattr(arcade.stripe, "trouble", away)
        assert arcade.settle(order_id, 3, 3)[0] == 503
    assert arcade.settle(order_id, 3, 3)[0] == 200
    assert arcade.stripe.charged(order_id) == 300


def test_another_cabinets_or_a_made_up_order_is_not_taken(arcade: Arcade, tmp_path: Path) -> None:
    order_id = claimed_and_lost(arcade, tmp_path / "restored.db")
    payment = arcade.stripe.payments[order_id]
    arcade.stripe.payments[order_id] = replace(payment, machine_id="cab002")
    for made_up in (order_id, "cs_nobody", "junk"):
        assert arcade.settle(made_up, 3, 3)[0] == 404
        assert arcade.ledger.order(made_up) is None
    assert arcade.stripe.holds(order_id)
    assert arcade.incidents() == []


def test_a_lost_order_that_was_settled_before_is_left_to_reconcile(
    arcade: Arcade, tmp_path: Path
) -> None:
    order_id = arcade.pay(3)
    arcade.claim(order_id)
    arcade.settle(order_id, 2, 3)
    forget(arcade, order_id, tmp_path / "restored.db")
    assert arcade.settle(order_id, 3, 3)[0] == 404
    assert arcade.stripe.charged(order_id) == 200
