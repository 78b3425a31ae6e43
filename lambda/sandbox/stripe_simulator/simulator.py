"""Puts the stand-in together and runs its one thread."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sandbox.stripe_simulator.checkout import Checkout
from sandbox.stripe_simulator.failures import Failures
from sandbox.stripe_simulator.store import Store
from sandbox.stripe_simulator.webhooks import Deliveries
from sandbox.stripe_simulator.work import Work

log = logging.getLogger(__name__)

UPKEEP_SECONDS = 30.0


class StripeStandin:
    """Stripe's servers on one machine: the state in ``directory``, one key, one endpoint.

    ``public_url`` is where phones reach the checkout page, ``webhook_url`` where events go; both
    may be set later, when the ports are known. Until then events wait.
    """

    def __init__(
        self,
        directory: Path,
        secret_key: str,
        webhook_secret: str,
        public_url: str,
        webhook_url: str | None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.secret_key = secret_key
        self.public_url = public_url
        self.clock = clock
        self.store = Store(directory / "stripe.db")
        self.deliveries = Deliveries(self.store, webhook_secret, webhook_url, clock)
        self.failures = Failures()
        self.checkout = Checkout(self.work)
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()

    @property
    def webhook_url(self) -> str | None:
        """Where events go."""
        return self.deliveries.url

    @webhook_url.setter
    def webhook_url(self, url: str | None) -> None:
        self.deliveries.url = url
        self.deliveries.news.set()

    @contextmanager
    def work(self, request_id: str = "", key: str = "") -> Iterator[Work]:
        """One transaction, with all that the rules need."""
        with self.store.change() as books:
            yield Work(
                books,
                self.clock(),
                self.public_url.rstrip("/"),
                self.deliveries.announce,
                request_id,
                key,
            )

    def start(self) -> None:
        """Starts to deliver; what an earlier run left undelivered goes first."""
        with self.store.change() as books:
            books.let_go(self.clock())
        self._thread = threading.Thread(target=self._run, name="stripe-standin", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stops delivering and closes the file; undelivered events go on after the next start."""
        self._stopping.set()
        self.failures.stop()
        self.deliveries.stop()
        if self._thread:
            # It may wait for an endpoint that does not answer, and touches the file no more.
            self._thread.join(timeout=2.0)
        self.store.close()

    def _run(self) -> None:
        upkeep = 0.0
        while not self._stopping.is_set():
            self.deliveries.news.clear()
            pause: float | None = None
            try:
                if time.monotonic() >= upkeep:
                    self.checkout.expire_overdue()
                    upkeep = time.monotonic() + UPKEEP_SECONDS
                pause = self.deliveries.deliver_due()
            except Exception:
                log.exception("the deliveries of the Stripe stand-in go on in a second")
                pause = 1.0
            left = max(0.0, upkeep - time.monotonic())
            self.deliveries.news.wait(left if pause is None else min(pause, left))
