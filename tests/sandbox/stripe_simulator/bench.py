"""What the tests of the Stripe simulator share: a served simulator, its client and its endpoint."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from wsgiref.types import WSGIApplication

import stripe
from flask import Flask, Response, request
from werkzeug.serving import WSGIRequestHandler, make_server

from sandbox.stripe_simulator import StripeSimulator, create_app
from tests.plugins.stripe_description import Described

KEY = "sk_test_bench"
WHSEC = "whsec_bench"
PUBLIC = "https://pay.example.com"
RECEIPT = "https://pay.example.com/receipt?session_id={CHECKOUT_SESSION_ID}"
PAYS = "4242 4242 4242 4242"
DECLINED = "4000 0000 0000 0002"
NO_FUNDS = "4000 0000 0000 9995"


class Clock:
    """A clock that stands still unless a test sets it."""

    def __init__(self) -> None:
        self.now = 2_000_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass(frozen=True)
class Hook:
    """One webhook as the endpoint got it."""

    body: bytes
    signature: str
    at: float
    event: Any

    @property
    def type(self) -> str:
        return str(self.event["type"])


@dataclass
class Endpoint:
    """A webhook endpoint. It answers with ``answers`` in turn, and with 200 after them."""

    clock: Clock
    url: str = ""
    hooks: list[Hook] = field(default_factory=list)
    answers: deque[int] = field(default_factory=deque)
    together: threading.Barrier | None = None

    def app(self) -> Flask:
        app = Flask("endpoint")

        @app.post("/addCredit")
        def take() -> Response:
            if self.together:
                self.together.wait(10)
            signature = request.headers["Stripe-Signature"]
            body = request.get_data()
            self.hooks.append(Hook(body, signature, self.clock.now, request.get_json()))
            status = self.answers.popleft() if self.answers else 200
            return Response("", status, headers={"Location": "/elsewhere"})

        return app

    @property
    def types(self) -> list[str]:
        return [hook.type for hook in self.hooks]


class Bench:
    """A simulator over HTTP with the real ``stripe`` library in front of it.

    Nothing is delivered until :meth:`deliver` is called, unless a test starts the simulator.
    """

    def __init__(self, simulator: StripeSimulator, url: str, clock: Clock) -> None:
        self.simulator = simulator
        self.url = url
        self.clock = clock
        self.checkout = simulator.checkout
        self.http: Any = stripe.RequestsClient(timeout=10)
        client = self.client()
        self.v1 = client.v1

    def client(self, key: str = KEY, timeout: float = 0.0) -> stripe.StripeClient:
        return stripe.StripeClient(
            key,
            base_addresses={"api": self.url},
            http_client=stripe.RequestsClient(timeout=timeout) if timeout else self.http,
            max_network_retries=0,
        )

    def price(self, amount: int = 100, currency: str = "usd") -> str:
        made = self.v1.prices.create(
            {
                "currency": currency,
                "unit_amount": amount,
                "product_data": {"name": "One play, Galaxian"},
            }
        )
        return made.id

    def link(
        self,
        amount: int = 100,
        currency: str = "usd",
        manual: bool = True,
        most: int = 10,
        **given: Any,
    ) -> stripe.PaymentLink:
        """A link like a cabinet's."""
        params: Any = {
            "line_items": [
                {
                    "price": self.price(amount, currency),
                    "quantity": 1,
                    "adjustable_quantity": {"enabled": True, "minimum": 1, "maximum": most},
                }
            ],
            "metadata": {"machine_id": "cab001"},
            "payment_intent_data": {"metadata": {"machine_id": "cab001"}},
            "after_completion": {"type": "redirect", "redirect": {"url": RECEIPT}},
        } | given
        if manual:
            params["payment_intent_data"]["capture_method"] = "manual"
        return self.v1.payment_links.create(params)

    def visit(self, quantity: int = 1, **link: Any) -> str:
        """An open session of a new link; returns its id."""
        session = self.checkout.open_session(self.link(**link).id)
        if quantity != 1:
            self.checkout.set_quantity(session.id, quantity)
        return session.id

    def buy(self, quantity: int = 1, **link: Any) -> Any:
        """A paid session with its intent and charge expanded."""
        session_id = self.visit(quantity, **link)
        self.checkout.pay(session_id, PAYS, "player@example.com")
        return self.session(session_id)

    def session(self, session_id: str) -> Any:
        wanted: Any = {"expand": ["line_items", "payment_intent.latest_charge"]}
        return self.v1.checkout.sessions.retrieve(session_id, wanted)

    def intent(self, intent_id: str) -> Any:
        return self.v1.payment_intents.retrieve(intent_id, {"expand": ["latest_charge"]})

    def events(self, **wanted: Any) -> list[str]:
        """The types of all events, oldest first."""
        params: Any = {"limit": 100, **wanted}
        found = self.v1.events.list(params)
        return [event.type for event in reversed(found.data)]

    def undelivered(self) -> list[str]:
        return self.events(delivery_success=False)

    def deliver(self, after: float = 0.0) -> float | None:
        """Lets ``after`` seconds pass and delivers what is due."""
        self.clock.now += after
        return self.simulator.deliveries.deliver_due()

    def close(self) -> None:
        self.http.close()
        self.simulator.stop()


class _Quiet(WSGIRequestHandler):
    def log_request(self, *_: Any) -> None:
        """The tests' output is no access log."""


def until(condition: Callable[[], object]) -> None:
    """Returns as soon as ``condition`` holds; fails when it does not within ten seconds."""
    last = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < last, "it did not happen within ten seconds"
        time.sleep(0.002)


@contextmanager
def served(app: WSGIApplication) -> Iterator[str]:
    """Serves ``app`` on a free port of loopback; yields its address."""
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=_Quiet)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def opened(directory: Path, clock: Clock, watch: Described, hooks: str | None) -> Iterator[Bench]:
    """A bench on the state in ``directory``."""
    simulator = StripeSimulator(directory, KEY, WHSEC, PUBLIC, hooks, clock)
    with served(watch(create_app(simulator))) as url:
        bench = Bench(simulator, url, clock)
        try:
            yield bench
        finally:
            bench.close()
