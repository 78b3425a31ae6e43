"""From the webhook to the coin: how long a player waits for us, and where the time goes.

Every second payment's hold is not told before its session, so that Stripe is asked as for each
payment before: the two ways in one run, in pairs.

The floor is what the design cannot do without, measured in the same run on the same parts: one
MQTT QoS 1 round trip (publish, arrival, PUBACK) through the same broker, and as many commits as a
payment needs before its first edge (two in the cabinet's journal, two in the cloud's ledger).
"""

from __future__ import annotations

import contextlib
import itertools
import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import requests
from paho.mqtt.enums import CallbackAPIVersion
from stripe import WebhookSignature

from benchmarks import parts
from benchmarks.rows import Row, middle, spread
from cloud.core.orders import Order, OrderState
from cloud.stores.base import WriteResult
from cloud.stores.sqlite import SqliteLedger
from kiosk.config import loader
from kiosk.config.schema import BrokerConfig
from kiosk.core.entries import Entry, Kind
from kiosk.engine import Engine
from kiosk.journal.store import Journal
from sandbox.server import Ready

PAYMENTS = 120
WARM_UP = 10


def run() -> list[Row]:
    """Pays ``PAYMENTS`` times and measures each."""
    marks = Marks()
    with marked_orders(marks), parts.sandbox() as (_, ready, data):
        settings = loader.load(parts.cabinet_config(data, "cab001"))
        with parts.kiosk(settings, marks) as engine:
            payer = Payer(ready, engine, marks)
            # The floor beside each payment, as the machine is then.
            with _round_trips(settings.broker) as trip, _commits(data) as commit:
                rounds = [
                    (payer.pay(), payer.pay(is_told=False), trip(), commit())
                    for _ in range(WARM_UP + PAYMENTS)
                ]
    walks, asked, trips, commits = zip(*rounds[WARM_UP:], strict=True)
    whole = whole_of(walks)
    floor = [a + b for a, b in zip(trips, commits, strict=True)]
    rows = [
        Row("webhook → first relay edge, p50/p95/p99", spread(whole),
            f"{middle(whole) / middle(floor):.1f} × floor", f"{len(whole)} payments"),
        Row("… where Stripe has to be asked", spread(whole_of(asked)),
            f"{middle(whole_of(asked)) / middle(floor):.1f} × floor", "its hold was not told"),
        Row("floor: MQTT round trip + 4 commits", spread(floor), "1", ""),
        Row("  of it the MQTT round trip", spread(trips)),
        Row("  of it the commits", spread(commits)),
    ]  # fmt: skip
    return rows + hops(walks)


STEPS = {
    "sent": "",
    "stored": "signature checked, order stored",
    "arrived": "published, and arrived at the kiosk",
    "claim written": "claim id in the journal",
    "claim answered": "claim over HTTP, ledger's commit",
    "edge": "two lines in the journal, relay closed",
}
Walk = dict[str, float]


def whole_of(walks: Sequence[Walk]) -> list[float]:
    """Seconds from the webhook to the relay's edge."""
    return [walk["edge"] - walk["sent"] for walk in walks]


def hops(walks: Sequence[Walk]) -> list[Row]:
    """Where the time goes: a row for each step after the one before."""
    rows = []
    for before, after in itertools.pairwise(STEPS):
        times = [walk[after] - walk[before] for walk in walks]
        share = f"{100 * middle(times) / middle(whole_of(walks)):.0f} %"
        rows.append(Row(f"  {before} → {after}", spread(times), share, STEPS[after]))
    return rows


@contextlib.contextmanager
def marked_orders(marks: Marks) -> Iterator[None]:
    """Marks when an order is stored."""
    insert = SqliteLedger.insert

    def marked_insert(store: SqliteLedger, item: Any) -> WriteResult:
        done = insert(store, item)
        if isinstance(item, Order):
            marks("stored")
        return done

    SqliteLedger.insert = marked_insert  # type: ignore[assignment, method-assign]
    try:
        yield
    finally:
        SqliteLedger.insert = insert  # type: ignore[method-assign]


class Marks:
    """When the payment of now passed each step; the first time counts."""

    def __init__(self) -> None:
        self.times: dict[str, float] = {}

    def __call__(self, step: str) -> None:
        self.times.setdefault(step, time.perf_counter())


class Payer:
    """A phone that pays by the checkout page, and a Stripe whose webhooks we send ourselves."""

    def __init__(self, ready: Ready, engine: Engine, marks: Marks) -> None:
        self._ready = ready
        self._engine = engine
        self._marks = marks
        self._phone = requests.Session()
        self._webhooks = requests.Session()
        self._stripe = requests.Session()
        self._stripe.headers["Authorization"] = f"Bearer {ready.stripe_key}"
        self._stripe.post(
            f"{ready.stripe}/_control/delivery", json={"drop": True}, timeout=5
        ).raise_for_status()

    def pay(self, is_told: bool = True) -> Walk:
        """One payment; returns when it passed each step. Its hold is told first, or not at all."""
        offer = self._engine.state.link.offer
        assert offer is not None
        page = self._phone.get(offer.url, timeout=5)
        form = {"quantity": "1", "card": "4242424242424242", "do": "pay"}
        self._phone.post(page.url, data=form, allow_redirects=False, timeout=5)
        self._tell("payment_intent.created")
        if is_told:
            self._tell("charge.succeeded")
        # Payments begin seconds before they are over: the cabinet has asked the cloud by then.
        parts.wait_for(lambda: not self._engine.state.cloud.under_way, "the heartbeat")
        self._tell("checkout.session.completed", self._marks)
        parts.wait_for(lambda: "edge" in self._marks.times, "the coin")
        parts.wait_for(lambda: not self._engine.state.order_book.unfinished, "the settle")
        # The pause after a pulse is the game's, not ours to be measured with the next payment.
        due = self._engine.state.relay.next_pulse_at
        parts.wait_for(lambda: time.monotonic() >= due, "the end of the pause")
        return dict(self._marks.times)

    def _tell(self, kind: str, marks: Marks | None = None) -> None:
        """Sends the newest event of a kind, as Stripe made it, signed now."""
        asked = {"type": kind, "limit": "1"}
        found = self._stripe.get(f"{self._ready.stripe}/v1/events", params=asked, timeout=5)
        body = json.dumps(found.json()["data"][0])
        header = WebhookSignature.generate_signature_header(body, self._ready.webhook_secret)
        if marks:
            marks.times.clear()
            marks("sent")
        self._webhooks.post(
            f"{self._ready.api}/addCredit",
            data=body,
            headers={"Stripe-Signature": header, "Content-Type": "application/json"},
            timeout=5,
        ).raise_for_status()


@contextlib.contextmanager
def _round_trips(settings: BrokerConfig) -> Iterator[Callable[[], float]]:
    """Measures the seconds from a publish to its arrival at another client and its PUBACK,
    whichever is last."""
    arrived = threading.Event()
    ready = threading.Event()

    def client(name: str) -> mqtt.Client:
        made = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=name, protocol=mqtt.MQTTv311)
        made.username_pw_set(settings.username, settings.password.get_secret_value())
        made.on_subscribe = lambda *_: ready.set()
        made.on_message = lambda *_: arrived.set()
        made.connect(settings.host, settings.port)
        made.loop_start()
        return made

    listener, talker = client("bench-listener"), client("bench-talker")
    try:
        listener.subscribe("bench/#", qos=1)
        assert ready.wait(5)

        def once() -> float:
            arrived.clear()
            begun = time.perf_counter()
            talker.publish("bench/x", b"x" * 200, qos=1).wait_for_publish(5)
            assert arrived.wait(5)
            return time.perf_counter() - begun

        yield once
    finally:
        for made in (listener, talker):
            made.disconnect()
            made.loop_stop()


@contextlib.contextmanager
def _commits(data: Path) -> Iterator[Callable[[], float]]:
    """Measures the seconds of what a payment commits before its first edge: two in the ledger, two
    in the journal (the second of two lines)."""
    ledger = SqliteLedger(data / "bench-ledger.db")
    book = Journal(data / "bench-journal.db", lambda: ("", 0.0, 0.0))
    book.open()
    numbers = itertools.count()

    def once() -> float:
        number = next(numbers)
        order = Order(
            order_id=f"cs_{number}", machine_id="cab001", state=OrderState.OPEN, quantity=1,
            credits=1, amount=100, currency="USD", intent_id="pi", held=True, paid_at_ms=0,
            deadline_ms=0, hold_until_ms=0, write_id="paid",
        )  # fmt: skip
        name = order.order_id
        begun = time.perf_counter()
        ledger.insert(order)
        book.append(Entry(Kind.CLAIM, name, claim_id="c"))
        ledger.replace(
            order, replace(order, state=OrderState.CLAIMED, version=2, write_id="claimed")
        )
        book.append(
            Entry(Kind.CLAIMED, name, credits=1, pulses=1),
            Entry(Kind.PULSE_BEGINS, name, number=1),
        )
        took = time.perf_counter() - begun
        # Or the journal would carry more and more orders that are not finished.
        book.append(
            Entry(Kind.PULSE_OVER, name, number=1),
            Entry(Kind.SETTLE, name, number=1),
            Entry(Kind.SETTLED, name),
        )
        return took

    # Until both write into pages that are there already, as the sandbox's do.
    for _ in range(300):
        once()
    yield once
    book.close()
    ledger.close()
