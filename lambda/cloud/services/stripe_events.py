"""What Stripe's events do: a paid Checkout Session becomes an order, a failed card a message.

An event is only a reason to look. What was paid, and whether the money is there, is asked of
Stripe; the cabinet is that of the Payment Link, as the ledger has it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from cloud.adapters.stripe_gateway import Gateway, StripeRefused
from cloud.core import money, orders
from cloud.core.cabinets import Incident, PaymentLink
from cloud.core.order_history import begun
from cloud.core.orders import Order, OrderState, Refused, Schedule
from cloud.core.payments import HOLD_SECONDS, Money, Payment, money_of
from cloud.core.prices import credits_for
from cloud.core.stamps import to_ms
from cloud.services.cabinet_messages import CabinetMessages
from cloud.services.clock import Clock
from cloud.services.refunds import RefundsAndDisputes
from cloud.services.releases import Releases
from cloud.services.settlement import report_rebuilt
from cloud.stores.base import Ledger

log = logging.getLogger(__name__)

NEWS_MS = 60_000  # what happened to a payment before that is no news to a cabinet's screen


@dataclass(frozen=True)
class StripeEvent:
    """The few fields of a Stripe event that are used."""

    event_id: str
    type: str
    created: float
    subject: Mapping[str, object]


class StripeEvents:
    """Turns Stripe's events into orders and messages."""

    def __init__(
        self,
        ledger: Ledger,
        stripe: Gateway,
        cabinet_messages: CabinetMessages,
        releases: Releases,
        refunds: RefundsAndDisputes,
        schedule: Schedule,
        card_hash: Callable[[str], str],
        clock: Clock,
    ) -> None:
        self._ledger = ledger
        self._stripe = stripe
        self._cabinet_messages = cabinet_messages
        self._releases = releases
        self._refunds = refunds
        self._schedule = schedule
        self._card_hash = card_hash
        self._clock = clock

    def handle(self, event: StripeEvent) -> str:
        """Does what an event asks for; returns a few words for the log and the answer.

        When it returns, an order that the event makes is stored. It raises what the ledger and
        Stripe raise when they are away, so that Stripe sends the event again.
        """
        match event.type:
            case "checkout.session.completed" | "checkout.session.async_payment_succeeded":
                return self._paid(event)
            case "payment_intent.created" | "payment_intent.processing":
                return self._payment_status(event, "processing")
            case "payment_intent.payment_failed" | "checkout.session.async_payment_failed":
                return self._payment_status(event, "declined")
            case "payment_intent.canceled":
                return self._cancelled(event)
            case "charge.refunded" | "charge.dispute.created" | "charge.dispute.closed":
                return self._refunds.on_charge_event(
                    str(event.subject.get("payment_intent") or ""),
                    disputed=event.type == "charge.dispute.created",
                )
            case _:
                return f"nothing to do for {event.type}"

    def _paid(self, event: StripeEvent) -> str:
        session_id = str(event.subject.get("id", ""))
        if self._ledger.order(session_id):
            return "the order is stored already"
        link = self._ledger.link(str(event.subject.get("payment_link") or ""))
        if link is None:
            return self._not_ours(event, session_id)
        try:
            payment = self._stripe.payment(session_id)
        except StripeRefused as refusal:
            if refusal.status != 404:
                raise
            return self._report(event, session_id, "a signed event names a session Stripe lacks")
        found = money_of(payment)
        if found is Money.NOT_THERE:
            return "no order: the money is not there"
        order = self._order(event, link, payment, found)
        late = self._clock.now_ms() >= order.deadline_ms
        if payment.pulses or (found is Money.CAPTURED and late):
            # A cabinet has settled it: this ledger was restored from before that.
            return self._rebuild(order)
        if not self._ledger.insert(order):
            return "the order is stored already"
        if order.credits < 1:
            self._report(event, session_id, "paid for nothing on the link's price list: released")
            self._releases.release(order, "paid for nothing on the price list")
            return "the order is stored and released"
        cabinet = self._ledger.cabinet(order.machine_id)
        if cabinet is None or cabinet.removed:
            self._report(
                event,
                session_id,
                f"paid for {order.machine_id}, which is gone: released",
            )
            self._releases.release(order, "its cabinet is gone")
            return "the order is stored and released"
        if cabinet.disabled:
            self._releases.release(order, "its cabinet is disabled")
            return "the order is stored and released: its cabinet is disabled"
        now_ms = self._clock.now_ms()
        if now_ms >= order.deadline_ms:
            self._releases.release(order, "the event came after the deadline")
            return "the order is stored and released: it is too late"
        self._cabinet_messages.coin_pulse(order, now_ms / 1000)
        return "the order is stored"

    def _order(
        self, event: StripeEvent, link: PaymentLink, payment: Payment, found: Money
    ) -> Order:
        known = payment.price_id == link.price_id and payment.quantity >= 1
        held = found is Money.HELD
        hold_until = (payment.hold_until or event.created + HOLD_SECONDS) if held else 0.0
        paid_at_ms = to_ms(event.created)
        stamp = self._clock.stamp()
        return Order(
            order_id=payment.session_id,
            machine_id=link.machine_id,
            state=OrderState.OPEN,
            quantity=payment.quantity,
            credits=credits_for(link.prices, payment.quantity) if known else 0,
            amount=payment.amount,
            currency=payment.currency,
            intent_id=payment.intent_id,
            card=self._card_hash(payment.fingerprint),
            held=held,
            paid_at_ms=paid_at_ms,
            # An event from the future must not make an order that waits for it.
            deadline_ms=min(paid_at_ms, stamp.at_ms) + self._schedule.deadline_ms,
            hold_until_ms=to_ms(hold_until),
            write_id=stamp.write_id,
            changed_at_ms=stamp.at_ms,
            due_at_ms=stamp.at_ms,
            history=begun(paid_at_ms, stamp.at_ms),
            statement=link.statement,
        )

    def _rebuild(self, order: Order) -> str:
        rebuilt = orders.rebuild(order, self._stripe.intent(order.intent_id), self._clock.stamp())
        if isinstance(rebuilt, Refused):
            return "the order is stored already"
        report_rebuilt(self._ledger, rebuilt, self._clock.stamp())
        if not self._ledger.insert(rebuilt):
            return "the order is stored already"
        charged = money.text(rebuilt.charged, rebuilt.currency)
        return f"the order is stored as settled, {charged} charged"

    def _cancelled(self, event: StripeEvent) -> str:
        """A hold that is gone gives no plays: an order that nobody has claimed is released at once.

        Most of these events are of our own releases, and find their order further on.
        """
        if not self._cabinet_of(event):
            return "no cabinet of ours"
        session_id = self._stripe.session_of(str(event.subject.get("id") or ""))
        order = self._ledger.order(session_id) if session_id else None
        if order is None:
            return self._payment_status(event, "cancelled")
        if order.state is OrderState.OPEN:
            order = self._releases.release(order, "its hold was cancelled in Stripe's dashboard")
        return f"the order is {order.state.value}"

    def _cabinet_of(self, event: StripeEvent) -> str:
        """The cabinet that an event's metadata names; empty if it is none of ours."""
        metadata = event.subject.get("metadata")
        machine_id = metadata.get("machine_id") if isinstance(metadata, Mapping) else None
        if not isinstance(machine_id, str) or self._ledger.cabinet(machine_id) is None:
            return ""
        return machine_id

    def _payment_status(self, event: StripeEvent, status: str) -> str:
        machine_id = self._cabinet_of(event)
        if not machine_id:
            return "no cabinet of ours"
        now_ms = self._clock.now_ms()
        if now_ms - to_ms(event.created) > NEWS_MS:
            return f"too old to be told to {machine_id}: {status}"
        self._cabinet_messages.payment(
            machine_id, status, now_ms / 1000, _payment_id(event.subject)
        )
        return f"published to {machine_id}: {status}"

    def _not_ours(self, event: StripeEvent, session_id: str) -> str:
        metadata = event.subject.get("metadata")
        if isinstance(metadata, Mapping) and "machine_id" in metadata:
            # Another installation on the same Stripe account may well have made it: its money is
            # not ours to move. A manual capture that nobody claims charges nobody.
            return self._report(
                event,
                session_id,
                "a payment names a cabinet, but its link is not in this ledger",
            )
        return "not a payment for a cabinet"

    def _report(self, event: StripeEvent, session_id: str, text: str) -> str:
        log.warning("event %s, session %s: %s", event.event_id, session_id, text)
        stamp = self._clock.stamp()
        self._ledger.insert(
            Incident(
                f"{session_id}:paid",
                stamp.at_ms,
                text,
                stamp.write_id,
                order_id=session_id,
                todo="look at the payment in Stripe's dashboard",
            )
        )
        return text


def _payment_id(subject: Mapping[str, object]) -> str:
    """The PaymentIntent that an event about it, or about its session, is about."""
    found = subject.get("payment_intent" if subject.get("object") == "checkout.session" else "id")
    return found if isinstance(found, str) else ""
