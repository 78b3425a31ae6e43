"""A payment provider in memory, with Stripe's rules for holds, refunds and idempotency keys."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from cloud.adapters.stripe_gateway import StripeRefused, StripeUnavailable
from cloud.core.payments import Completed, Intent, Payment, Undelivered

T = TypeVar("T")


@dataclass
class Account:
    """One PaymentIntent's money."""

    amount: int
    held: bool
    status: str
    received: int = 0
    refunded: int = 0
    disputed: bool = False
    pulsed: int = 0
    pulses: int = 0
    declines: bool = False  # its captures are refused


@dataclass
class FakeStripe:
    """Implements ``cloud.adapters.stripe_gateway.Gateway``.

    ``trouble`` is called before and after the effect of each call, with the call's name and
    ``"before"`` or ``"after"``; it may raise, like a network.
    """

    trouble: Callable[[str, str], None] = lambda _call, _when: None
    prices: dict[str, tuple[int, str]] = field(default_factory=dict)
    links: dict[str, dict[str, object]] = field(default_factory=dict)
    payments: dict[str, Payment] = field(default_factory=dict)
    accounts: dict[str, Account] = field(default_factory=dict)
    answers: dict[str, tuple[object, object]] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    created: dict[str, float] = field(default_factory=dict)
    events: list[Undelivered] = field(default_factory=list)
    open_sessions: dict[str, str] = field(default_factory=dict)
    statements: dict[str, str] = field(default_factory=dict)  # of each captured intent
    bad_statements: set[str] = field(default_factory=set)  # what this account may not show
    requests: Counter[tuple[str, str]] = field(default_factory=Counter)  # what each one refunded

    def pay(
        self,
        link_id: str,
        quantity: int = 1,
        held: bool = True,
        price_id: str = "",
        card: str = "",
    ) -> str:
        """A player pays, by default with a new card; returns the Checkout Session's id."""
        link = self.links[link_id]
        price_id = price_id or str(link["price_id"])
        unit, currency = self.prices.get(price_id, (100, "USD"))
        number = len(self.payments) + 1
        session_id, intent_id = f"cs_test_{number}", f"pi_{number}"
        amount = unit * quantity
        self.accounts[intent_id] = Account(
            amount,
            held,
            "requires_capture" if held else "succeeded",
            0 if held else amount,
        )
        self.payments[session_id] = Payment(
            session_id=session_id,
            link_id=link_id,
            machine_id=str(link["machine_id"]),
            complete=True,
            payment_status="unpaid" if held else "paid",
            intent_id=intent_id,
            intent_status="",
            amount=amount,
            currency=currency,
            price_id=price_id,
            quantity=quantity,
            hold_until=0.0,
            manual=held,
            fingerprint=card or f"card-{number}",
        )
        return session_id

    def open_tab(self, link_id: str) -> str:
        """A player opens a link's checkout page and leaves it open; returns the session's id."""
        assert self.links[link_id]["active"], "the page says that the link is off"
        session_id = f"cs_open_{len(self.open_sessions) + 1}"
        self.open_sessions[session_id] = link_id
        return session_id

    def charged(self, session_id: str) -> int:
        """What the player of this session has paid in the end."""
        account = self.accounts[self.payments[session_id].intent_id]
        return account.received - account.refunded

    def holds(self, session_id: str) -> bool:
        """Whether the player's money is still reserved."""
        return self.accounts[self.payments[session_id].intent_id].status == "requires_capture"

    # The gateway

    def create_price(self, product: str, amount: int, currency: str, key: str) -> str:
        def effect() -> str:
            price_id = f"price_{len(self.prices) + 1}"
            self.prices[price_id] = (amount, currency)
            return price_id

        return self._once("create_price", key, (product, amount, currency), effect)

    def create_link(
        self,
        machine_id: str,
        price_id: str,
        quantity: int,
        most: int,
        receipt: str,
        methods: Sequence[str],
        key: str,
    ) -> tuple[str, str]:
        def effect() -> tuple[str, str]:
            link_id = f"plink_{len(self.links) + 1}"
            self.links[link_id] = {
                "machine_id": machine_id,
                "price_id": price_id,
                "most": most,
                "receipt": receipt,
                "methods": tuple(methods),
                "active": True,
            }
            return link_id, f"https://buy.example/{link_id}"

        return self._once(
            "create_link",
            key,
            (machine_id, price_id, quantity, most, receipt, tuple(methods)),
            effect,
        )

    def link_is_active(self, link_id: str) -> bool:
        self._call("link_is_active", "before")
        return bool(self._link(link_id)["active"])

    def switch_link(self, link_id: str, active: bool) -> None:
        self._call("switch_link", "before")
        self._link(link_id)["active"] = active
        self._call("switch_link", "after")

    def expire_sessions(self, link_id: str, most: int) -> bool:
        self._call("expire_sessions", "before")
        self._link(link_id)
        found = [session for session, link in self.open_sessions.items() if link == link_id]
        for session in found[:most]:
            del self.open_sessions[session]
        self._call("expire_sessions", "after")
        return len(found) > most

    def payment(self, session_id: str) -> Payment:
        self._call("payment", "before")
        if session_id not in self.payments:
            raise StripeRefused("No such checkout session", "resource_missing", 404)
        payment = self.payments[session_id]
        account = self.accounts.get(payment.intent_id)
        if account is None:
            return payment
        return replace(
            payment,
            intent_status=account.status,
            payment_status="paid" if account.status == "succeeded" else payment.payment_status,
            pulsed=account.pulsed,
            pulses=account.pulses,
        )

    def intent(self, intent_id: str) -> Intent:
        self._call("intent", "before")
        if intent_id not in self.accounts:
            raise StripeRefused("No such payment_intent", "resource_missing", 404)
        return self._intent(intent_id)

    def intents(self, since: float, until: float) -> list[Intent]:
        listed = [
            self._intent(p.intent_id)
            for p in self.payments.values()
            if since <= self.created.get(p.session_id, since) <= until
            and p.intent_id in self.accounts
        ]
        for _ in range(len(listed) // 100 + 1):
            self._call("intents", "before")
        return listed

    def _intent(self, intent_id: str) -> Intent:
        account = self.accounts[intent_id]
        # As Stripe does it, what was never captured of a hold that is over counts as refunded.
        over = account.status in ("succeeded", "canceled")
        return Intent(
            intent_id,
            account.status,
            account.amount,
            account.received,
            account.refunded + (account.amount - account.received if over else 0),
            account.disputed,
            account.pulsed,
            account.pulses,
        )

    def session_of(self, intent_id: str) -> str:
        self._call("session_of", "before")
        return next((p.session_id for p in self.payments.values() if p.intent_id == intent_id), "")

    def completed(self, since: float, until: float) -> list[Completed]:
        self._call("completed", "before")
        return [
            Completed(p.session_id, p.link_id, self.created.get(p.session_id, since), p.machine_id)
            for p in self.payments.values()
            if since <= self.created.get(p.session_id, since) <= until
        ]

    def undelivered(self, since: float, until: float) -> list[Undelivered]:
        self._call("undelivered", "before")
        return [e for e in self.events if since <= e.created <= until]

    def capture(
        self, intent_id: str, amount: int, pulsed: int, pulses: int, key: str, statement: str = ""
    ) -> None:
        def effect() -> None:
            account = self._held(intent_id)
            if statement in self.bad_statements:
                message = "The statement descriptor is not valid."
                raise StripeRefused(message, "", 400, "statement_descriptor_suffix")
            if account.declines:
                raise StripeRefused("Your card was declined.", "card_declined", 402)
            if amount > account.amount:
                raise StripeRefused("too much", "amount_too_large")
            account.status, account.received = "succeeded", amount
            account.pulsed, account.pulses = pulsed, pulses
            self.statements[intent_id] = statement

        self._once("capture", key, (intent_id, amount, pulsed, pulses, statement), effect)

    def note_pulses(self, intent_id: str, pulsed: int, pulses: int) -> None:
        self._call("note_pulses", "before")
        account = self.accounts[intent_id]
        account.pulsed, account.pulses = pulsed, pulses
        self._call("note_pulses", "after")

    def cancel(self, intent_id: str, key: str) -> None:
        def effect() -> None:
            self._held(intent_id).status = "canceled"

        self._once("cancel", key, (intent_id,), effect)

    def refund(self, intent_id: str, amount: int, key: str, request_id: str = "") -> None:
        def effect() -> None:
            account = self.accounts[intent_id]
            if account.status != "succeeded":
                raise StripeRefused("nothing was charged", "payment_intent_unexpected_state")
            if account.refunded + amount > account.received:
                raise StripeRefused("more than was charged", "charge_already_refunded")
            account.refunded += amount
            if request_id:
                self.requests[intent_id, request_id] += amount

        self._once("refund", key, (intent_id, amount, request_id), effect)

    def has_refund(self, intent_id: str, request_id: str) -> bool:
        self._call("has_refund", "before")
        return (intent_id, request_id) in self.requests

    def _link(self, link_id: str) -> dict[str, object]:
        if link_id not in self.links:
            raise StripeRefused("No such payment link", "resource_missing", 404)
        return self.links[link_id]

    def _held(self, intent_id: str) -> Account:
        account = self.accounts[intent_id]
        if account.status != "requires_capture":
            raise StripeRefused(f"it is {account.status}", "payment_intent_unexpected_state")
        return account

    def _call(self, name: str, when: str) -> None:
        if when == "before":
            self.calls.append(name)
        self.trouble(name, when)

    def _once(self, name: str, key: str, parameters: object, effect: Callable[[], T]) -> T:
        self._call(name, "before")
        if key in self.answers:
            first, answer = self.answers[key]
            if first != parameters:
                raise StripeRefused("the key was used for something else", "idempotency_error")
            if isinstance(answer, StripeRefused):
                raise answer
            return answer  # type: ignore[return-value]
        try:
            answer = effect()
        except StripeRefused as refusal:
            self.answers[key] = (parameters, refusal)
            raise
        self.answers[key] = (parameters, answer)
        self._call(name, "after")
        return answer


def lost(call: str, when: str, times: int = 1) -> Callable[[str, str], None]:
    """Trouble that loses the next ``times`` calls of that name, before or after their effect."""
    left = [times]

    def trouble(name: str, stage: str) -> None:
        if (name, stage) == (call, when) and left[0]:
            left[0] -= 1
            raise StripeUnavailable("Stripe does not answer (Timeout)")

    return trouble
