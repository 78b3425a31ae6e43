"""The ledger in one SQLite file: for the sandbox, for tests, and for a cloud on one machine.

Each item is a JSON document beside the few columns that conditions and questions need. WAL with
``synchronous=FULL``: a commit that returned survives a power cut.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from enum import Enum
from pathlib import Path
from typing import Any

from cloud.core.cabinets import Cabinet, Incident, PaymentLink, Presence
from cloud.core.orders import FINISHED, UNFINISHED, Order, OrderState
from cloud.core.prices import Bonus, PriceList
from cloud.stores.base import LedgerUnavailable

_SCHEMA = """
CREATE TABLE IF NOT EXISTS orders (
    id TEXT PRIMARY KEY, machine_id TEXT NOT NULL, state TEXT NOT NULL, paid_at REAL NOT NULL,
    version INTEGER NOT NULL, body TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS orders_unfinished ON orders (paid_at, id)
    WHERE state NOT IN ('settled', 'released');
CREATE INDEX IF NOT EXISTS orders_unfinished_by_machine ON orders (machine_id, paid_at, id)
    WHERE state NOT IN ('settled', 'released');
CREATE INDEX IF NOT EXISTS orders_by_machine ON orders (machine_id, paid_at);
CREATE INDEX IF NOT EXISTS orders_by_time ON orders (paid_at);
CREATE TABLE IF NOT EXISTS cabinets (
    id TEXT PRIMARY KEY, version INTEGER NOT NULL, body TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS links (
    number INTEGER PRIMARY KEY, id TEXT UNIQUE NOT NULL, machine_id TEXT NOT NULL,
    version INTEGER NOT NULL, body TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS links_by_machine ON links (machine_id);
CREATE TABLE IF NOT EXISTS presences (id TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS incidents (
    id TEXT PRIMARY KEY, at REAL NOT NULL, body TEXT NOT NULL) WITHOUT ROWID;
"""
_UNFINISHED = "WHERE state NOT IN ('settled', 'released')"
# The partial index spells the finished states out, since SQLite wants constants there.
assert {s.value for s in FINISHED} == {"settled", "released"}
assert all(s in UNFINISHED for s in OrderState if s not in FINISHED)


class SqliteLedger:
    """A :class:`cloud.stores.base.Ledger` in the file ``path``; safe to share between threads."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        try:
            self._db = sqlite3.connect(
                path, timeout=5.0, isolation_level=None, check_same_thread=False
            )
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.executescript(_SCHEMA)
        except sqlite3.Error as error:
            raise LedgerUnavailable(f"the ledger {path} cannot be opened: {error}") from error

    def insert(self, item: Order | Cabinet | PaymentLink | Incident) -> bool:
        match item:
            case Order():
                return self._write(
                    "INSERT OR IGNORE INTO orders VALUES (?,?,?,?,?,?)",
                    (
                        item.order_id,
                        item.machine_id,
                        item.state.value,
                        item.paid_at,
                        item.version,
                    ),
                    item,
                )
            case Cabinet():
                return self._write(
                    "INSERT OR IGNORE INTO cabinets VALUES (?,?,?)",
                    (item.machine_id, item.version),
                    item,
                )
            case PaymentLink():
                return self._write(
                    "INSERT OR IGNORE INTO links (id, machine_id, version, body) VALUES (?,?,?,?)",
                    (item.link_id, item.machine_id, item.version),
                    item,
                )
            case Incident():
                return self._write(
                    "INSERT OR IGNORE INTO incidents VALUES (?,?,?)",
                    (item.incident_id, item.at),
                    item,
                )

    def replace(
        self, old: Order | Cabinet | PaymentLink, new: Order | Cabinet | PaymentLink
    ) -> bool:
        match old, new:
            case Order(), Order():
                return self._write(
                    "UPDATE orders SET state=?3, version=?4, body=?6"
                    " WHERE id=?1 AND version=?2 AND state=?5",
                    (
                        old.order_id,
                        old.version,
                        new.state.value,
                        new.version,
                        old.state.value,
                    ),
                    new,
                )
            case Cabinet(), Cabinet():
                return self._write(
                    "UPDATE cabinets SET version=?3, body=?4 WHERE id=?1 AND version=?2",
                    (old.machine_id, old.version, new.version),
                    new,
                )
            case PaymentLink(), PaymentLink():
                return self._write(
                    "UPDATE links SET version=?3, body=?4 WHERE id=?1 AND version=?2",
                    (old.link_id, old.version, new.version),
                    new,
                )
        raise TypeError(f"{type(old).__name__} cannot be replaced by {type(new).__name__}")

    def order(self, order_id: str) -> Order | None:
        return next(self._orders("WHERE id=?", (order_id,)), None)

    def unfinished(self, machine_id: str = "") -> Sequence[Order]:
        # By name: the planner prefers the indexes of all orders, and would read every old one.
        if machine_id:
            where = f"INDEXED BY orders_unfinished_by_machine {_UNFINISHED} AND machine_id=?"
            return list(self._orders(f"{where} ORDER BY paid_at, id", (machine_id,)))
        return list(
            self._orders(f"INDEXED BY orders_unfinished {_UNFINISHED} ORDER BY paid_at, id", ())
        )

    def orders(self, machine_id: str = "", since: float = 0.0) -> Sequence[Order]:
        if machine_id:
            where, values = "WHERE machine_id=? AND paid_at>=?", (machine_id, since)
        else:
            where, values = "WHERE paid_at>=?", (since,)  # type: ignore[assignment]
        return list(self._orders(f"{where} ORDER BY paid_at, id", values))

    def cabinet(self, machine_id: str) -> Cabinet | None:
        return next(self._cabinets("WHERE id=?", (machine_id,)), None)

    def cabinets(self) -> Sequence[Cabinet]:
        return list(self._cabinets("ORDER BY id", ()))

    def link(self, link_id: str) -> PaymentLink | None:
        return next(self._links("WHERE id=?", (link_id,)), None)

    def links(self, machine_id: str) -> Sequence[PaymentLink]:
        return list(self._links("WHERE machine_id=? ORDER BY number DESC", (machine_id,)))

    def see(self, presence: Presence) -> None:
        self._write("REPLACE INTO presences VALUES (?,?)", (presence.machine_id,), presence)

    def presence(self, machine_id: str) -> Presence | None:
        for body in self._read("SELECT body FROM presences WHERE id=?", (machine_id,)):
            return Presence(**{**body, "problems": tuple(body["problems"])})
        return None

    def incidents(self, since: float = 0.0) -> Sequence[Incident]:
        question = "SELECT body FROM incidents WHERE at>=? ORDER BY at, id"
        return [Incident(**body) for body in self._read(question, (since,))]

    def close(self) -> None:
        with self._lock:
            self._db.close()

    def _write(self, statement: str, values: tuple[object, ...], item: Any) -> bool:
        with self._guarded():
            return self._db.execute(statement, (*values, _document(item))).rowcount == 1

    def _read(self, question: str, values: tuple[object, ...]) -> list[dict[str, Any]]:
        with self._guarded():
            rows = self._db.execute(question, values).fetchall()
        return [json.loads(row[0]) for row in rows]

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            with self._lock:
                yield
        except sqlite3.Error as error:
            raise LedgerUnavailable(f"the ledger cannot be used: {error}") from error

    def _orders(self, where: str, values: tuple[object, ...]) -> Iterator[Order]:
        for body in self._read(f"SELECT body FROM orders {where}", values):
            yield Order(**{**body, "state": OrderState(body["state"])})

    def _cabinets(self, where: str, values: tuple[object, ...]) -> Iterator[Cabinet]:
        for body in self._read(f"SELECT body FROM cabinets {where}", values):
            yield Cabinet(**{**body, "prices": _prices(body["prices"])})

    def _links(self, where: str, values: tuple[object, ...]) -> Iterator[PaymentLink]:
        for body in self._read(f"SELECT body FROM links {where}", values):
            yield PaymentLink(**{**body, "prices": _prices(body["prices"])})


def _document(item: Any) -> str:
    return json.dumps(asdict(item), default=_plain, separators=(",", ":"))


def _plain(value: object) -> object:
    if isinstance(value, Enum):
        return value.value
    raise TypeError(f"{value!r} cannot be stored")


def _prices(body: dict[str, Any]) -> PriceList:
    return PriceList(**{**body, "bonuses": tuple(Bonus(**b) for b in body["bonuses"])})
