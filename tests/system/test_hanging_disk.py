"""A real kiosk whose disk hangs: somebody else keeps the journal's file locked."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.system.hall import Hall, until


@pytest.fixture
def hall(tmp_path: Path) -> Iterator[Hall]:
    made = Hall(tmp_path)
    made.open()
    yield made
    made.close()


@pytest.mark.slow
def test_a_disk_that_hangs_takes_the_code_away_and_costs_no_coin(hall: Hall) -> None:
    cabinet = hall.add("cab001")
    hall.kiosk(cabinet)
    until(lambda: cabinet.shows("ready"), "the code")
    with closing(sqlite3.connect(cabinet.journal, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        order_id = hall.pay(cabinet, 2)
        until(lambda: any(n.startswith("E7") for n in cabinet.state().get("notes", [])), "E7")
        assert cabinet.state()["qr"] is None
        other.execute("ROLLBACK")
    until(lambda: cabinet.closings() == 2, "the coins")
    assert hall.finished(order_id).pulsed == 2
