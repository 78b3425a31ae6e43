"""Time passes: late orders go back, what a crash left in between is finished, dead links go off."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from cloud.adapters.stripe_gateway import StripeRefused
from cloud.core import cabinets
from cloud.core.cabinets import Incident, Presence
from cloud.core.orders import OrderState
from cloud.services.sweep import Swept
from cloud.stores.base import Item, LedgerUnavailable, WriteResult
from cloud.stores.sqlite import SqliteLedger
from tests.cloud.stores.test_stores import ORDER
from tests.fakes.arcade import Arcade
from tests.fakes.ledgers import CountingLedger
from tests.fakes.stripe import lost


@pytest.mark.parametrize("held", [True, False])
def test_what_nobody_claimed_is_released_after_its_deadline(arcade: Arcade, held: bool) -> None:
    order_id = arcade.pay(held=held)
    arcade.now += 119
    assert arcade.cloud.sweep().published == 1
    assert arcade.order(order_id).state is OrderState.OPEN
    arcade.now += 1
    assert arcade.cloud.sweep().released == 1
    assert arcade.order(order_id).state is OrderState.RELEASED
    assert arcade.stripe.charged(order_id) == 0
    assert not arcade.stripe.holds(order_id)
    assert arcade.claim(order_id)[0] == 409
    assert arcade.cloud.sweep() == Swept()


def test_what_bought_nothing_is_released_at_once_and_never_hinted_at(arcade: Arcade) -> None:
    order_id = arcade.pay()
    order = arcade.order(order_id)
    # As if its event's call had died right after the order was stored.
    assert arcade.ledger.replace(order, replace(order, credits=0, version=2, write_id="w2"))
    hints = len(arcade.publisher.of("coinpulse"))
    assert arcade.cloud.sweep().released == 1
    assert arcade.order(order_id).state is OrderState.RELEASED
    assert len(arcade.publisher.of("coinpulse")) == hints
    assert [i.incident_id for i in arcade.incidents()] == [f"{order_id}:paid"]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("call", ["capture", "cancel", "refund"])
def test_a_lost_answer_of_stripe_charges_once_and_right(
    arcade: Arcade, call: str, when: str
) -> None:
    held = call != "refund"
    pulsed = {"capture": 4, "cancel": 0, "refund": 4}[call]
    order_id = arcade.pay(quantity=5, held=held)
    arcade.claim(order_id)
    arcade.stripe.trouble = lost(call, when)
    status, _ = arcade.settle(order_id, pulsed, 6)
    assert status == 200
    arcade.cloud.sweep()
    assert arcade.order(order_id).state is OrderState.SETTLED
    assert arcade.stripe.charged(order_id) == arcade.order(order_id).charged == 500 * pulsed // 6
    assert arcade.incidents() == []


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_release_whose_answer_was_lost_is_finished_by_the_sweep(
    arcade: Arcade, when: str
) -> None:
    order_id = arcade.pay()
    arcade.now += 120
    arcade.stripe.trouble = lost("cancel", when)
    arcade.cloud.sweep()
    arcade.cloud.sweep()
    assert arcade.order(order_id).state is OrderState.RELEASED
    assert arcade.stripe.charged(order_id) == 0


def test_while_stripe_is_away_the_cabinet_is_free_and_the_order_waits(
    arcade: Arcade,
) -> None:
    order_id = arcade.pay()
    arcade.claim(order_id)

    def away(_call: str, _when: str) -> None:
        lost(_call, _when)(_call, _when)

    arcade.stripe.trouble = away
    status, body = arcade.settle(order_id, 1, 1)
    assert (status, body["state"]) == (200, "settling")
    arcade.cloud.sweep()
    assert arcade.order(order_id).state is OrderState.SETTLING
    arcade.stripe.trouble = lambda _call, _when: None
    assert arcade.cloud.sweep().finished == 1
    assert arcade.order(order_id).charged == 100


def test_a_claimed_order_is_not_released_for_being_late_but_reported_once(
    arcade: Arcade,
) -> None:
    order_id = arcade.pay()
    arcade.claim(order_id)
    arcade.now += 901
    arcade.cloud.sweep()
    arcade.cloud.sweep()
    assert arcade.order(order_id).state is OrderState.CLAIMED
    (incident,) = arcade.incidents()
    assert (incident.order_id, incident.machine_id) == (order_id, "cab001")


def test_a_claimed_order_is_abandoned_a_day_before_its_hold_runs_out(
    arcade: Arcade,
) -> None:
    order_id = arcade.pay()
    arcade.claim(order_id)
    arcade.now += 6 * 86_400 - 1
    arcade.cloud.sweep()
    assert arcade.order(order_id).state is OrderState.CLAIMED
    arcade.now += 2
    arcade.cloud.sweep()
    assert arcade.order(order_id).state is OrderState.RELEASED
    status, body = arcade.settle(order_id, 1, 1)
    assert (status, body["charged"]) == (200, 0)
    assert arcade.order(order_id).given_away == 1


def test_one_order_in_trouble_does_not_keep_the_others_waiting(arcade: Arcade) -> None:
    first, second = arcade.pay(), arcade.pay()
    arcade.now += 120
    arcade.stripe.trouble = lost("cancel", "before", times=1)
    arcade.cloud.sweep()
    assert arcade.order(second).state is OrderState.RELEASED
    arcade.cloud.sweep()
    assert arcade.order(first).state is OrderState.RELEASED


def test_the_link_of_a_silent_cabinet_is_switched_off_and_on_again(
    arcade: Arcade,
) -> None:
    link_id = arcade.link()
    arcade.ask("/status", {"healthy": True})
    arcade.now += 599
    assert arcade.cloud.sweep().switched_off == 0
    arcade.now += 2
    assert arcade.cloud.sweep().switched_off == 1
    assert not arcade.stripe.links[link_id]["active"]
    # It is not looked at again until it is back.
    assert list(arcade.ledger.lagging_due_cabinet_ids(10**15)) == []
    arcade.ask("/status", {"healthy": True})
    assert arcade.stripe.links[link_id]["active"]
    assert list(arcade.ledger.lagging_due_cabinet_ids(10**15)) == ["cab001"]


def test_a_link_that_could_not_be_switched_off_is_tried_again(arcade: Arcade) -> None:
    link_id = arcade.link()
    arcade.ask("/status", {"healthy": True})
    arcade.now += 601
    arcade.stripe.trouble = lost("switch_link", "before")
    assert arcade.cloud.sweep().switched_off == 0
    assert arcade.stripe.links[link_id]["active"]
    assert arcade.cloud.sweep().switched_off == 1
    assert not arcade.stripe.links[link_id]["active"]
    assert arcade.cloud.sweep() == Swept()


def test_the_link_of_a_cabinet_that_never_sent_a_heartbeat_is_switched_off(
    arcade: Arcade,
) -> None:
    link_id = arcade.link()
    arcade.now += 60
    assert arcade.cloud.sweep().switched_off == 1
    assert not arcade.stripe.links[link_id]["active"]
    arcade.link()
    assert arcade.stripe.links[link_id]["active"]
    arcade.now += 60
    assert arcade.cloud.sweep().switched_off == 1


def test_a_link_is_not_switched_off_while_it_is_being_switched_on(arcade: Arcade) -> None:
    swept: list[Swept] = []

    def sweep_in_between(call: str, when: str) -> None:
        if call in ("create_link", "switch_link"):
            swept.append(arcade.cloud.sweep())

    arcade.stripe.trouble = sweep_in_between
    link_id = arcade.link()
    assert swept == [Swept()] * 2
    arcade.stripe.trouble = lambda _call, _when: None
    arcade.now += 60
    assert arcade.cloud.sweep().switched_off == 1
    arcade.stripe.trouble = sweep_in_between
    arcade.link()
    assert swept == [Swept()] * 4
    arcade.stripe.trouble = lambda _call, _when: None
    arcade.now += 60
    assert arcade.cloud.sweep().switched_off == 1
    assert not arcade.stripe.links[link_id]["active"]


def test_the_link_of_a_removed_cabinet_is_switched_off_at_the_next_sweep(
    arcade: Arcade,
) -> None:
    """As when Stripe was away while the operator's command removed it."""
    link_id = arcade.link()
    arcade.ask("/status", {"healthy": True})
    cabinet = arcade.ledger.cabinet("cab001")
    assert cabinet is not None
    arcade.cloud.links.let_sweep_look_now("cab001")
    arcade.ledger.replace(cabinet, cabinets.remove(cabinet, arcade.cloud.clock.stamp()))
    assert arcade.cloud.sweep().switched_off == 1
    assert not arcade.stripe.links[link_id]["active"]


def test_a_sweep_that_looks_at_a_healthy_cabinet_looks_again_when_it_is_silent(
    arcade: Arcade,
) -> None:
    arcade.link()
    arcade.ask("/status", {"healthy": True})
    arcade.cloud.links.let_sweep_look_now("cab001")
    assert arcade.cloud.sweep() == Swept()
    arcade.now += 601
    assert arcade.cloud.sweep().switched_off == 1


def test_a_heartbeat_during_the_sweep_is_not_forgotten(arcade: Arcade) -> None:
    """The sweep switches off, the cabinet is back, and then the sweep writes what it saw."""
    link_id = arcade.link()
    arcade.ask("/status", {"healthy": True})
    arcade.now += 601

    def back(call: str, when: str) -> None:
        if (call, when) == ("switch_link", "after"):
            arcade.stripe.trouble = lambda _call, _when: None
            arcade.ask("/status", {"healthy": True})

    arcade.stripe.trouble = back
    arcade.cloud.sweep()
    arcade.now += 601
    arcade.cloud.sweep()
    assert not arcade.stripe.links[link_id]["active"]


def test_a_settle_is_not_kept_from_its_order_by_the_report_that_it_is_late(
    arcade: Arcade,
) -> None:
    order_id = arcade.pay()
    arcade.claim(order_id)
    arcade.now += 901
    assert arcade.cloud.sweep().unsettled == 1
    assert arcade.cloud.sweep() == Swept()
    assert arcade.settle(order_id, 1, 1)[1]["charged"] == 100


def test_a_sweep_reads_only_what_is_due_however_much_there_is() -> None:
    counting = CountingLedger(SqliteLedger(Path(":memory:")))
    arcade = Arcade(Path(), counting)
    now_ms = int(arcade.now * 1000)
    cabinet = arcade.ledger.cabinet("cab001")
    assert cabinet is not None
    for number in range(10_000):
        name = f"old{number:05}"
        counting.insert(replace(cabinet, machine_id=name))
        counting.insert(Presence(name, now_ms, True, "seen", due_at_ms=now_ms + 600_001))
        counting.insert(replace(ORDER, order_id=name, machine_id=name, state=OrderState.SETTLED))
    late = arcade.pay()
    arcade.add_cabinet("cab002")
    arcade.now += 121
    opened = arcade.pay(machine_id="cab002")
    counting.counts.clear()
    swept = arcade.cloud.sweep()
    assert swept == Swept(published=1, released=1, switched_off=1)
    assert arcade.order(late).state is OrderState.RELEASED
    assert arcade.order(opened).state is OrderState.OPEN
    # Two orders, a cabinet with its presence, and its link. Three lists of what is due, one of the
    # cabinet's links.
    assert counting.counts["lists"] == 4
    assert counting.counts["listed"] == 4
    assert counting.counts["reads"] <= 8
    arcade.close()


def settle_after(arcade: Arcade, status: str, received: int, pulsed: int) -> tuple[int, int]:
    """Settles an order whose payment was changed in the dashboard; the charge by both books."""
    order_id = arcade.pay(quantity=5)
    arcade.claim(order_id)
    account = arcade.stripe.accounts[arcade.stripe.payments[order_id].intent_id]
    account.status, account.received = status, received
    arcade.settle(order_id, pulsed, 6)
    assert arcade.order(order_id).state is OrderState.SETTLED
    return arcade.order(order_id).charged, arcade.stripe.charged(order_id)


def test_a_hold_captured_in_the_dashboard_is_refunded_down_to_what_is_due(
    arcade: Arcade,
) -> None:
    assert settle_after(arcade, "succeeded", 500, pulsed=3) == (250, 250)
    assert arcade.incidents() == []


def test_a_hold_cancelled_in_the_dashboard_charges_nothing_and_is_reported(
    arcade: Arcade,
) -> None:
    assert settle_after(arcade, "canceled", 0, pulsed=6) == (0, 0)
    assert "outside of the kiosk" in arcade.incidents()[0].text
    assert arcade.orders()[0].given_away == 6


def test_what_was_changed_in_the_dashboard_is_told_though_the_ledger_fails_right_then(
    arcade: Arcade, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An order that is finished is not looked at again, so its incident comes before that."""
    order_id = arcade.pay(quantity=2)
    arcade.claim(order_id)
    arcade.stripe.accounts[arcade.order(order_id).intent_id].status = "canceled"
    insert = arcade.ledger.insert

    def fails(item: Item) -> WriteResult:
        if isinstance(item, Incident):
            raise LedgerUnavailable("throttled")
        return insert(item)

    with monkeypatch.context() as failing:
        failing.setattr(arcade.ledger, "insert", fails)
        assert arcade.settle(order_id, 2, 2)[0] == 503
    assert arcade.settle(order_id, 2, 2)[0] == 200
    assert arcade.order(order_id).state is OrderState.SETTLED
    assert [i.order_id for i in arcade.incidents()] == [order_id]


def test_less_than_stripe_can_charge_is_given_away(arcade: Arcade) -> None:
    order_id = arcade.pay(quantity=5)
    arcade.claim(order_id)

    def too_small(call: str, when: str) -> None:
        if (call, when) == ("capture", "before"):
            raise StripeRefused("Amount must be at least $0.50", "amount_too_small")

    arcade.stripe.trouble = too_small
    arcade.settle(order_id, 1, 6)
    assert arcade.order(order_id).state is OrderState.SETTLED
    assert (arcade.order(order_id).charged, arcade.stripe.charged(order_id)) == (0, 0)
    assert not arcade.stripe.holds(order_id)


def declined(arcade: Arcade, pulsed: int = 2) -> str:
    """An order whose bank refuses the capture, settled."""
    order_id = arcade.pay(3)
    arcade.claim(order_id)
    arcade.stripe.accounts[arcade.order(order_id).intent_id].declines = True
    status, body = arcade.settle(order_id, pulsed, 3)
    assert (status, body["state"]) == (200, "settling")
    return order_id


def test_a_capture_that_is_refused_is_told_at_once_in_right_words(arcade: Arcade) -> None:
    order_id = declined(arcade)
    (incident,) = arcade.incidents()
    assert (incident.order_id, incident.machine_id) == (order_id, "cab001")
    assert "gave 2 of 3 pulses, and 2.00 USD could not be charged" in incident.text
    assert "card_declined" in incident.text


def test_a_capture_that_is_refused_is_tried_each_hour_and_not_each_minute(arcade: Arcade) -> None:
    order_id = declined(arcade)
    for _ in range(180):
        arcade.now += 60
        arcade.cloud.sweep()
    assert arcade.stripe.calls.count("capture") == 1 + 3
    arcade.stripe.accounts[arcade.order(order_id).intent_id].declines = False
    arcade.now += 3600
    arcade.cloud.sweep()
    assert arcade.order(order_id).state is OrderState.SETTLED
    assert arcade.order(order_id).charged == arcade.stripe.charged(order_id) == 200
    assert len(arcade.incidents()) == 1


def test_a_capture_that_is_refused_until_the_hold_runs_out_is_given_away(arcade: Arcade) -> None:
    order_id = declined(arcade)
    arcade.now += 7 * 86_400
    arcade.stripe.accounts[arcade.order(order_id).intent_id].status = "canceled"
    arcade.cloud.sweep()
    order = arcade.order(order_id)
    assert (order.state, order.charged, order.given_away) == (OrderState.SETTLED, 0, 2)
    told = arcade.incidents()[-1].text
    assert "Stripe refused it until the hold ran out" in told
    assert "outside of the kiosk" not in told


@pytest.mark.parametrize("pulsed", [0, 1])
def test_an_order_of_another_stripe_account_is_told_and_keeps_no_cabinet(
    arcade: Arcade, pulsed: int
) -> None:
    order_id = arcade.pay()
    arcade.claim(order_id)

    def unknown(call: str, when: str) -> None:
        raise StripeRefused("No such payment_intent: 'pi_1'", "resource_missing", 404)

    arcade.stripe.trouble = unknown
    status, body = arcade.settle(order_id, pulsed, 1)
    assert (status, body["state"]) == (200, "settling")
    (incident,) = arcade.incidents()
    done = "could not be charged" if pulsed else "could not be given back"
    assert f"1.00 USD {done}" in incident.text
    assert "No such payment_intent" in incident.text
    arcade.stripe.trouble = lambda _call, _when: None
    arcade.now += 3600
    arcade.cloud.sweep()
    assert arcade.stripe.charged(order_id) == 100 * pulsed
