"""The cabinet's journal: the entries of ``kiosk.core.entries`` in one SQLite file.

WAL with ``synchronous=FULL``: when :meth:`Journal.append` returns, the entries survive a power cut.
Each is stored with the boot it was written in, by which a machine that lost power is told from a
process that was killed, and both clocks, for people and for reports: no rule uses the wall clock.
"""

from __future__ import annotations

import fcntl
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

    def _mark(self, db: sqlite3.Connection, entry: Entry) -> None:
        if entry.kind is Kind.CLAIM:
            db.execute("INSERT INTO unfinished VALUES (?)", (entry.order_id,))
        elif entry.kind in (Kind.REFUSED, Kind.SETTLED):
            db.execute("DELETE FROM unfinished WHERE order_id = ?", (entry.order_id,))


def read(path: Path) -> Iterator[tuple[Entry, float]]:
    """Every entry with its wall clock's seconds, oldest first, for people; changes nothing.

    A kiosk may run meanwhile. Raises :class:`JournalError`.
    """
    if not path.exists():
        raise JournalError(f"there is no journal {path} yet: the kiosk makes one when it starts")
    try:
        db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        try:
            for row in db.execute(f"SELECT {_COLUMNS}, wall FROM entries ORDER BY number"):
                yield _entry(row[:-1]), float(row[-1])
        finally:
            db.close()
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
