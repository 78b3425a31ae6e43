"""What Stripe's events do: a paid Checkout Session becomes an order, a failed card a message.

What the signed events say themselves makes the order of a usual payment: that a card's bank holds
the money comes first (``charge.succeeded``, kept for a day), what it bought comes with the session
(``checkout.session.completed``, which makes the order). Where that does not suffice Stripe is asked
(:mod:`cloud.core.holds`; decision 0021). The cabinet is that of the Payment Link, as the ledger has
it. Events come twice, late, never and in any order: whichever stores the order first has made it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloud.adapters.stripe_gateway import Gateway, StripeRefused
from cloud.core import holds, money, orders
from cloud.core.cabinets import Incident, PaymentLink
from cloud.core.holds import Reserved
from cloud.core.order_history import begun
from cloud.core.orders import Order, OrderState, Refused, Schedule
from cloud.core.payments import HOLD_SECONDS, Money, Payment, money_of
from cloud.core.prices import credits_for
from cloud.core.stamps import to_ms
from cloud.services.cabinet_messages import CabinetMessages
from cloud.services.clock import Clock
from cloud.stores.base import Ledger

if TYPE_CHECKING:
    from cloud.services.refunds import RefundsAndDisputes
    from cloud.services.releases import Releases

log = logging.getLogger(__name__)

CANCELLED = "its hold was cancelled in Stripe's dashboard"
MOST_LINKS = 200  # that a process keeps in memory, a kilobyte each
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
        releases: Callable[[], Releases],
        refunds: Callable[[], RefundsAndDisputes],
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
        self._links: dict[str, PaymentLink] = {}

    def handle(self, event: StripeEvent) -> str:
        """Does what an event asks for; returns a few words for the log and the answer.

        When it returns, an order that the event makes is stored. It raises what the ledger and
        Stripe raise when they are away, so that Stripe sends the event again.
        """
        answer = _ANSWERS.get(event.type)
        return answer(self, event) if answer else f"nothing to do for {event.type}"

    def _held(self, event: StripeEvent) -> str:
        """Keeps what a charge says of the hold for the session's event, which asks nobody then."""
        found = holds.reserved(event.subject)
        if found is None or not _machine_id(event):
            return "no hold for a cabinet"
        card = self._card_hash(found.fingerprint)
        kept = self._ledger.insert(holds.hold(found, card, self._clock.stamp()))
        return "the hold is kept" if kept else "the hold is known already"

    def _paid(self, event: StripeEvent) -> str:
        link = self._link(str(event.subject.get("payment_link") or ""))
        if link is None:
            return self._not_ours(event, str(event.subject.get("id", "")))
        order = self._order_by_events(event, link)
        return self._ask_stripe(event, link) if order is None else self._store(event, link, order)

    def _link(self, link_id: str) -> PaymentLink | None:
        """A link. What it sells, and where, never changes, so it is read once; whether it is on may
        be of before."""
        link = self._links.get(link_id) or self._ledger.link(link_id)
        if link:
            if len(self._links) >= MOST_LINKS:
                self._links.clear()
            self._links[link_id] = link
        return link

    def _order_by_events(self, event: StripeEvent, link: PaymentLink) -> Order | None:
        """The order as the signed events have it, if they suffice and a cabinet may claim it."""
        now_ms = self._clock.now_ms()
        intent_id = str(event.subject.get("payment_intent") or "")
        if not intent_id or now_ms >= self._deadline_ms(event, now_ms):
            return None  # of a late one Stripe may know that it was settled long ago
        hold = self._ledger.hold(intent_id)
        payment = holds.payment_of(event.subject, link, hold) if hold else None
        if hold is None or payment is None:
            return None
        return self._order(event, link, payment, held=True, card=hold.card)

    def _ask_stripe(self, event: StripeEvent, link: PaymentLink) -> str:
        """Makes the order of what Stripe says now."""
        session_id = str(event.subject.get("id", ""))
        if self._ledger.order(session_id):
            return "the order is stored already"
        try:
            payment = self._stripe.payment(session_id)
        except StripeRefused as refusal:
            if refusal.status != 404:
                raise
            return self._report(event, session_id, "a signed event names a session Stripe lacks")
        found = money_of(payment)
        if found is Money.NOT_THERE:
            return "no order: the money is not there"
        card = self._card_hash(payment.fingerprint)
        order = self._order(event, link, payment, found is Money.HELD, card)
        late = self._clock.now_ms() >= order.deadline_ms
        if payment.pulses or (found is Money.CAPTURED and late):
            # A cabinet has settled it: this ledger was restored from before that.
            return self._rebuild(order)
        if order.held and not late and self._was_cancelled(order):
            return "no order: its hold was cancelled"
        return self._store(event, link, order)

    def _was_cancelled(self, order: Order) -> bool:
        """Whether a hold was cancelled since Stripe was asked; keeps it otherwise, so that the
        event of a cancellation from now on knows that the order is about to be stored."""
        found = Reserved(order.intent_id, order.amount, order.currency, order.hold_until_ms, "")
        if self._ledger.insert(holds.hold(found, order.card, self._clock.stamp())):
            return False
        known = self._ledger.hold(order.intent_id)
        return known is not None and known.cancelled

    def _store(self, event: StripeEvent, link: PaymentLink, order: Order) -> str:
        """Stores a new order and hints at it, or releases it at once."""
        if order.credits < 1:
            # Before the order: whatever ends between the two writes, somebody is told.
            text = "paid for nothing on the link's price list: released"
            self._report(event, order.order_id, text)
        if not self._ledger.insert(order):
            return "the order is stored already"
        if order.credits < 1:
            self._releases().release(order, "paid for nothing on the price list")
            return "the order is stored and released"
        # Whoever paid waits for the hint, and nobody for the look at the cabinet. A link that is to
        # be off may be of a cabinet that is gone: only there the look comes first.
        late = self._clock.now_ms() >= order.deadline_ms
        hinted = link.wanted and not late
        if hinted:
            self._hint(order)
        cabinet = self._ledger.cabinet(order.machine_id)
        if cabinet is None or cabinet.removed:
            self._report(
                event, order.order_id, f"paid for {order.machine_id}, which is gone: released"
            )
            self._releases().release(order, "its cabinet is gone")
            return "the order is stored and released"
        if cabinet.disabled:
            self._releases().release(order, "its cabinet is disabled")
            return "the order is stored and released: its cabinet is disabled"
        if late:
            self._releases().release(order, "the event came after the deadline")
            return "the order is stored and released: it is too late"
        if not hinted:
            self._hint(order)
        return "the order is stored"

    def _hint(self, order: Order) -> None:
        self._cabinet_messages.coin_pulse(order, self._clock.now_ms() / 1000)

    def _deadline_ms(self, event: StripeEvent, now_ms: int) -> int:
        # An event from the future must not make an order that waits for it.
        return min(to_ms(event.created), now_ms) + self._schedule.deadline_ms

    def _order(
        self, event: StripeEvent, link: PaymentLink, payment: Payment, held: bool, card: str
    ) -> Order:
        known = payment.price_id == link.price_id and payment.quantity >= 1
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
            card=card,
            held=held,
            paid_at_ms=paid_at_ms,
            deadline_ms=self._deadline_ms(event, stamp.at_ms),
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
        # Before it is stored: whoever finds it stored does not come here again.
        # Late: hardly any event finds an order that the ledger has lost.
        from cloud.services.settlement import report_rebuilt

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
        intent_id = str(event.subject.get("id") or "")
        session_id = self._stripe.session_of(intent_id)
        order = self._ledger.order(session_id) if session_id else None
        if order is None:
            order = self._cancelled_first(event, intent_id, session_id)
        if order is None:
            return self._payment_status(event, "cancelled")
        if order.state is OrderState.OPEN:
            order = self._releases().release(order, CANCELLED)
        return f"the order is {order.state.value}"

    def _cancelled_first(self, event: StripeEvent, intent_id: str, session_id: str) -> Order | None:
        """Keeps a hold that was cancelled before its order was stored from making one.

        If the hold was heard of, its session's event may have looked already and be about to store
        the order. So the order is stored here, as one that is released: whichever comes second
        finds it.
        """
        now_ms = self._clock.now_ms()
        if now_ms >= self._deadline_ms(event, now_ms):
            return None  # the events of before it are late too: they ask Stripe
        if self._ledger.insert(holds.cancelled(intent_id, self._clock.stamp())):
            return None
        hold = self._ledger.hold(intent_id)
        if hold is None or hold.cancelled or not session_id:
            return None
        payment = self._stripe.payment(session_id)
        link = self._ledger.link(payment.link_id)
        if link is None:
            return None
        order = self._order(event, link, payment, held=True, card=hold.card)
        return self._releases().store(order, CANCELLED)

    def _cabinet_of(self, event: StripeEvent) -> str:
        """The cabinet that an event's metadata names; empty if it is none of ours."""
        machine_id = _machine_id(event)
        return machine_id if machine_id and self._ledger.cabinet(machine_id) else ""

    def _refunded(self, event: StripeEvent) -> str:
        intent_id = str(event.subject.get("payment_intent") or "")
        return self._refunds().on_charge_event(intent_id, disputed=False)

    def _disputed(self, event: StripeEvent) -> str:
        intent_id = str(event.subject.get("payment_intent") or "")
        return self._refunds().on_charge_event(intent_id, disputed=True)

    def _processing(self, event: StripeEvent) -> str:
        return self._payment_status(event, "processing")

    def _declined(self, event: StripeEvent) -> str:
        return self._payment_status(event, "declined")

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


def _machine_id(event: StripeEvent) -> str:
    """The cabinet that an event's metadata names, ours or not; empty if there is none."""
    metadata = event.subject.get("metadata")
    machine_id = metadata.get("machine_id") if isinstance(metadata, Mapping) else None
    return machine_id if isinstance(machine_id, str) else ""


def _payment_id(subject: Mapping[str, object]) -> str:
    """The PaymentIntent that an event about it, or about its session, is about."""
    found = subject.get("payment_intent" if subject.get("object") == "checkout.session" else "id")
    return found if isinstance(found, str) else ""


# Every event that is read, and what answers it.
_ANSWERS: Mapping[str, Callable[[StripeEvents, StripeEvent], str]] = {
    "checkout.session.completed": lambda events, event: events._paid(event),
    "checkout.session.async_payment_succeeded": lambda events, event: events._paid(event),
    "checkout.session.async_payment_failed": lambda events, event: events._declined(event),
    "payment_intent.created": lambda events, event: events._processing(event),
    "payment_intent.processing": lambda events, event: events._processing(event),
    "payment_intent.payment_failed": lambda events, event: events._declined(event),
    "payment_intent.canceled": lambda events, event: events._cancelled(event),
    "charge.succeeded": lambda events, event: events._held(event),
    "charge.refunded": lambda events, event: events._refunded(event),
    "charge.dispute.created": lambda events, event: events._disputed(event),
    "charge.dispute.closed": lambda events, event: events._refunded(event),
}

# What Stripe's webhook endpoint has to be subscribed to: these and no others.
EVENTS_READ = tuple(_ANSWERS)
