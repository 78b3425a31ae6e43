"""Opening the journal at a start: in the first week, and with 365,000 orders behind it."""

from __future__ import annotations

import itertools
import sqlite3
import tempfile
import time
from contextlib import closing
from pathlib import Path

from benchmarks.rows import Row, middle, spread
from kiosk.core import order_book
from kiosk.core.entries import Kind
from kiosk.journal import archive, store
from kiosk.journal.store import Journal

ORDERS = 365_000  # 200 a day for five years
DAY = 86400 / 200  # seconds from one order to the next
RUNS = 21


def run() -> list[Row]:
    """Opens a new journal, one of a week, and one that five years were moved out of."""
    with tempfile.TemporaryDirectory() as folder:
        new, week, years = (Path(folder) / f"{name}.db" for name in ("new", "week", "years"))
        for path in (new, week, years):
            with closing(_journal(path)) as journal:
                journal.open()
        _fill(week, 1000)
        _fill(years, ORDERS)
        unmoved = _open(years, 3)
        begun = time.perf_counter()
        with closing(_journal(years)) as journal:
            journal.open()
            steps = 0
            while _count(years) > 2 * store.KEPT * 8:
                journal.archive()
                steps += 1
        step = (time.perf_counter() - begun) / steps
        opened = {path: _open(path, RUNS) for path in (new, week, years)}
        kept = _count(years)
        found = len(archive.years(years))
    floor = middle(opened[new])

    def ratio(path: Path) -> str:
        return f"{middle(opened[path]) / floor:.1f} × floor"

    return [
        Row(f"opening, {ORDERS:,} orders moved to archives", spread(opened[years]), ratio(years),
            f"{kept} rows in the journal, {found} archives"),
        Row("opening, 1,000 orders, none moved", spread(opened[week]), ratio(week)),
        Row("floor: opening an empty one", spread(opened[new]), "1"),
        Row(f"  the same with {ORDERS:,} orders in it, as before", spread(unmoved),
            f"{middle(unmoved) / floor:.0f} × floor"),
        Row("one step of moving them, after a heartbeat", f"{1000 * step:.0f} ms", "",
            f"{steps} steps"),
    ]  # fmt: skip


def _journal(path: Path) -> Journal:
    ticks = itertools.count()
    return Journal(path, lambda: ("boot", float(next(ticks)), 1_800_000_000.0))


def _fill(path: Path, orders: int) -> None:
    """Writes finished orders, as :meth:`Journal.append` does, in one commit."""
    with closing(sqlite3.connect(path)) as db, db:
        db.executemany(
            "INSERT INTO entries (kind, order_id, claim_id, credits, pulses, n, note, boot_id,"
            " monotonic, wall) VALUES (?,?,?,?,?,?,'','boot',?,?)",
            (
                (*values, float(number), 1_640_000_000.0 + number * DAY)
                for number in range(orders)
                for values in _order(f"cs_test_{number:060}")
            ),
        )


def _order(order_id: str) -> tuple[tuple[str, str, str, int, int, int], ...]:
    return (
        (Kind.CLAIM.value, order_id, "0123456789abcdef", 0, 0, 0),
        (Kind.CLAIMED.value, order_id, "", 1, 1, 0),
        (Kind.PULSE_BEGINS.value, order_id, "", 0, 0, 1),
        (Kind.PULSE_OVER.value, order_id, "", 0, 0, 1),
        (Kind.SETTLE.value, order_id, "", 0, 0, 1),
        (Kind.SETTLED.value, order_id, "", 0, 0, 0),
        (Kind.CREDITS_LEFT.value, "", "", 0, 0, 0),
    )


def _open(path: Path, runs: int) -> list[float]:
    """How long it takes to open a journal and to know its orders."""
    taken = []
    for _ in range(runs):
        with closing(_journal(path)) as journal:
            begun = time.perf_counter()
            order_book.fold(journal.open())
            taken.append(time.perf_counter() - begun)
    return taken


def _count(path: Path) -> int:
    with closing(sqlite3.connect(path)) as db:
        return int(db.execute("SELECT count(*) FROM entries").fetchone()[0])
