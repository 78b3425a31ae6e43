"""The cloud as a function of values: the real API and sweep over ports that stop at each question.

A job is what started it and the answers that it has had so far. To go on, the real code runs from
its start again with these answers, up to its next question: so it can be stopped between any two of
them, any number of jobs can be under way, and equal jobs are equal values.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, cast

from cloud.adapters.stripe_gateway import Gateway, StripeRefused, StripeUnavailable
from cloud.core.cabinets import Cabinet, PaymentLink
from cloud.core.forgiveness import Forgiveness, ForgivenOrder
from cloud.core.holds import Hold
from cloud.core.orders import UNFINISHED, Order
from cloud.core.payments import HOLD_SECONDS, Intent, Payment
from cloud.core.prices import PriceList
from cloud.services import cabinet_tokens
from cloud.settings import Settings, Times
from cloud.stores.base import CabinetItems, Ledger, WriteResult
from cloud.wiring import Cloud
from kiosk.core.effects import Call
from tests.exhaustive.cabinet import MACHINE
from tests.exhaustive.stripe_account import AMOUNT, Account, paid
from tests.fakes.stripe_events import charge_succeeded, session_completed

EPOCH = 1_800_000_000
SECRET = "whsec_exhaustive"
TOKEN = f"{MACHINE}.secret"
TIMES = Times()

# The moments that make a difference, and what they are called.
MOMENTS = (
    ("the payment", EPOCH + 1.0),
    ("the deadline", EPOCH + TIMES.deadline + 1.0),
    ("the end of the resume window", EPOCH + TIMES.deadline + 900.0 + TIMES.unsettled),
    ("a day before the hold runs out", EPOCH + HOLD_SECONDS - TIMES.abandon_before + 1.0),
)

PRICES = PriceList(AMOUNT // 2, "USD", ())
LINK = PaymentLink("plink_1", MACHINE, "https://pay", "price_1", 1, PRICES, 0, "w")
CABINET = Cabinet(MACHINE, MACHINE, cabinet_tokens.digest(TOKEN), PRICES, "w")


@dataclass(frozen=True)
class Start:
    """What a job was started by: a call with its body and its headers, or the schedule."""

    route: str
    body: str = ""
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Question:
    """What a job wants from a part that it shares with others."""

    name: str
    arguments: tuple[Any, ...] = ()

    @property
    def is_at_once(self) -> bool:
        """Whether nothing is missed if nothing happens between it and the question before."""
        return self.name in ("now", "due", "unfinished", "payment", "publish", "forgiven")


@dataclass(frozen=True)
class Answer:
    """What a job ended with."""

    status: int
    body: str


GATEWAY_ANSWER = Answer(404, '{"message": "Not Found"}')  # API Gateway's own


@dataclass(frozen=True)
class Refusal:
    """Stripe refused."""

    code: str


@dataclass(frozen=True)
class NoAnswer:
    """Stripe did not answer."""


class _Stop(BaseException):
    def __init__(self, question: Question) -> None:
        super().__init__()
        self.question = question


class NotModelled(BaseException):
    """The cloud asked for something that the exhaustive check has no answer for: add it."""


def of_call(call: Call) -> Start:
    """A cabinet's call as it comes to the cloud."""
    headers = (("authorization", f"Bearer {TOKEN}"),)
    return Start(f"POST {call.path}", json.dumps(call.body, sort_keys=True), headers)


SESSION, CHARGE, CANCELLED = range(3)  # what Stripe tells of each payment
TOLD = ("session", "charge", "cancellation")


def of_webhook(kind: int, order_id: str, held: bool, now: float) -> Start:
    """Stripe tells that a player paid, that the money is held, or that it is no longer."""
    payment = payment_of(order_id, paid(held))
    kinds: dict[int, tuple[str, dict[str, Any]]] = {
        SESSION: ("checkout.session.completed", session_completed(payment)),
        CHARGE: ("charge.succeeded", charge_succeeded(payment, EPOCH)),
        CANCELLED: (
            "payment_intent.canceled",
            {"id": payment.intent_id, "metadata": {"machine_id": MACHINE}},
        ),
    }
    type_, subject = kinds[kind]
    event = {
        "id": f"evt_{order_id}",
        "type": type_,
        "created": EPOCH,
        "data": {"object": subject},
    }
    body, stamp = json.dumps(event), int(now)
    signed = hmac.new(SECRET.encode(), f"{stamp}.{body}".encode(), hashlib.sha256).hexdigest()
    return Start("POST /addCredit", body, (("stripe-signature", f"t={stamp},v1={signed}"),))


SWEEP = Start("sweep")


class Runner:
    """Runs jobs up to their next question."""

    def __init__(self) -> None:
        self._answers: tuple[Any, ...] = ()
        self._given = 0
        settings = Settings(
            ledger="sqlite:///",
            stripe_key="sk_test_exhaustive",
            webhook_secret=SECRET,
            mqtt_url="mqtt://localhost",
            public_url="https://localhost",
            times=TIMES,
        )
        self._cloud = Cloud(
            cast(Ledger, _LedgerPort(self)),
            cast(Gateway, _StripePort(self)),
            _PublisherPort(self),
            settings,
            lambda: cast(float, self.ask("now")),
        )

    def run(self, start: Start, answers: tuple[Any, ...]) -> Question | Answer:
        """The job's next question, or how it ended."""
        self._answers, self._given = answers, 0
        try:
            if start is SWEEP:
                self._cloud.sweep()
                return Answer(200, "{}")
            path = start.route.partition(" ")[2]
            answer = self._cloud.api.handle(
                {
                    "version": "2.0",
                    "routeKey": start.route,
                    "rawPath": path,
                    "rawQueryString": "",
                    "headers": dict(start.headers),
                    "queryStringParameters": {},
                    "requestContext": {
                        "http": {"method": "POST", "path": path},
                        "stage": "$default",
                    },
                    "body": start.body,
                    "isBase64Encoded": False,
                }
            )
        except _Stop as stop:
            return stop.question
        return Answer(answer["statusCode"], answer["body"])

    def ask(self, name: str, *arguments: Any) -> Any:
        """The answer to the job's next question, if it has had one."""
        if self._given == len(self._answers):
            raise _Stop(Question(name, arguments))
        answer = self._answers[self._given]
        self._given += 1
        if isinstance(answer, NoAnswer):
            raise StripeUnavailable("Stripe does not answer")
        if isinstance(answer, Refusal):
            raise StripeRefused("Stripe refused", answer.code)
        return answer


def plain(order: Order) -> Order:
    """An order without what tells one write from another that wrote the same."""
    return replace(order, write_id="w", changed_at_ms=0)


class _Port:
    def __init__(self, runner: Runner) -> None:
        self._ask = runner.ask

    def __getattr__(self, name: str) -> Any:
        raise NotModelled(f"{type(self).__name__}.{name}")


class _LedgerPort(_Port):
    """Orders are shared; the cabinet, its link and its presence are there and do not change."""

    def order(self, order_id: str) -> Any:
        return self._ask("order", order_id)

    def insert(self, item: Any) -> Any:
        if isinstance(item, Hold):
            return self._ask("keep", replace(item, write_id="w", expires_at_ms=0))
        return self._ask("insert", plain(item)) if isinstance(item, Order) else WriteResult.WRITTEN

    def hold(self, intent_id: str) -> Any:
        return self._ask("hold", intent_id)

    def replace(self, old: Any, new: Any) -> Any:
        if isinstance(new, Order):
            return self._ask("replace", plain(old), plain(new))
        return WriteResult.WRITTEN

    def see(self, presence: Any) -> Any:
        return WriteResult.WRITTEN

    def cabinet(self, machine_id: str) -> Any:
        return CABINET

    def cabinet_and_order(self, machine_id: str, order_id: str) -> Any:
        return CABINET, self._ask("order", order_id)

    def cabinet_items(self, machine_id: str) -> Any:
        orders = (self._ask("order", order_id) for order_id in self._ask("unfinished"))
        return CabinetItems(
            CABINET, (LINK,), tuple(o for o in orders if o and o.state in UNFINISHED)
        )

    def presence(self, machine_id: str) -> Any:
        return None

    def link(self, link_id: str) -> Any:
        return LINK

    def lagging_link_ids(self, machine_id: str) -> Iterator[str]:
        return iter((LINK.link_id,))

    def lagging_due_cabinet_ids(self, now_ms: int) -> Iterator[str]:
        return iter(())

    def lagging_due_link_ids(self, now_ms: int) -> Iterator[str]:
        return iter(())

    def installation(self, new_id: str) -> str:
        return "installation"

    def forgiveness(self, subject: str) -> Any:
        # At a time that is never a day ago.
        before = ForgivenOrder("before", 2**60, self._ask("forgiven"))
        return Forgiveness(subject, (before,), 2**60, "w")

    def lagging_due_order_ids(self, now_ms: int) -> Iterator[str]:
        return iter(self._ask("due", now_ms))

    def lagging_unfinished_ids(self, machine_id: str) -> Iterator[str]:
        return iter(self._ask("unfinished"))


class _StripePort(_Port):
    def session_of(self, intent_id: str) -> str:
        return intent_id

    def payment(self, session_id: str) -> Any:
        return self._ask("payment", session_id)

    def intent(self, intent_id: str) -> Any:
        return self._ask("intent", intent_id)

    def capture(
        self, intent_id: str, amount: int, pulsed: int, pulses: int, key: str, statement: str
    ) -> None:
        # What is noted beside a charge, and what a bill shows, changes nothing here.
        self._ask("capture", intent_id, amount, key)

    def note_pulses(self, intent_id: str, *notes: Any) -> None:
        pass

    def cancel(self, intent_id: str, key: str) -> None:
        self._ask("cancel", intent_id, 0, key)

    def refund(self, intent_id: str, amount: int, key: str) -> None:
        self._ask("refund", intent_id, amount, key)

    def link_is_active(self, link_id: str) -> bool:
        return True

    def switch_link(self, link_id: str, active: bool) -> None:
        pass


class _PublisherPort(_Port):
    def publish(self, topic: str, payload: bytes, expiry_s: int | None = None) -> None:
        self._ask("publish", topic, payload)

    def close(self) -> None:
        pass


def payment_of(order_id: str, account: Account) -> Payment:
    """What Stripe says of an order's session."""
    return Payment(
        session_id=order_id,
        link_id=LINK.link_id,
        machine_id=MACHINE,
        complete=True,
        payment_status="unpaid" if account.held else "paid",
        intent_id=order_id,
        intent_status=account.status,
        amount=AMOUNT,
        currency="USD",
        price_id=LINK.price_id,
        quantity=2,
        manual=account.held,
        hold_until=float(EPOCH + HOLD_SECONDS) if account.held else 0.0,
    )


def intent_of(order_id: str, account: Account) -> Intent:
    """What Stripe says of an order's PaymentIntent."""
    return Intent(order_id, account.status, AMOUNT, account.received, account.refunded)
