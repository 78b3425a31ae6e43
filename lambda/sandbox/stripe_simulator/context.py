"""What the simulator's rules need for one request: its transaction, the time, and events."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sandbox.stripe_simulator import objects
from sandbox.stripe_simulator.errors import Document, missing
from sandbox.stripe_simulator.rendering import render
from sandbox.stripe_simulator.store import Transaction


@dataclass(frozen=True)
class Context:
    """``now`` in seconds since the epoch; ``enqueue`` puts an event into the delivery queue.

    ``request_id`` and ``idempotency_key`` are empty where the checkout page causes the events, not
    an API call.
    """

    transaction: Transaction
    now: float
    public_url: str
    enqueue: Callable[[Transaction, Document], None]
    request_id: str = ""
    idempotency_key: str = ""

    @property
    def time(self) -> int:
        """``now`` as Stripe writes times."""
        return int(self.now)

    def find(self, kind: str, id: str, param: str) -> Document:
        """The object, or Stripe's 404 for the parameter ``param``."""
        document = self.transaction.get(kind, id)
        if document is None:
            raise missing(kind.replace("checkout.", "checkout "), id, param)
        return document

    def emit(self, type: str, subject: Document, before: Document | None = None) -> None:
        """Stores and enqueues an event about ``subject`` as it is now.

        ``before`` is the object before the change, for ``previous_attributes``.
        """
        previous = None
        if before is not None:
            previous = {key: old for key, old in before.items() if subject.get(key) != old}
        event = objects.event(
            self.time,
            type,
            render(self.transaction, subject, self.public_url),
            previous,
            self.request_id or None,
            self.idempotency_key or None,
        )
        self.transaction.put(event)
        self.enqueue(self.transaction, event)
