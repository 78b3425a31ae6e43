"""What every store of the ledger must do: the one set of tests that all of them pass."""

from __future__ import annotations

import itertools
import threading
from dataclasses import replace
from typing import Any

import pytest

from cloud.core.cabinets import Cabinet, Incident, PaymentLink, Presence
from cloud.core.forgiveness import DAY_MS, Forgiveness, ForgivenOrder
from cloud.core.holds import Hold
from cloud.core.orders import Order, OrderState
from cloud.core.prices import Bonus, PriceList
from cloud.stores import records
from cloud.stores.base import Item, Ledger, LedgerUnavailable, Replaceable, WriteResult
from tests.cloud.stores.conftest import Open
from tests.fakes.ledgers import AnswerLostLedger, RetryingLedger

PRICES = PriceList(100, "USD", (Bonus(5, 6),))
ORDER = Order(
    order_id="cs_1",
    machine_id="cab001",
    state=OrderState.OPEN,
    quantity=1,
    credits=1,
    amount=100,
    currency="USD",
    intent_id="pi_1",
    held=True,
    paid_at_ms=1_000_000,
    deadline_ms=1_120_000,
    hold_until_ms=9_999_000,
    write_id="paid",
)
CABINET = Cabinet("cab001", "Cabinet one", "hash", PRICES, "added")
LINK = PaymentLink("plink_1", "cab001", "https://x", "price_1", 1, PRICES, 1_000, "made")
PRESENCE = Presence("cab001", 5_000, False, "seen", problems=("no relay",), due_at_ms=605_001)
INCIDENT = Incident("cs_1:odd", 7_000, "odd", "reported", "cab001", "cs_1")
FORGIVENESS = Forgiveness("card:x", (ForgivenOrder("cs_1", 8_000, 3),), 8_000 + DAY_MS, "forgiven")
HOLD = Hold("pi_1", 9_000, "held", 300, "USD", 8_000, "card-hash")
ITEMS: list[Item] = [ORDER, CABINET, LINK, PRESENCE, INCIDENT, FORGIVENESS, HOLD]
CHANGES: list[tuple[Replaceable, Replaceable]] = [
    (ORDER, replace(ORDER, state=OrderState.CLAIMED, claim_id="a", version=2, write_id="w2")),
    (CABINET, replace(CABINET, name="new", version=2, write_id="w2")),
    (LINK, replace(LINK, wanted=False, version=2, write_id="w2")),
    (PRESENCE, replace(PRESENCE, due_at_ms=None, write_id="w2")),
    (FORGIVENESS, replace(FORGIVENESS, orders=(), version=2, write_id="w2")),
]
each_item = pytest.mark.parametrize("item", ITEMS, ids=lambda item: type(item).__name__)
each_change = pytest.mark.parametrize(
    ("old", "new"), CHANGES, ids=[type(old).__name__ for old, _ in CHANGES]
)


def stored(ledger: Ledger, item: Item) -> Item | None:
    """What the ledger has in the place of ``item``."""
    match item:
        case Order():
            return ledger.order(item.order_id)
        case Cabinet():
            return ledger.cabinet(item.machine_id)
        case PaymentLink():
            return ledger.link(item.link_id)
        case Presence():
            return ledger.presence(item.machine_id)
        case Incident():
            found = ledger.lagging_incidents()
            return next((i for i in found if i.incident_id == item.incident_id), None)
        case Forgiveness():
            return ledger.forgiveness(item.subject)
        case Hold():
            return ledger.hold(item.intent_id)


@each_item
def test_an_item_is_inserted_once(ledger: Ledger, item: Item) -> None:
    assert ledger.insert(item) is WriteResult.WRITTEN
    assert ledger.insert(replace(item, write_id="other")) is WriteResult.LOST
    assert not ledger.insert(replace(item, write_id="other"))
    assert stored(ledger, item) == item


@each_item
def test_everything_comes_back_as_it_was_also_after_a_restart(opened: Open, item: Item) -> None:
    first = opened()
    first.insert(item)
    first.close()
    assert stored(opened(), item) == item


def test_what_is_not_there_is_none(ledger: Ledger) -> None:
    assert [stored(ledger, item) for item in ITEMS] == [None] * len(ITEMS)


@each_change
def test_a_replacement_needs_the_item_that_was_read(
    ledger: Ledger, old: Replaceable, new: Replaceable
) -> None:
    ledger.insert(old)
    assert ledger.replace(old, new) is WriteResult.WRITTEN
    assert ledger.replace(old, replace(new, write_id="other")) is WriteResult.LOST
    assert stored(ledger, old) == new


def test_an_order_is_only_replaced_from_the_state_that_was_read(ledger: Ledger) -> None:
    ledger.insert(ORDER)
    other = replace(ORDER, state=OrderState.CLAIMED)
    assert not ledger.replace(other, replace(other, version=2, write_id="w2"))
    assert ledger.order("cs_1") == ORDER


@each_change
def test_a_replacement_of_what_was_never_stored_does_nothing(
    ledger: Ledger, old: Replaceable, new: Replaceable
) -> None:
    assert ledger.replace(old, new) is WriteResult.LOST
    assert stored(ledger, old) is None


@each_change
def test_a_write_needs_an_id_of_its_own(ledger: Ledger, old: Replaceable, new: Replaceable) -> None:
    ledger.insert(old)
    with pytest.raises(ValueError, match="write_id"):
        ledger.replace(old, replace(new, write_id=old.write_id))


@each_item
def test_an_insert_whose_answer_was_lost_is_told_as_ones_own(ledger: Ledger, item: Item) -> None:
    losing = AnswerLostLedger(ledger)
    with pytest.raises(LedgerUnavailable):
        losing.insert(item)
    assert losing.insert(item) is WriteResult.ALREADY_WRITTEN
    assert losing.insert(item)
    assert stored(ledger, item) == item


@each_change
def test_a_replacement_whose_answer_was_lost_is_told_as_ones_own(
    ledger: Ledger, old: Replaceable, new: Replaceable
) -> None:
    ledger.insert(old)
    losing = AnswerLostLedger(ledger)
    with pytest.raises(LedgerUnavailable):
        losing.replace(old, new)
    assert losing.replace(old, new) is WriteResult.ALREADY_WRITTEN
    assert losing.replace(old, new)
    assert stored(ledger, old) == new


@each_change
def test_a_client_that_retries_by_itself_did_not_lose(
    ledger: Ledger, old: Replaceable, new: Replaceable
) -> None:
    retrying = RetryingLedger(ledger)
    assert retrying.insert(old) is WriteResult.ALREADY_WRITTEN
    assert retrying.replace(old, new) is WriteResult.ALREADY_WRITTEN
    assert not retrying.replace(old, replace(new, write_id="other"))


def test_of_many_at_once_exactly_one_wins(opened: Open) -> None:
    ledgers = [opened(), opened()]
    ledgers[0].insert(ORDER)
    won: list[str] = []
    start = threading.Barrier(8)

    def race(number: int) -> None:
        start.wait()
        name = f"claim-{number}"
        new = replace(ORDER, state=OrderState.CLAIMED, claim_id=name, version=2, write_id=name)
        if ledgers[number % 2].replace(ORDER, new):
            won.append(name)

    threads = [threading.Thread(target=race, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    order = ledgers[0].order("cs_1")
    assert order is not None
    assert won == [order.claim_id]


def test_lists_give_what_they_are_asked_for_oldest_first(ledger: Ledger) -> None:
    for number, state in enumerate(OrderState):
        ledger.insert(
            replace(ORDER, order_id=f"cs_{state.value}", state=state, paid_at_ms=100 - number)
        )
    ledger.insert(replace(ORDER, order_id="cs_other", machine_id="cab002", paid_at_ms=50))
    assert list(ledger.lagging_unfinished_ids("cab002")) == ["cs_other"]
    assert list(ledger.lagging_unfinished_ids("cab001")) == [
        "cs_releasing",
        "cs_settling",
        "cs_claimed",
        "cs_open",
    ]
    assert len(list(ledger.lagging_orders("cab001", since_ms=99))) == 2
    assert next(ledger.lagging_orders()).order_id == "cs_other"
    for number in (3, 1, 2):
        ledger.insert(replace(INCIDENT, incident_id=f"i{number}", at_ms=number))
        ledger.insert(replace(CABINET, machine_id=f"cab{number}"))
    assert [i.at_ms for i in ledger.lagging_incidents(since_ms=2)] == [2, 3]
    assert [c.machine_id for c in ledger.lagging_cabinets()] == ["cab1", "cab2", "cab3"]


def test_due_is_what_has_its_time_behind_it_the_longest_due_first(ledger: Ledger) -> None:
    due = {"a": 300, "b": 100, "c": 200, "later": 301, "never": None}
    for name, due_at_ms in due.items():
        ledger.insert(replace(ORDER, order_id=name, due_at_ms=due_at_ms))
        ledger.insert(replace(PRESENCE, machine_id=name, due_at_ms=due_at_ms))
    assert list(ledger.lagging_due_order_ids(300)) == ["b", "c", "a"]
    assert list(ledger.lagging_due_cabinet_ids(300)) == ["b", "c", "a"]
    order, presence = ledger.order("b"), ledger.presence("b")
    assert order is not None
    assert presence is not None
    ledger.replace(order, replace(order, due_at_ms=None, version=2, write_id="done"))
    ledger.replace(presence, replace(presence, due_at_ms=999, write_id="done"))
    ledger.see(replace(PRESENCE, machine_id="c", seen_at_ms=9_000, due_at_ms=999))
    assert list(ledger.lagging_due_order_ids(300)) == ["c", "a"]
    assert list(ledger.lagging_due_cabinet_ids(300)) == ["a"]


def test_a_long_list_comes_whole_and_in_order_while_it_is_written_to(ledger: Ledger) -> None:
    names = [f"cs_{number:04}" for number in range(450)]
    for number, name in enumerate(names):
        # Many of the same time: the place where a page ends must not lose or double any.
        ledger.insert(replace(ORDER, order_id=name, paid_at_ms=number // 150, due_at_ms=7))
    listed = []
    for name in ledger.lagging_due_order_ids(7):
        order = ledger.order(name)
        assert order is not None
        ledger.replace(order, replace(order, due_at_ms=None, version=2, write_id="done"))
        listed.append(name)
    assert listed == names
    assert list(ledger.lagging_due_order_ids(7)) == []
    assert [order.order_id for order in ledger.lagging_orders()] == names
    assert len(list(itertools.islice(ledger.lagging_orders(), 3))) == 3


def test_the_newest_link_is_the_one_made_last_whichever_was_stored_first(ledger: Ledger) -> None:
    ledger.insert(replace(LINK, link_id="plink_new", created_at_ms=3_000))
    ledger.insert(replace(LINK, link_id="plink_old", created_at_ms=1_000))
    ledger.insert(replace(LINK, link_id="plink_middle", created_at_ms=2_000))
    ledger.insert(replace(LINK, link_id="plink_other", machine_id="cab002"))
    listed = list(ledger.lagging_link_ids("cab001"))
    assert listed == ["plink_new", "plink_middle", "plink_old"]


def test_a_heartbeat_takes_the_place_of_the_one_before(ledger: Ledger) -> None:
    first = Presence("cab001", 1_000, True, "first", due_at_ms=601_001)
    second = Presence("cab001", 2_000, False, "second", problems=("no relay",))
    for presence in (first, second):
        assert ledger.see(presence)
        assert ledger.presence("cab001") == presence
    assert ledger.presence("cab002") is None


def test_a_heartbeat_that_comes_late_does_not_overwrite_a_newer_one(ledger: Ledger) -> None:
    newer = Presence("cab001", 2_000, False, "newer")
    ledger.see(newer)
    assert ledger.see(Presence("cab001", 1_999, True, "late")) is WriteResult.LOST
    assert ledger.presence("cab001") == newer
    assert ledger.see(Presence("cab001", 2_000, True, "at the same time"))


def test_a_heartbeat_whose_answer_was_lost_may_be_stored_again(ledger: Ledger) -> None:
    assert RetryingLedger(ledger).see(PRESENCE)
    assert ledger.presence("cab001") == PRESENCE


def test_a_presence_that_a_heartbeat_has_renewed_is_not_replaced(ledger: Ledger) -> None:
    ledger.see(PRESENCE)
    ledger.see(replace(PRESENCE, write_id="renewed"))
    assert not ledger.replace(PRESENCE, replace(PRESENCE, due_at_ms=None, write_id="swept"))


@each_change
def test_what_a_newer_program_stores_is_read_and_left_in_its_place(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, old: Replaceable, new: Replaceable
) -> None:
    """A roll-back, and the roll-forward after it."""
    with monkeypatch.context() as newer:
        to_document = records.to_document
        newer.setattr(
            records, "to_document", lambda item: {**to_document(item), "added_later": [1]}
        )
        ledger.insert(old)
    assert stored(ledger, old) == old
    assert ledger.replace(old, new)
    assert stored(ledger, old) == new
    if isinstance(new, Presence):
        ledger.see(replace(new, seen_at_ms=9_000_000))
    seen: list[dict[str, Any]] = []
    from_document = records.from_document

    def spy(kind: Any, document: Any) -> Any:
        seen.append(dict(document))
        return from_document(kind, document)

    monkeypatch.setattr(records, "from_document", spy)
    stored(ledger, old)
    assert [document["added_later"] for document in seen] == [[1]]


def test_a_closed_store_is_unavailable(ledger: Ledger) -> None:
    ledger.close()
    for call in (
        lambda: ledger.order("cs_1"),
        lambda: ledger.insert(ORDER),
        lambda: list(ledger.lagging_orders()),
    ):
        with pytest.raises(LedgerUnavailable):
            call()


def test_due_links_are_those_whose_switching_was_not_confirmed(ledger: Ledger) -> None:
    due = {"a": 300, "b": 100, "c": 200, "later": 301, "never": None}
    for name, due_at_ms in due.items():
        ledger.insert(replace(LINK, link_id=name, due_at_ms=due_at_ms))
    assert list(ledger.lagging_due_link_ids(300)) == ["b", "c", "a"]
    link = ledger.link("b")
    assert link is not None
    ledger.replace(link, replace(link, due_at_ms=None, version=2, write_id="done"))
    assert list(ledger.lagging_due_link_ids(300)) == ["c", "a"]
    later = ledger.link("never")
    assert later is not None
    ledger.replace(later, replace(later, due_at_ms=50, version=2, write_id="wanted"))
    assert list(ledger.lagging_due_link_ids(300)) == ["never", "c", "a"]


def test_many_due_links_come_whole_and_in_order(ledger: Ledger) -> None:
    names = [f"plink_{number:04}" for number in range(450)]
    for number, name in enumerate(names):
        ledger.insert(replace(LINK, link_id=name, due_at_ms=number // 150))
    assert list(ledger.lagging_due_link_ids(7)) == names


def test_an_installation_has_one_id_for_ever(opened: Open) -> None:
    first, other = opened("ledger"), opened("other")
    assert first.installation("a") == "a"
    assert first.installation("b") == "a"
    assert opened("ledger").installation("c") == "a"
    assert other.installation("b") == "b"
