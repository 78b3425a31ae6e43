"""Refunds by an operator's hand: stored, asked of Stripe, stored again.

Whatever is lost in between is found again: a refund that is stored and not confirmed is due, and
the sweep first looks in Stripe's own list whether it was made.
"""

from __future__ import annotations

import logging

from cloud.adapters.stripe_gateway import Gateway, StripeRefused, StripeUnavailable
from cloud.core import money, order_refunds
from cloud.core.cabinets import Incident
from cloud.core.hand_refunds import HandRefund, of_request, pending
from cloud.core.orders import Order, Refused
from cloud.services.clock import Clock
from cloud.stores.base import Ledger

log = logging.getLogger(__name__)


class HandRefunds:
    """Gives money of finished orders back, never more than was charged."""

    def __init__(self, ledger: Ledger, stripe: Gateway, clock: Clock) -> None:
        self._ledger = ledger
        self._stripe = stripe
        self._clock = clock

    def refund(
        self, order: Order, amount: int, reason: str, by: str, request_id: str
    ) -> Order | Refused:
        """Stores the refund and makes it; returns the order with it, whatever Stripe said.

        The same ``request_id`` again makes no second one. :class:`Refused` says why it cannot be.
        """
        stamp = self._clock.stamp()
        wanted = HandRefund(request_id, amount, reason, by, stamp.at_ms)
        asked = order_refunds.ask(order, wanted, stamp)
        if isinstance(asked, Refused):
            return asked
        if asked is not order and not self._ledger.replace(order, asked):
            return Refused(f"{order.order_id} was changed by somebody else just now: try again")
        return self.finish(asked)

    def finish(self, order: Order) -> Order:
        """Makes the refund that waits, if one does; returns the order with what became of it."""
        waiting = pending(order.refunds)
        if waiting is None:
            return order
        try:
            why = self._make(order, waiting)
            back = max(0, order.charged - self._stripe.intent(order.intent_id).charged)
        except (StripeUnavailable, StripeRefused) as error:
            # Nobody knows whether it was made: it stays asked for.
            log.warning("the refund of %s waits: %s", order.order_id, error)
            if isinstance(error, StripeRefused):
                self._report(
                    order, waiting, ":unknown", f"waits, Stripe does not say more: {error}"
                )
            return self._stored(order, waiting, None, "")
        if why:
            self._report(order, waiting, "", f"was not made: {why}")
        return self._stored(order, waiting, back, why)

    def _make(self, order: Order, waiting: HandRefund) -> str:
        """Asks Stripe for a refund, unless it was made; returns why Stripe does not make it."""
        if self._stripe.has_refund(order.intent_id, waiting.request_id):
            return ""
        paid = self._stripe.intent(order.intent_id).charged
        if paid < waiting.amount:
            return f"only {money.text(paid, order.currency)} of it is left"
        key = f"{order.order_id}:by-hand:{waiting.request_id}"
        try:
            self._stripe.refund(order.intent_id, waiting.amount, key, waiting.request_id)
        except StripeRefused as refusal:
            return f"Stripe refused: {refusal}"
        return ""

    def _stored(self, order: Order, waiting: HandRefund, back: int | None, why: str) -> Order:
        """Stores what became of a refund: ``back`` has gone back in all, ``None`` if nobody knows
        yet. Stripe's own event may write beside it at the same moment."""
        for _ in range(3):
            stamp = self._clock.stamp()
            if back is None:
                new = order_refunds.again_later(order, stamp)
            elif why:
                new = order_refunds.refuse(order, waiting.request_id, why, stamp)
            else:
                new = order_refunds.made(order, waiting.request_id, back, stamp)
            if isinstance(new, Refused):
                return order
            if self._ledger.replace(order, new):
                return new
            order = self._ledger.order(order.order_id) or order
            found = of_request(order.refunds, waiting.request_id)
            if found is None or found != waiting:
                return order
        return order

    def _report(self, order: Order, waiting: HandRefund, suffix: str, what: str) -> None:
        stamp = self._clock.stamp()
        self._ledger.insert(
            Incident(
                incident_id=f"{order.order_id}:by-hand:{waiting.request_id}{suffix}",
                at_ms=stamp.at_ms,
                text=f"the refund of {money.text(waiting.amount, order.currency)} that "
                f"{waiting.by} asked for {what}",
                write_id=stamp.write_id,
                machine_id=order.machine_id,
                order_id=order.order_id,
                amount=waiting.amount,
                currency=order.currency,
                todo="look at the payment in Stripe's dashboard, and refund it there or again here",
            )
        )
