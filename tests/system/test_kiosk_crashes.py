"""The real kiosk, killed at every write to its journal and at every edge of its relay."""

from __future__ import annotations

import signal
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloud.core.orders import OrderState
from kiosk.core.entries import Kind
from tests.marks import slow_after
from tests.system.hall import Cabinet, Hall, until

PLAYS = 3
# One order's commits: the claim, then its yes with pulse 1, pulse 1 over, pulse 2 begins … the last
# over with the settle, settled.
WRITES = 2 * PLAYS + 2
POINTS = [f"append-{when}:{n}" for when in ("before", "after") for n in range(1, WRITES + 1)]
POINTS += [
    f"{edge}-{when}:{n}"
    for edge in ("close", "open")
    for when in ("before", "after")
    for n in range(1, PLAYS + 1)
]


@pytest.fixture(scope="module")
def hall(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hall]:
    made = Hall(tmp_path_factory.mktemp("hall"))
    made.open()
    yield made
    made.close()


@pytest.fixture(scope="module")
def cabinet(hall: Hall) -> Cabinet:
    return hall.add("cab001")


def lines(journal: Path, order_id: str) -> list[str]:
    """The journal's lines of an order, read as an auditor would."""
    with sqlite3.connect(journal) as db:
        found = db.execute(
            "SELECT kind FROM entries WHERE order_id = ? ORDER BY number", (order_id,)
        ).fetchall()
    db.close()
    return [kind for (kind,) in found]


@pytest.mark.parametrize("point", slow_after(1, POINTS))
def test_a_kill_charges_for_what_was_given(hall: Hall, cabinet: Cabinet, point: str) -> None:
    closings_before = cabinet.closings()
    first = hall.kiosk(cabinet, fail_point=point)
    order_id = hall.pay(cabinet, PLAYS)
    assert first.ended(20) == -signal.SIGKILL
    first.stop()
    second = hall.kiosk(cabinet)
    order = hall.finished(order_id)
    until(lambda: Kind.SETTLED.value in lines(cabinet.journal, order_id), "the journal's last line")
    second.stop()
    kinds = lines(cabinet.journal, order_id)
    begun, over = kinds.count(Kind.PULSE_BEGINS.value), kinds.count(Kind.PULSE_OVER.value)
    coins = cabinet.closings() - closings_before
    assert order.state is OrderState.SETTLED
    assert over <= coins <= begun <= PLAYS
    assert begun - over <= 1
    assert (order.pulsed, order.charged) == (over, 100 * over)
    assert hall.charged(order_id) == 100 * over
    assert begun == PLAYS, "the restart was quick enough to go on"
    hall.kiosks.clear()
