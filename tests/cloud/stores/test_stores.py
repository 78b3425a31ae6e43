"""What every store of the ledger must do. A new one is added to ``make_ledger``'s list."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cloud.core.cabinets import Cabinet, Incident, PaymentLink, Presence
from cloud.core.orders import Order, OrderState
from cloud.core.prices import Bonus, PriceList
from cloud.stores.base import Ledger, LedgerUnavailable
from cloud.stores.sqlite import SqliteLedger

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
    paid_at=1000.0,
    deadline=1120.0,
    hold_until=9999.0,
)
CABINET = Cabinet("cab001", "Cabinet one", "hash", PRICES)
LINK = PaymentLink("plink_1", "cab001", "https://x", "price_1", 1, PRICES)
Open = Callable[[], Ledger]


@pytest.fixture(params=["sqlite"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """Opens the same ledger again and again, as a restart does."""
    made: list[Ledger] = []

    def open_() -> Ledger:
        stores = {"sqlite": lambda: SqliteLedger(tmp_path / "ledger.db")}
        made.append(stores[request.param]())
        return made[-1]

    yield open_
    for ledger in made:
        ledger.close()


@pytest.fixture
def ledger(opened: Open) -> Ledger:
    return opened()


@pytest.mark.parametrize(
    "item",
    [ORDER, CABINET, LINK, Incident("i", 1.0, "text")],
    ids=lambda i: type(i).__name__,
)
def test_an_item_is_inserted_once(
    ledger: Ledger, item: Order | Cabinet | PaymentLink | Incident
) -> None:
    assert ledger.insert(item)
    assert not ledger.insert(item)


def test_everything_comes_back_as_it_was_also_after_a_restart(opened: Open) -> None:
    first = opened()
    presence = Presence("cab001", 5.0, healthy=False, problems=("no relay",))
    incident = Incident("cs_1:odd", 7.0, "odd", "cab001", "cs_1")
    for item in (ORDER, CABINET, LINK, incident):
        first.insert(item)
    first.see(presence)
    first.close()
    again = opened()
    assert again.order("cs_1") == ORDER
    assert again.cabinet("cab001") == CABINET
    assert again.link("plink_1") == LINK
    assert again.presence("cab001") == presence
    assert list(again.incidents()) == [incident]


def test_a_replacement_needs_the_item_that_was_read(ledger: Ledger) -> None:
    ledger.insert(ORDER)
    claimed = replace(ORDER, state=OrderState.CLAIMED, claim_id="a", version=2)
    releasing = replace(ORDER, state=OrderState.RELEASING, version=2)
    assert ledger.replace(ORDER, claimed)
    assert not ledger.replace(ORDER, releasing)
    assert ledger.order("cs_1") == claimed


def test_a_replacement_of_what_was_never_stored_does_nothing(ledger: Ledger) -> None:
    assert not ledger.replace(ORDER, replace(ORDER, version=2))
    assert ledger.order("cs_1") is None


def test_machines_and_links_are_replaced_under_the_same_condition(
    ledger: Ledger,
) -> None:
    ledger.insert(CABINET)
    ledger.insert(LINK)
    assert ledger.replace(CABINET, replace(CABINET, name="new", version=2))
    assert not ledger.replace(CABINET, replace(CABINET, name="other", version=2))
    assert ledger.replace(LINK, replace(LINK, wanted=False, version=2))
    assert not ledger.replace(LINK, replace(LINK, withdrawn=True, version=2))
    assert [m.name for m in ledger.cabinets()] == ["new"]
    assert [link.wanted for link in ledger.links("cab001")] == [False]


def test_of_many_at_once_exactly_one_wins(opened: Open) -> None:
    ledgers = [opened(), opened()]
    ledgers[0].insert(ORDER)
    won: list[str] = []
    start = threading.Barrier(8)

    def race(number: int) -> None:
        start.wait()
        name = f"claim-{number}"
        new = replace(ORDER, state=OrderState.CLAIMED, claim_id=name, version=2)
        if ledgers[number % 2].replace(ORDER, new):
            won.append(name)

    threads = [threading.Thread(target=race, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stored = ledgers[0].order("cs_1")
    assert stored is not None
    assert won == [stored.claim_id]


def test_questions_find_what_they_ask_for_oldest_first(ledger: Ledger) -> None:
    for number, state in enumerate(OrderState):
        ledger.insert(
            replace(ORDER, order_id=f"cs_{state.value}", state=state, paid_at=100 - number)
        )
    ledger.insert(replace(ORDER, order_id="cs_other", machine_id="cab002", paid_at=50))
    assert [o.order_id for o in ledger.unfinished("cab002")] == ["cs_other"]
    assert [o.order_id for o in ledger.unfinished("cab001")] == [
        "cs_releasing",
        "cs_settling",
        "cs_claimed",
        "cs_open",
    ]
    assert [o.order_id for o in ledger.unfinished()] == [
        "cs_other",
        "cs_releasing",
        "cs_settling",
        "cs_claimed",
        "cs_open",
    ]
    assert len(ledger.orders("cab001", since=99)) == 2
    assert next(o.order_id for o in ledger.orders()) == "cs_other"


def test_the_newest_link_stands_first_and_the_last_heartbeat_counts(
    ledger: Ledger,
) -> None:
    ledger.insert(LINK)
    ledger.insert(replace(LINK, link_id="plink_2"))
    ledger.see(Presence("cab001", 1.0, healthy=True))
    ledger.see(Presence("cab001", 2.0, healthy=False))
    assert [link.link_id for link in ledger.links("cab001")] == ["plink_2", "plink_1"]
    assert ledger.presence("cab001") == Presence("cab001", 2.0, healthy=False)
    assert ledger.presence("cab002") is None


def test_a_ledger_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    file = tmp_path / "ledger.db"
    file.write_text("this is no database, and longer than any header of one would have to be")
    with pytest.raises(LedgerUnavailable, match=r"ledger\.db cannot be opened"):
        SqliteLedger(file)
