"""Compares Stripe, the ledger and the cabinets' journals, and finds what does not agree."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from cloud.adapters.stripe_gateway import Gateway, StripeRefused
from cloud.core import money, orders, reconciliation
from cloud.core.cabinets import Incident
from cloud.core.orders import FINISHED, Order, Refused
from cloud.core.payments import Completed, Intent, Money, Undelivered, money_of
from cloud.core.reconciliation import Finding, Repair
from cloud.core.stamps import to_ms
from cloud.services.clock import Clock
from cloud.services.refunds import RefundsAndDisputes
from cloud.services.settlement import Settlement
from cloud.services.stripe_events import StripeEvent, StripeEvents
from cloud.stores.base import Ledger

PATIENCE = 900.0  # what is younger may be under way

# For how long a checkout page can be paid after it was opened.
# Source: Stripe's API reference, "Create a Session", `expires_at`: 24 hours if not said.
SESSION_SECONDS = 24 * 3600.0

# Stripe's list is read for the orders of so long a time at once, to keep little in memory. Each
# begins a little before its first order: a payment is older than the order that it makes.
LISTED_SECONDS = 24 * 3600.0
EARLIER_SECONDS = 600.0


@dataclass(frozen=True)
class Tally:
    """A cabinet's orders of the range: how many, what they brought, and what went back.

    ``forgiven`` counts pulses, ``worth_forgiven`` is what they would have brought.
    """

    machine_id: str
    currency: str
    orders: int = 0
    charged: int = 0
    refunds: int = 0
    refunded: int = 0
    disputes: int = 0
    forgiven: int = 0
    worth_forgiven: int = 0


class Reconciliation:
    """Compares the three. Only :meth:`repair` changes anything that moves money."""

    def __init__(
        self,
        ledger: Ledger,
        stripe: Gateway,
        stripe_events: StripeEvents,
        settlement: Settlement,
        refunds: RefundsAndDisputes,
        clock: Clock,
    ) -> None:
        self._ledger = ledger
        self._stripe = stripe
        self._stripe_events = stripe_events
        self._settlement = settlement
        self._refunds = refunds
        self._clock = clock
        self._lost: dict[str, Completed] = {}

    def compare(self, since: float) -> list[Finding]:
        """Every exception between Stripe and the ledger since then, older than ``PATIENCE``."""
        now_ms = self._clock.now_ms()
        findings = self._never_stored(since, now_ms / 1000 - PATIENCE)
        listed_intents = _ListedIntents(self._stripe)
        for listed in self._ledger.lagging_orders(since_ms=to_ms(since)):
            order = self._ledger.order(listed.order_id) or listed
            finding = reconciliation.unfinished(order, now_ms, to_ms(PATIENCE))
            if finding is None and not order.free:
                intent = listed_intents.of(order)
                # An order changes while the list is read, so only a list that agrees is believed.
                if intent is None or reconciliation.against_stripe(order, intent):
                    finding = self._against_stripe(order)
            if finding:
                findings.append(finding)
        return findings

    def _against_stripe(self, order: Order) -> Finding | None:
        try:
            intent = self._stripe.intent(order.intent_id)
        except StripeRefused as refusal:
            return reconciliation.unknown_to_stripe(order, str(refusal))
        return reconciliation.against_stripe(order, intent)

    def undelivered(self, since: float) -> Sequence[Undelivered]:
        """Events that no webhook of ours took. What they tell of money is in :meth:`compare`."""
        return self._stripe.undelivered(since, self._clock.now_ms() / 1000 - PATIENCE)

    def compare_journal(self, machine_id: str, rows: Iterable[Mapping[str, str]]) -> list[Finding]:
        """Every exception between a cabinet's journal (``kiosk ledger --csv``) and the ledger."""
        findings = (
            reconciliation.against_journal(self._ledger.order(r["order"]), r, machine_id)
            for r in rows
        )
        return [finding for finding in findings if finding]

    def repair(self, finding: Finding) -> str:
        """Does what has one right answer; returns what was done, or nothing if there is none.

        Raises what Stripe and the ledger raise: nothing is lost then, and the next run finds it.
        """
        order = self._ledger.order(finding.order_id)
        if finding.repair in (Repair.STORE, Repair.REBUILD):
            lost = self._lost[finding.order_id]
            subject = {"id": lost.session_id, "payment_link": lost.link_id}
            kind = "checkout.session.completed"
            return self._stripe_events.handle(StripeEvent("reconcile", kind, lost.created, subject))
        if finding.repair is Repair.TELL:
            return self._tell(finding)
        if order is None:
            return ""
        match finding.repair:
            case Repair.FINISH:
                if order.state is orders.OrderState.OPEN:
                    releasing = orders.release(
                        order, "nobody claimed it, and no sweep came", self._clock.stamp()
                    )
                    if isinstance(releasing, Refused) or not self._ledger.replace(order, releasing):
                        return ""
                    order = releasing
                done = self._settlement.finish(order)
                return f"it is {done.state.value} now" if done.state in FINISHED else ""
            case Repair.CORRECT:
                charged = self._settlement.correct(order)
                return f"the player has paid {money.text(charged, order.currency)} now"
            case Repair.RECORD:
                return "it is recorded" if self._refunds.record(order) else ""
            case _:
                return ""

    def tallies(self, since: float) -> list[Tally]:
        """Each cabinet's orders since then, by currency."""
        tallies: dict[tuple[str, str], Tally] = {}
        for order in self._ledger.lagging_orders(since_ms=to_ms(since)):
            if order.free:
                continue
            key = order.machine_id, order.currency
            tally = tallies.get(key, Tally(*key))
            tallies[key] = replace(
                tally,
                orders=tally.orders + 1,
                charged=tally.charged + order.charged,
                refunds=tally.refunds + bool(order.refunded),
                refunded=tally.refunded + order.refunded,
                disputes=tally.disputes + order.disputed,
                forgiven=tally.forgiven + order.forgiven,
                worth_forgiven=tally.worth_forgiven + _worth_forgiven(order),
            )
        return [tallies[key] for key in sorted(tallies)]

    def _is_news(self, session: Completed, told: Collection[str]) -> bool:
        """Whether a payment of an unknown link names a cabinet of ours, and was not told yet."""
        known = self._ledger.cabinet(session.machine_id)
        return known is not None and _unknown(session.session_id) not in told

    def _tell(self, finding: Finding) -> str:
        stamp = self._clock.stamp()
        self._ledger.insert(
            Incident(
                _unknown(finding.order_id),
                stamp.at_ms,
                finding.reason,
                stamp.write_id,
                machine_id=finding.machine_id,
                order_id=finding.order_id,
                amount=finding.amount,
                currency=finding.currency,
                todo="if no other installation uses the account, give back in Stripe's dashboard "
                "what the machine did not give",
            )
        )
        return "it is in `problems`"

    def _never_stored(self, since: float, until: float) -> list[Finding]:
        findings = []
        told = {incident.incident_id for incident in self._ledger.lagging_incidents(to_ms(since))}
        for session in self._stripe.completed(since - SESSION_SECONDS, until):
            if self._ledger.order(session.session_id):
                continue
            link = self._ledger.link(session.link_id)
            if link is None and not (session.machine_id and self._is_news(session, told)):
                continue
            payment = self._stripe.payment(session.session_id)
            found = money_of(payment)
            if found is Money.NOT_THERE or payment.paid_at > until:
                continue  # given back already, never there, or just paid over a page left open
            if link is None:
                findings.append(reconciliation.of_unknown_link(payment, session.machine_id))
                continue
            self._lost[session.session_id] = session
            intent = None if found is Money.HELD else self._stripe.intent(payment.intent_id)
            finding = reconciliation.not_stored(payment, intent, link.machine_id)
            if finding:
                findings.append(finding)
        return findings


class _ListedIntents:
    """PaymentIntents by Stripe's list, for orders that come oldest first."""

    def __init__(self, stripe: Gateway) -> None:
        self._stripe = stripe
        self._until = 0.0
        self._found: dict[str, Intent] = {}

    def of(self, order: Order) -> Intent | None:
        """The order's PaymentIntent as the list has it; ``None`` if it is to be asked for."""
        paid_at = order.paid_at_ms / 1000
        if paid_at > self._until:
            self._until = paid_at + LISTED_SECONDS
            listed = self._stripe.intents(paid_at - EARLIER_SECONDS, self._until)
            self._found = {intent.intent_id: intent for intent in listed}
        return self._found.get(order.intent_id)


def _unknown(session_id: str) -> str:
    """The incident of a payment whose link is not in the ledger; also of its event."""
    return f"{session_id}:paid"


def _worth_forgiven(order: Order) -> int:
    """What the forgiven pulses of an order would have brought."""
    if not order.forgiven:
        return 0
    return money.part(order.amount, order.forgiven, order.pulses, order.currency)
