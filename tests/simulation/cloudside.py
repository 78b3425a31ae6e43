"""The real cloud, while Lambda, the ledger's table and the way to Stripe fail under it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

from stripe import WebhookSignature

from cloud.adapters.publisher import PublishFailed
from cloud.adapters.stripe_gateway import StripeUnavailable
from cloud.core.cabinets import Cabinet
from cloud.core.messages import timestamp
from cloud.core.orders import Order
from cloud.core.payments import Payment
from cloud.core.prices import Bonus, PriceList
from cloud.core.reconciliation import Finding
from cloud.services import cabinet_tokens
from cloud.settings import Settings, Times
from cloud.stores.base import Item, Ledger, LedgerUnavailable, Replaceable, WriteResult
from cloud.stores.sqlite import SqliteLedger
from cloud.wiring import Cloud
from tests.fakes import stripe_events
from tests.fakes.ledgers import LaggingLedger
from tests.simulation.stripeside import Nonsense, SimulatedStripe
from tests.simulation.world import PowerCut, World

T = TypeVar("T")
SECRET = "whsec_simulated"
EPOCH = 1_800_000_000.0
HANG_S = 2 * (3.05 + 8.0)  # what one question costs while Stripe hangs: two tries
CALL_LIMIT_S = 29.0  # Lambda ends a call then, and a sweep:
SWEEP_LIMIT_S = 55.0
DAY = 86_400.0

# What API Gateway answers by itself, without asking the cloud.
GATEWAY_ANSWERS: tuple[tuple[int, dict[str, Any] | None], ...] = (
    (404, {"message": "Not Found"}),
    (400, {"message": "Bad Request"}),
    (403, {"message": "Forbidden"}),
    (408, {"message": "Request Timeout"}),
    (413, {"message": "Request Too Long"}),
    (429, {"message": "Too Many Requests"}),
    (502, {"message": "Internal Server Error"}),
    (503, None),  # a page of HTML
)


@dataclass(frozen=True)
class HttpAnswer:
    """An answer on its way: its status, its JSON (``None`` is HTML), and how long it took."""

    status: int
    body: dict[str, Any] | None
    took: float = 0.0


class FailingLedger(LaggingLedger):
    """The real SQLite store; a read or a write may fail, also once it took effect, or be tried
    twice; the machine may stop before or after it, and its lists may be behind."""

    def __init__(self, world: World) -> None:
        super().__init__(SqliteLedger(Path(":memory:")), SqliteLedger(Path(":memory:")))
        self._world = world
        self._is_behind = False
        self._backup: tuple[bytes, bytes] | None = None

    def add(self, cabinet: Cabinet) -> None:
        """Stores a cabinet, without failures."""
        self.inner.insert(cabinet)
        self._index.insert(cabinet)

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

    def _get(self, read: Callable[[Ledger], T]) -> T:
        if self._world.faults.strike("ledger does not read"):
            raise LedgerUnavailable("the ledger cannot be read")
        return super()._get(read)

    def catch_up(self) -> None:
        self._is_behind = False
        super().catch_up()

    def back_up(self) -> None:
        """Keeps a copy of everything."""
        self.catch_up()
        self._backup = _dump(self.inner), _dump(self._index)

    def restore(self) -> bool:
        """What was written since the last backup is lost; returns whether there was one."""
        if self._backup is None:
            return False
        self.catch_up()
        _load(self.inner, self._backup[0])
        _load(self._index, self._backup[1])
        return True

    def _before(self) -> None:
        faults = self._world.faults
        if faults.strike("two Lambdas at once"):
            self._world.interleave()
        if faults.strike("ledger away"):
            raise LedgerUnavailable("the ledger cannot be used")
        if faults.strike("Lambda dies before a write"):
            raise PowerCut

    def _after(self) -> None:
        if self._world.faults.strike("ledger's answer lost"):
            raise LedgerUnavailable("the write took effect, and nobody heard it")
        if self._world.faults.strike("Lambda dies after a write"):
            raise PowerCut


def _dump(ledger: Ledger) -> bytes:
    assert isinstance(ledger, SqliteLedger)
    return ledger._db.serialize()


def _load(ledger: Ledger, content: bytes) -> None:
    assert isinstance(ledger, SqliteLedger)
    ledger._db.deserialize(content)


class Broker(Protocol):
    """What the cloud needs of the simulated broker."""

    def accept(self, topic: str, payload: bytes) -> None:
        """Takes a message."""

    def retain(self, topic: str, payload: bytes) -> None:
        """Takes a message for all connections to come, too."""


class CloudSide:
    """One cloud, one Stripe, and the webhooks between them."""

    def __init__(self, world: World, broker: Broker) -> None:
        self.world = world
        self.broker = broker
        self.ledger = FailingLedger(world)
        self.stripe = SimulatedStripe(trouble=self._trouble, clock=self._true_time)
        self._settings = Settings(
            ledger="sqlite:///",
            stripe_key="sk_test_simulated",
            webhook_secret=SECRET,
            mqtt_url="mqtt://simulated",
            public_url="https://simulated",
            times=Times(),
        )
        self._free: list[Cloud] = []
        self._spent = 0.0
        self._limit = CALL_LIMIT_S
        self._hangs_until = 0.0
        self.events = 0
        self.every = 60.0
        self.restored_at = -DAY
        self.lost: dict[str, int] = {}  # what they were charged when the ledger was restored
        self.cancelled_at: dict[str, float] = {}
        self.moved_account_at = -DAY
        self.public_url_changed_at = -DAY
        self.old_accounts: set[str] = set()
        world.at(self.every, self.sweep, in_cloud=True, idle=True)

    @property
    def public_url(self) -> str:
        """Where phones reach the API now."""
        return self._settings.public_url

    @property
    def settings(self) -> Settings:
        """The settings of now."""
        return self._settings

    def set_public_url(self, url: str) -> None:
        """Deploys the cloud with another address: no Lambda of before goes on."""
        self._settings = replace(self._settings, public_url=url)
        self._free.clear()
        self.public_url_changed_at = self.world.now

    def change_stripe_account(self) -> None:
        """Deploys the cloud with the key of another account, as from test to live mode."""
        self.old_accounts |= set(self.stripe.payments)
        self.stripe.change_account()
        self._free.clear()
        self.moved_account_at = self.world.now

    def restore_ledger(self) -> bool:
        """Puts the last backup in the ledger's place."""
        self.ledger.catch_up()
        before = {o.order_id: o for o in self.ledger.lagging_orders()}
        if not self.ledger.restore():
            return False
        self.restored_at = self.world.now
        for order_id, order in before.items():
            if not order.free and self.ledger.inner.order(order_id) != order:
                self.lost[order_id] = self.stripe.charged(order_id)
        return True

    def hang(self, seconds: float) -> None:
        """Stripe takes questions and answers none for a while."""
        self._hangs_until = self.world.now + seconds
        self.world.note(f"Stripe: hangs for {seconds:.0f} s")

    @property
    def is_hanging(self) -> bool:
        """Whether Stripe takes questions and answers none."""
        return self.world.now < self._hangs_until

    def seen_at_ms(self, machine_id: str) -> int:
        """When the ledger has the cabinet's last heartbeat; 0 if it has none."""
        presence = self.ledger.inner.presence(machine_id)
        return presence.seen_at_ms if presence else 0

    def heal(self) -> None:
        """Stripe is well again."""
        self._hangs_until = 0.0
        self.stripe.nonsense.clear()

    def _true_time(self) -> float:
        return EPOCH + self.world.now + self._spent

    def clock(self) -> float:
        """The cloud's clock; each Lambda's is a little off."""
        skew = 0.0
        if self.world.faults.strike("clock off"):
            skew = self.world.faults.size("clock off", 0.1, 3.0)
        return self._true_time() + skew

    def stamp_now(self) -> str:
        """The true time as it stands in messages."""
        return timestamp(self._true_time())

    def add_cabinet(self, machine_id: str) -> str:
        """Adds a cabinet; returns its token."""
        token, digest = cabinet_tokens.new(machine_id)
        prices = PriceList(100, "USD", (Bonus(5, 6),))
        self.ledger.add(Cabinet(machine_id, machine_id, digest, prices, digest))
        return token

    @contextmanager
    def lambda_(self, limit: float = CALL_LIMIT_S) -> Iterator[Cloud]:
        """A Lambda that is free; there is always another one, and one that was frozen right after
        its last answer may be thawed minutes later."""
        if not self._free:
            self._free.append(Cloud(self.ledger, self.stripe, self, self._settings, self.clock))
        thawed = len(self._free) > 1 and self.world.faults.strike("frozen Lambda thawed")
        cloud = self._free.pop(0 if thawed else -1)
        before = self._spent, self._limit
        self._spent, self._limit = 0.0, limit
        try:
            yield cloud
        finally:
            self._spent, self._limit = before
            self._free.append(cloud)

    def sweep(self) -> None:
        """The schedule; sometimes two at once, sometimes not at all."""
        self.world.at(self.every, self.sweep, in_cloud=True, idle=True)
        if self.world.faults.strike("sweep left out"):
            return
        if self.world.faults.strike("two sweeps at once"):
            self.world.at(0.5, self.sweep_now, in_cloud=True)
        self.sweep_now()

    def sweep_now(self) -> None:
        """One sweep by another Lambda."""
        try:
            with self.lambda_(SWEEP_LIMIT_S) as cloud:
                cloud.sweep()
        except (PowerCut, LedgerUnavailable):
            self.world.note("cloud: the sweep died")
        except Nonsense as error:
            self.world.note(f"cloud: the sweep ended at {error}")

    def reconcile(self) -> list[Finding]:
        """What an operator would be told of all days."""
        with self.lambda_() as cloud:
            return cloud.reconciliation.compare(0.0)

    def http(
        self, method: str, path: str, body: bytes, headers: dict[str, str]
    ) -> HttpAnswer | None:
        """One call; ``None`` if the Lambda died on the way."""
        faults = self.world.faults
        if faults.strike("gateway answers by itself"):
            number = int(faults.size("gateway answers by itself", 1.0, len(GATEWAY_ANSWERS) + 0.99))
            status, answer = GATEWAY_ANSWERS[number - 1]
            self.world.note(f"gateway: answers {path} with {status} by itself")
            return HttpAnswer(status, answer)
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
            with self.lambda_() as cloud:
                response = cloud.api.handle(event)
                took = self._spent
        except PowerCut:
            self.world.note(f"cloud: died in {path}")
            return None
        if faults.strike("gateway answers after the cloud"):
            number = int(faults.size("gateway answers after the cloud", 1.0, 8.99))
            status, answer = GATEWAY_ANSWERS[number - 1]
            self.world.note(f"gateway: answers {path} with {status} after the cloud")
            return HttpAnswer(status, answer, took)
        return HttpAnswer(response["statusCode"], json.loads(response["body"]), took)

    # The publisher, for the cloud

    def publish(self, topic: str, payload: bytes, expiry_s: int | None = None) -> None:
        if self.world.faults.strike("broker away from the cloud"):
            raise PublishFailed("the broker cannot be reached")
        self.broker.accept(topic, payload)

    def close(self) -> None:
        self.ledger.close()

    # Stripe

    def _trouble(self, call: str, when: str) -> None:
        faults = self.world.faults
        if when == "before":
            if self.is_hanging:
                self._spent += HANG_S
                if self._spent > self._limit:
                    raise PowerCut  # Lambda's own limit
                raise StripeUnavailable("Stripe does not answer (Timeout)")
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

    def begin_payment(self, machine_id: str) -> None:
        """A stranger opens the bank's page, and leaves it there."""
        self.events += 1
        intent = {"id": f"pi_left_{self.events}", "metadata": {"machine_id": machine_id}}
        self.tell("payment_intent.created", intent)

    def pay(self, link_id: str, quantity: int, held: bool, card: str = "") -> str:
        """A player's card is good: the money is there, and Stripe begins to tell of it."""
        session_id = self.stripe.pay(link_id, quantity, held, card=card)
        payment = self.stripe.payments[session_id]
        self.world.note(
            f"player: pays {session_id} at {payment.machine_id}, {quantity} plays, "
            f"{'held' if held else 'charged at once'}"
        )
        if held:
            self.world.at(7 * DAY, lambda: self._run_out(payment.intent_id), idle=True)
            if self.world.faults.strike("capture declined"):
                self.stripe.declined.add(payment.intent_id)
        if self.world.faults.strike("Stripe answers nonsense"):
            self.stripe.nonsense.add(payment.intent_id)
        metadata = {"metadata": {"machine_id": payment.machine_id}}
        self.tell("payment_intent.created", {"id": payment.intent_id, **metadata})
        charge = stripe_events.charge_succeeded(payment, self._true_time())
        self.tell("charge.succeeded", charge)
        self.tell("checkout.session.completed", self._odd(session_id, payment))
        return session_id

    def _odd(self, session_id: str, payment: Payment) -> dict[str, Any]:
        """The session as its event has it; of some the signed events alone do not tell enough."""
        session = stripe_events.session_completed(payment)
        if self.world.faults.strike("session that events do not explain"):
            # As with a second item: only Stripe can say what was bought, which is nothing of ours.
            several = replace(payment, price_id="", quantity=0)
            self.stripe.payments[session_id] = several
            session["optional_items"] = [{"price": "price_of_others", "quantity": 1}]
        return session

    def _run_out(self, intent_id: str) -> None:
        account = self.stripe.accounts[intent_id]
        if account.status == "requires_capture":
            account.status = "canceled"

    def tell(self, type_: str, subject: dict[str, Any], age: float = 0.0) -> None:
        """Queues an event of ``age`` seconds ago, as Stripe does: at least once, in any order,
        until it gets a 2xx."""
        self.events += 1
        body = json.dumps(
            {
                "id": f"evt_{self.events}",
                "type": type_,
                "created": int(EPOCH + self.world.now - age),
                "data": {"object": subject},
            }
        ).encode()
        delay, faults = 0.3, self.world.faults
        if faults.strike("webhook overtaken"):
            delay += faults.size("webhook overtaken", 0.1, 10.0)
        if faults.strike("webhook late"):
            delay += faults.size("webhook late", 1.0, 4 * 3600.0)
        account = self.stripe.account
        self.world.at(delay, lambda: self._deliver(body, 0, account), in_cloud=True)
        if faults.strike("webhook twice"):
            again = delay + faults.size("webhook twice", 0.01, 3600.0)
            self.world.at(again, lambda: self._deliver(body, 99, account), in_cloud=True)

    def _deliver(self, body: bytes, tries: int, account: int) -> None:
        if account != self.stripe.account:
            return  # signed with the secret of the account before: refused, and given up
        faults = self.world.faults
        stamp = int(EPOCH + self.world.now)
        header = WebhookSignature.generate_signature_header(body.decode(), SECRET, stamp)
        answer = None
        if not faults.strike("webhook lost"):
            answer = self.http("POST", "/addCredit", body, {"stripe-signature": header})
        event = json.loads(body)
        if event["type"] == "payment_intent.canceled" and answer and answer.status == 200:
            self.cancelled_at.setdefault(event["data"]["object"]["id"], self.world.now)
        lost = faults.strike("webhook's answer lost")
        if (answer is None or answer.status != 200 or lost) and tries < 30:
            wait = min(3600.0, 5.0 * 2**tries)
            again = lambda: self._deliver(body, tries + 1, account)  # noqa: E731
            self.world.at(wait, again, in_cloud=True)
