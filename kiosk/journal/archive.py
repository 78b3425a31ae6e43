"""The journal's past: the orders that were begun in one year, in a file beside the journal.

An order moves whole, and only when it is finished: its rows are written here, then deleted there
(``kiosk.journal.store``). A row that is here already is not written again, so a crash between the
two costs nothing: the same order is moved again later.
"""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from kiosk.errors import KioskError

COLUMNS = "number, kind, order_id, claim_id, credits, pulses, n, note, boot_id, monotonic, wall"
_APPLICATION = 0x41524B41  # "ARKA": tells this file from any other SQLite file
_VERSION = 1
# A row is told by all of these: another journal, or an old copy of this one, has the same numbers.
_KEY = "number, boot_id, monotonic, wall, kind, order_id"
_SCHEMA = f"""
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS entries (
    position INTEGER PRIMARY KEY,
    number INTEGER NOT NULL,
    kind TEXT NOT NULL, order_id TEXT NOT NULL, claim_id TEXT NOT NULL,
    credits INTEGER NOT NULL, pulses INTEGER NOT NULL, n INTEGER NOT NULL, note TEXT NOT NULL,
    boot_id TEXT NOT NULL, monotonic REAL NOT NULL, wall REAL NOT NULL);
CREATE UNIQUE INDEX IF NOT EXISTS entries_by_key ON entries ({_KEY});
PRAGMA application_id = {_APPLICATION};
PRAGMA user_version = {_VERSION};
COMMIT;
"""

Row = tuple[object, ...]  # the values of COLUMNS


class ArchiveError(KioskError):
    """An archive cannot be read or written; the sentence names the file and the remedy."""


def path_of(journal: Path, year: int) -> Path:
    """Where a journal's orders of a year are kept."""
    return journal.with_name(f"{journal.name}.archive-{year}")


def years(journal: Path) -> list[int]:
    """The years that a journal has archives of, in order."""
    name = re.compile(re.escape(journal.name) + r"\.archive-([0-9]{1,4})")
    found = (name.fullmatch(path.name) for path in journal.parent.glob("*.archive-*"))
    return sorted(int(match[1]) for match in found if match)


def year_of(wall: float) -> int:
    """The year that a cabinet's clock said, which may be any: only the file depends on it."""
    try:
        return datetime.fromtimestamp(wall, UTC).year
    except (ValueError, OverflowError, OSError):
        return 1970


def add(journal: Path, year: int, rows: Sequence[Row]) -> None:
    """Writes rows, all or none, without those that are there; they survive a power cut then.

    Raises :class:`ArchiveError`.
    """
    path = path_of(journal, year)
    marks = ",".join("?" * len(COLUMNS.split(",")))
    try:
        with closing(_connect(str(path), uri=False)) as db:
            _check(db, path)
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("PRAGMA synchronous=FULL")
            db.executescript(_SCHEMA)
            db.execute("BEGIN IMMEDIATE")
            db.executemany(f"INSERT OR IGNORE INTO entries ({COLUMNS}) VALUES ({marks})", rows)
            db.execute("COMMIT")
        _sync_folder(path.parent)
    except (sqlite3.Error, OSError) as error:
        raise _failure(path, error) from error


class Archive:
    """An archive that is only read. One that a crash left without its table is empty."""

    def __init__(self, db: sqlite3.Connection, path: Path) -> None:
        self._db = db
        self._path = path
        try:
            found = db.execute("SELECT count(*) FROM sqlite_master WHERE name = 'entries'")
            (self._tables,) = found.fetchone()
        except sqlite3.Error as error:
            raise _failure(path, error) from error

    def rows(self) -> Iterator[Row]:
        """All rows, in the order in which they came. Raises :class:`ArchiveError`."""
        if not self._tables:
            return
        try:
            yield from self._db.execute(f"SELECT {COLUMNS} FROM entries ORDER BY position")
        except sqlite3.Error as error:
            raise _failure(self._path, error) from error

    def has(self, row: Row) -> bool:
        """Whether a row of the journal is here. Raises :class:`ArchiveError`."""
        if not self._tables:
            return False
        value = dict(zip(COLUMNS.split(", "), row, strict=True))
        names = _KEY.split(", ")
        where = " AND ".join(f"{name} = ?" for name in names)
        try:
            found = self._db.execute(
                f"SELECT 1 FROM entries WHERE {where}", [value[name] for name in names]
            )
            return found.fetchone() is not None
        except sqlite3.Error as error:
            raise _failure(self._path, error) from error


@contextmanager
def reading(journal: Path, year: int) -> Iterator[Archive]:
    """The archive of a year; changes nothing. Raises :class:`ArchiveError`."""
    path = path_of(journal, year)
    try:
        db = _connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    except sqlite3.Error as error:
        raise _failure(path, error) from error
    with closing(db):
        yield Archive(db, path)


def _connect(database: str, uri: bool) -> sqlite3.Connection:
    return sqlite3.connect(database, uri=uri, isolation_level=None)


def _check(db: sqlite3.Connection, path: Path) -> None:
    (application,) = db.execute("PRAGMA application_id").fetchone()
    (version,) = db.execute("PRAGMA user_version").fetchone()
    (tables,) = db.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if tables and (application != _APPLICATION or version > _VERSION):
        raise ArchiveError(
            f"{path} is no archive of this kiosk: give it another name, and the kiosk makes one"
        )


def _sync_folder(folder: Path) -> None:
    """Makes the name of a new file survive a power cut, too."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _failure(path: Path, error: Exception) -> ArchiveError:
    return ArchiveError(
        f"the archive {path} cannot be used ({error}): check the disk, and if the file is damaged, "
        "give it another name"
    )
