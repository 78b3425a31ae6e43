"""The whole cloud over fakes, and the hands of the people around it."""

from __future__ import annotations

import base64
import itertools
import json
from pathlib import Path
from typing import Any

from stripe import WebhookSignature

from cloud.cli import admin
from cloud.cli.desk import Desk
from cloud.core.cabinets import Cabinet, Incident, PaymentLink
from cloud.core.orders import Order
from cloud.core.prices import Bonus, PriceList
from cloud.services import cabinet_tokens
from cloud.settings import Settings
from cloud.stores.base import Ledger
from cloud.stores.sqlite import SqliteLedger
from cloud.wiring import Cloud
from tests.fakes import stripe_events
from tests.fakes.publisher import FakePublisher
from tests.fakes.stripe import FakeStripe

SECRET = "whsec_of_the_test"
PRESENCE_SECRET = "the-secret-of-the-brokers-rule-in-tests"
SETTINGS = Settings(
    ledger="sqlite:///",
    stripe_key="sk_test_x",
    webhook_secret=SECRET,
    mqtt_url="mqtt://localhost",
    public_url="https://pay.example",
    presence_secret=PRESENCE_SECRET,
)


class Arcade:
    """A cloud with one cabinet, a clock that only tests move, and a Stripe in memory."""

    def __init__(self, folder: Path, ledger: Ledger | None = None) -> None:
        self.now = 1_800_000_000.0
        self.stripe = FakeStripe()
        self.publisher = FakePublisher()
        self.use(ledger or SqliteLedger(folder / "ledger.db"))
        self.tokens: dict[str, str] = {}
        self._numbers = itertools.count(1)
        self.add_cabinet("cab001")

    def use(self, ledger: Ledger, settings: Settings = SETTINGS) -> None:
        """Another cloud over this ledger, with the same Stripe and the same cabinets."""
        self.ledger = ledger
        self.cloud = Cloud(ledger, self.stripe, self.publisher, settings, lambda: self.now)

    def add_cabinet(self, machine_id: str, prices: PriceList | None = None) -> None:
        token, digest = cabinet_tokens.new(machine_id)
        self.tokens[machine_id] = token
        prices = prices or PriceList(100, "USD", (Bonus(5, 6),))
        write_id = self.cloud.clock.stamp().write_id
        cabinet = Cabinet(machine_id, f"The {machine_id}", digest, prices, write_id)
        assert self.ledger.insert(cabinet)

    def close(self) -> None:
        self.cloud.close()

    def type(self, *words: str) -> None:
        """The operator types a command; it prints, and raises what is one sentence."""
        args = admin.parser().parse_args(words)
        admin.run(Desk(self.cloud, SETTINGS, {}, None), args)

    def cabinet(self, machine_id: str = "cab001") -> Cabinet:
        found = self.ledger.cabinet(machine_id)
        assert found is not None
        return found

    # HTTP

    def http(
        self,
        method: str,
        path: str,
        body: bytes | str = b"",
        headers: dict[str, str] | None = None,
        query: dict[str, str] | None = None,
        base64_body: bool = True,
    ) -> tuple[int, Any]:
        """One call as API Gateway hands it over; returns the status and the body, JSON read."""
        raw = body.encode() if isinstance(body, str) else body
        route = f"{method} {path}"
        event = {
            "version": "2.0",
            "routeKey": route if route in self.cloud.api.routes else "$default",
            "rawPath": path,
            "rawQueryString": "&".join(f"{k}={v}" for k, v in (query or {}).items()),
            "headers": {k.lower(): v for k, v in (headers or {}).items()},
            "queryStringParameters": query or {},
            "requestContext": {
                "http": {"method": method, "path": path, "sourceIp": "127.0.0.1"},
                "stage": "$default",
            },
            "body": base64.b64encode(raw).decode() if base64_body else raw.decode(),
            "isBase64Encoded": base64_body,
        }
        answer = self.cloud.api.handle(event)
        kind = answer.get("headers", {}).get("Content-Type", "")
        text = answer.get("body") or ""
        return answer["statusCode"], json.loads(text) if "json" in kind else text

    def ask(self, path: str, body: dict[str, Any], token: str | None = None) -> tuple[int, Any]:
        """A cabinet's call; ``machine_id`` is cab001 unless the body says another."""
        body = {"machine_id": "cab001", **body}
        token = self.tokens.get(body["machine_id"], "") if token is None else token
        headers = {
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/json",
        }
        return self.http("POST", path, json.dumps(body), headers)

    def link(self, machine_id: str = "cab001", **more: Any) -> str:
        """Asks for the cabinet's link; returns the link's id."""
        status, body = self.ask("/create-payment-link", {"machine_id": machine_id, **more})
        assert status == 200, body
        return str(body["url"]).rpartition("/")[2]

    # Stripe's webhooks

    def event(self, type_: str, subject: dict[str, Any], created: float | None = None) -> bytes:
        """The body of an event."""
        return json.dumps(
            {
                "id": f"evt_{next(self._numbers)}",
                "object": "event",
                "type": type_,
                "created": int(self.now if created is None else created),
                "data": {"object": subject},
            }
        ).encode()

    def completed(self, session_id: str, **changes: Any) -> bytes:
        """The event that a session was completed, as Stripe would write it now."""
        created = changes.pop("created", None)
        subject = stripe_events.session_completed(self.stripe.payments[session_id], **changes)
        return self.event("checkout.session.completed", subject, created)

    def reserved(self, session_id: str, **changes: Any) -> bytes:
        """The event that the bank holds a session's money, or that it was charged at once."""
        payment = self.stripe.payments[session_id]
        return self.event(
            "charge.succeeded", stripe_events.charge_succeeded(payment, self.now, **changes)
        )

    def deliver(
        self, body: bytes, secret: str = SECRET, at: float | None = None
    ) -> tuple[int, Any]:
        """Stripe sends a signed webhook."""
        stamp = int(self.now if at is None else at)
        header = WebhookSignature.generate_signature_header(
            body.decode("utf-8", "replace"), secret, stamp
        )
        return self.http("POST", "/addCredit", body, {"Stripe-Signature": header})

    def pay(
        self, quantity: int = 1, machine_id: str = "cab001", held: bool = True, card: str = ""
    ) -> str:
        """A player pays at a cabinet and Stripe tells; returns the order's id."""
        session_id = self.stripe.pay(self.link(machine_id), quantity, held, card=card)
        assert self.deliver(self.reserved(session_id))[0] == 200
        status, body = self.deliver(self.completed(session_id))
        assert status == 200, body
        return session_id

    # The cabinet

    def claim(self, order_id: str, claim_id: str = "claim-1", **more: Any) -> tuple[int, Any]:
        return self.ask("/claim", {"order_id": order_id, "claim_id": claim_id, **more})

    def settle(
        self,
        order_id: str,
        pulsed: int,
        pulses: int,
        claim_id: str = "claim-1",
        **more: Any,
    ) -> tuple[int, Any]:
        body = {
            "order_id": order_id,
            "claim_id": claim_id,
            "pulsed": pulsed,
            "pulses": pulses,
        }
        return self.ask("/settle", body | more)

    # The ledger

    def orders(self) -> list[Order]:
        return list(self.ledger.lagging_orders())

    def incidents(self) -> list[Incident]:
        return list(self.ledger.lagging_incidents())

    def links(self, machine_id: str = "cab001") -> list[PaymentLink]:
        """The newest first."""
        found = [self.ledger.link(i) for i in self.ledger.lagging_link_ids(machine_id)]
        return [link for link in found if link]

    def order(self, order_id: str) -> Order:
        found = self.ledger.order(order_id)
        assert found is not None
        return found
