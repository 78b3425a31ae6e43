"""Delivers events to the endpoint, signed, from a thread of its own, and retries until a 2xx.

    event ── enqueue ──▶ pending ── 2xx ──▶ delivered
                           │  ▲
                           └──┘ anything else: retried after 1 s, 2 s, 4 s … 30 min, each ± 25 %;
                                failed after 3 h

Stripe itself begins with minutes and goes on for days; here the first retries come early, so that
they can be watched in the demo.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from random import Random, SystemRandom

import requests

from sandbox.stripe_simulator.errors import Document
from sandbox.stripe_simulator.rendering import render
from sandbox.stripe_simulator.store import Delivery, Store, Transaction

log = logging.getLogger(__name__)

FIRST_RETRY_SECONDS = 1.0
LONGEST_RETRY_SECONDS = 1800.0
RETRY_FOR_SECONDS = 3 * 3600.0
JITTER = 0.25
TIMEOUT_SECONDS = (3.05, 10.0)

# What an endpoint is sent that does not say what it wants.
SUBSCRIBED = frozenset(
    {
        "checkout.session.completed",
        "checkout.session.async_payment_succeeded",
        "checkout.session.async_payment_failed",
        "checkout.session.expired",
        "payment_intent.created",
        "payment_intent.processing",
        "payment_intent.payment_failed",
        "payment_intent.canceled",
        "charge.refunded",
        "charge.dispute.created",
    }
)


@dataclass(frozen=True)
class DeliverySettings:
    """How events are delivered from now on, for tests: by default in order and once.

    ``delay_seconds``: how long each event waits first. ``duplicate``: two copies of each are sent
    at the same time. ``out_of_order``: an event is held until the next one has been delivered.
    ``drop``: nothing is sent, and the event stays undelivered. ``concurrency``: how many events
    may be under way at the same time.
    """

    delay_seconds: float = 0.0
    duplicate: bool = False
    out_of_order: bool = False
    drop: bool = False
    concurrency: int = 1


class Deliveries:
    """The queue of events for the one endpoint. ``clock`` is in seconds since the epoch."""

    def __init__(
        self,
        store: Store,
        secret: str,
        url: str | None,
        clock: Callable[[], float],
        subscribed: frozenset[str] = SUBSCRIBED,
        random: Random | None = None,
    ) -> None:
        self.url = url
        self.subscribed = subscribed
        self.wake = threading.Event()
        self.settings = DeliverySettings()
        self._store = store
        self._secret = secret
        self._clock = clock
        self._random = random or SystemRandom()
        self._http = requests.Session()
        self._http.trust_env = False  # a proxy of the machine has no business on loopback
        self._stopped = False

    def configure(self, settings: DeliverySettings) -> None:
        """Replaces all settings; ``DeliverySettings()`` are the defaults."""
        self.settings = settings
        if not settings.out_of_order:
            with self._store.transaction() as transaction:
                transaction.release_held(self._clock())
        self.wake.set()

    def enqueue(self, transaction: Transaction, event: Document) -> None:
        """Queues an event, in the transaction that stores it."""
        if event["type"] not in self.subscribed:
            return
        now, settings = self._clock(), self.settings
        if settings.drop:
            state = "failed"
        elif settings.out_of_order and not transaction.has_held():
            state = "held"
        else:
            state = "pending"
        for _ in range(2 if settings.duplicate else 1):
            transaction.add_delivery(event["id"], state, now + settings.delay_seconds, now)
        self.wake.set()

    def deliver_due(self) -> float | None:
        """Sends all that is due; returns the seconds until the next delivery, if there is one.

        Events are sent one after the other, the copies of one at the same time.
        """
        while not self._stopped and self.url:
            with self._store.read() as transaction:
                due = transaction.due_deliveries(self._clock(), max(1, self.settings.concurrency))
                next_due = transaction.next_delivery_due()
            if not due:
                return None if next_due is None else max(0.0, next_due - self._clock())
            threads = [
                threading.Thread(
                    target=self._attempt, args=(delivery, self.url), name="webhook", daemon=True
                )
                for delivery in due[1:]
            ]
            for thread in threads:
                thread.start()
            self._attempt(due[0], self.url)
            for thread in threads:
                thread.join()
        return None

    def stop(self) -> None:
        """No attempt begins from now on."""
        self._stopped = True
        self.wake.set()
        self._http.close()

    def _attempt(self, delivery: Delivery, url: str) -> None:
        with self._store.read() as transaction:
            event = transaction.get("event", delivery.event)
            if event is None:
                raise RuntimeError(f"there is no event {delivery.event} in the store")
            body = json.dumps(render(transaction, event, ""), indent=2)
        error = self._post(url, body)
        if self._stopped:
            return
        now = self._clock()
        state, due = "delivered", now
        if error:
            pause = self._retry_pause(delivery.tries)
            state, due, outcome = "pending", now + pause, f"next try in {pause:.1f} s"
            if due - delivery.first > RETRY_FOR_SECONDS:
                state, outcome = "failed", "not tried again"
            log.warning("%s %s: %s; %s", event["type"], event["id"], error, outcome)
        else:
            log.info("%s %s: delivered", event["type"], event["id"])
        with self._store.transaction() as transaction:
            transaction.record_attempt(delivery, state, due)
            if state != "pending":
                transaction.release_held(now)

    def _post(self, url: str, body: str) -> str:
        """One attempt; returns what went wrong, or an empty string."""
        try:
            response = self._http.post(
                url,
                data=body.encode(),
                headers={
                    "Content-Type": "application/json; charset=utf-8",
                    "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
                    "Stripe-Signature": signature(body, self._secret, int(self._clock())),
                },
                timeout=TIMEOUT_SECONDS,
                allow_redirects=False,
            )
        except requests.RequestException as error:
            return f"the endpoint does not answer ({type(error).__name__})"
        if 200 <= response.status_code < 300:
            return ""
        return f"the endpoint answered {response.status_code}"

    def _retry_pause(self, tries: int) -> float:
        pause = min(FIRST_RETRY_SECONDS * 2.0 ** min(tries, 20), LONGEST_RETRY_SECONDS)
        return pause * self._random.uniform(1 - JITTER, 1 + JITTER)


def signature(body: str, secret: str, timestamp: int) -> str:
    """The ``Stripe-Signature`` header: an HMAC-SHA256 of the time and the body."""
    signed = hmac.new(secret.encode(), f"{timestamp}.{body}".encode(), hashlib.sha256)
    return f"t={timestamp},v1={signed.hexdigest()}"
