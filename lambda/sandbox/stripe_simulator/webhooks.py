"""Delivers events to the endpoint, signed, from a thread of its own, again until it says 2xx.

    event ── announce ──▶ pending ── 2xx ──▶ delivered
                            │  ▲
                            └──┘ anything else: after 1 s, 2 s, 4 s … 30 min, each a quarter more
                                 or less; after 3 h it is failed

Stripe itself waits minutes before it tries again and goes on for days; the start is faster here so
that a person at the demo sees the second try.
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
from sandbox.stripe_simulator.store import Books, Delivery, Store

log = logging.getLogger(__name__)

FIRST_RETRY_SECONDS = 1.0
LONGEST_RETRY_SECONDS = 1800.0
GIVE_UP_SECONDS = 3 * 3600.0
JITTER = 0.25
TIMEOUT_SECONDS = (3.05, 10.0)

# What the endpoint is subscribed to: what docs/protocol.md says that the cloud wants to know.
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
class Switches:
    """What goes wrong on the way to the endpoint, for the events from now on.

    ``late``: seconds that each waits; ``twice``: two copies at the same moment; ``out_of_order``:
    an event waits until the next one has been delivered; ``never``: it is not sent at all and stays
    in the list of what was not delivered. ``at_once``: how many events may be under way.
    """

    late: float = 0.0
    twice: bool = False
    out_of_order: bool = False
    never: bool = False
    at_once: int = 1


class Deliveries:
    """The one endpoint and what is on its way to it. ``clock`` is in seconds since the epoch."""

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
        self.news = threading.Event()
        self.switches = Switches()
        self._store = store
        self._secret = secret
        self._clock = clock
        self._random = random or SystemRandom()
        self._http = requests.Session()
        self._http.trust_env = False  # a proxy of the machine has no business on loopback
        self._stopped = False

    def switch(self, switches: Switches) -> None:
        """Sets all switches; ``Switches()`` is the ordinary way."""
        self.switches = switches
        if not switches.out_of_order:
            with self._store.change() as books:
                books.let_go(self._clock())
        self.news.set()

    def announce(self, books: Books, event: Document) -> None:
        """Puts an event on its way, inside the transaction that made it."""
        if event["type"] not in self.subscribed:
            return
        now, switches = self._clock(), self.switches
        if switches.never:
            state = "failed"
        elif switches.out_of_order and not books.held():
            state = "held"
        else:
            state = "pending"
        for _ in range(2 if switches.twice else 1):
            books.send(event["id"], state, now + switches.late, now)
        self.news.set()

    def deliver_due(self) -> float | None:
        """Sends all that is due; returns the seconds until there is more, ``None`` if there is not.

        One event is sent after the other, its copies at the same moment.
        """
        while not self._stopped and self.url:
            with self._store.look() as books:
                due = books.due(self._clock(), max(1, self.switches.at_once))
                following = books.next_due()
            if not due:
                return None if following is None else max(0.0, following - self._clock())
            beside = [
                threading.Thread(
                    target=self._attempt, args=(one, self.url), name="webhook", daemon=True
                )
                for one in due[1:]
            ]
            for thread in beside:
                thread.start()
            self._attempt(due[0], self.url)
            for thread in beside:
                thread.join()
        return None

    def stop(self) -> None:
        """No attempt begins from now on."""
        self._stopped = True
        self.news.set()
        self._http.close()

    def _attempt(self, delivery: Delivery, url: str) -> None:
        with self._store.look() as books:
            event = books.get("event", delivery.event)
            if event is None:
                raise RuntimeError(f"the store lost the event {delivery.event}")
            body = json.dumps(render(books, event, ""), indent=2)
        error = self._post(url, body)
        if self._stopped:
            return
        now = self._clock()
        state, due = "delivered", now
        if error:
            wait = self._wait(delivery.tries)
            state, due = "pending", now + wait
            again = f"again in {wait:.1f} s"
            if due - delivery.first > GIVE_UP_SECONDS:
                state, again = "failed", "given up"
            log.warning("%s %s: %s; %s", event["type"], event["id"], error, again)
        else:
            log.info("%s %s: delivered", event["type"], event["id"])
        with self._store.change() as books:
            books.tried(delivery, state, due)
            if state != "pending":
                books.let_go(now)

    def _post(self, url: str, body: str) -> str:
        """One attempt; returns what went wrong, or nothing."""
        try:
            answer = self._http.post(
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
        if 200 <= answer.status_code < 300:
            return ""
        return f"the endpoint answered {answer.status_code}"

    def _wait(self, tries: int) -> float:
        wait = min(FIRST_RETRY_SECONDS * 2.0 ** min(tries, 20), LONGEST_RETRY_SECONDS)
        return wait * self._random.uniform(1 - JITTER, 1 + JITTER)


def signature(body: str, secret: str, timestamp: int) -> str:
    """The ``Stripe-Signature`` header: an HMAC-SHA256 of the time and the body."""
    signed = hmac.new(secret.encode(), f"{timestamp}.{body}".encode(), hashlib.sha256)
    return f"t={timestamp},v1={signed.hexdigest()}"
