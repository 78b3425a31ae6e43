"""The stand-in's state, kept in one SQLite file: Stripe's objects, answers and deliveries.

Every change is one transaction under one lock, so the rules need no care for what happens at the
same time. Objects are kept as Stripe sends them, with ids where Stripe could expand.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
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
CREATE TABLE IF NOT EXISTS answers (
    key TEXT PRIMARY KEY,
    path TEXT NOT NULL,
    params TEXT NOT NULL,
    status INTEGER NOT NULL,
    body TEXT NOT NULL,
    request_id TEXT NOT NULL,
    created REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS answers_by_age ON answers (created);
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
class Answer:
    """An answer that is given again to the same idempotency key. ``params`` is a fingerprint."""

    key: str
    path: str
    params: str
    status: int
    body: str
    request_id: str
    created: float


@dataclass(frozen=True)
class Delivery:
    """One copy of an event on its way to the endpoint. Times in seconds since the epoch.

    ``state``: ``pending`` (sent when due), ``held`` (waits for another event to go first),
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
    """Which part of a list is asked for; newest first. ``limit`` is from 1 to 100."""

    limit: int = 10
    starting_after: str = ""
    ending_before: str = ""


class Books:
    """What can be read and written inside one transaction."""

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
        found = [_document(body) for (body,) in rows[: page.limit]]
        if order == "ASC":
            found.reverse()
        return found, len(rows) > page.limit

    # Answers by idempotency key

    def answer(self, key: str) -> Answer | None:
        """The stored answer for an idempotency key."""
        row = self._run("SELECT * FROM answers WHERE key = ?", (key,)).fetchone()
        return None if row is None else Answer(*row)

    def keep(self, answer: Answer, forget_before: float) -> None:
        """Stores an answer and forgets those that are older than ``forget_before``."""
        self._run("DELETE FROM answers WHERE created < ?", (forget_before,))
        self._run(
            "INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                answer.key,
                answer.path,
                answer.params,
                answer.status,
                answer.body,
                answer.request_id,
                answer.created,
            ),
        )

    # Deliveries

    def send(self, event: str, state: str, due: float, now: float) -> None:
        """Notes one copy of an event that is to be delivered."""
        self._run(
            "INSERT INTO deliveries (event, state, tries, first, due) VALUES (?, ?, 0, ?, ?)",
            (event, state, now, due),
        )

    def due(self, now: float, limit: int) -> list[Delivery]:
        """The deliveries that are due, oldest first: at most ``limit`` events, all their copies."""
        rows = self._run(
            "SELECT * FROM deliveries WHERE state = 'pending' AND due <= ?1 AND event IN "
            "(SELECT event FROM deliveries WHERE state = 'pending' AND due <= ?1 "
            " GROUP BY event ORDER BY MIN(due), MIN(seq) LIMIT ?2) ORDER BY due, seq",
            (now, limit),
        )
        return [Delivery(*row) for row in rows]

    def next_due(self) -> float | None:
        """When the next delivery is due, or ``None``."""
        (due,) = self._run("SELECT MIN(due) FROM deliveries WHERE state = 'pending'").fetchone()
        return None if due is None else float(due)

    def tried(self, delivery: Delivery, state: str, due: float) -> None:
        """Notes an attempt and what comes next."""
        self._run(
            "UPDATE deliveries SET state = ?, tries = tries + 1, due = ? WHERE seq = ?",
            (state, due, delivery.seq),
        )

    def held(self) -> bool:
        """Whether a delivery waits for another event to go first."""
        return self._run("SELECT 1 FROM deliveries WHERE state = 'held'").fetchone() is not None

    def let_go(self, now: float) -> None:
        """Makes the held deliveries due."""
        self._run(
            "UPDATE deliveries SET state = 'pending', due = MAX(due, ?) WHERE state = 'held'",
            (now,),
        )

    def waiting(self, event: str) -> int:
        """1 while the endpoint has not had the event, else 0: Stripe's ``pending_webhooks``."""
        row = self._run(
            "SELECT 1 FROM deliveries WHERE event = ? AND state IN ('pending', 'held')", (event,)
        ).fetchone()
        return int(row is not None)


class Store:
    """Opens ``path`` and hands out transactions."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.RLock()
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        # A power cut may cost the last payments of a sandbox, never the file.
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.executescript(_SCHEMA)

    @contextmanager
    def change(self) -> Iterator[Books]:
        """One transaction: all of it is stored when the block ends, nothing if it raises."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield Books(self._connection)
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    @contextmanager
    def look(self) -> Iterator[Books]:
        """For reading only."""
        with self._lock:
            yield Books(self._connection)

    def close(self) -> None:
        """Closes the file."""
        with self._lock:
            self._connection.close()


def _document(body: str) -> Document:
    document: Document = json.loads(body)
    return document
