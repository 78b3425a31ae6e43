"""What cabinets do to orders: claim them, and settle them."""

from __future__ import annotations

from collections.abc import Callable

from cloud.core import orders
from cloud.core.orders import Order, Refused
from cloud.http import requests
from cloud.services.settlement import Settlement
from cloud.stores.base import Ledger


class Changing(Exception):
    """Others write this order faster than this call can: it has to be made again."""


class UnknownOrder(Exception):
    """The ledger has no such order."""


class Claims:
    """The two calls that take an order from a payment to a charge."""

    def __init__(self, ledger: Ledger, settlement: Settlement, clock: Callable[[], float]) -> None:
        self._ledger = ledger
        self._settlement = settlement
        self._clock = clock

    def claim(self, wish: requests.Claim) -> tuple[Order, float] | Refused:
        """Gives the order to its cabinet, once; also returns the seconds since it was claimed."""
        order = self._order_of(wish.machine_id, wish.order_id)
        # Two tries: whoever loses the race sees the winner's write and is answered by it.
        for _ in range(2):
            now = self._clock()
            claimed = orders.claim(order, wish.machine_id, wish.claim_id, now)
            if isinstance(claimed, Refused):
                return claimed
            if claimed is order or self._ledger.replace(order, claimed):
                return claimed, max(0.0, now - claimed.claimed_at)
            order = self._order_of(wish.machine_id, wish.order_id)
        raise Changing(f"order {order.order_id} is changing: ask again")

    def settle(self, wish: requests.Settle) -> Order | Refused:
        """Stores what the cabinet made of its order, then charges that.

        Once this returns an order, the report is stored and the cabinet is free of it, also if
        Stripe could not be asked yet (the order is SETTLING then).
        """
        order = self._order_of(wish.machine_id, wish.order_id)
        for _ in range(2):
            now = self._clock()
            told = orders.settle(order, wish.claim_id, wish.pulsed, wish.pulses, now)
            if isinstance(told, Refused):
                return told
            if told is order or self._ledger.replace(order, told):
                return self._settlement.finish(told)
            order = self._order_of(wish.machine_id, wish.order_id)
        raise Changing(f"order {order.order_id} is changing: ask again")

    def _order_of(self, machine_id: str, order_id: str) -> Order:
        order = self._ledger.order(order_id)
        if order is None or order.machine_id != machine_id:
            # Another cabinet's order is no news for this one.
            raise UnknownOrder(f"{machine_id} has no order {order_id}")
        return order
