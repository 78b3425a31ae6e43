from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from sandbox.stripe_simulator.store import Store


def not_a_database(file: Path) -> None:
    file.write_bytes(b"nothing that SQLite wrote " * 100)


def other_tables(file: Path) -> None:
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE objects (id TEXT)")
    connection.close()


@pytest.mark.parametrize("damage", [not_a_database, other_tables])
def test_a_file_that_cannot_be_used_is_closed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: Any
) -> None:
    file = tmp_path / "stripe.db"
    damage(file)
    opened: list[sqlite3.Connection] = []
    connect = sqlite3.connect

    def recorded(*arguments: Any, **options: Any) -> sqlite3.Connection:
        opened.append(connect(*arguments, **options))
        return opened[-1]

    monkeypatch.setattr(sqlite3, "connect", recorded)
    with pytest.raises(sqlite3.DatabaseError):
        Store(file)
    [connection] = opened
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        connection.execute("SELECT 1")


def test_a_commit_that_fails_is_rolled_back(tmp_path: Path) -> None:
    store = Store(tmp_path / "stripe.db")
    # A deferred constraint is checked by the commit, which fails and leaves its transaction open.
    connection = store._connection
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute(
        "CREATE TABLE child (parent TEXT REFERENCES objects (id) DEFERRABLE INITIALLY DEFERRED)"
    )

    def change() -> None:
        with store.transaction() as transaction:
            transaction.put({"id": "prod_1", "object": "product"})
            connection.execute("INSERT INTO child VALUES ('prod_2')")

    with pytest.raises(sqlite3.IntegrityError):
        change()
    with store.transaction() as transaction:
        assert transaction.get("product", "prod_1") is None
        transaction.put({"id": "prod_3", "object": "product"})
    with store.read() as transaction:
        assert transaction.get("product", "prod_3")
    store.close()
