"""The cabinet's journal: the entries of ``kiosk.core.entries`` in one SQLite file.

WAL with ``synchronous=FULL``: when :meth:`Journal.append` returns, the entries survive a power cut.
Each is stored with the boot it was written in, by which a machine that lost power is told from a
process that was killed, and both clocks, for people and for reports: no rule uses the wall clock.

The file holds what matters and a bounded past, so that a start costs the same after years:
:meth:`Journal.archive` moves older orders to a file of their year (``kiosk.journal.archive``).
"""

from __future__ import annotations

import fcntl
import logging
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import IO

from kiosk.core import order_book
from kiosk.core.entries import Entry, Kind
from kiosk.core.order_book import BadEntry
from kiosk.errors import KioskError
from kiosk.journal import archive
from kiosk.journal.archive import ArchiveError, Row

log = logging.getLogger(__name__)

KEPT = 500  # finished orders that stay in the journal; more than the order book remembers
MOVED_AT_ONCE = 100  # orders at least, so that few steps are needed
LARGEST_STEP = 4000  # rows, and the rest of an order: a fraction of a second on a slow card

_APPLICATION = 0x41524B31  # "ARK1": tells this file from any other SQLite file
_VERSION = 1
_SCHEMA = f"""
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS entries (
    number INTEGER PRIMARY KEY,
    kind TEXT NOT NULL, order_id TEXT NOT NULL, claim_id TEXT NOT NULL,
    credits INTEGER NOT NULL, pulses INTEGER NOT NULL, n INTEGER NOT NULL, note TEXT NOT NULL,
    boot_id TEXT NOT NULL, monotonic REAL NOT NULL, wall REAL NOT NULL);
CREATE INDEX IF NOT EXISTS entries_by_order ON entries (order_id);
CREATE TABLE IF NOT EXISTS unfinished (order_id TEXT PRIMARY KEY) WITHOUT ROWID;
PRAGMA application_id = {_APPLICATION};
PRAGMA user_version = {_VERSION};
COMMIT;
"""
_COLUMNS = "kind, order_id, claim_id, credits, pulses, n, note"


class JournalError(KioskError):
    """The journal cannot be opened, read or written; the sentence names the file and the remedy."""


class JournalInUse(JournalError):
    """Another kiosk has it open."""


class JournalDamaged(JournalError):
    """The file is no journal that this kiosk can use, and trying again does not help."""


class Journal:
    """The journal in the file ``path``, for one kiosk at a time and one thread.

    ``clocks`` returns (boot id, monotonic seconds, wall seconds) for an entry's columns.
    """

    def __init__(self, path: Path, clocks: Callable[[], tuple[str, float, float]]) -> None:
        self._path = path
        self._clocks = clocks
        self._lock: IO[str] | None = None
        self._db: sqlite3.Connection | None = None
        self._power_was_lost = False

    @property
    def power_was_lost(self) -> bool:
        """Whether the machine was switched off after the last entry that :meth:`open` found.

        ``False`` where the system does not tell one boot from another.
        """
        return self._power_was_lost

    def open(self) -> tuple[Entry, ...]:
        """Opens the file, made if need be, and returns the entries that still matter.

        These are all entries of the orders that are unfinished, were touched since the credits
        left were last written, or are among the latest that were finished; and that entry.
        """
        self.close()
        try:
            with ExitStack() as on_failure:
                on_failure.callback(self.close)
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._lock = _locked(self._path)
                self._db = sqlite3.connect(
                    self._path, isolation_level=None, check_same_thread=False
                )
                self._prepare(self._db)
                self._power_was_lost = self._boot_has_changed(self._db)
                entries = self._unfinished(self._db)
                on_failure.pop_all()
                return entries
        except OSError as error:
            raise JournalError(
                f"the journal {self._path} cannot be written ({error.strerror}): "
                "check the folder's owner and that the disk is not read-only"
            ) from error
        except (sqlite3.Error, ValueError) as error:
            raise _failure(self._path, error) from error

    def append(self, *entries: Entry) -> None:
        """Writes the entries, all or none, and returns when they are safe.

        After a failure nothing more can be written until :meth:`open` has read the file again.
        """
        if self._db is None:
            raise JournalError(f"the journal {self._path} is not open")
        boot_id, monotonic, wall = self._clocks()
        try:
            self._db.execute("BEGIN IMMEDIATE")
            for entry in entries:
                self._db.execute(
                    f"INSERT INTO entries ({_COLUMNS}, boot_id, monotonic, wall)"
                    " VALUES (?,?,?,?,?,?,?,?,?,?)",
                    (*_row(entry), boot_id, monotonic, wall),
                )
                self._mark(self._db, entry)
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            # Memory is ahead of the disk now: nothing follows until the file was read again.
            self.close()
            raise _failure(self._path, error) from error

    def archive(self) -> None:
        """Moves the oldest finished orders to the archives of their years, if there are enough.

        Whatever interrupts it, each order is in one of the two files, or in both, and counts once.
        Raises :class:`JournalError` as :meth:`append` does; trouble with an archive is logged only,
        as nothing is lost by it.
        """
        if self._db is None:
            raise JournalError(f"the journal {self._path} is not open")
        try:
            by_year = self._past(self._db)
            for year, rows in by_year.items():
                archive.add(self._path, year, rows)
            moved = [(row[0],) for rows in by_year.values() for row in rows]
            if moved:
                self._db.execute("BEGIN IMMEDIATE")
                self._db.executemany("DELETE FROM entries WHERE number = ?", moved)
                self._db.execute("COMMIT")
        except ArchiveError as error:
            log.warning("%s; the journal keeps its old orders until then", error)
        except sqlite3.Error as error:
            self.close()
            raise _failure(self._path, error) from error

    def close(self) -> None:
        """Ends the use of the file, and lets another kiosk have it."""
        if self._db is not None:
            with suppress(sqlite3.Error):
                self._db.close()
            self._db = None
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _prepare(self, db: sqlite3.Connection) -> None:
        (application,) = db.execute("PRAGMA application_id").fetchone()
        (version,) = db.execute("PRAGMA user_version").fetchone()
        (tables,) = db.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if tables and application != _APPLICATION:
            raise JournalError(
                f"{self._path} is another program's database: name another [journal] path"
            )
        if version > _VERSION:
            raise JournalDamaged(
                f"the journal {self._path} was written by a newer kiosk (version {version}): "
                "install that one again, or begin a new journal with `kiosk new-journal`"
            )
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        if not tables:
            db.executescript(_SCHEMA)
        (verdict,) = db.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise damaged(self._path, " ".join(verdict.split()))
        # A journal that can be read and not written must be known before a code is shown.
        db.executescript(f"BEGIN IMMEDIATE; PRAGMA user_version = {_VERSION}; COMMIT;")

    def _boot_has_changed(self, db: sqlite3.Connection) -> bool:
        last = db.execute("SELECT boot_id FROM entries ORDER BY number DESC LIMIT 1").fetchone()
        now = self._clocks()[0]
        return bool(last and last[0] and now and last[0] != now)

    def _unfinished(self, db: sqlite3.Connection) -> tuple[Entry, ...]:
        # Orders come whole: later entries cannot be read without the earlier ones.
        rows = db.execute(
            f"""WITH counted (since) AS (
                    SELECT coalesce(max(number), 0) FROM entries WHERE kind = ?)
                SELECT {_COLUMNS} FROM entries WHERE number = (SELECT since FROM counted)
                OR order_id IN (SELECT order_id FROM unfinished UNION
                    SELECT order_id FROM entries, counted WHERE number > since AND order_id != ''
                    UNION SELECT order_id FROM (SELECT order_id FROM entries
                        WHERE kind IN (?, ?) ORDER BY number DESC LIMIT ?))
                ORDER BY number""",
            (
                Kind.CREDITS_LEFT.value,
                Kind.SETTLED.value,
                Kind.REFUSED.value,
                order_book.REMEMBERED,
            ),
        )
        return tuple(_entry(row) for row in rows)

    def _past(self, db: sqlite3.Connection) -> dict[int, list[Row]]:
        """The rows to be moved, by the year of their order's first one; none if they are few.

        What the next start reads is not among them (see :meth:`open`), nor is the last row: its
        boot id tells a power cut, and no number is used twice.
        """
        last_count = db.execute(
            "SELECT number FROM entries WHERE kind = ? ORDER BY number DESC LIMIT 1",
            (Kind.CREDITS_LEFT.value,),
        ).fetchone()
        if last_count is None:
            return {}
        (since,) = last_count
        stays = {order_id for (order_id,) in db.execute("SELECT order_id FROM unfinished")}
        stays |= {
            order_id
            for (order_id,) in db.execute(
                "SELECT order_id FROM entries WHERE kind IN (?, ?) ORDER BY number DESC LIMIT ?",
                (Kind.SETTLED.value, Kind.REFUSED.value, KEPT),
            )
        }
        by_year: dict[int, list[Row]] = {}
        orders, count = set[object](), 0
        walk = f"SELECT {archive.COLUMNS} FROM entries WHERE number < ? ORDER BY number"
        for row in db.execute(walk, (since,)):
            order_id = row[2]
            if order_id in stays or order_id in orders:
                continue
            rows = [row]
            if order_id:
                rows = db.execute(
                    f"SELECT {archive.COLUMNS} FROM entries WHERE order_id = ? ORDER BY number",
                    (order_id,),
                ).fetchall()
                if rows[-1][0] > since:
                    stays.add(order_id)
                    continue
                orders.add(order_id)
            by_year.setdefault(archive.year_of(row[-1]), []).extend(rows)
            count += len(rows)
            if count >= LARGEST_STEP:
                return by_year
        return by_year if len(orders) >= MOVED_AT_ONCE else {}

    def _mark(self, db: sqlite3.Connection, entry: Entry) -> None:
        if entry.kind is Kind.CLAIM:
            db.execute("INSERT INTO unfinished VALUES (?)", (entry.order_id,))
        elif entry.kind in (Kind.REFUSED, Kind.SETTLED):
            db.execute("DELETE FROM unfinished WHERE order_id = ?", (entry.order_id,))


def read(path: Path, year: int | None = None) -> Iterator[tuple[Entry, float]]:
    """Every entry with its wall clock's seconds, for people; changes nothing.

    The archives' first, only that of ``year`` if that is given, then the journal's: an order's
    entries stand in their order. A kiosk may run meanwhile. Raises :class:`JournalError` and
    :class:`kiosk.journal.archive.ArchiveError`.
    """
    if not path.exists():
        raise JournalError(f"there is no journal {path} yet: the kiosk makes one when it starts")
    try:
        with ExitStack() as closing_all:
            db = sqlite3.connect(
                f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None
            )
            closing_all.callback(db.close)
            # One state of the journal from here on: what is moved meanwhile is seen in both.
            db.execute("BEGIN")
            db.execute("SELECT count(*) FROM unfinished").fetchone()
            archives = [
                closing_all.enter_context(archive.reading(path, one))
                for one in archive.years(path)
                if year in (None, one)
            ]
            for one in archives:
                yield from map(_timed, one.rows())
            moved = _moved(db, archives)
            for row in db.execute(f"SELECT {archive.COLUMNS} FROM entries ORDER BY number"):
                if row[2] not in moved:
                    yield _timed(row)
    except (sqlite3.Error, ValueError) as error:
        raise _failure(path, error) from error


def set_aside(path: Path) -> Path:
    """Gives a damaged journal another name, so that the kiosk begins a new one; returns the name.

    Raises :class:`JournalError` if it is in use, or in order.
    """
    if not path.exists():
        raise JournalError(f"there is no journal {path}: the kiosk makes one when it starts")
    journal = Journal(path, lambda: ("", 0.0, 0.0))
    try:
        order_book.fold(journal.open())
    except (JournalDamaged, BadEntry):
        pass
    else:
        raise JournalError(f"the journal {path} is in order: there is no need for a new one")
    finally:
        journal.close()
    with _locked(path):
        number = 1
        while (kept := path.with_name(f"{path.name}.damaged-{number}")).exists():
            number += 1
        try:
            # The file itself last: its log must never be taken for that of a new one.
            for end in ("-wal", "-shm", ""):
                part = path.with_name(path.name + end)
                if part.exists():
                    part.rename(kept.with_name(kept.name + end))
        except OSError as error:
            raise JournalError(
                f"the journal {path} cannot be set aside ({error.strerror}): "
                "check the folder's owner and the disk"
            ) from error
    return kept


def damaged(path: Path, detail: str) -> JournalDamaged:
    """The error for a file that cannot be used any more."""
    return JournalDamaged(
        f"{path} is no journal, or a damaged one ({detail}): `kiosk new-journal` keeps it for the "
        "books and begins a new one"
    )


def _locked(path: Path) -> IO[str]:
    """Opens and locks the lock file: two kiosks would each make the pulses of the same order."""
    lock = path.with_name(path.name + ".lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        lock.close()
        raise JournalInUse(
            f"the journal {path} is in use: another kiosk runs on this machine"
        ) from error
    return lock


def boot_id() -> str:
    """The system's id for the time since it was switched on; empty where it has none."""
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return ""


def _moved(db: sqlite3.Connection, archives: list[archive.Archive]) -> set[object]:
    """The orders of a journal that are in an archive too: a crash came before they were deleted."""
    if not archives:
        return set()
    last = f"""SELECT {archive.COLUMNS} FROM entries WHERE number IN
        (SELECT max(number) FROM entries WHERE order_id != '' GROUP BY order_id)"""
    return {row[2] for row in db.execute(last) if any(one.has(row) for one in archives)}


def _timed(row: Row) -> tuple[Entry, float]:
    wall = row[10]
    if not isinstance(wall, int | float):
        raise ValueError(f"{wall!r} stands where a time should")
    return _entry(row[1:8]), float(wall)


def _row(entry: Entry) -> tuple[object, ...]:
    return (
        entry.kind.value,
        entry.order_id,
        entry.claim_id,
        entry.credits,
        entry.pulses,
        entry.number,
        entry.note,
    )


def _entry(row: tuple[object, ...]) -> Entry:
    kind, order_id, claim_id, credits, pulses, number, note = row
    return Entry(
        Kind(kind),
        str(order_id),
        str(claim_id),
        _whole(credits),
        _whole(pulses),
        _whole(number),
        str(note),
    )


def _whole(value: object) -> int:
    if not isinstance(value, int):
        raise ValueError(f"{value!r} stands where a number should")
    return value


def _failure(path: Path, error: Exception) -> JournalError:
    message = str(error)
    if "readonly" in message or (path.exists() and not os.access(path, os.W_OK)):
        return JournalError(f"the journal {path} is read-only: check its owner and the disk")
    if "full" in message:
        return JournalError(f"the journal {path} cannot be written, the disk is full: make room")
    if "not a database" in message or "malformed" in message or isinstance(error, ValueError):
        return damaged(path, message)
    if "unable to open" in message:
        return JournalError(
            f"the journal {path} cannot be opened: check that it is a file of the kiosk's user"
        )
    if "I/O" in message:
        return JournalError(
            f"the journal {path} cannot be read or written ({message}): check the disk and its room"
        )
    return JournalError(f"the journal {path} cannot be used: {message}")
