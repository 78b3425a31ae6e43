"""What a cabinet says of itself, and what follows for its link."""

from __future__ import annotations

from cloud.core import cabinets
from cloud.core.cabinets import Cabinet, HeartbeatRequest, PaymentLink
from cloud.services import price_schedule
from cloud.services.clock import Clock
from cloud.services.payment_links import PaymentLinks
from cloud.stores.base import CabinetItems, Ledger


class Heartbeats:
    """Stores heartbeats; a cabinet that can give no credits cannot be paid."""

    def __init__(self, ledger: Ledger, links: PaymentLinks, silence_ms: int, clock: Clock) -> None:
        self._ledger = ledger
        self._links = links
        self._silence_ms = silence_ms
        self._clock = clock

    def handle(self, items: CabinetItems, request: HeartbeatRequest) -> PaymentLink | None:
        """Stores one heartbeat and switches the cabinet's link accordingly; returns the link.

        One that comes after a newer one was stored changes nothing. ``current`` is that of the
        cabinet, read just now.
        """
        cabinet = items.cabinet
        assert cabinet is not None
        stamp = self._clock.stamp()
        silent_at_ms = cabinets.silent_from_ms(stamp.at_ms, self._silence_ms)
        change_at_ms = price_schedule.next_change_ms(cabinet, stamp.at_ms, silent_at_ms)
        presence = cabinets.seen(request, stamp, self._silence_ms, change_at_ms)
        if not self._ledger.see(presence):
            return self._links.current(cabinet, items.links)
        return self._links.follow(cabinet, items.links, request.healthy and not cabinet.disabled)

    def end_rotation(self, cabinet: Cabinet) -> None:
        """Lets the old token count no more: the cabinet has the new one."""
        # Whoever is faster is another heartbeat, or an operator; the next heartbeat does it then.
        self._ledger.replace(cabinet, cabinets.end_rotation(cabinet, self._clock.stamp()))
