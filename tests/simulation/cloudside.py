"""The real cloud, while Lambda, the ledger's table and the way to Stripe fail under it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from stripe import WebhookSignature

from cloud.adapters.publisher import PublishFailed
from cloud.adapters.stripe_gateway import StripeUnavailable
from cloud.core.cabinets import Cabinet
from cloud.core.orders import Order
from cloud.core.prices import Bonus, PriceList
from cloud.core.reconciliation import Finding
from cloud.services import cabinet_tokens
from cloud.settings import Settings, Times
from cloud.stores.base import Item, Ledger, LedgerUnavailable, Replaceable, WriteResult
from cloud.stores.sqlite import SqliteLedger
from cloud.wiring import Cloud
from tests.fakes.ledgers import LaggingLedger
from tests.fakes.stripe import FakeStripe
from tests.simulation.world import PowerCut, World

SECRET = "whsec_simulated"
EPOCH = 1_800_000_000.0


class FailingLedger(LaggingLedger):
    """The real SQLite store; a write may fail or be tried twice, the machine may stop before or
    after it, and its lists may be behind."""

    def __init__(self, world: World) -> None:
        super().__init__(SqliteLedger(Path(":memory:")), SqliteLedger(Path(":memory:")))
        self._world = world
        self._is_behind = False

    def add(self, cabinet: Cabinet) -> None:
        """Stores a cabinet, without failures."""
        self.inner.insert(cabinet)

    def insert(self, item: Item) -> WriteResult:
        self._before()
        done = super().insert(item)
        self._after()
        return done

    def replace(self, old: Replaceable, new: Replaceable) -> WriteResult:
        self._before()
        done = super().replace(old, new)
        if done and isinstance(new, Order):
            self._world.note(f"ledger: {new.order_id} {new.state.value} charged {new.charged}")
        self._after()
        return done

    def _write(self, write: Callable[[Ledger], WriteResult]) -> WriteResult:
        result = super()._write(write)
        if self._world.faults.strike("ledger tries twice"):
            result = super()._write(write)
        if not self._is_behind and self._world.faults.strike("index behind"):
            self._is_behind = True
            delay = self._world.faults.size("index behind", 0.1, 10.0)
            self._world.at(delay, self.catch_up, in_cloud=True)
        if not self._is_behind:
            self.catch_up()
        return result

    def catch_up(self) -> None:
        self._is_behind = False
        super().catch_up()

    def _before(self) -> None:
        faults = self._world.faults
        if faults.strike("two Lambdas at once"):
            self._world.interleave()
        if faults.strike("ledger away"):
            raise LedgerUnavailable("the ledger cannot be used")
        if faults.strike("Lambda dies before a write"):
            raise PowerCut

    def _after(self) -> None:
        if self._world.faults.strike("Lambda dies after a write"):
            raise PowerCut


class Broker(Protocol):
    """What the cloud needs of the simulated broker."""

    def accept(self, topic: str, payload: bytes) -> None:
        """Takes a message."""


class CloudSide:
    """One cloud, one Stripe, and the webhooks between them."""

    def __init__(self, world: World, broker: Broker) -> None:
        self.world = world
        self.broker = broker
        self.ledger = FailingLedger(world)
        self.stripe = FakeStripe(trouble=self._trouble)
        self._settings = Settings(
            ledger="sqlite:///",
            stripe_key="sk_test_simulated",
            webhook_secret=SECRET,
            mqtt_url="mqtt://simulated",
            public_url="https://simulated",
            times=Times(),
        )
        self._lambdas: list[Cloud] = []
        self._at_work = 0
        self.events = 0
        self.every = 60.0
        world.at(self.every, self.sweep, in_cloud=True)

    def clock(self) -> float:
        """The cloud's clock; each Lambda's is a little off."""
        skew = 0.0
        if self.world.faults.strike("clock off"):
            skew = self.world.faults.size("clock off", 0.1, 3.0)
        return EPOCH + self.world.now + skew

    def add_cabinet(self, machine_id: str) -> str:
        """Adds a cabinet; returns its token."""
        token, digest = cabinet_tokens.new(machine_id)
        prices = PriceList(100, "USD", (Bonus(5, 6),))
        self.ledger.add(Cabinet(machine_id, machine_id, digest, prices, digest))
        return token

    @contextmanager
    def _lambda(self) -> Iterator[Cloud]:
        """A Lambda that is free; there is always another one."""
        if self._at_work == len(self._lambdas):
            self._lambdas.append(Cloud(self.ledger, self.stripe, self, self._settings, self.clock))
        self._at_work += 1
        try:
            yield self._lambdas[self._at_work - 1]
        finally:
            self._at_work -= 1

    def sweep(self) -> None:
        """The schedule; sometimes two at once, sometimes not at all."""
        self.world.at(self.every, self.sweep, in_cloud=True)
        if self.world.faults.strike("sweep left out"):
            return
        if self.world.faults.strike("two sweeps at once"):
            self.world.at(0.5, self.sweep_now, in_cloud=True)
        self.sweep_now()

    def sweep_now(self) -> None:
        """One sweep by another Lambda."""
        try:
            with self._lambda() as cloud:
                cloud.sweep()
        except (PowerCut, LedgerUnavailable):
            self.world.note("cloud: the sweep died")

    def reconcile(self) -> list[Finding]:
        """What an operator would be told of all days."""
        with self._lambda() as cloud:
            return cloud.reconciliation.compare(0.0)

    def http(
        self, method: str, path: str, body: bytes, headers: dict[str, str]
    ) -> tuple[int, dict[str, Any]] | None:
        """One call; ``None`` if the Lambda died on the way."""
        event = {
            "version": "2.0",
            "routeKey": f"{method} {path}",
            "rawPath": path,
            "rawQueryString": "",
            "headers": headers,
            "queryStringParameters": {},
            "requestContext": {"http": {"method": method, "path": path}, "stage": "$default"},
            "body": body.decode(),
            "isBase64Encoded": False,
        }
        try:
            with self._lambda() as cloud:
                answer = cloud.api.handle(event)
        except PowerCut:
            self.world.note(f"cloud: died in {path}")
            return None
        return answer["statusCode"], json.loads(answer["body"])

    # The publisher, for the cloud

    def publish(self, topic: str, payload: bytes) -> None:
        if self.world.faults.strike("broker away from the cloud"):
            raise PublishFailed("the broker cannot be reached")
        self.broker.accept(topic, payload)

    def close(self) -> None:
        self.ledger.close()

    # Stripe

    def _trouble(self, call: str, when: str) -> None:
        faults = self.world.faults
        if when == "before":
            if faults.strike("two Lambdas at once"):
                self.world.interleave()
            if faults.strike("Stripe away"):
                raise StripeUnavailable("Stripe does not answer")
            if faults.strike("Lambda dies before Stripe"):
                raise PowerCut
        else:
            if faults.strike("Stripe's answer lost"):
                self.world.note(f"Stripe: the answer of {call} is lost")
                raise StripeUnavailable("Stripe does not answer")
            if faults.strike("Lambda dies after Stripe"):
                raise PowerCut

    def pay(self, link_id: str, quantity: int, held: bool) -> str:
        """A player's card is good: the money is there, and Stripe begins to tell of it."""
        session_id = self.stripe.pay(link_id, quantity, held)
        payment = self.stripe.payments[session_id]
        self.world.note(
            f"player: pays {session_id} at {payment.machine_id}, {quantity} plays, "
            f"{'held' if held else 'charged at once'}"
        )
        if held:
            self.world.at(7 * 86_400.0, lambda: self._run_out(payment.intent_id))
        metadata = {"metadata": {"machine_id": payment.machine_id}}
        self._tell("payment_intent.created", {"id": payment.intent_id, **metadata})
        self._tell(
            "checkout.session.completed",
            {"id": session_id, "payment_link": link_id, **metadata},
        )
        return session_id

    def _run_out(self, intent_id: str) -> None:
        account = self.stripe.accounts[intent_id]
        if account.status == "requires_capture":
            account.status = "canceled"

    def _tell(self, type_: str, subject: dict[str, Any]) -> None:
        """Queues an event, as Stripe does: at least once, in any order, until it gets a 2xx."""
        self.events += 1
        body = json.dumps(
            {
                "id": f"evt_{self.events}",
                "type": type_,
                "created": int(EPOCH + self.world.now),
                "data": {"object": subject},
            }
        ).encode()
        delay = 0.3 + self.events % 3
        faults = self.world.faults
        if faults.strike("webhook late"):
            delay += faults.size("webhook late", 1.0, 4 * 3600.0)
        self.world.at(delay, lambda: self._deliver(body, 0), in_cloud=True)
        if faults.strike("webhook twice"):
            again = delay + faults.size("webhook twice", 0.01, 3600.0)
            self.world.at(again, lambda: self._deliver(body, 99), in_cloud=True)

    def _deliver(self, body: bytes, tries: int) -> None:
        faults = self.world.faults
        stamp = int(EPOCH + self.world.now)
        header = WebhookSignature.generate_signature_header(body.decode(), SECRET, stamp)
        answer = None
        if not faults.strike("webhook lost"):
            answer = self.http("POST", "/addCredit", body, {"stripe-signature": header})
        lost = faults.strike("webhook's answer lost")
        if (answer is None or answer[0] != 200 or lost) and tries < 30:
            wait = min(3600.0, 5.0 * 2**tries)
            self.world.at(wait, lambda: self._deliver(body, tries + 1), in_cloud=True)
