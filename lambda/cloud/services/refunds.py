"""What people do to a charge after its order is finished: refunds and disputes.

They are made in Stripe's dashboard, or by the player's bank. The order keeps what they come to; no
pulse is taken back for them.
"""

from __future__ import annotations

from collections.abc import Callable

from cloud.adapters.stripe_gateway import Gateway
from cloud.core import orders
from cloud.core.orders import FINISHED, Order, Refused
from cloud.stores.base import Ledger


class RefundsAndDisputes:
    """Writes down beside an order what has become of its charge, as Stripe has it now."""

    def __init__(self, ledger: Ledger, stripe: Gateway, clock: Callable[[], float]) -> None:
        self._ledger = ledger
        self._stripe = stripe
        self._clock = clock

    def of_charge(self, intent_id: str) -> str:
        """For an event about a charge; returns a few words for the log.

        Stripe tells of what a capture or a cancel left of a hold as a refund too: that changes
        nothing here, as only money that the ledger calls charged can have gone back.
        """
        order = self._ledger.order(self._stripe.session_of(intent_id)) if intent_id else None
        if order is None:
            return "no order of ours"
        if order.state not in FINISHED:
            return "the order is under way"
        return "written down" if self.note(order) else "nothing to write down"

    def note(self, order: Order) -> bool:
        """Stores what went back and whether it is disputed; whether that is news."""
        intent = self._stripe.intent(order.intent_id)
        back = max(0, order.charged - intent.charged)
        noted = orders.noted(order, back, intent.disputed, self._clock())
        if isinstance(noted, Refused) or noted is order:
            return False
        return self._ledger.replace(order, noted)
