"""The books of Stripe, the ledger and the journals beside each other."""

from __future__ import annotations

import contextlib
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from cloud import admin
from cloud.adapters.stripe_gateway import StripeUnavailable
from cloud.core.cabinets import Incident
from cloud.core.orders import OrderState
from cloud.core.payments import Intent, Undelivered
from cloud.core.reconciliation import Finding, Repair
from cloud.stores.base import Item, LedgerUnavailable, WriteResult
from cloud.stores.sqlite import SqliteLedger
from tests.fakes.arcade import SETTINGS, Arcade
from tests.fakes.stripe import lost as losing

LATER = 3600.0


def compared(arcade: Arcade) -> list[Finding]:
    return arcade.cloud.reconciliation.compare(arcade.now - 86400)


def repaired(arcade: Arcade) -> list[str]:
    """Repairs what was found; the books agree after that."""
    books = arcade.cloud.reconciliation
    done = [books.repair(finding) for finding in compared(arcade)]
    assert compared(arcade) == []
    return done


def served(arcade: Arcade, quantity: int = 3, pulsed: int = 3, held: bool = True) -> str:
    order_id = arcade.pay(quantity, held=held)
    arcade.claim(order_id)
    arcade.settle(order_id, pulsed, quantity)
    return order_id


def paid_and_never_told(arcade: Arcade, held: bool = True) -> str:
    session_id = arcade.stripe.pay(arcade.link(), 2, held)
    arcade.stripe.created[session_id] = arcade.now
    arcade.now += LATER
    return session_id


@pytest.mark.parametrize("held", [True, False])
@pytest.mark.parametrize("pulsed", [0, 1, 3])
def test_a_day_without_trouble_has_no_exception(arcade: Arcade, pulsed: int, held: bool) -> None:
    served(arcade, 3, pulsed, held)
    arcade.now += LATER
    assert compared(arcade) == []


def test_a_payment_whose_event_never_came_is_found_and_given_back(arcade: Arcade) -> None:
    session_id = paid_and_never_told(arcade)
    (finding,) = compared(arcade)
    assert (finding.order_id, finding.amount, finding.repair) == (session_id, 200, Repair.STORE)
    assert arcade.ledger.order(session_id) is None  # looking changes nothing
    assert repaired(arcade) == ["the order is stored and released: it is too late"]
    assert arcade.order(session_id).state is OrderState.RELEASED
    assert not arcade.stripe.holds(session_id)


def test_a_payment_of_now_may_still_be_on_its_way(arcade: Arcade) -> None:
    session_id = arcade.stripe.pay(arcade.link())
    arcade.stripe.created[session_id] = arcade.now
    assert compared(arcade) == []


def of_another_link(arcade: Arcade, machine_id: str) -> str:
    """A payment for a cabinet over a link that the ledger does not have."""
    session_id = paid_and_never_told(arcade)
    payment = arcade.stripe.payments[session_id]
    other = replace(payment, link_id="plink_of_others", machine_id=machine_id)
    arcade.stripe.payments[session_id] = other
    return session_id


def test_a_payment_of_another_installation_is_none_of_ours(arcade: Arcade) -> None:
    of_another_link(arcade, "cab-of-others")
    of_another_link(arcade, "")
    assert compared(arcade) == []


def test_a_payment_for_our_cabinet_over_a_link_that_was_lost_is_told_once(arcade: Arcade) -> None:
    """It may be another installation's, so no money moves; but nobody else would ever tell."""
    session_id = of_another_link(arcade, "cab001")
    (finding,) = compared(arcade)
    assert (finding.order_id, finding.amount, finding.repair) == (session_id, 200, Repair.TELL)
    assert repaired(arcade) == ["it is in `problems`"]
    (incident,) = arcade.incidents()
    assert (incident.order_id, incident.machine_id) == (session_id, "cab001")
    assert arcade.ledger.order(session_id) is None
    assert arcade.stripe.holds(session_id)


def test_a_refund_made_in_the_dashboard_is_recorded_and_counted(arcade: Arcade) -> None:
    order_id = served(arcade)
    arcade.stripe.accounts[arcade.order(order_id).intent_id].refunded = 100
    arcade.now += LATER
    (finding,) = compared(arcade)
    assert (finding.amount, finding.repair) == (100, Repair.RECORD)
    assert repaired(arcade) == ["it is recorded"]
    order = arcade.order(order_id)
    assert (order.refunded, order.charged, order.pulsed) == (100, 300, 3)
    (tally,) = arcade.cloud.reconciliation.tallies(0.0)
    assert (tally.orders, tally.charged, tally.refunds, tally.refunded) == (1, 300, 1, 100)
    assert arcade.publisher.sent  # hints of the payment, and after the refund none
    arcade.stripe.accounts[order.intent_id].refunded = 300
    assert [f.amount for f in compared(arcade)] == [300]


def test_a_dispute_is_recorded_and_counted(arcade: Arcade) -> None:
    order_id = served(arcade)
    arcade.stripe.accounts[arcade.order(order_id).intent_id].disputed = True
    (finding,) = compared(arcade)
    assert "disputes" in finding.reason
    repaired(arcade)
    assert arcade.order(order_id).disputed
    assert arcade.cloud.reconciliation.tallies(0.0)[0].disputes == 1


def test_a_charge_above_the_ledger_is_given_back(arcade: Arcade) -> None:
    order_id = served(arcade, 3, 1)
    arcade.stripe.accounts[arcade.order(order_id).intent_id].received = 300
    (finding,) = compared(arcade)
    assert finding.amount == 200
    assert repaired(arcade) == ["the player has paid 1.00 USD now"]
    assert arcade.stripe.charged(order_id) == 100


@pytest.mark.parametrize(("pulsed", "charged"), [(0, "0.00 USD"), (2, "2.00 USD")])
def test_a_hold_that_was_left_is_finished_as_the_ledger_says(
    arcade: Arcade, pulsed: int, charged: str
) -> None:
    """As after a restored backup of Stripe's side, or a defect of ours."""
    order_id = served(arcade, 3, pulsed)
    account = arcade.stripe.accounts[arcade.order(order_id).intent_id]
    account.status, account.received = "requires_capture", 0
    (finding,) = compared(arcade)
    assert "still holds" in finding.reason
    assert repaired(arcade) == [f"the player has paid {charged} now"]
    assert arcade.stripe.charged(order_id) == 100 * pulsed


def test_an_order_that_no_sweep_ended_is_ended(arcade: Arcade) -> None:
    order_id = arcade.pay()
    arcade.now += LATER
    (finding,) = compared(arcade)
    assert finding.repair is Repair.FINISH
    assert repaired(arcade) == ["it is released now"]
    assert not arcade.stripe.holds(order_id)


def test_a_claimed_order_is_left_to_its_cabinet(arcade: Arcade) -> None:
    order_id = arcade.pay()
    arcade.claim(order_id)
    arcade.now += LATER
    (finding,) = compared(arcade)
    assert (finding.repair, "repair the cabinet" in finding.todo) == (Repair.NONE, True)
    assert arcade.cloud.reconciliation.repair(finding) == ""
    assert arcade.order(order_id).state is OrderState.CLAIMED


def test_an_order_that_stripe_does_not_know_keeps_no_other_waiting(arcade: Arcade) -> None:
    strange, lost = served(arcade), paid_and_never_told(arcade)
    del arcade.stripe.accounts[arcade.order(strange).intent_id]
    found = compared(arcade)
    assert {f.order_id for f in found} == {strange, lost}
    assert any("Stripe does not know its payment" in f.reason for f in found)


def test_hundreds_of_orders_are_compared_by_pages_of_a_hundred(arcade: Arcade) -> None:
    orders = [served(arcade, 1, 1) for _ in range(250)]
    other, hidden = orders[100], orders[200]
    arcade.stripe.accounts[arcade.order(other).intent_id].refunded = 100
    # One is made long before its order: its page was left open.
    arcade.stripe.created[hidden] = arcade.now - 3 * 3600
    arcade.now += LATER
    arcade.stripe.calls.clear()
    assert [(f.order_id, f.amount) for f in compared(arcade)] == [(other, 100)]
    calls = Counter(arcade.stripe.calls)
    assert calls == {"completed": 1, "intents": 3, "intent": 2}


def test_an_order_that_is_settled_while_stripe_is_listed_agrees(arcade: Arcade) -> None:
    """The list still has its hold, and the ledger what was charged meanwhile."""
    first, second = served(arcade), arcade.pay(2)
    arcade.claim(second)
    listing = arcade.stripe.intents

    def intents(since: float, until: float) -> list[Intent]:
        listed = listing(since, until)
        arcade.settle(second, 2, 2)
        made.append(served(arcade))
        return listed

    made: list[str] = []
    arcade.stripe.intents = intents  # type: ignore[method-assign]
    assert compared(arcade) == []
    assert arcade.order(second).state is OrderState.SETTLED
    assert arcade.order(first).charged == 300
    assert len(made) == 1


def test_a_page_that_fails_ends_the_comparison_and_changes_nothing(
    ask: Arcade, capsys: pytest.CaptureFixture[str]
) -> None:
    orders = [served(ask, 1, 1) for _ in range(120)]
    session_id = paid_and_never_told(ask)
    pages = 0

    def trouble(call: str, _when: str) -> None:
        nonlocal pages
        pages += call == "intents"
        if (call, pages) == ("intents", 2):
            raise StripeUnavailable("Stripe does not answer (Timeout)")

    ask.stripe.trouble = trouble
    assert admin.main(["reconcile", "--fix"]) == 1
    assert "Stripe does not answer" in capsys.readouterr().err
    assert ask.ledger.order(session_id) is None
    assert ask.stripe.holds(session_id)
    assert ask.stripe.charged(orders[-1]) == 100
    assert admin.main(["reconcile", "--fix"]) == 0
    assert not ask.stripe.holds(session_id)


def test_orders_of_several_days_are_listed_day_by_day(arcade: Arcade) -> None:
    began = arcade.now
    for _ in range(3):
        order_id = served(arcade)
        arcade.stripe.created[order_id] = arcade.now
        arcade.now += 40 * 3600
    arcade.stripe.calls.clear()
    assert arcade.cloud.reconciliation.compare(began) == []
    assert Counter(arcade.stripe.calls) == {"completed": 1, "intents": 3}


def test_a_payment_over_a_page_that_was_opened_before_the_range_is_found(arcade: Arcade) -> None:
    """A page can be paid for a day; by the hour at which it was opened, no later run sees it."""
    session_id = paid_and_never_told(arcade)
    arcade.stripe.created[session_id] = arcade.now - 20 * 3600
    (finding,) = arcade.cloud.reconciliation.compare(arcade.now - LATER)
    assert finding.order_id == session_id


def test_a_payment_of_now_over_a_page_that_was_open_for_long_is_on_its_way(arcade: Arcade) -> None:
    session_id = paid_and_never_told(arcade)
    payment = arcade.stripe.payments[session_id]
    arcade.stripe.payments[session_id] = replace(payment, paid_at=arcade.now - 10)
    assert compared(arcade) == []
    arcade.now += LATER
    assert [f.order_id for f in compared(arcade)] == [session_id]


def row(order_id: str, state: str = "settled", charged: str = "3") -> dict[str, str]:
    return {"order": order_id, "state": state, "charged": charged}


def test_a_journal_that_agrees_has_no_exception(arcade: Arcade) -> None:
    rows = [row(served(arcade)), row(arcade.pay(), "claiming", "0")]
    assert arcade.cloud.reconciliation.compare_journal("cab001", rows) == []


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"charged": "2"}, "2 pulses to charge, the ledger 3"),
        ({"state": "pulsing", "charged": "0"}, "the journal says pulsing, the ledger settled"),
        ({"order": "cs_of_others"}, "does not know"),
    ],
)
def test_a_journal_that_says_otherwise_is_an_exception(
    arcade: Arcade, changes: dict[str, str], told: str
) -> None:
    rows = [row(served(arcade)) | changes]
    (finding,) = arcade.cloud.reconciliation.compare_journal("cab001", rows)
    assert told in finding.reason
    assert finding.repair is Repair.NONE


@pytest.fixture
def ask(arcade: Arcade, monkeypatch: pytest.MonkeyPatch) -> Iterator[Arcade]:
    """The command over this arcade."""
    monkeypatch.setattr(admin, "read_settings", lambda _env: SETTINGS)
    monkeypatch.setattr(admin, "build", lambda _settings: arcade.cloud)
    monkeypatch.setattr(arcade.cloud, "close", lambda: None)
    monkeypatch.setattr("time.time", lambda: arcade.now)
    yield arcade
    monkeypatch.undo()


def test_the_command_lists_repairs_and_counts(
    ask: Arcade, capsys: pytest.CaptureFixture[str]
) -> None:
    served(ask)
    session_id = paid_and_never_told(ask)
    assert admin.main(["reconcile"]) == 1
    told = capsys.readouterr()
    assert f"{session_id}  cab001  2.00 USD" in told.out
    assert "its event never came" in told.out
    assert "1 of 1 exceptions are left" in told.err
    assert admin.main(["reconcile", "--fix"]) == 0
    assert "the books agree (1 exceptions repaired)" in capsys.readouterr().out
    assert admin.main(["reconcile"]) == 0
    assert "cab001  2 orders, charged 3.00 USD" in capsys.readouterr().out


def test_the_command_goes_on_after_a_repair_that_failed(
    ask: Arcade, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = served(ask, 3, 1), served(ask, 3, 1)
    for order_id in (first, second):
        ask.stripe.accounts[ask.order(order_id).intent_id].received = 300
    ask.stripe.trouble = losing("refund", "before")
    assert admin.main(["reconcile", "--fix"]) == 1
    assert "not repaired, run this again: Stripe does not answer" in capsys.readouterr().out
    assert (ask.stripe.charged(first), ask.stripe.charged(second)) == (300, 100)
    assert admin.main(["reconcile", "--fix"]) == 0
    assert ask.stripe.charged(first) == 100


def test_the_command_counts_events_that_were_never_delivered(
    ask: Arcade, capsys: pytest.CaptureFixture[str]
) -> None:
    kind = "payment_intent.canceled"
    ask.stripe.events = [Undelivered(f"evt_{n}", kind, ask.now) for n in range(2)]
    ask.now += LATER
    assert admin.main(["reconcile"]) == 0
    assert f"never delivered: 2 × {kind}" in capsys.readouterr().out


def test_the_command_takes_a_cabinets_book(
    ask: Arcade, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    order_id = served(ask)
    file = tmp_path / "cab001.csv"
    file.write_text(f"order,begun,state,charged\n{order_id},then,settled,1\n")
    assert admin.main(["reconcile", "--journal", f"cab001={file}"]) == 1
    assert "the journal has 1 pulses to charge, the ledger 3" in capsys.readouterr().out
    file.write_text("name,price\nx,1\n")
    assert admin.main(["reconcile", "--journal", f"cab001={file}"]) == 1
    assert "is no cabinet's book" in capsys.readouterr().err
    assert admin.main(["reconcile", "--journal", "cab001=/no/such.csv"]) == 1
    assert "cannot be read" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("state", "charged", "held", "goes_back"),
    [
        ("claiming", 0, True, True),
        ("refused", 0, False, True),
        ("settled", 0, False, True),
        ("pulsing", 0, True, False),
        ("settling", 2, False, False),
        ("settled", 2, True, True),  # nobody was charged, and the cabinet reports no more
        ("settled", 2, False, False),
    ],
)
def test_what_a_cabinets_journal_has_is_not_given_back(
    ask: Arcade, tmp_path: Path, state: str, charged: int, held: bool, goes_back: bool
) -> None:
    order_id = paid_and_never_told(ask, held)
    file = tmp_path / "cab001.csv"
    file.write_text(f"order,begun,state,charged\n{order_id},then,{state},{charged}\n")
    assert admin.main(["reconcile", "--fix", "--journal", f"cab001={file}"]) == 1
    is_there = ask.stripe.holds(order_id) or ask.stripe.charged(order_id) == 200
    assert is_there is not goes_back
    assert (ask.ledger.order(order_id) is not None) is goes_back


def test_the_command_has_links_switched_off_that_should_be_off(
    ask: Arcade, capsys: pytest.CaptureFixture[str]
) -> None:
    link_id = ask.link()
    ask.cloud.links.switch_off("cab001")
    ask.stripe.links[link_id]["active"] = True
    assert admin.main(["reconcile"]) == 0
    assert admin.main(["reconcile", "--fix"]) == 0
    assert f"{link_id}  cab001: the link is off here" in capsys.readouterr().out
    ask.cloud.sweep()
    assert not ask.stripe.links[link_id]["active"]


@pytest.fixture
def restore(arcade: Arcade, tmp_path: Path) -> Callable[[], None]:
    """Puts the ledger back as it was when the test began."""
    arcade.link()
    copy = sqlite3.connect(tmp_path / "backup.db")
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as source, closing(copy):
        source.backup(copy)

    def put_back() -> None:
        arcade.cloud.close()
        arcade.use(SqliteLedger(tmp_path / "backup.db"))

    return put_back


@pytest.mark.parametrize("held", [True, False])
def test_what_a_cabinet_settled_is_rebuilt_in_a_restored_ledger_and_never_refunded(
    arcade: Arcade, restore: Callable[[], None], held: bool
) -> None:
    whole, part = served(arcade, 3, 3, held), served(arcade, 2, 1, held)
    nothing = served(arcade, 2, 0, held)
    restore()
    arcade.now += LATER
    assert [(f.order_id, f.amount) for f in compared(arcade)] == [(whole, 300), (part, 100)]
    assert repaired(arcade) == [
        "the order is stored as settled, 3.00 USD charged",
        "the order is stored as settled, 1.00 USD charged",
    ]
    for order_id, pulsed, pulses in ((whole, 3, 3), (part, 1, 2)):
        order = arcade.order(order_id)
        assert (order.state, order.charged) == (OrderState.SETTLED, 100 * pulsed)
        assert (order.pulsed, order.pulses, order.refunded) == (pulsed, pulses, 0)
        assert arcade.stripe.charged(order_id) == 100 * pulsed
    assert arcade.stripe.charged(nothing) == 0
    assert [i.order_id for i in arcade.incidents()] == [whole, part]
    rows = [row(whole), row(part, charged="1")]
    assert arcade.cloud.reconciliation.compare_journal("cab001", rows) == []


def test_an_order_charged_at_once_is_not_settled_before_stripe_knows_what_was_made(
    arcade: Arcade, restore: Callable[[], None]
) -> None:
    order_id = arcade.pay(3, held=False)
    arcade.claim(order_id)
    arcade.stripe.trouble = losing("note_pulses", "before")
    assert arcade.settle(order_id, 3, 3)[0] == 200
    assert arcade.order(order_id).state is OrderState.SETTLING
    arcade.now += 60
    arcade.cloud.sweep()
    assert arcade.order(order_id).state is OrderState.SETTLED
    restore()
    arcade.now += LATER
    assert repaired(arcade) == ["the order is stored as settled, 3.00 USD charged"]
    assert arcade.stripe.charged(order_id) == 300


def test_an_event_that_comes_again_to_a_restored_ledger_refunds_nothing(
    arcade: Arcade, restore: Callable[[], None]
) -> None:
    order_id = served(arcade, 3, 2)
    body = arcade.completed(order_id)
    restore()
    assert arcade.deliver(body)[0] == 200
    assert arcade.order(order_id).state is OrderState.SETTLED
    arcade.now += LATER
    arcade.cloud.sweep()
    assert arcade.stripe.charged(order_id) == 200
    assert compared(arcade) == []


@pytest.mark.parametrize("still_open", [True, False])
def test_a_rebuilt_order_is_told_though_the_ledger_fails_right_then(
    arcade: Arcade,
    restore: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
    still_open: bool,
) -> None:
    order_id = arcade.pay(3)
    before = arcade.order(order_id)
    arcade.claim(order_id)
    arcade.settle(order_id, 2, 3)
    restore()
    if still_open:
        arcade.ledger.insert(before)
    arcade.now += LATER
    insert = arcade.ledger.insert

    def fails(item: Item) -> WriteResult:
        if isinstance(item, Incident):
            raise LedgerUnavailable("throttled")
        return insert(item)

    def work() -> None:
        arcade.cloud.sweep()
        for finding in compared(arcade):
            arcade.cloud.reconciliation.repair(finding)

    with monkeypatch.context() as failing:
        failing.setattr(arcade.ledger, "insert", fails)
        with contextlib.suppress(LedgerUnavailable):
            work()
    work()
    assert arcade.order(order_id).rebuilt
    assert [i.order_id for i in arcade.incidents()] == [order_id]


@pytest.mark.parametrize("held", [True, False])
def test_an_order_that_a_restored_ledger_has_as_open_is_not_released_after_its_settle(
    arcade: Arcade, tmp_path: Path, held: bool
) -> None:
    order_id = arcade.pay(3, held=held)
    before = arcade.order(order_id)
    arcade.claim(order_id)
    arcade.settle(order_id, 2, 3)
    arcade.cloud.close()
    arcade.use(SqliteLedger(tmp_path / "restored.db"))
    arcade.ledger.insert(before)
    arcade.now += LATER
    arcade.cloud.sweep()
    order = arcade.order(order_id)
    assert (order.state, order.charged, order.pulsed) == (OrderState.SETTLED, 200, 2)
    assert arcade.stripe.charged(order_id) == 200
    assert "2 of 3 pulses" in arcade.incidents()[0].text
    assert compared(arcade) == []


def test_a_captured_hold_without_a_note_of_its_pulses_is_kept_and_told(
    arcade: Arcade, restore: Callable[[], None]
) -> None:
    """As from a version of the cloud that wrote no note, or from a hand in the dashboard."""
    order_id = served(arcade, 2, 1)
    account = arcade.stripe.accounts[arcade.order(order_id).intent_id]
    account.pulsed = account.pulses = 0
    restore()
    arcade.now += LATER
    (finding,) = compared(arcade)
    assert (finding.amount, "no money moves" in finding.todo) == (100, True)
    repaired(arcade)
    assert arcade.stripe.charged(order_id) == 100
    assert "unknown number of pulses" in arcade.incidents()[0].text


def test_a_hold_that_was_captured_by_hand_before_its_event_still_gives_its_plays(
    arcade: Arcade,
) -> None:
    session_id = arcade.stripe.pay(arcade.link(), 2)
    account = arcade.stripe.accounts[arcade.stripe.payments[session_id].intent_id]
    account.status, account.received = "succeeded", 200
    arcade.deliver(arcade.completed(session_id))
    arcade.claim(session_id)
    arcade.settle(session_id, 1, 2)
    assert arcade.order(session_id).charged == arcade.stripe.charged(session_id) == 100


def test_an_order_that_stripe_refuses_to_finish_is_not_called_repaired(arcade: Arcade) -> None:
    order_id = arcade.pay()
    arcade.claim(order_id)
    account = arcade.stripe.accounts[arcade.order(order_id).intent_id]
    account.declines = True
    arcade.settle(order_id, 1, 1)
    arcade.now += LATER
    (finding,) = compared(arcade)
    assert (finding.repair, arcade.cloud.reconciliation.repair(finding)) == (Repair.FINISH, "")
    account.declines = False
    assert repaired(arcade) == ["it is settled now"]
    assert arcade.stripe.charged(order_id) == 100
