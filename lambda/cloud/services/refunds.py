"""What people do to a charge after its order is finished: refunds and disputes.

They are made in Stripe's dashboard, or by the player's bank. The order keeps what they come to; no
pulse is taken back for them.
"""

from __future__ import annotations

from cloud.adapters.stripe_gateway import Gateway
from cloud.core import money, orders
from cloud.core.cabinets import Incident
from cloud.core.orders import FINISHED, Order, Refused
from cloud.services.clock import Clock
from cloud.stores.base import Ledger


class RefundsAndDisputes:
    """Records beside an order what has become of its charge, as Stripe has it now."""

    def __init__(self, ledger: Ledger, stripe: Gateway, clock: Clock) -> None:
        self._ledger = ledger
        self._stripe = stripe
        self._clock = clock

    def on_charge_event(self, intent_id: str, disputed: bool) -> str:
        """For an event about a charge, ``disputed`` if it begins a dispute; returns a few words for
        the log.

        Stripe tells of what a capture or a cancel left of a hold as a refund too: that changes
        nothing here, as only money that the ledger calls charged can have gone back.
        """
        order = self._ledger.order(self._stripe.session_of(intent_id)) if intent_id else None
        if order is None:
            return "no order of ours"
        if disputed:
            self._report_dispute(order)
        if order.state not in FINISHED:
            return "the order is under way"
        return "recorded" if self.record(order) else "nothing to record"

    def record(self, order: Order) -> bool:
        """Stores what went back and whether it is disputed; returns whether that is news."""
        intent = self._stripe.intent(order.intent_id)
        if intent.disputed and not order.disputed:
            self._report_dispute(order)
        back = max(0, order.charged - intent.charged)
        recorded = orders.record_refund(order, back, intent.disputed, self._clock.stamp())
        if isinstance(recorded, Refused) or recorded is order:
            return False
        return bool(self._ledger.replace(order, recorded))

    def _report_dispute(self, order: Order) -> None:
        stamp = self._clock.stamp()
        charged = money.text(order.charged or order.amount, order.currency)
        self._ledger.insert(
            Incident(
                incident_id=f"{order.order_id}:disputed",
                at_ms=stamp.at_ms,
                text=f"the player's bank disputes the charge of {charged} for {order.pulsed} of "
                f"{order.pulses} pulses",
                write_id=stamp.write_id,
                machine_id=order.machine_id,
                order_id=order.order_id,
                amount=order.charged or order.amount,
                currency=order.currency,
                todo="answer it in Stripe's dashboard in time; `kiosk ledger` on the cabinet has "
                "the pulses",
            )
        )
