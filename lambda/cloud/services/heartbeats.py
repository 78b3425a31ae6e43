"""What a cabinet says of itself, and what follows for its link."""

from __future__ import annotations

import logging
from collections.abc import Callable

from cloud.adapters.stripe_gateway import StripeRefused, StripeUnavailable
from cloud.core.cabinets import Cabinet, PaymentLink, Presence
from cloud.http import requests
from cloud.services.payment_links import PaymentLinks
from cloud.stores.base import Ledger

log = logging.getLogger(__name__)


class Heartbeats:
    """Stores heartbeats; a cabinet that can give no credits cannot be paid."""

    def __init__(self, ledger: Ledger, links: PaymentLinks, clock: Callable[[], float]) -> None:
        self._ledger = ledger
        self._links = links
        self._clock = clock

    def take(self, cabinet: Cabinet, told: requests.Heartbeat) -> PaymentLink | None:
        """Stores one heartbeat and switches the cabinet's link accordingly; returns the link."""
        presence = Presence(
            machine_id=cabinet.machine_id,
            seen_at=self._clock(),
            healthy=told.healthy,
            state=told.state,
            software=told.software,
            problems=told.problems,
        )
        self._ledger.see(presence)
        link = self._links.current(cabinet)
        if link is None:
            return None
        try:
            self._links.retire(cabinet)
            if told.healthy:
                return self._links.switch(link, active=True)
            self._links.switch_off(cabinet.machine_id)
        except (StripeUnavailable, StripeRefused) as error:
            # The heartbeat itself is stored, and the next one tries again.
            log.warning("the link of %s could not be switched: %s", cabinet.machine_id, error)
        return self._ledger.link(link.link_id)
