"""A sweep has its time: it ends before Lambda ends it, and everything has its turn."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from cloud.adapters.publisher import PublishFailed
from cloud.adapters.stripe_gateway import TIMEOUT_SECONDS, StripeUnavailable
from cloud.core.orders import Order, OrderState
from cloud.settings import Times
from cloud.stores.base import Replaceable, WriteResult
from tests.fakes.arcade import Arcade

CALL_SECONDS = 23.0  # a call that hangs: two tries of connecting and reading, and the pause between


class LambdaEnds(BaseException):
    """Lambda stops the function wherever it is."""


def limited(arcade: Arcade, limit: float = 55.0) -> bool:
    """One sweep; whether it ended by itself."""
    end = arcade.now + limit
    called = arcade.stripe.trouble

    def watched(call: str, when: str) -> None:
        called(call, when)
        if arcade.now > end:
            raise LambdaEnds

    arcade.stripe.trouble = watched
    try:
        arcade.cloud.sweep()
    except LambdaEnds:
        return False
    finally:
        arcade.stripe.trouble = called
    return arcade.now <= end


def hang(arcade: Arcade, which: Callable[[str], bool] = lambda _call: True) -> None:
    """Stripe takes all the time there is, and then there is no answer."""

    def trouble(call: str, when: str) -> None:
        if when == "before" and which(call):
            arcade.now += CALL_SECONDS
            raise StripeUnavailable("Stripe does not answer (Timeout)")

    arcade.stripe.trouble = trouble


def hang_for(arcade: Arcade, slow: set[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Stripe hangs for the payments of these orders only."""
    intents = {arcade.order(order_id).intent_id for order_id in slow}
    for name in ("capture", "cancel", "intent"):
        ask = getattr(arcade.stripe, name)

        def asked(intent_id: str, *more: Any, ask: Callable[..., Any] = ask) -> Any:
            if intent_id in intents:
                arcade.now += CALL_SECONDS
                raise StripeUnavailable("Stripe does not answer (Timeout)")
            return ask(intent_id, *more)

        monkeypatch.setattr(arcade.stripe, name, asked)


def late(arcade: Arcade, count: int) -> list[str]:
    """Orders that nobody claimed in time."""
    found = [arcade.pay() for _ in range(count)]
    arcade.now += 121
    return found


def test_a_call_of_stripe_and_the_sweeps_time_fit_into_lambdas(root: Path) -> None:
    class Loader(yaml.SafeLoader):
        pass

    Loader.add_multi_constructor("!", lambda *_: None)
    template = yaml.load((root / "lambda" / "template.yaml").read_text(), Loader)
    limit = template["Resources"]["Sweep"]["Properties"]["Timeout"]
    assert 2 * sum(TIMEOUT_SECONDS) + 0.5 <= CALL_SECONDS
    assert Times().sweep + CALL_SECONDS < limit


def test_with_stripe_hanging_each_sweep_ends_in_time_and_nothing_is_lost(arcade: Arcade) -> None:
    orders = late(arcade, 6)
    hang(arcade)
    for _ in range(8):
        assert limited(arcade)
        arcade.now += 30
    assert {arcade.order(o).state for o in orders} <= {OrderState.OPEN, OrderState.RELEASING}
    # The player's money is safe all the time; each order had its turn.
    assert all(arcade.order(o).state is OrderState.RELEASING for o in orders)
    arcade.stripe.trouble = lambda _call, _when: None
    arcade.cloud.sweep()
    assert {arcade.order(o).state for o in orders} == {OrderState.RELEASED}
    assert sum(arcade.stripe.charged(o) for o in orders) == 0


def test_orders_that_are_slow_for_ever_do_not_starve_the_others(
    arcade: Arcade, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = set(late(arcade, 5))
    others = late(arcade, 5)
    hang_for(arcade, slow, monkeypatch)
    for _ in range(6):
        assert limited(arcade)
        arcade.now += 30
    assert {arcade.order(o).state for o in others} == {OrderState.RELEASED}


def test_slow_orders_do_not_keep_a_dead_cabinets_link_on(
    arcade: Arcade, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = set(late(arcade, 5))
    link_id = arcade.link()
    hang_for(arcade, slow, monkeypatch)
    arcade.ask("/status", {"healthy": True})
    arcade.now += 601
    for _ in range(3):
        assert limited(arcade)
        arcade.now += 30
    assert not arcade.stripe.links[link_id]["active"]


def test_a_defect_that_one_order_shows_does_not_end_the_sweep(
    arcade: Arcade, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    broken, *others = late(arcade, 3)
    arcade.add_cabinet("cab002")
    link_id = arcade.link("cab002")
    arcade.now += 60
    cancel = arcade.stripe.cancel

    def defect(intent_id: str, key: str) -> None:
        if intent_id == arcade.order(broken).intent_id:
            raise ZeroDivisionError("a defect")
        cancel(intent_id, key)

    monkeypatch.setattr(arcade.stripe, "cancel", defect)
    swept = arcade.cloud.sweep()
    assert (swept.released, swept.failed) == (2, 1)
    assert {arcade.order(o).state for o in others} == {OrderState.RELEASED}
    assert not arcade.stripe.links[link_id]["active"]
    assert "a defect" in caplog.text


def test_a_record_that_is_damaged_keeps_nobody_waiting_and_is_told_once(
    arcade: Arcade, tmp_path: Path
) -> None:
    broken, other = late(arcade, 2)
    with sqlite3.connect(tmp_path / "ledger.db") as db:
        db.execute("UPDATE orders SET body='{}' WHERE id=?", (broken,))
    db.close()
    for _ in range(3):
        arcade.cloud.sweep()
    assert arcade.order(other).state is OrderState.RELEASED
    (told,) = arcade.incidents()
    assert (broken in told.text, bool(told.todo)) == (True, True)


@pytest.mark.parametrize("claimed", [True, False], ids=["settling", "releasing"])
def test_an_order_that_keeps_failing_is_told_once_with_its_money(
    arcade: Arcade, claimed: bool
) -> None:
    order_id = arcade.pay(quantity=5)
    hang(arcade, lambda call: call in ("capture", "cancel", "intent"))
    if claimed:
        arcade.claim(order_id)
        arcade.settle(order_id, 6, 6)
    else:
        arcade.now += 121
    for _ in range(4):
        arcade.cloud.sweep()
    assert arcade.incidents() == []
    for _ in range(30):
        arcade.now += 60
        arcade.cloud.sweep()
    (told,) = arcade.incidents()
    assert (told.order_id, told.amount, told.currency) == (order_id, 500, "USD")
    assert "each sweep fails on it" in told.text
    assert told.todo
    arcade.stripe.trouble = lambda _call, _when: None
    arcade.cloud.sweep()
    assert arcade.stripe.charged(order_id) == arcade.order(order_id).charged == 500 * claimed


def test_a_link_that_cannot_be_switched_off_is_told_once(arcade: Arcade) -> None:
    arcade.link()
    arcade.ask("/status", {"healthy": True})
    hang(arcade, lambda call: call == "switch_link")
    for _ in range(60):
        arcade.now += 60
        arcade.cloud.sweep()
    (told,) = arcade.incidents()
    assert (told.machine_id, "cannot be switched off" in told.text) == ("cab001", True)


def test_a_broker_that_hangs_costs_a_sweep_one_message(
    arcade: Arcade, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = late(arcade, 20)
    opened = [arcade.pay() for _ in range(20)]
    tried: list[str] = []

    def publish(topic: str, _payload: bytes, _expiry_s: int | None = None) -> None:
        tried.append(topic)
        arcade.now += 4
        raise PublishFailed("the broker does not answer")

    monkeypatch.setattr(arcade.publisher, "publish", publish)
    begun = arcade.now
    assert arcade.cloud.sweep().released == 20
    assert len(tried) == 1
    assert arcade.now - begun == 4
    assert {arcade.order(o).state for o in old} == {OrderState.RELEASED}
    assert {arcade.order(o).state for o in opened} == {OrderState.OPEN}
    # The next round tries again.
    arcade.cloud.sweep()
    assert len(tried) == 2


def test_a_claim_is_not_lost_to_the_sweeps_own_writes(
    arcade: Arcade, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sweep never writes an open order but to release it."""
    order_id = arcade.pay()
    arcade.publisher.broken = True
    written: list[Replaceable] = []
    replace = arcade.ledger.replace

    def watched(old: Any, new: Any) -> WriteResult:
        written.append(new)
        return replace(old, new)

    monkeypatch.setattr(arcade.ledger, "replace", watched)
    for _ in range(3):
        arcade.now += 30
        arcade.cloud.sweep()
    assert [item for item in written if isinstance(item, Order)] == []
    assert arcade.claim(order_id)[0] == 200


def test_what_was_not_reached_is_counted(arcade: Arcade) -> None:
    late(arcade, 6)
    hang(arcade)
    swept = arcade.cloud.sweep()
    # The cabinet is due as well: it was never seen.
    assert swept.left + swept.failed == 7
    assert swept.left >= 4
    assert json.dumps(vars(swept))


def test_a_sweep_that_is_ended_finishes_what_it_is_at_and_leaves_the_rest(arcade: Arcade) -> None:
    order_ids = [arcade.pay() for _ in range(4)]
    arcade.now += 121

    def end(call: str, when: str) -> None:
        if call == "cancel":
            arcade.cloud.end_sweep()

    arcade.stripe.trouble = end
    swept = arcade.cloud.sweep()
    assert (swept.released, swept.failed) == (1, 0)
    assert swept.left >= 3
    states = [arcade.order(order_id).state for order_id in order_ids]
    assert sorted(state.value for state in states) == ["open", "open", "open", "released"]
    assert arcade.cloud.sweep().released == 0
    # The next process goes on.
    arcade.stripe.trouble = lambda call, when: None
    arcade.use(arcade.ledger)
    assert arcade.cloud.sweep().released == 3
    assert [arcade.stripe.holds(order_id) for order_id in order_ids] == [False] * 4


def test_a_sweep_that_is_ended_between_ledger_and_stripe_is_gone_on_with(arcade: Arcade) -> None:
    order_id = arcade.pay(held=False)
    arcade.now += 121

    def end(call: str, when: str) -> None:
        if call == "intent":
            arcade.cloud.end_sweep()

    arcade.stripe.trouble = end
    arcade.cloud.sweep()
    assert arcade.order(order_id).state is OrderState.RELEASING
    arcade.stripe.trouble = lambda call, when: None
    arcade.use(arcade.ledger)
    assert arcade.cloud.sweep().finished == 1
    assert arcade.stripe.charged(order_id) == 0
