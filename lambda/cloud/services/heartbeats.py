"""What a cabinet says of itself, and what follows for its link."""

from __future__ import annotations

from cloud.core import cabinets
from cloud.core.cabinets import HeartbeatRequest, PaymentLink
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
        assert items.cabinet is not None
        presence = cabinets.seen(request, self._clock.stamp(), self._silence_ms)
        if not self._ledger.see(presence):
            return self._links.current(items.cabinet, items.links)
        return self._links.follow(items.cabinet, items.links, request.healthy)
