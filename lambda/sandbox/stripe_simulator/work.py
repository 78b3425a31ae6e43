"""One request to the stand-in, inside one transaction: what the rules read, write and announce."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sandbox.stripe_simulator import objects
from sandbox.stripe_simulator.errors import Document, missing
from sandbox.stripe_simulator.rendering import render
from sandbox.stripe_simulator.store import Books


@dataclass(frozen=True)
class Work:
    """``now`` in seconds since the epoch; ``announce`` gets every event on its way to the endpoint.

    ``request_id`` and ``key`` are empty where a player's visit makes the events, not an API call.
    """

    books: Books
    now: float
    public_url: str
    announce: Callable[[Books, Document], None]
    request_id: str = ""
    key: str = ""

    @property
    def time(self) -> int:
        """``now`` as Stripe writes times."""
        return int(self.now)

    def find(self, kind: str, id: str, param: str) -> Document:
        """The object, or Stripe's 404 that blames ``param``."""
        document = self.books.get(kind, id)
        if document is None:
            raise missing(kind.replace("checkout.", "checkout "), id, param)
        return document

    def emit(self, type: str, subject: Document, before: Document | None = None) -> None:
        """Stores an event with ``subject`` as it is now; ``before`` tells what has changed."""
        previous = None
        if before is not None:
            previous = {key: old for key, old in before.items() if subject.get(key) != old}
        event = objects.event(
            self.time,
            type,
            render(self.books, subject, self.public_url),
            previous,
            self.request_id or None,
            self.key or None,
        )
        self.books.put(event)
        self.announce(self.books, event)
