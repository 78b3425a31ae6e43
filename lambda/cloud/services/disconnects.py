"""What follows when the broker says that it lost a cabinet: its link goes off at once."""

from __future__ import annotations

from cloud.core import cabinets
from cloud.core.cabinets import Disconnect
from cloud.services.clock import Clock
from cloud.services.payment_links import PaymentLinks
from cloud.stores.base import Ledger

# The connection ended because the same client has a newer one. Source:
# https://docs.emqx.com/en/emqx/latest/data-integration/rule-sql-events-and-fields.html
REPLACED = ("takenover", "takeovered", "discarded")
TRIES = 3


class Disconnects:
    """Switches off what a lost cabinet sells. Its next heartbeat switches it on again."""

    def __init__(self, ledger: Ledger, links: PaymentLinks, clock: Clock) -> None:
        self._ledger = ledger
        self._links = links
        self._clock = clock

    def handle(self, lost: Disconnect) -> str:
        """Does what has to be done, and says it. What is told twice or too late changes nothing.

        The loss is written down before Stripe is asked: if Stripe cannot be, the sweep asks again.
        """
        if lost.reason in REPLACED:
            return "it has a newer connection"
        if not cabinets.MACHINE_ID.fullmatch(lost.username):
            return "no cabinet"
        if lost.client_id != cabinets.client_id(lost.username):
            # Somebody else with the cabinet's login, as after a theft; the cabinet is still there.
            return "not the cabinet's own connection"
        cabinet = self._ledger.cabinet(lost.username)
        if cabinet is None or cabinet.removed:
            return "no cabinet"
        for _ in range(TRIES):
            presence = self._ledger.presence(cabinet.machine_id)
            if presence is None:
                return "never seen"
            if presence.seen_at_ms >= lost.at_ms:
                return "heard of since"
            if presence.gone_at_ms >= lost.at_ms:
                return "known already"
            if self._ledger.replace(
                presence, cabinets.gone(presence, lost.at_ms, self._clock.stamp())
            ):
                break
        else:
            return "heard of at this moment"
        self._links.switch_off(cabinet.machine_id)
        # A heartbeat that came in between found the link still on.
        presence = self._ledger.presence(cabinet.machine_id)
        if presence and not presence.is_gone:
            links = self._ledger.cabinet_items(cabinet.machine_id).links
            self._links.follow(cabinet, links, presence.healthy)
            return "back already"
        return "its link is off"
