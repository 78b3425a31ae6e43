"""What a cabinet says of itself, what follows for its link, and the orders that wait for it."""

from __future__ import annotations

from cloud.core import cabinets
from cloud.core.cabinets import Cabinet, HeartbeatRequest, PaymentLink
from cloud.core.orders import UNFINISHED, Order
from cloud.services import price_schedule
from cloud.services.clock import Clock
from cloud.services.payment_links import PaymentLinks
from cloud.stores.base import Ledger


class Heartbeats:
    """Stores heartbeats; a cabinet that can give no credits cannot be paid."""

    def __init__(self, ledger: Ledger, links: PaymentLinks, silence_ms: int, clock: Clock) -> None:
        self._ledger = ledger
        self._links = links
        self._silence_ms = silence_ms
        self._clock = clock

    def handle(self, cabinet: Cabinet, request: HeartbeatRequest) -> PaymentLink | None:
        """Stores one heartbeat and switches the cabinet's link accordingly; returns the link.

        One that comes after a newer one was stored changes nothing.
        """
        stamp = self._clock.stamp()
        silent_at_ms = cabinets.silent_from_ms(stamp.at_ms, self._silence_ms)
        change_at_ms = price_schedule.next_change_ms(cabinet, stamp.at_ms, silent_at_ms)
        presence = cabinets.seen(request, stamp, self._silence_ms, change_at_ms)
        if not self._ledger.see(presence):
            return self._links.current(cabinet)
        return self._links.follow(cabinet, request.healthy and not cabinet.disabled)

    def end_rotation(self, cabinet: Cabinet) -> None:
        """Lets the old token count no more: the cabinet has the new one."""
        # Whoever is faster is another heartbeat, or an operator; the next heartbeat does it then.
        self._ledger.replace(cabinet, cabinets.end_rotation(cabinet, self._clock.stamp()))

    def unfinished_orders(self, machine_id: str) -> list[Order]:
        """The cabinet's orders that are neither settled nor released, oldest payment first."""
        orders = (self._ledger.order(i) for i in self._ledger.lagging_unfinished_ids(machine_id))
        return [order for order in orders if order and order.state in UNFINISHED]
