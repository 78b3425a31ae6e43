"""What only the SQLite store promises: its file, its durability, and what it refuses."""

from __future__ import annotations

import contextlib
import gc
import sqlite3
import warnings
from pathlib import Path
from typing import Any

import pytest

from cloud.stores import sqlite
from cloud.stores.base import LedgerUnavailable
from cloud.stores.sqlite import SqliteLedger
from tests.cloud.stores.test_stores import ORDER


def damaged(tmp_path: Path) -> Path:
    file = tmp_path / "ledger.db"
    file.write_text("this is no database, and longer than any header of one would have to be")
    return file


def test_a_ledger_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    with pytest.raises(LedgerUnavailable, match=r"ledger\.db cannot be opened"):
        SqliteLedger(damaged(tmp_path))


def test_a_commit_survives_a_power_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    connect = sqlite3.connect

    def careless(*words: Any, **more: Any) -> sqlite3.Connection:
        # SQLite's own default depends on how it was built: begin with the worst one.
        db: sqlite3.Connection = connect(*words, **more)
        db.execute("PRAGMA synchronous=OFF")
        return db

    monkeypatch.setattr(sqlite3, "connect", careless)
    with contextlib.closing(SqliteLedger(tmp_path / "ledger.db")) as ledger:
        full = 2
        assert ledger._db.execute("PRAGMA synchronous").fetchone() == (full,)
        assert ledger._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)


@pytest.mark.parametrize("version", [0, 1, 99])
def test_a_file_of_another_version_is_refused_and_left_alone(tmp_path: Path, version: int) -> None:
    file = tmp_path / "ledger.db"
    with contextlib.closing(sqlite3.connect(file)) as db:
        db.execute("CREATE TABLE orders (id TEXT PRIMARY KEY, paid_at REAL, body TEXT)")
        db.execute(f"PRAGMA user_version={version}")
    before = file.read_bytes()
    with pytest.raises(LedgerUnavailable, match="another version of the cloud"):
        SqliteLedger(file)
    assert file.read_bytes() == before


@pytest.mark.parametrize("case", ["damaged", "other version", "no schema"])
def test_no_database_is_left_open_when_it_cannot_be_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    """From Python 3.13 on, a connection that nobody closed is a warning wherever it is found."""
    opened: list[sqlite3.Connection] = []
    connect = sqlite3.connect

    def watched(*words: Any, **more: Any) -> sqlite3.Connection:
        opened.append(connect(*words, **more))
        return opened[-1]

    file = damaged(tmp_path) if case == "damaged" else tmp_path / "ledger.db"
    if case == "other version":
        with contextlib.closing(connect(file)) as db:
            db.execute("CREATE TABLE orders (id)")
    if case == "no schema":
        monkeypatch.setattr(sqlite, "_SCHEMA", "this is no SQL;")
    monkeypatch.setattr(sqlite3, "connect", watched)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(LedgerUnavailable):
            SqliteLedger(file)
        (db,) = opened
        with pytest.raises(sqlite3.ProgrammingError, match="closed"):
            db.execute("SELECT 1")
        opened.clear()
        del db
        gc.collect()


def test_a_record_that_is_damaged_is_unavailable(tmp_path: Path) -> None:
    with contextlib.closing(SqliteLedger(tmp_path / "ledger.db")) as ledger:
        ledger.insert(ORDER)
        for body in ("no JSON", "[]", "{}", '{"v": 1}', '{"v": 2}'):
            ledger._db.execute("UPDATE orders SET body=?", (body,))
            with pytest.raises(LedgerUnavailable, match="a record of the ledger"):
                ledger.order("cs_1")
