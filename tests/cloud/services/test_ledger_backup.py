"""Backups of a ledger: from every store into every store, line by line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cloud.core.cabinets import Presence
from cloud.core.forgiveness import of_cabinet
from cloud.core.orders import OrderState
from cloud.services import ledger_backup
from cloud.services.ledger_backup import BackupError
from cloud.stores.base import Item, Ledger, LedgerUnavailable
from cloud.stores.sqlite import SqliteLedger
from tests.cloud.stores.conftest import STORES
from tests.cloud.stores.test_stores import CABINET, FORGIVENESS, INCIDENT, LINK, ORDER, PRESENCE
from tests.fakes.ledgers import AnswerLostLedger


def fill(ledger: Ledger) -> None:
    """Something of every kind, more than a page of orders."""
    for number in range(3):
        name = f"cab{number}"
        ledger.insert(replace(CABINET, machine_id=name))
        ledger.insert(replace(PRESENCE, machine_id=name, due_at_ms=number or None))
        ledger.insert(replace(LINK, link_id=f"plink_{number}", machine_id=name))
    states = list(OrderState)
    for number in range(20):
        state = states[number % len(states)]
        order = replace(ORDER, order_id=f"cs_{number}", state=state, paid_at_ms=number, version=7)
        ledger.insert(replace(order, due_at_ms=None if number % 2 else number, machine_id="cab1"))
    ledger.insert(INCIDENT)
    ledger.insert(replace(FORGIVENESS, subject=of_cabinet("cab1")))
    ledger.installation("the-one")


def all_of(ledger: Ledger) -> list[object]:
    return [
        list(ledger.lagging_cabinets()),
        [ledger.presence(f"cab{n}") for n in range(3)],
        [ledger.link(f"plink_{n}") for n in range(3)],
        list(ledger.lagging_link_ids("cab1")),
        list(ledger.lagging_orders()),
        list(ledger.lagging_orders("cab1", since_ms=5)),
        list(ledger.lagging_unfinished_ids("cab1")),
        list(ledger.lagging_due_order_ids(100)),
        list(ledger.lagging_due_cabinet_ids(100)),
        list(ledger.lagging_incidents()),
        ledger.forgiveness(of_cabinet("cab1")),
        ledger.installation("another"),
    ]


@pytest.fixture
def filled(tmp_path: Path) -> Iterator[Ledger]:
    made = SqliteLedger(tmp_path / "filled.db")
    fill(made)
    yield made
    made.close()


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Ledger]:
    made = SqliteLedger(tmp_path / "empty.db")
    yield made
    made.close()


@pytest.fixture
def lines(filled: Ledger) -> list[str]:
    return list(ledger_backup.write(filled, "unused"))


@pytest.mark.parametrize("store", STORES)
def test_a_ledger_goes_to_every_store_and_back_and_is_the_same(
    request: pytest.FixtureRequest, tmp_path: Path, lines: list[str], filled: Ledger, store: str
) -> None:
    other = STORES[store](request, tmp_path)("there")
    back = SqliteLedger(tmp_path / "back.db")
    counts = ledger_backup.restore(other, lambda: lines)
    assert counts == {
        "cabinet": 3, "presence": 3, "link": 3, "order": 20, "incident": 1, "forgiveness": 1,
    }  # fmt: skip
    assert all_of(other) == all_of(filled)
    again = list(ledger_backup.write(other, "unused"))
    assert again == lines
    ledger_backup.restore(back, lambda: again)
    assert all_of(back) == all_of(filled)
    for ledger in (other, back):
        ledger.close()


def test_an_empty_ledger_keeps_its_id(empty: Ledger, tmp_path: Path) -> None:
    lines = list(ledger_backup.write(empty, "new"))
    other = SqliteLedger(tmp_path / "other.db")
    assert ledger_backup.restore(other, lambda: lines) == {}
    assert other.installation("x") == "new"
    other.close()


@pytest.mark.parametrize("number", [1, 2, 10, -2])
@pytest.mark.parametrize("how", ["missing", "doubled", "swapped", "changed", "cut"])
def test_a_damaged_backup_is_refused_before_anything_is_written(
    empty: Ledger, lines: list[str], number: int, how: str
) -> None:
    match how:
        case "missing":
            del lines[number]
        case "doubled":
            lines.insert(number, lines[number])
        case "swapped":
            lines[number], lines[number - 1] = lines[number - 1], lines[number]
        case "changed":
            content = json.loads(lines[number])
            content["item"]["write_id"] = "forged"
            lines[number] = json.dumps(content)
        case "cut":
            lines[number] = lines[number][:-10]
    with pytest.raises(BackupError, match=r"line \d+ of the backup is damaged"):
        ledger_backup.restore(empty, lambda: lines)
    assert list(empty.lagging_cabinets()) == []
    assert empty.installation("free") == "free"


def test_a_backup_that_broke_off_is_refused(empty: Ledger, lines: list[str]) -> None:
    for end in (len(lines) - 1, 1, 0):
        del lines[end:]
        with pytest.raises(BackupError, match="ends too early"):
            ledger_backup.restore(empty, lambda: lines)


@pytest.mark.parametrize("item", [CABINET, ORDER, replace(INCIDENT, incident_id="another")])
def test_a_ledger_that_is_in_use_is_refused_and_left_alone(
    empty: Ledger, lines: list[str], item: Item
) -> None:
    empty.insert(item)
    before = len(list(empty.lagging_orders()))
    with pytest.raises(BackupError, match="is not empty"):
        ledger_backup.restore(empty, lambda: lines)
    assert len(list(empty.lagging_orders())) == before
    assert empty.installation("free") == "free"


def test_a_restore_that_broke_off_is_made_again(empty: Ledger, lines: list[str]) -> None:
    with pytest.raises(LedgerUnavailable, match="the answer was lost"):
        ledger_backup.restore(AnswerLostLedger(empty, number=12), lambda: lines)
    assert sum(ledger_backup.restore(empty, lambda: lines).values()) == 31


def test_what_was_written_after_a_restore_is_not_overwritten(
    empty: Ledger, lines: list[str]
) -> None:
    ledger_backup.restore(empty, lambda: lines)
    presence = empty.presence("cab0")
    assert presence is not None
    newer = Presence("cab0", 10**12, True, "newer")
    assert empty.see(newer)
    with pytest.raises(BackupError, match="presence cab0 is in the ledger already"):
        ledger_backup.restore(empty, lambda: lines)
    assert empty.presence("cab0") == newer
