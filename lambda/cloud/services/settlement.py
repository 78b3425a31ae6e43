"""Moves the money of an order that has been decided: SETTLING → SETTLED, RELEASING → RELEASED.

The decision is in the ledger already. Each step may be repeated after a crash: the idempotency key
is made of the order and the arrow, and where Stripe refuses or its answer was lost, what the
PaymentIntent has become decides.
"""

from __future__ import annotations

import logging

from cloud.adapters.stripe_gateway import Gateway, StripeRefused, StripeUnavailable
from cloud.core import money, orders
from cloud.core.cabinets import Incident
from cloud.core.orders import Order, OrderState, Refused
from cloud.core.payments import Intent
from cloud.core.stamps import Stamp
from cloud.logs import about
from cloud.services.clock import Clock
from cloud.stores.base import Ledger

log = logging.getLogger(__name__)


class _SettledBefore(Exception):
    """The order is being released, and Stripe shows a charge for pulses: it was settled once."""

    def __init__(self, intent: Intent) -> None:
        super().__init__()
        self.intent = intent


class Settlement:
    """Asks Stripe for what the ledger has decided, and writes down what Stripe did."""

    def __init__(self, ledger: Ledger, stripe: Gateway, clock: Clock) -> None:
        self._ledger = ledger
        self._stripe = stripe
        self._clock = clock

    def finish(self, order: Order) -> Order:
        """Takes a SETTLING or RELEASING order to its end, if Stripe lets it; returns what it is.

        An order that Stripe could not be asked about comes back as it was, for the next sweep; one
        that Stripe refuses to finish is told to the operator at once, and tried again each hour.
        """
        if order.state not in (OrderState.SETTLING, OrderState.RELEASING):
            return order
        due = orders.amount_due(order)
        try:
            charged = 0 if order.free else self._charge(order, due)
        except StripeUnavailable as error:
            told = about(order=order.order_id)
            log.warning("the order stays %s: %s", order.state.value, error, extra=told)
            return order
        except StripeRefused as refusal:
            return self._refused(order, due, refusal)
        except _SettledBefore as found:
            return self._rebuild(order, found.intent)
        arrow = orders.settled if order.state is OrderState.SETTLING else orders.released
        done = arrow(order, charged, self._clock.stamp())
        if isinstance(done, Refused):
            return self._ledger.order(order.order_id) or order
        if charged != due:
            # Before the order is finished: nobody looks at it again afterwards.
            self._report(done, due)
        if not self._ledger.replace(order, done):
            # Another finisher was faster; its write is the order's.
            return self._ledger.order(order.order_id) or order
        return done

    def correct(self, order: Order) -> int:
        """Makes what a finished order's player paid what the ledger says; returns what it is."""
        key = f"{order.order_id}:correct"
        intent = self._stripe.intent(order.intent_id)
        if intent.over:
            return self._refund(order, order.charged, key)
        if order.charged:
            self._capture(order, order.charged, key)
        else:
            self._stripe.cancel(order.intent_id, key)
        return order.charged

    def _charge(self, order: Order, due: int) -> int:
        """Makes the player's charge ``due``; returns what it is, which may be less or more."""
        arrow = "settle" if order.state is OrderState.SETTLING else "release"
        # Stripe repeats the answer to a key for a day, a refusal too: the next try has its own.
        key = f"{order.order_id}:{arrow}" + (f":{order.refusals}" if order.refusals else "")
        try:
            if not order.held:
                if due:
                    self._stripe.note_pulses(order.intent_id, order.pulsed, order.pulses)
                return self._refund(order, due, key)
            if due:
                self._capture(order, due, key)
            else:
                self._stripe.cancel(order.intent_id, key)
            return due
        except StripeUnavailable:
            # The answer may be lost and the effect there. An idempotency key replays even a 500
            # for a day, so asking the same again is not enough.
            intent = self._stripe.intent(order.intent_id)
            if not intent.over:
                raise
            if due and not order.held and not intent.pulses:
                # Only what is noted at Stripe outlives the ledger: without it `reconcile` would
                # give back what the machine gave, once an old backup was restored.
                raise
            return self._refund(order, due, key)
        except StripeRefused as refusal:
            return self._after_refusal(order, due, key, refusal)

    def _capture(self, order: Order, due: int, key: str) -> None:
        """Charges ``due`` of a hold; a name that no bill can show does not cost the charge."""
        intent_id, pulsed, pulses = order.intent_id, order.pulsed, order.pulses
        try:
            self._stripe.capture(intent_id, due, pulsed, pulses, key, order.statement)
        except StripeRefused as refusal:
            if not order.statement or "statement_descriptor" not in f"{refusal.param} {refusal}":
                raise
            log.error("Stripe refuses the statement name %r: %s", order.statement, refusal)
            self._stripe.capture(intent_id, due, pulsed, pulses, f"{key}:no-statement")

    def _after_refusal(self, order: Order, due: int, key: str, refusal: StripeRefused) -> int:
        log.warning("Stripe refused to %s: %s", key, refusal, extra=about(order=order.order_id))
        if self._stripe.intent(order.intent_id).over:
            # Somebody captured or cancelled in the dashboard, the hold ran out, or our own call
            # took effect and its answer was lost.
            return self._refund(order, due, key)
        if refusal.code == "amount_too_small":
            self._stripe.cancel(order.intent_id, f"{key}:too-small")
            return 0
        raise refusal

    def _refund(self, order: Order, due: int, key: str) -> int:
        """Gives back what was charged above ``due``; looks first, since refunds add up."""
        intent = self._stripe.intent(order.intent_id)
        if order.state is OrderState.RELEASING and intent.settled:
            raise _SettledBefore(intent)
        if intent.charged <= due:
            return intent.charged
        try:
            # What went back so far is part of the key: the request is the same one only as long
            # as nothing else was given back in between.
            self._stripe.refund(
                order.intent_id, intent.charged - due, f"{key}:refund:{intent.refunded}"
            )
        except StripeRefused:
            intent = self._stripe.intent(order.intent_id)
            if intent.charged > due:
                raise
            return intent.charged
        return due

    def _refused(self, order: Order, due: int, refusal: StripeRefused) -> Order:
        """Tells the operator of money that Stripe does not move, and lets the sweep try later."""
        log.error("Stripe refuses to finish it: %s", refusal, extra=about(order=order.order_id))
        if due:
            what = (
                f"the machine gave {order.pulsed} of {order.pulses} pulses, and "
                f"{money.text(due, order.currency)} could not be charged"
            )
        else:
            what = f"{money.text(order.amount, order.currency)} could not be given back"
        code = f" ({refusal.code})" if refusal.code else ""
        until = " until the hold runs out" if order.held else ""
        self._tell(
            order,
            "refused",
            f"{what}: Stripe refused{code}: {refusal}; it is tried again each hour{until}",
            due or order.amount,
            "look at the payment in Stripe's dashboard",
        )
        later = orders.refused(order, self._clock.stamp())
        if isinstance(later, Refused) or not self._ledger.replace(order, later):
            return self._ledger.order(order.order_id) or order
        return later

    def _rebuild(self, order: Order, intent: Intent) -> Order:
        """Stores what a settle left that this ledger has lost; no money moves."""
        rebuilt = orders.rebuild(order, intent, self._clock.stamp())
        if isinstance(rebuilt, Refused):
            return self._ledger.order(order.order_id) or order
        report_rebuilt(self._ledger, rebuilt, self._clock.stamp())
        if not self._ledger.replace(order, rebuilt):
            return self._ledger.order(order.order_id) or order
        return rebuilt

    def _report(self, order: Order, due: int) -> None:
        why = (
            "Stripe refused it until the hold ran out"
            if order.refusals and order.charged < due
            else "the payment was changed outside of the kiosk"
        )
        self._tell(
            order,
            "charged",
            f"{order.pulsed} of {order.pulses} pulses were made, "
            f"{money.text(due, order.currency)} was due and "
            f"{money.text(order.charged, order.currency)} was charged: {why}",
            abs(order.charged - due),
            "ask who changed it in Stripe's dashboard; the player is owed nothing"
            if order.charged <= due
            else "refund the difference in Stripe's dashboard",
        )

    def _tell(self, order: Order, what: str, text: str, amount: int, todo: str) -> None:
        stamp = self._clock.stamp()
        self._ledger.insert(
            Incident(
                incident_id=f"{order.order_id}:{what}",
                at_ms=stamp.at_ms,
                text=text,
                write_id=stamp.write_id,
                machine_id=order.machine_id,
                order_id=order.order_id,
                amount=amount,
                currency=order.currency,
                todo=todo,
            )
        )


def report_rebuilt(ledger: Ledger, order: Order, stamp: Stamp) -> None:
    """Tells the operator of an order that is known from Stripe's books alone; before it is stored,
    as nobody looks at it again afterwards."""
    charged = money.text(order.charged, order.currency)
    given = (
        f"{order.pulsed} of {order.pulses} pulses"
        if order.pulses
        else "an unknown number of pulses"
    )
    ledger.insert(
        Incident(
            incident_id=f"{order.order_id}:rebuilt",
            at_ms=stamp.at_ms,
            text=f"the ledger had lost this order, as after a restored backup: stored as settled, "
            f"{charged} charged for {given}",
            write_id=stamp.write_id,
            machine_id=order.machine_id,
            order_id=order.order_id,
            amount=order.charged,
            currency=order.currency,
            todo="compare it with `kiosk ledger` on the cabinet; refund in Stripe's dashboard what "
            "it did not give",
        )
    )
