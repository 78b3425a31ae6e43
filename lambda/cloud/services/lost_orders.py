"""Orders that this ledger has lost, as after a restored backup, and that a cabinet still has.

A cabinet claims only what the ledger had stored, and its journal outlives the ledger's backup. So
the report of an order that is not in the ledger is worth a look at Stripe: if the payment is there,
was made over a link of this cabinet and nothing was settled of it, the order is stored again as it
was, claimed, and settled like any other.
"""

from __future__ import annotations

from cloud.adapters.stripe_gateway import Gateway, StripeRefused
from cloud.core.cabinets import Incident, PaymentLink
from cloud.core.order_history import begun
from cloud.core.orders import Order, OrderState, SettleRequest
from cloud.core.payments import HOLD_SECONDS, Money, Payment, money_of
from cloud.core.prices import credits_for
from cloud.core.stamps import Stamp, to_ms
from cloud.services.clock import Clock
from cloud.stores.base import Ledger

SESSION = "cs_"  # how the ids of Stripe's Checkout Sessions begin


class LostOrders:
    """Stores again what a cabinet reports and the ledger has lost."""

    def __init__(self, ledger: Ledger, stripe: Gateway, clock: Clock) -> None:
        self._ledger = ledger
        self._stripe = stripe
        self._clock = clock

    def recover(self, request: SettleRequest) -> Order | None:
        """The order of a settle, stored again; ``None`` if there is none to settle.

        Whatever was made of it, the operator is told. Raises what Stripe and the ledger raise when
        they are away, so that the cabinet reports again.
        """
        order_id = request.order_id
        if not order_id.startswith(SESSION) or self._ledger.order(order_id):
            return None
        try:
            payment = self._stripe.payment(order_id)
        except StripeRefused as refusal:
            if refusal.status != 404:
                raise
            return None
        if payment.machine_id != request.machine_id or payment.pulses:
            return None  # another cabinet's, or settled before: ``reconcile`` stores it
        order = self._order(request, payment, self._clock.stamp())
        self._report(request, payment, order)
        if order is not None:
            self._ledger.insert(order)
        return self._ledger.order(order_id)

    def _order(self, request: SettleRequest, payment: Payment, stamp: Stamp) -> Order | None:
        """The order as its claim left it; ``None`` if nobody could settle it."""
        link = self._ledger.link(payment.link_id)
        found = money_of(payment)
        if link is None or link.machine_id != request.machine_id or found is Money.NOT_THERE:
            return None
        credits = _credits(payment, link)
        if credits < 1 or request.pulses % credits:
            return None
        held = found is not Money.CHARGED
        hold_until_ms = to_ms(payment.hold_until) or stamp.at_ms + to_ms(HOLD_SECONDS)
        return Order(
            order_id=payment.session_id,
            machine_id=request.machine_id,
            state=OrderState.CLAIMED,
            quantity=payment.quantity,
            credits=credits,
            amount=payment.amount,
            currency=payment.currency,
            intent_id=payment.intent_id,
            held=held,
            # When it was paid and claimed is lost too.
            paid_at_ms=stamp.at_ms,
            deadline_ms=stamp.at_ms,
            hold_until_ms=hold_until_ms if held else 0,
            write_id=stamp.write_id,
            claim_id=request.claim_id,
            claimed_at_ms=stamp.at_ms,
            changed_at_ms=stamp.at_ms,
            due_at_ms=stamp.at_ms,
            history=begun(stamp.at_ms, stamp.at_ms),
        )

    def _report(self, request: SettleRequest, payment: Payment, order: Order | None) -> None:
        """Before it is stored: whoever asks again then finds it, and reports nothing."""
        becomes = (
            "it is stored again and charged for that"
            if order
            else "it cannot be charged, as its money or its link is gone"
        )
        stamp = self._clock.stamp()
        self._ledger.insert(
            Incident(
                incident_id=f"{request.order_id}:recovered",
                at_ms=stamp.at_ms,
                text=f"its cabinet reports {request.pulsed} of {request.pulses} pulses to charge, "
                "and the ledger had lost the order, as after a restored backup: " + becomes,
                write_id=stamp.write_id,
                machine_id=request.machine_id,
                order_id=request.order_id,
                amount=payment.amount,
                currency=payment.currency,
                todo="compare it with `kiosk ledger` on the cabinet and with Stripe's dashboard",
            )
        )


def _credits(payment: Payment, link: PaymentLink) -> int:
    """What the payment bought; 0 if that is nothing on the link's price list."""
    known = payment.price_id == link.price_id and payment.quantity >= 1
    return credits_for(link.prices, payment.quantity) if known else 0
