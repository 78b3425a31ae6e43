"""When the journal's old orders are moved: after a heartbeat, and while nobody waits."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from kiosk.core.effects import ArchiveJournal
from kiosk.core.entries import Entry
from kiosk.core.view import Screen
from kiosk.journal.store import JournalError
from tests.fakes.bench import Bench
from tests.kiosk.test_engine import Lab


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    made = Lab(tmp_path)
    made.start()
    yield made
    made.journal.close()


def test_old_orders_are_moved_after_a_heartbeat() -> None:
    bench = Bench()
    bench.start()
    bench.wait(300)
    assert ArchiveJournal() in bench.answer("heartbeat", bench.beat())


def test_old_orders_are_not_moved_while_somebody_waits() -> None:
    bench = Bench()
    bench.start()
    bench.wait(300)
    assert ArchiveJournal() not in bench.answer("heartbeat", bench.beat("cs_1"))
    bench.grant("cs_1", credits=2)
    bench.wait(5)
    bench.settled("cs_1")
    bench.wait(300)
    assert ArchiveJournal() in bench.answer("heartbeat", bench.beat())


def test_a_journal_that_fails_then_is_out_of_order_until_it_is_back(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    archived: list[tuple[Entry, ...]] = []

    def fail() -> None:
        archived.append(())
        raise JournalError("the journal cannot be read or written: check the disk")

    monkeypatch.setattr(lab.journal, "archive", fail)
    lab.time += 300
    lab.run_out()
    lab.answer("heartbeat", lab.beat())
    assert archived
    assert lab.engine.view.screen is Screen.OUT_OF_ORDER
