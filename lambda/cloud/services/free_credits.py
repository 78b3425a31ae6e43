"""Free credits by an operator's hand: an order without a payment, for the cabinet to claim."""

from __future__ import annotations

from cloud.core.cabinets import Cabinet
from cloud.core.free_credits import Grant, free_order
from cloud.core.orders import Order
from cloud.services.cabinet_messages import CabinetMessages
from cloud.services.clock import Clock
from cloud.stores.base import Ledger


class FreeCredits:
    """Stores the order and hints at it; the sweep and the heartbeat carry it on, as with others."""

    def __init__(self, ledger: Ledger, cabinet_messages: CabinetMessages, clock: Clock) -> None:
        self._ledger = ledger
        self._cabinet_messages = cabinet_messages
        self._clock = clock

    def give(self, cabinet: Cabinet, grant: Grant, patience_ms: int) -> tuple[Order, bool]:
        """The order of a grant, and whether it is new: the same request is given once."""
        stamp = self._clock.stamp()
        order = free_order(grant, cabinet.prices.currency, patience_ms, stamp)
        if not self._ledger.insert(order):
            return self._ledger.order(order.order_id) or order, False
        self._cabinet_messages.coin_pulse(order, stamp.at_ms / 1000)
        return order, True
