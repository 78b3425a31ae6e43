"""The ledger in one SQLite file: for the sandbox, for tests, and for a cloud on one machine.

Each item is a JSON document beside the few columns that conditions and lists need. WAL with
``synchronous=FULL``: a commit that returned survives a power cut. Nothing lags here, but callers
must not rely on that.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from cloud.core.cabinets import Cabinet, Incident, PaymentLink, Presence
from cloud.core.forgiveness import DAY_MS, Forgiveness
from cloud.core.holds import KEPT_MS, Hold
from cloud.core.orders import FINISHED, UNFINISHED, Order, OrderState
from cloud.stores import records
from cloud.stores.base import (
    CabinetItems,
    DamagedRecord,
    Item,
    LedgerUnavailable,
    Replaceable,
    WriteResult,
    cabinet_items_of,
)

SCHEMA_VERSION = 2
PAGE = 200  # rows that a list reads at a time

# In the document and no column, so that files and programs from before it go on together.
LINK_DUE = "json_extract(body, '$.due_at_ms')"

_SCHEMA = f"""
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS orders (
    id TEXT PRIMARY KEY, machine_id TEXT NOT NULL, state TEXT NOT NULL,
    paid_at_ms INTEGER NOT NULL, due_at_ms INTEGER, version INTEGER NOT NULL, body TEXT NOT NULL)
    WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS orders_due ON orders (due_at_ms, id) WHERE due_at_ms IS NOT NULL;
CREATE INDEX IF NOT EXISTS orders_unfinished ON orders (machine_id, paid_at_ms, id)
    WHERE state NOT IN ('settled', 'released');
CREATE INDEX IF NOT EXISTS orders_by_cabinet ON orders (machine_id, paid_at_ms, id);
CREATE INDEX IF NOT EXISTS orders_by_time ON orders (paid_at_ms, id);
CREATE TABLE IF NOT EXISTS cabinets (
    id TEXT PRIMARY KEY, version INTEGER NOT NULL, body TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS presences (
    id TEXT PRIMARY KEY, seen_at_ms INTEGER NOT NULL, due_at_ms INTEGER, write_id TEXT NOT NULL,
    body TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS presences_due ON presences (due_at_ms, id) WHERE due_at_ms IS NOT NULL;
CREATE TABLE IF NOT EXISTS links (
    id TEXT PRIMARY KEY, machine_id TEXT NOT NULL, created_at_ms INTEGER NOT NULL,
    version INTEGER NOT NULL, body TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS links_by_cabinet ON links (machine_id, created_at_ms DESC, id DESC);
CREATE INDEX IF NOT EXISTS links_due ON links ({LINK_DUE}, id) WHERE {LINK_DUE} IS NOT NULL;
CREATE TABLE IF NOT EXISTS installation (
    one INTEGER PRIMARY KEY CHECK (one = 1), id TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS incidents (
    id TEXT PRIMARY KEY, at_ms INTEGER NOT NULL, body TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS incidents_by_time ON incidents (at_ms, id);
CREATE TABLE IF NOT EXISTS forgiveness (
    id TEXT PRIMARY KEY, expires_at_ms INTEGER NOT NULL, version INTEGER NOT NULL,
    body TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS forgiveness_by_end ON forgiveness (expires_at_ms);
CREATE TABLE IF NOT EXISTS holds (
    id TEXT PRIMARY KEY, expires_at_ms INTEGER NOT NULL, body TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS holds_by_end ON holds (expires_at_ms);
PRAGMA user_version = {SCHEMA_VERSION};
COMMIT;
"""
# The partial index spells the finished states out, since SQLite wants constants there.
assert {s.value for s in FINISHED} == {"settled", "released"}
assert all(s in UNFINISHED for s in OrderState if s not in FINISHED)

_TABLES: dict[type, str] = {
    Order: "orders",
    Cabinet: "cabinets",
    Presence: "presences",
    PaymentLink: "links",
    Incident: "incidents",
    Forgiveness: "forgiveness",
    Hold: "holds",
}
T = TypeVar("T", bound=Item)
Value = str | int | None


class SqliteLedger:
    """A :class:`cloud.stores.base.Ledger` in the file ``path``; safe to share between threads.

    A file that another version of the schema made is refused, never read as if it were of this one.
    """

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        try:
            self._db = sqlite3.connect(
                path, timeout=5.0, isolation_level=None, check_same_thread=False
            )
        except sqlite3.Error as error:
            raise LedgerUnavailable(f"the ledger {path} cannot be opened: {error}") from error
        try:
            self._prepare(path)
        except sqlite3.Error as error:
            self._db.close()
            raise LedgerUnavailable(f"the ledger {path} cannot be opened: {error}") from error
        except BaseException:
            self._db.close()
            raise

    def _prepare(self, path: Path) -> None:
        # The tables first: another process may be making both right now, in one transaction.
        tables = self._db.execute("SELECT 1 FROM sqlite_master WHERE name='orders'").fetchall()
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        if tables and version != SCHEMA_VERSION:
            raise LedgerUnavailable(
                f"the ledger {path} cannot be opened: it was made by another version of the cloud "
                f"(schema {version}, this one has {SCHEMA_VERSION}); use that version, or move the "
                "file away to begin with an empty ledger"
            )
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.executescript(_SCHEMA)

    def insert(self, item: Item) -> WriteResult:
        if isinstance(item, Forgiveness | Hold):
            # SQLite deletes nothing by itself: these are kept for a day.
            kept_ms = DAY_MS if isinstance(item, Forgiveness) else KEPT_MS
            written_at_ms = item.expires_at_ms - kept_ms
            self._write(
                f"DELETE FROM {_TABLES[type(item)]} WHERE expires_at_ms<=?", (written_at_ms,)
            )
        columns = {"id": records.key_of(item), **_columns(item), "body": _body(item)}
        written = self._write(
            f"INSERT OR IGNORE INTO {_TABLES[type(item)]} ({', '.join(columns)})"
            f" VALUES ({', '.join('?' * len(columns))})",
            tuple(columns.values()),
        )
        return WriteResult.WRITTEN if written else self._not_written(item)

    def replace(self, old: Replaceable, new: Replaceable) -> WriteResult:
        if type(old) is not type(new):
            raise TypeError(f"{type(old).__name__} cannot be replaced by {type(new).__name__}")
        if old.write_id == new.write_id:
            raise ValueError(
                f"a write of {records.key_of(new)} carries the write_id of the one before"
            )
        columns, condition = _columns(new), {"id": records.key_of(old), **_condition(old)}
        written = self._write(
            f"UPDATE {_TABLES[type(new)]} SET body=json_patch(body, ?)"
            f"{''.join(f', {name}=?' for name in columns)}"
            f" WHERE {' AND '.join(f'{name}=?' for name in condition)}",
            (_body(new), *columns.values(), *condition.values()),
        )
        return WriteResult.WRITTEN if written else self._not_written(new)

    def see(self, presence: Presence) -> WriteResult:
        written = self._write(
            "INSERT INTO presences (id, seen_at_ms, due_at_ms, write_id, body)"
            " VALUES (?,?,?,?,?) ON CONFLICT (id) DO UPDATE SET"
            " seen_at_ms=excluded.seen_at_ms, due_at_ms=excluded.due_at_ms,"
            " write_id=excluded.write_id, body=json_patch(body, excluded.body)"
            " WHERE presences.seen_at_ms <= excluded.seen_at_ms",
            (
                presence.machine_id,
                presence.seen_at_ms,
                presence.due_at_ms,
                presence.write_id,
                _body(presence),
            ),
        )
        return WriteResult.WRITTEN if written else self._not_written(presence)

    def installation(self, new_id: str) -> str:
        self._write("INSERT OR IGNORE INTO installation (one, id) VALUES (1, ?)", (new_id,))
        return str(self._read("SELECT id FROM installation", ())[0][0])

    def order(self, order_id: str) -> Order | None:
        return self._item(Order, order_id)

    def cabinet(self, machine_id: str) -> Cabinet | None:
        return self._item(Cabinet, machine_id)

    def cabinet_and_order(
        self, machine_id: str, order_id: str
    ) -> tuple[Cabinet | None, Order | None]:
        return self.cabinet(machine_id), self.order(order_id)

    def cabinet_items(self, machine_id: str) -> CabinetItems:
        return cabinet_items_of(self, machine_id)

    def presence(self, machine_id: str) -> Presence | None:
        return self._item(Presence, machine_id)

    def link(self, link_id: str) -> PaymentLink | None:
        return self._item(PaymentLink, link_id)

    def forgiveness(self, subject: str) -> Forgiveness | None:
        return self._item(Forgiveness, subject)

    def hold(self, intent_id: str) -> Hold | None:
        return self._item(Hold, intent_id)

    def lagging_due_order_ids(self, now_ms: int) -> Iterator[str]:
        return self._ids("orders", "due_at_ms", "due_at_ms<=?", (now_ms,))

    def lagging_due_cabinet_ids(self, now_ms: int) -> Iterator[str]:
        return self._ids("presences", "due_at_ms", "due_at_ms<=?", (now_ms,))

    def lagging_due_link_ids(self, now_ms: int) -> Iterator[str]:
        return self._ids("links", LINK_DUE, f"{LINK_DUE}<=?", (now_ms,))

    def lagging_unfinished_ids(self, machine_id: str) -> Iterator[str]:
        # By name: the planner prefers the index of all orders, and would read every old one.
        return self._ids(
            "orders INDEXED BY orders_unfinished",
            "paid_at_ms",
            "state NOT IN ('settled', 'released') AND machine_id=?",
            (machine_id,),
        )

    def lagging_link_ids(self, machine_id: str) -> Iterator[str]:
        return self._ids("links", "created_at_ms", "machine_id=?", (machine_id,), newest_first=True)

    def lagging_orders(self, machine_id: str = "", since_ms: int = 0) -> Iterator[Order]:
        if machine_id:
            where: tuple[str, tuple[Value, ...]] = (
                "machine_id=? AND paid_at_ms>=?",
                (machine_id, since_ms),
            )
        else:
            where = "paid_at_ms>=?", (since_ms,)
        for _, body in self._pages("orders", "paid_at_ms", *where):
            yield _read(Order, body)

    def lagging_cabinets(self) -> Iterator[Cabinet]:
        for _, body in self._pages("cabinets", "id", "1", ()):
            yield _read(Cabinet, body)

    def lagging_incidents(self, since_ms: int = 0) -> Iterator[Incident]:
        for _, body in self._pages("incidents", "at_ms", "at_ms>=?", (since_ms,)):
            yield _read(Incident, body)

    def close(self) -> None:
        with self._lock:
            self._db.close()

    def _not_written(self, new: Item) -> WriteResult:
        """Tells an earlier try of the same write from somebody else's."""
        stored = self._item(type(new), records.key_of(new))
        own = stored is not None and stored.write_id == new.write_id
        return WriteResult.ALREADY_WRITTEN if own else WriteResult.LOST

    def _item(self, kind: type[T], key: str) -> T | None:
        rows = self._read(f"SELECT body FROM {_TABLES[kind]} WHERE id=?", (key,))
        return _read(kind, rows[0][0]) if rows else None

    def _ids(
        self,
        table: str,
        by: str,
        where: str,
        values: tuple[Value, ...],
        newest_first: bool = False,
    ) -> Iterator[str]:
        for key, _ in self._pages(table, by, where, values, newest_first, body=False):
            yield key

    def _pages(
        self,
        table: str,
        by: str,
        where: str,
        values: tuple[Value, ...],
        newest_first: bool = False,
        body: bool = True,
    ) -> Iterator[tuple[str, str]]:
        """Ids and bodies in the order of ``by``. Each page begins behind the last one's last row,
        so what is written in between neither doubles nor hides a row that stays."""
        beyond, direction = ("<", " DESC") if newest_first else (">", "")
        text = "body" if body else "''"
        question = f"SELECT id, {text}, {by} FROM {table} WHERE {where}"
        order = f" ORDER BY {by}{direction}, id{direction} LIMIT {PAGE}"
        rows = self._read(question + order, values)
        while rows:
            for key, document, _ in rows:
                yield key, document
            if len(rows) < PAGE:
                return
            last_key, _, last = rows[-1]
            rows = self._read(
                f"{question} AND ({by}, id) {beyond} (?, ?){order}", (*values, last, last_key)
            )

    def _write(self, statement: str, values: tuple[Value, ...]) -> bool:
        with self._guarded():
            return self._db.execute(statement, values).rowcount == 1

    def _read(self, question: str, values: tuple[Value, ...]) -> list[Any]:
        with self._guarded():
            return self._db.execute(question, values).fetchall()

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            with self._lock:
                yield
        except sqlite3.Error as error:
            raise LedgerUnavailable(f"the ledger cannot be used: {error}") from error


def _columns(item: Item) -> dict[str, Value]:
    """What conditions and lists need beside the body and the key."""
    match item:
        case Order():
            return {
                "machine_id": item.machine_id,
                "state": item.state.value,
                "paid_at_ms": item.paid_at_ms,
                "due_at_ms": item.due_at_ms,
                "version": item.version,
            }
        case Cabinet():
            return {"version": item.version}
        case Presence():
            return {
                "seen_at_ms": item.seen_at_ms,
                "due_at_ms": item.due_at_ms,
                "write_id": item.write_id,
            }
        case PaymentLink():
            return {
                "machine_id": item.machine_id,
                "created_at_ms": item.created_at_ms,
                "version": item.version,
            }
        case Incident():
            return {"at_ms": item.at_ms}
        case Forgiveness():
            return {"expires_at_ms": item.expires_at_ms, "version": item.version}
        case Hold():
            return {"expires_at_ms": item.expires_at_ms}


def _condition(old: Replaceable) -> dict[str, Value]:
    """What must still be so for ``old`` to be replaced."""
    match old:
        case Order():
            return {"version": old.version, "state": old.state.value}
        case Cabinet() | PaymentLink() | Forgiveness():
            return {"version": old.version}
        case Presence():
            return {"write_id": old.write_id}


def _body(item: Item) -> str:
    return json.dumps(records.to_document(item), separators=(",", ":"))


def _read(kind: type[T], body: str) -> T:
    try:
        document = json.loads(body)
    except ValueError as error:
        raise DamagedRecord(f"a record of the ledger is damaged: {error}") from error
    return records.from_document(kind, document)
