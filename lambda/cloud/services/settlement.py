"""Moves the money of an order that has been decided: SETTLING → SETTLED, RELEASING → RELEASED.

The decision is in the ledger already. Each step may be repeated after a crash: the idempotency key
is made of the order and the arrow, and where Stripe refuses or its answer was lost, what the
PaymentIntent has become decides.
"""

from __future__ import annotations

import logging

from cloud.adapters.stripe_gateway import Gateway, StripeRefused, StripeUnavailable
from cloud.core import orders
from cloud.core.cabinets import Incident
from cloud.core.orders import Order, OrderState, Refused
from cloud.services.clock import Clock
from cloud.stores.base import Ledger

log = logging.getLogger(__name__)


class Settlement:
    """Asks Stripe for what the ledger has decided, and writes down what Stripe did."""

    def __init__(self, ledger: Ledger, stripe: Gateway, clock: Clock) -> None:
        self._ledger = ledger
        self._stripe = stripe
        self._clock = clock

    def finish(self, order: Order) -> Order:
        """Takes a SETTLING or RELEASING order to its end, if Stripe lets it; returns what it is.

        An order that Stripe could not be asked about comes back as it was, for the next sweep.
        """
        if order.state not in (OrderState.SETTLING, OrderState.RELEASING):
            return order
        due = orders.amount_due(order)
        try:
            charged = self._charge(order, due)
        except StripeUnavailable as error:
            log.warning("order %s stays %s: %s", order.order_id, order.state.value, error)
            return order
        arrow = orders.settled if order.state is OrderState.SETTLING else orders.released
        done = arrow(order, charged, self._clock.stamp())
        if isinstance(done, Refused) or not self._ledger.replace(order, done):
            # Another finisher was faster; its write is the order's.
            return self._ledger.order(order.order_id) or order
        if charged != due:
            self._report(done, due)
        return done

    def correct(self, order: Order) -> int:
        """Makes what a finished order's player paid what the ledger says; returns what it is."""
        key = f"{order.order_id}:correct"
        intent = self._stripe.intent(order.intent_id)
        if intent.over:
            return self._refund(order, order.charged, key)
        if order.charged:
            self._stripe.capture(order.intent_id, order.charged, key)
        else:
            self._stripe.cancel(order.intent_id, key)
        return order.charged

    def _charge(self, order: Order, due: int) -> int:
        """Makes the player's charge ``due``; returns what it is, which may be less or more."""
        arrow = "settle" if order.state is OrderState.SETTLING else "release"
        key = f"{order.order_id}:{arrow}"
        try:
            if not order.held:
                return self._refund(order, due, key)
            if due:
                self._stripe.capture(order.intent_id, due, key)
            else:
                self._stripe.cancel(order.intent_id, key)
            return due
        except StripeUnavailable:
            # The answer may be lost and the effect there. An idempotency key replays even a 500
            # for a day, so asking the same again is not enough.
            intent = self._stripe.intent(order.intent_id)
            if not intent.over:
                raise
            return self._refund(order, due, key)
        except StripeRefused as refusal:
            return self._after_refusal(order, due, key, refusal)

    def _after_refusal(self, order: Order, due: int, key: str, refusal: StripeRefused) -> int:
        log.warning("Stripe refused to %s: %s", key, refusal)
        if self._stripe.intent(order.intent_id).over:
            # Somebody captured or cancelled in the dashboard, the hold ran out, or our own call
            # took effect and its answer was lost.
            return self._refund(order, due, key)
        if refusal.code == "amount_too_small":
            self._stripe.cancel(order.intent_id, f"{key}:too-small")
            return 0
        raise StripeUnavailable(f"Stripe refused: {refusal}") from refusal

    def _refund(self, order: Order, due: int, key: str) -> int:
        """Gives back what was charged above ``due``; looks first, since refunds add up."""
        intent = self._stripe.intent(order.intent_id)
        if intent.charged <= due:
            return intent.charged
        try:
            # What went back so far is part of the key: the request is the same one only as long
            # as nothing else was given back in between.
            self._stripe.refund(
                order.intent_id, intent.charged - due, f"{key}:refund:{intent.refunded}"
            )
        except StripeRefused as refusal:
            intent = self._stripe.intent(order.intent_id)
            if intent.charged > due:
                raise StripeUnavailable(f"Stripe refused a refund: {refusal}") from refusal
            return intent.charged
        return due

    def _report(self, order: Order, due: int) -> None:
        stamp = self._clock.stamp()
        self._ledger.insert(
            Incident(
                incident_id=f"{order.order_id}:charged",
                at_ms=stamp.at_ms,
                text=f"{order.pulsed} of {order.pulses} pulses were made, {due} was due and "
                f"{order.charged} was charged: the payment was changed outside of the kiosk",
                write_id=stamp.write_id,
                machine_id=order.machine_id,
                order_id=order.order_id,
                amount=abs(order.charged - due),
                currency=order.currency,
                todo="ask who changed it in Stripe's dashboard; the player is owed nothing"
                if order.charged <= due
                else "refund the difference in Stripe's dashboard",
            )
        )
