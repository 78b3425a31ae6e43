"""The simulator's state in one SQLite file: Stripe's objects, stored responses and deliveries.

Transactions run one after the other under one lock, so the rules never see each other's changes
half made. Objects are kept as Stripe sends them, with ids where Stripe could expand.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from sandbox.stripe_simulator.errors import Document

_SCHEMA = """
CREATE TABLE IF NOT EXISTS objects (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    id TEXT NOT NULL UNIQUE,
    parent TEXT NOT NULL,
    created INTEGER NOT NULL,
    body TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS objects_by_kind ON objects (kind, seq);
CREATE INDEX IF NOT EXISTS objects_by_parent ON objects (parent, kind) WHERE parent != '';
CREATE INDEX IF NOT EXISTS objects_by_intent ON objects (json_extract(body, '$.payment_intent'));
CREATE INDEX IF NOT EXISTS objects_by_link ON objects (json_extract(body, '$.payment_link'));
CREATE TABLE IF NOT EXISTS responses (
    key TEXT PRIMARY KEY,
    path TEXT NOT NULL,
    params TEXT NOT NULL,
    status INTEGER NOT NULL,
    body TEXT NOT NULL,
    request_id TEXT NOT NULL,
    created REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS responses_by_age ON responses (created);
CREATE TABLE IF NOT EXISTS deliveries (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    event TEXT NOT NULL,
    state TEXT NOT NULL,
    tries INTEGER NOT NULL,
    first REAL NOT NULL,
    due REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS deliveries_by_due ON deliveries (state, due);
CREATE INDEX IF NOT EXISTS deliveries_by_event ON deliveries (event);
"""


@dataclass(frozen=True)
class StoredResponse:
    """The response that an idempotency key replays. ``params`` is a fingerprint."""

    key: str
    path: str
    params: str
    status: int
    body: str
    request_id: str
    created: float


@dataclass(frozen=True)
class Delivery:
    """One copy of an event for the endpoint. Times in seconds since the epoch.

    ``state``: ``pending`` (sent when due), ``held`` (until another event has been sent),
    ``delivered``, ``failed`` (never sent again).
    """

    seq: int
    event: str
    state: str
    tries: int
    first: float
    due: float


@dataclass(frozen=True)
class Page:
    """Which part of a list is requested; newest first. ``limit`` is from 1 to 100."""

    limit: int = 10
    starting_after: str = ""
    ending_before: str = ""


class Transaction:
    """Reads and writes within one transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._run = connection.execute

    # Objects

    def put(self, document: Document, parent: str = "") -> None:
        """Stores an object, new or changed; its kind is its field ``object``."""
        self._run(
            "INSERT INTO objects (kind, id, parent, created, body) VALUES (?, ?, ?, ?, ?) "
            "ON CONFLICT (id) DO UPDATE SET body = excluded.body",
            (
                document["object"],
                document["id"],
                parent,
                document.get("created", 0),
                json.dumps(document),
            ),
        )

    def get(self, kind: str, id: str) -> Document | None:
        """The object, or ``None``."""
        row = self._run("SELECT body FROM objects WHERE id = ? AND kind = ?", (id, kind)).fetchone()
        return None if row is None else _document(row[0])

    def children(self, parent: str, kind: str) -> list[Document]:
        """The objects stored under ``parent``, oldest first."""
        rows = self._run(
            "SELECT body FROM objects WHERE parent = ? AND kind = ? ORDER BY seq", (parent, kind)
        )
        return [_document(body) for (body,) in rows]

    def select(
        self, kind: str, where: Sequence[tuple[str, object]], page: Page
    ) -> tuple[list[Document], bool]:
        """One page of the objects of ``kind``, newest first, and whether more follow.

        ``where`` are SQL conditions, each with one ``?``, and their values.
        """
        conditions = ["kind = ?", *(condition for condition, _ in where)]
        values: list[object] = [kind, *(value for _, value in where)]
        order = "DESC"
        if page.starting_after:
            conditions.append("seq < (SELECT seq FROM objects WHERE id = ?)")
            values.append(page.starting_after)
        if page.ending_before:
            conditions.append("seq > (SELECT seq FROM objects WHERE id = ?)")
            values.append(page.ending_before)
            order = "ASC"
        query = ["SELECT body FROM objects WHERE", " AND ".join(conditions), "ORDER BY seq", order]
        rows = self._run(" ".join([*query, "LIMIT ?"]), (*values, page.limit + 1)).fetchall()
        documents = [_document(body) for (body,) in rows[: page.limit]]
        if order == "ASC":
            documents.reverse()
        return documents, len(rows) > page.limit

    # Responses by idempotency key

    def response(self, key: str) -> StoredResponse | None:
        """The stored response for an idempotency key."""
        row = self._run("SELECT * FROM responses WHERE key = ?", (key,)).fetchone()
        return None if row is None else StoredResponse(*row)

    def put_response(self, response: StoredResponse, expired_before: float) -> None:
        """Stores a response and deletes those created before ``expired_before``."""
        self._run("DELETE FROM responses WHERE created < ?", (expired_before,))
        self._run(
            "INSERT OR REPLACE INTO responses VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                response.key,
                response.path,
                response.params,
                response.status,
                response.body,
                response.request_id,
                response.created,
            ),
        )

    # Deliveries

    def add_delivery(self, event: str, state: str, due: float, now: float) -> None:
        """Queues one copy of an event."""
        self._run(
            "INSERT INTO deliveries (event, state, tries, first, due) VALUES (?, ?, 0, ?, ?)",
            (event, state, now, due),
        )

    def due_deliveries(self, now: float, limit: int) -> list[Delivery]:
        """The deliveries that are due, oldest first: at most ``limit`` events, all their copies."""
        rows = self._run(
            "SELECT * FROM deliveries WHERE state = 'pending' AND due <= ?1 AND event IN "
            "(SELECT event FROM deliveries WHERE state = 'pending' AND due <= ?1 "
            " GROUP BY event ORDER BY MIN(due), MIN(seq) LIMIT ?2) ORDER BY due, seq",
            (now, limit),
        )
        return [Delivery(*row) for row in rows]

    def next_delivery_due(self) -> float | None:
        """When the next delivery is due, or ``None``."""
        (due,) = self._run("SELECT MIN(due) FROM deliveries WHERE state = 'pending'").fetchone()
        return None if due is None else float(due)

    def record_attempt(self, delivery: Delivery, state: str, due: float) -> None:
        """Counts an attempt and stores the state after it."""
        self._run(
            "UPDATE deliveries SET state = ?, tries = tries + 1, due = ? WHERE seq = ?",
            (state, due, delivery.seq),
        )

    def has_held(self) -> bool:
        """Whether a delivery is held until another event has been sent."""
        return self._run("SELECT 1 FROM deliveries WHERE state = 'held'").fetchone() is not None

    def release_held(self, now: float) -> None:
        """Makes the held deliveries due."""
        self._run(
            "UPDATE deliveries SET state = 'pending', due = MAX(due, ?) WHERE state = 'held'",
            (now,),
        )

    def pending_webhooks(self, event: str) -> int:
        """Stripe's field of that name: 1 while a copy is still to be delivered, else 0."""
        row = self._run(
            "SELECT 1 FROM deliveries WHERE event = ? AND state IN ('pending', 'held')", (event,)
        ).fetchone()
        return int(row is not None)


class Store:
    """Opens the database at ``path``. Raises ``sqlite3.Error`` where it cannot be used."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.RLock()
        with ExitStack() as on_failure:
            connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            # A file that is no database is opened without complaint: only its first use fails.
            on_failure.callback(connection.close)
            # A power cut may cost the last payments of a sandbox, never the file.
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.executescript(_SCHEMA)
            on_failure.pop_all()
        self._connection = connection

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Commits when the block ends; rolls back if it raises."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield Transaction(self._connection)
                self._connection.execute("COMMIT")
            except BaseException:
                # An error such as a full disk may have rolled it back already.
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    @contextmanager
    def read(self) -> Iterator[Transaction]:
        """For reading only."""
        with self._lock:
            yield Transaction(self._connection)

    def close(self) -> None:
        """Closes the file."""
        with self._lock:
            self._connection.close()


def _document(body: str) -> Document:
    document: Document = json.loads(body)
    return document
