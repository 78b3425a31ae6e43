"""Old orders move to a file of their year; nothing is lost or doubled, whatever happens."""

from __future__ import annotations

import itertools
import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kiosk.core import order_book
from kiosk.core.entries import Entry, Kind
from kiosk.core.order_book import REMEMBERED
from kiosk.journal import archive, order_report, store
from kiosk.journal.store import Journal, JournalError

KEPT = store.KEPT  # before the tests make it small
YEAR_2026, YEAR_2027 = 1_790_000_000.0, 1_800_000_000.0


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A past that is soon full."""
    monkeypatch.setattr(store, "KEPT", 3)
    monkeypatch.setattr(store, "MOVED_AT_ONCE", 2)


class Cabinet:
    """A journal on a path, and the clocks that it is written by."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.boot = "boot 1"
        self.wall = YEAR_2026
        self.ticks = itertools.count()
        self.journal = Journal(path, lambda: (self.boot, float(next(self.ticks)), self.wall))
        self.journal.open()
        self.orders = 0

    def play(self, count: int = 1) -> None:
        """So many orders are paid, given and played."""
        for _ in range(count):
            self.orders += 1
            order_id = f"cs_{self.orders}"
            self.journal.append(
                Entry(Kind.CLAIM, order_id, claim_id=f"claim {order_id}"),
                Entry(Kind.CLAIMED, order_id, credits=1, pulses=1),
                Entry(Kind.PULSE_BEGINS, order_id, number=1),
                Entry(Kind.PULSE_OVER, order_id, number=1),
                Entry(Kind.SETTLE, order_id, number=1),
                Entry(Kind.SETTLED, order_id),
            )
            self.journal.append(Entry(Kind.CREDITS_LEFT, number=0))

    def book(self) -> order_book.OrderBook:
        """What a restarted kiosk knows."""
        return order_book.fold(self.journal.open())

    def report(self, year: int | None = None) -> list[tuple[str, str]]:
        """The orders as people read them."""
        return [
            (order.order_id, order.state)
            for order in order_report.summaries(store.read(self.path, year))
        ]

    def in_journal(self) -> list[str]:
        with sqlite3.connect(f"{self.path.as_uri()}?mode=ro", uri=True) as db:
            rows = db.execute("SELECT DISTINCT order_id FROM entries WHERE order_id != ''")
            found = [row[0] for row in rows]
        db.close()
        return found

    def archived(self, year: int) -> Counter[tuple[str, str]]:
        """How often each entry is in an archive."""
        with archive.reading(self.path, year) as one:
            return Counter((str(row[1]), str(row[2])) for row in one.rows() if row[2])

    def all_settled(self) -> list[tuple[str, str]]:
        return [(f"cs_{number}", "settled") for number in range(1, self.orders + 1)]


@pytest.fixture
def cabinet(tmp_path: Path) -> Iterator[Cabinet]:
    made = Cabinet(tmp_path / "journal.db")
    yield made
    made.journal.close()


def test_old_orders_move_and_people_read_them_all(cabinet: Cabinet) -> None:
    cabinet.play(10)
    before = cabinet.book()
    cabinet.journal.archive()
    assert set(cabinet.in_journal()) == {"cs_8", "cs_9", "cs_10"}
    assert len(cabinet.archived(2026)) == 7 * 6
    assert cabinet.report() == cabinet.report(2026) == cabinet.all_settled()
    after = cabinet.book()
    assert (after.unfinished, after.credits_left) == (before.unfinished, before.credits_left)


def test_the_journal_stays_small_however_many_orders_there_were(cabinet: Cabinet) -> None:
    sizes = []
    for _ in range(20):
        cabinet.play(5)
        cabinet.journal.archive()
        sizes.append(len(cabinet.in_journal()))
    assert max(sizes) <= 5
    assert cabinet.report() == cabinet.all_settled()


def test_what_the_order_book_remembers_stays() -> None:
    """And more, so that an order is known again for as long as its hint may come late."""
    assert KEPT > REMEMBERED


def test_few_old_orders_are_not_worth_a_step(cabinet: Cabinet) -> None:
    cabinet.play(4)
    cabinet.journal.archive()
    assert archive.years(cabinet.path) == []
    assert len(cabinet.in_journal()) == 4


def test_an_unfinished_order_stays_whole_however_old_it_is(cabinet: Cabinet) -> None:
    claim = Entry(Kind.CLAIM, "cs_old", claim_id="mine")
    claimed = Entry(Kind.CLAIMED, "cs_old", credits=2, pulses=2)
    cabinet.journal.append(claim, claimed, Entry(Kind.PULSE_BEGINS, "cs_old", number=1))
    cabinet.play(10)
    cabinet.journal.archive()
    order = cabinet.book().unfinished["cs_old"]
    assert (order.begun, order.ambiguous) == (1, 1)
    assert ("cs_old", "pulsing") in cabinet.report()


def test_credits_that_are_not_counted_yet_stay(cabinet: Cabinet) -> None:
    """The orders since the credits left were last written say how many there are."""
    cabinet.play(5)
    for number in range(6):
        order_id = f"cs_new_{number}"
        cabinet.journal.append(
            Entry(Kind.CLAIM, order_id, claim_id="c"),
            Entry(Kind.CLAIMED, order_id, credits=1, pulses=1),
            Entry(Kind.PULSE_BEGINS, order_id, number=1),
            Entry(Kind.PULSE_OVER, order_id, number=1),
            Entry(Kind.SETTLE, order_id, number=1),
            Entry(Kind.SETTLED, order_id),
        )
    cabinet.journal.archive()
    assert cabinet.book().credits_left == 6
    assert archive.years(cabinet.path) == [2026]


def test_a_power_cut_is_known_after_everything_was_moved(cabinet: Cabinet) -> None:
    cabinet.play(10)
    cabinet.journal.archive()
    cabinet.journal.open()
    assert not cabinet.journal.power_was_lost
    cabinet.boot = "boot 2"
    cabinet.journal.open()
    assert cabinet.journal.power_was_lost


def test_each_year_has_its_file(cabinet: Cabinet) -> None:
    cabinet.play(5)
    cabinet.wall = YEAR_2027
    cabinet.play(8)
    cabinet.journal.archive()
    assert archive.years(cabinet.path) == [2026, 2027]
    assert cabinet.report() == cabinet.all_settled()
    assert cabinet.report(2026)[:5] == cabinet.all_settled()[:5]
    assert len(cabinet.archived(2026)) == 5 * 6


@pytest.mark.parametrize("wall", [-1e18, 0.0, 1e18, 4e11])
def test_a_clock_that_says_anything_loses_nothing(cabinet: Cabinet, wall: float) -> None:
    cabinet.wall = wall
    cabinet.play(10)
    cabinet.journal.archive()
    assert archive.years(cabinet.path) == [1970]
    assert [entry.order_id for entry, _ in store.read(cabinet.path) if entry.order_id]
    assert len(cabinet.in_journal()) == 3


class PowerCut(BaseException):
    """The machine stops."""


class Dying:
    """A database connection that stops the machine before or after one of its statements."""

    def __init__(self, db: sqlite3.Connection, step: Callable[[], None]) -> None:
        self._db = db
        self._step = step

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._db, name)
        if name not in ("execute", "executemany", "executescript"):
            return attribute

        def call(*arguments: Any) -> Any:
            self._step()
            result = attribute(*arguments)
            self._step()
            return result

        return call


def archive_until(cabinet: Cabinet, last: int, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Archives, and stops the machine at a step; whether it came to that."""
    steps = itertools.count(1)

    def step() -> None:
        if next(steps) == last:
            raise PowerCut

    connect = archive._connect
    with monkeypatch.context() as patch:
        patch.setattr(archive, "_connect", lambda *a, **k: Dying(connect(*a, **k), step))
        assert cabinet.journal._db is not None
        cabinet.journal._db = Dying(cabinet.journal._db, step)  # type: ignore[assignment]
        try:
            cabinet.journal.archive()
        except PowerCut:
            return True
        finally:
            cabinet.journal.close()
    return False


@pytest.mark.parametrize("every", [3, pytest.param(1, marks=pytest.mark.slow)])
def test_a_power_cut_at_any_step_loses_and_doubles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, every: int
) -> None:
    for last in itertools.count(1, every):
        folder = tmp_path / str(last)
        folder.mkdir()
        cabinet = Cabinet(folder / "journal.db")
        cabinet.play(5)
        cabinet.wall = YEAR_2027
        cabinet.play(5)
        died = archive_until(cabinet, last, monkeypatch)
        assert cabinet.report() == cabinet.all_settled(), last
        assert cabinet.book().credits_left == 0
        # The same orders are moved again, if they were not deleted, and later ones with them.
        cabinet.play(3)
        cabinet.journal.archive()
        assert cabinet.report() == cabinet.all_settled(), last
        assert set((cabinet.archived(2026) + cabinet.archived(2027)).values()) == {1}
        assert len(cabinet.in_journal()) == 3
        cabinet.journal.close()
        if not died:
            break
    assert last > 60


def test_an_old_copy_of_the_journal_neither_loses_nor_doubles(cabinet: Cabinet) -> None:
    """Somebody puts yesterday's backup back; the numbers after it are used for other entries."""
    cabinet.play(4)
    cabinet.journal.close()
    backup = cabinet.path.with_name("backup")
    shutil.copy(cabinet.path, backup)
    cabinet.journal.open()
    cabinet.play(6)
    cabinet.journal.archive()
    cabinet.journal.close()
    shutil.copy(backup, cabinet.path)
    cabinet.journal.open()
    cabinet.play(6)
    cabinet.journal.archive()
    found = Counter(cabinet.report())
    assert set(found) >= {(f"cs_{n}", "settled") for n in (1, 2, 3, 4, 5, 6, 7, 11, 16)}
    assert set(found.values()) == {1}
    assert set(cabinet.archived(2026).values()) == {1}


def test_an_order_that_an_old_copy_brings_back_unfinished_is_read_once(cabinet: Cabinet) -> None:
    cabinet.journal.append(Entry(Kind.CLAIM, "cs_0", claim_id="mine"))
    cabinet.journal.close()
    backup = cabinet.path.with_name("backup")
    shutil.copy(cabinet.path, backup)
    cabinet.journal.open()
    cabinet.journal.append(Entry(Kind.REFUSED, "cs_0"))
    cabinet.play(8)
    cabinet.journal.archive()
    cabinet.journal.close()
    shutil.copy(backup, cabinet.path)
    cabinet.journal.open()
    cabinet.journal.append(Entry(Kind.CLAIMED, "cs_0", credits=1, pulses=1))
    assert Counter(order_id for order_id, _ in cabinet.report())["cs_0"] == 1


def test_a_journal_that_begins_anew_counts_beside_the_archive(cabinet: Cabinet) -> None:
    """After a damaged journal the numbers begin at one again."""
    cabinet.play(10)
    cabinet.journal.archive()
    cabinet.journal.close()
    for part in cabinet.path.parent.glob("journal.db*"):
        if "archive" not in part.name:
            part.unlink()
    cabinet.journal.open()
    cabinet.play(10)
    cabinet.journal.archive()
    lost = ["cs_8", "cs_9", "cs_10"]
    assert [o for o in cabinet.all_settled() if o[0] not in lost] == cabinet.report()


def test_an_order_that_is_claimed_again_after_it_was_moved_is_read_right(cabinet: Cabinet) -> None:
    """A hint that comes years late; the cloud refuses it."""
    cabinet.play(10)
    cabinet.journal.archive()
    cabinet.journal.append(Entry(Kind.CLAIM, "cs_1", claim_id="again"))
    cabinet.journal.append(Entry(Kind.REFUSED, "cs_1"))
    cabinet.play(10)
    cabinet.journal.archive()
    assert sorted(cabinet.report()) == sorted(cabinet.all_settled())


def test_an_archive_that_cannot_be_written_stops_nothing(
    cabinet: Cabinet, caplog: pytest.LogCaptureFixture
) -> None:
    archive.path_of(cabinet.path, 2026).write_bytes(b"what a bad card leaves behind " * 300)
    cabinet.play(10)
    cabinet.journal.archive()
    assert "journal.db.archive-2026" in caplog.text
    assert "another name" in caplog.text
    cabinet.play(1)
    assert len(cabinet.in_journal()) == 11
    with pytest.raises(archive.ArchiveError, match="another name"):
        cabinet.report()
    archive.path_of(cabinet.path, 2026).unlink()
    cabinet.journal.archive()
    assert cabinet.report() == cabinet.all_settled()


def test_another_programs_file_is_no_archive(
    cabinet: Cabinet, caplog: pytest.LogCaptureFixture
) -> None:
    path = archive.path_of(cabinet.path, 2026)
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE songs (name)")
    db.close()
    before = path.read_bytes()
    cabinet.play(10)
    cabinet.journal.archive()
    assert "is no archive" in caplog.text
    assert path.read_bytes() == before


def test_a_step_is_short_however_much_there_is_to_move(
    cabinet: Cabinet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "LARGEST_STEP", 20)
    cabinet.play(30)
    left = []
    for _ in range(12):
        cabinet.journal.archive()
        left.append(len(cabinet.in_journal()))
    assert left[0] == 27
    assert left[-1] <= 4
    assert cabinet.report() == cabinet.all_settled()


def test_a_journal_that_fails_while_it_is_archived_has_to_be_opened_again(
    cabinet: Cabinet, monkeypatch: pytest.MonkeyPatch
) -> None:
    cabinet.play(10)

    def full(_db: sqlite3.Connection) -> dict[int, list[archive.Row]]:
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(cabinet.journal, "_past", full)
    with pytest.raises(JournalError, match="cannot be read or written"):
        cabinet.journal.archive()
    with pytest.raises(JournalError, match="is not open"):
        cabinet.journal.archive()
    assert cabinet.report() == cabinet.all_settled()
