"""What cabinets do to orders: claim them, and settle them."""

from __future__ import annotations

from cloud.core import orders
from cloud.core.orders import ClaimRequest, Order, Refused, Schedule, SettleRequest
from cloud.services.clock import Clock
from cloud.services.settlement import Settlement
from cloud.stores.base import Ledger


class Changing(Exception):
    """Others write this order faster than this call can: it has to be made again."""


class UnknownOrder(Exception):
    """The ledger has no such order."""


class Claims:
    """The two calls that take an order from a payment to a charge."""

    def __init__(
        self, ledger: Ledger, settlement: Settlement, schedule: Schedule, clock: Clock
    ) -> None:
        self._ledger = ledger
        self._settlement = settlement
        self._schedule = schedule
        self._clock = clock

    def claim(self, request: ClaimRequest) -> tuple[Order, float] | Refused:
        """Gives the order to its cabinet, once; also returns the seconds since it was claimed."""
        order = self._order_of(request.machine_id, request.order_id)
        # Two tries: whoever loses the race sees the winner's write and is answered by it.
        for _ in range(2):
            stamp = self._clock.stamp()
            claimed = orders.claim(order, request, stamp, self._schedule)
            if isinstance(claimed, Refused):
                return claimed
            if claimed is order or self._ledger.replace(order, claimed):
                return claimed, max(0, stamp.at_ms - claimed.claimed_at_ms) / 1000
            order = self._order_of(request.machine_id, request.order_id)
        raise Changing(f"order {order.order_id} is changing: ask again")

    def settle(self, request: SettleRequest) -> Order | Refused:
        """Stores what the cabinet made of its order, then charges that.

        Once this returns an order, the report is stored and the cabinet is free of it, also if
        Stripe could not be asked yet (the order is SETTLING then).
        """
        order = self._order_of(request.machine_id, request.order_id)
        for _ in range(2):
            settling = orders.settle(order, request, self._clock.stamp())
            if isinstance(settling, Refused):
                return settling
            if settling is order or self._ledger.replace(order, settling):
                return self._settlement.finish(settling)
            order = self._order_of(request.machine_id, request.order_id)
        raise Changing(f"order {order.order_id} is changing: ask again")

    def _order_of(self, machine_id: str, order_id: str) -> Order:
        order = self._ledger.order(order_id)
        if order is None or order.machine_id != machine_id:
            # Another cabinet's order is no news for this one.
            raise UnknownOrder(f"{machine_id} has no order {order_id}")
        return order
