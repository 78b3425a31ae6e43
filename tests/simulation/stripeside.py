"""Stripe with what its accounts, its dashboard and its bad days do to a payment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from cloud.adapters.stripe_gateway import StripeRefused
from cloud.core.payments import Completed, Intent, Payment
from tests.fakes.stripe import FakeStripe


class Nonsense(TypeError):
    """Stripe's answer has a form that nobody expects."""


@dataclass
class SimulatedStripe(FakeStripe):
    """The payment provider in memory, whose objects belong to one of several accounts.

    ``declined`` intents cannot be captured; what is asked about an intent of ``nonsense`` ends in
    an error that nobody expects. ``by_hand`` are the intents that people touched in the dashboard,
    with when.
    """

    account: int = 0
    account_of: dict[str, int] = field(default_factory=dict)
    declined: set[str] = field(default_factory=set)
    nonsense: set[str] = field(default_factory=set)
    by_hand: dict[str, float] = field(default_factory=dict)
    refunded_by_hand: dict[str, int] = field(default_factory=dict)  # cents, by intent
    open_sessions: dict[str, str] = field(default_factory=dict)
    tabs: int = 0
    product_of: dict[str, str] = field(default_factory=dict)
    clock: Callable[[], float] = lambda: 0.0

    def change_account(self) -> None:
        """Another account's key: it knows no object of the one before."""
        self.account += 1
        self.answers = {}

    def ours(self, object_id: str) -> bool:
        """Whether the account of now has the object."""
        return self.account_of.get(object_id, -1) == self.account

    def pay(
        self,
        link_id: str,
        quantity: int = 1,
        held: bool = True,
        price_id: str = "",
        card: str = "",
    ) -> str:
        session_id = super().pay(link_id, quantity, held, price_id, card)
        self.account_of[session_id] = self.account
        self.account_of[self.payments[session_id].intent_id] = self.account
        self.created[session_id] = self.clock()
        return session_id

    def create_price(self, product: str, amount: int, currency: str, key: str) -> str:
        price_id = super().create_price(product, amount, currency, key)
        self.account_of[price_id] = self.account
        self.product_of[price_id] = product
        return price_id

    def create_link(self, *rest: Any, **named: Any) -> tuple[str, str]:
        made = super().create_link(*rest, **named)
        self.account_of[made[0]] = self.account
        return made

    def open_tab(self, link_id: str) -> str:
        """A player opens a link's checkout page; returns the session's id."""
        self.tabs += 1
        self.open_sessions[f"cs_open_{self.tabs}"] = link_id
        return f"cs_open_{self.tabs}"

    def link_is_active(self, link_id: str) -> bool:
        self._known(link_id)
        return super().link_is_active(link_id)

    def switch_link(self, link_id: str, active: bool) -> None:
        self._known(link_id)
        super().switch_link(link_id, active)

    def payment(self, session_id: str) -> Payment:
        self._known(session_id)
        found = super().payment(session_id)
        account = self.accounts[found.intent_id]
        return replace(found, payment_status="paid") if account.status == "succeeded" else found

    def intent(self, intent_id: str) -> Intent:
        self._known(intent_id)
        return super().intent(intent_id)

    def intents(self, since: float, until: float) -> list[Intent]:
        return [i for i in super().intents(since, until) if self.ours(i.intent_id)]

    def session_of(self, intent_id: str) -> str:
        return super().session_of(intent_id) if self.ours(intent_id) else ""

    def completed(self, since: float, until: float) -> list[Completed]:
        return [c for c in super().completed(since, until) if self.ours(c.session_id)]

    def capture(self, intent_id: str, *rest: Any, **named: Any) -> None:
        self._known(intent_id)
        if intent_id in self.declined:
            raise StripeRefused("Your card was declined.", "card_declined", 402)
        super().capture(intent_id, *rest, **named)

    def cancel(self, intent_id: str, key: str) -> None:
        self._known(intent_id)
        super().cancel(intent_id, key)

    def refund(self, intent_id: str, amount: int, key: str, request_id: str = "") -> None:
        self._known(intent_id)
        super().refund(intent_id, amount, key, request_id)

    def has_refund(self, intent_id: str, request_id: str) -> bool:
        self._known(intent_id)
        return super().has_refund(intent_id, request_id)

    def _known(self, object_id: str) -> None:
        if object_id in self.nonsense:
            raise Nonsense(object_id)
        if not self.ours(object_id):
            raise StripeRefused(f"No such object: {object_id}", "resource_missing", 404)

    # People in the dashboard

    def capture_by_hand(self, intent_id: str, at: float) -> bool:
        """The whole hold is charged; returns whether there was one."""
        account = self.accounts[intent_id]
        if account.status != "requires_capture" or intent_id in self.declined:
            return False
        account.status, account.received = "succeeded", account.amount
        self.by_hand[intent_id] = at
        return True

    def cancel_by_hand(self, intent_id: str, at: float) -> bool:
        """The hold is given up."""
        account = self.accounts[intent_id]
        if account.status != "requires_capture":
            return False
        account.status = "canceled"
        self.by_hand[intent_id] = at
        return True

    def refund_by_hand(self, intent_id: str, at: float) -> bool:
        """All that was charged goes back."""
        account = self.accounts[intent_id]
        if account.status != "succeeded" or account.refunded == account.received:
            return False
        self.refunded_by_hand[intent_id] = account.received - account.refunded
        account.refunded = account.received
        self.by_hand[intent_id] = at
        return True

    def dispute(self, intent_id: str, at: float) -> bool:
        """The player's bank takes the charge back, or wants to."""
        account = self.accounts[intent_id]
        if account.status != "succeeded" or account.disputed:
            return False
        account.disputed = True
        self.by_hand.setdefault(intent_id, at)
        return True
