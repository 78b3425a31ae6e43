"""Builds the simulator's parts and runs its one thread."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sandbox.stripe_simulator.checkout import Checkout
from sandbox.stripe_simulator.context import Context
from sandbox.stripe_simulator.failures import Failures
from sandbox.stripe_simulator.store import Store
from sandbox.stripe_simulator.webhooks import SUBSCRIBED, Deliveries

log = logging.getLogger(__name__)

EXPIRY_SECONDS = 30.0


class StripeSimulator:
    """Stripe's servers on one machine: the state in ``directory``, one key, one endpoint.

    ``public_url`` is where phones reach the checkout page, ``webhook_url`` where events go; both
    may be set later, when the ports are known. Until then events are queued. ``subscribed`` are the
    types that the endpoint is sent.
    """

    def __init__(
        self,
        directory: Path,
        secret_key: str,
        webhook_secret: str,
        public_url: str,
        webhook_url: str | None,
        clock: Callable[[], float] = time.time,
        subscribed: frozenset[str] = SUBSCRIBED,
    ) -> None:
        self.secret_key = secret_key
        self.public_url = public_url
        self.clock = clock
        self.store = Store(directory / "stripe.db")
        self.deliveries = Deliveries(self.store, webhook_secret, webhook_url, clock, subscribed)
        self.failures = Failures()
        self.checkout = Checkout(self.begin)
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()

    @property
    def webhook_url(self) -> str | None:
        """Where events go."""
        return self.deliveries.url

    @webhook_url.setter
    def webhook_url(self, url: str | None) -> None:
        self.deliveries.url = url
        self.deliveries.wake.set()

    @contextmanager
    def begin(self, request_id: str = "", idempotency_key: str = "") -> Iterator[Context]:
        """Begins a transaction for one request; it is committed unless the block raises."""
        with self.store.transaction() as transaction:
            yield Context(
                transaction,
                self.clock(),
                self.public_url.rstrip("/"),
                self.deliveries.enqueue,
                request_id,
                idempotency_key,
            )

    def start(self) -> None:
        """Starts the deliveries, beginning with what an earlier run left undelivered."""
        with self.store.transaction() as transaction:
            transaction.release_held(self.clock())
        self._thread = threading.Thread(target=self._run, name="stripe-simulator", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stops the deliveries and closes the file; the next start resumes them."""
        self._stopping.set()
        self.failures.stop()
        self.deliveries.stop()
        if self._thread:
            # It may be waiting for an endpoint that does not answer; it no longer uses the file.
            self._thread.join(timeout=2.0)
        self.store.close()

    def _run(self) -> None:
        next_expiry = 0.0
        while not self._stopping.is_set():
            self.deliveries.wake.clear()
            pause: float | None = None
            try:
                if time.monotonic() >= next_expiry:
                    self.checkout.expire_overdue()
                    next_expiry = time.monotonic() + EXPIRY_SECONDS
                pause = self.deliveries.deliver_due()
            except Exception:
                log.exception("the Stripe simulator's deliveries failed: next try in a second")
                pause = 1.0
            left = max(0.0, next_expiry - time.monotonic())
            self.deliveries.wake.wait(left if pause is None else min(pause, left))
