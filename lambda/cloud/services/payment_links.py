"""The cabinets' Payment Links: one for each cabinet and price list, made once, used again."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from cloud.adapters.stripe_gateway import Gateway, StripeRefused, StripeUnavailable
from cloud.core import cabinets
from cloud.core.cabinets import Cabinet, PaymentLink, Presence
from cloud.core.stamps import Stamp
from cloud.services.clock import Clock
from cloud.stores.base import Ledger

log = logging.getLogger(__name__)

# Longer than a call may take (API Gateway ends it after 30 s), and than an index may be behind.
SWITCHING_MS = 40_000

# A link that Stripe has just called payable is not asked about again for so long: a cabinet that
# asks without end, or a thief with its token, costs a few calls a minute.
CONFIRMED_MS = 60_000


class UnknownPrice(Exception):
    """The cabinet asked for a price that is not on its list."""


class PaymentLinks:
    """Gets, makes, switches on and switches off the links of cabinets."""

    def __init__(self, ledger: Ledger, stripe: Gateway, public_url: str, clock: Clock) -> None:
        self._ledger = ledger
        self._stripe = stripe
        self._receipt = f"{public_url}/receipt?session_id={{CHECKOUT_SESSION_ID}}"
        self._clock = clock

    def get(self, cabinet: Cabinet, price_id: str = "", quantity: int = 1) -> PaymentLink:
        """The link that sells the cabinet's price list now, switched on; made if there is none."""
        quantity = min(quantity, cabinet.prices.most)
        links = self._links_of(cabinet.machine_id)
        link = self._usable(cabinet, quantity, links)
        if link is None or not link.wanted:
            self._let_sweep_look(cabinet.machine_id)
        link = link or self._make(cabinet, quantity, links)
        if price_id and price_id != link.price_id:
            raise UnknownPrice(
                f"price {price_id} is not on the price list of {cabinet.machine_id}: "
                f"leave price_id out, or ask for {link.price_id}"
            )
        self._retire(cabinet, links)
        return self._switch(link, active=True)

    def current(self, cabinet: Cabinet) -> PaymentLink | None:
        """The link that the ledger holds for the price list of now, without asking Stripe."""
        return _current(cabinet, self._links_of(cabinet.machine_id))

    def follow(self, cabinet: Cabinet, healthy: bool) -> PaymentLink | None:
        """Switches the link on or off as a heartbeat has it, if the cabinet has one; returns it."""
        links = self._links_of(cabinet.machine_id)
        link = _current(cabinet, links)
        if link is None:
            return None
        try:
            self._retire(cabinet, links)
            if healthy:
                return self._switch(link, active=True)
            if not self._switch_off(links):
                return link
        except (StripeUnavailable, StripeRefused) as error:
            # The heartbeat itself is stored, and the next one tries again.
            log.warning("the link of %s could not be switched: %s", cabinet.machine_id, error)
        return self._ledger.link(link.link_id)

    def switch_off(self, machine_id: str) -> bool:
        """Switches every link of a cabinet off; returns whether one was on."""
        return self._switch_off(self._links_of(machine_id))

    def retire(self, cabinet: Cabinet) -> None:
        """Switches off the links of price lists that the cabinet no longer has."""
        self._retire(cabinet, self._links_of(cabinet.machine_id))

    def let_sweep_look_now(self, machine_id: str) -> None:
        """Lets the next sweep look whether the cabinet's links must be switched off.

        To be called before the cabinet is removed: should its links not go off then, they do soon.
        """
        presence = self._ledger.presence(machine_id)
        stamp = self._clock.stamp()
        self._store_due(machine_id, presence, stamp.at_ms, stamp)

    def _let_sweep_look(self, machine_id: str) -> None:
        """Before a link is switched on: the sweep is to look at this cabinet, also if it has never
        sent a heartbeat, but not before this call is over."""
        presence = self._ledger.presence(machine_id)
        stamp = self._clock.stamp()
        earliest_ms = stamp.at_ms + SWITCHING_MS
        if presence and presence.due_at_ms and presence.due_at_ms >= earliest_ms:
            return
        self._store_due(machine_id, presence, earliest_ms, stamp)

    def _store_due(
        self, machine_id: str, presence: Presence | None, due_at_ms: int, stamp: Stamp
    ) -> None:
        due = cabinets.due_at(machine_id, presence, due_at_ms, stamp)
        # Whoever is faster is a heartbeat or a call like this one, and lets the sweep look as well.
        if presence is None:
            self._ledger.insert(due)
        else:
            self._ledger.replace(presence, due)

    def _links_of(self, machine_id: str) -> list[PaymentLink]:
        """The cabinet's links, the newest first, each as it is now."""
        links = (self._ledger.link(i) for i in self._ledger.lagging_link_ids(machine_id))
        return [link for link in links if link]

    def _switch(self, link: PaymentLink, active: bool) -> PaymentLink:
        """Asks Stripe to let the link be paid, or not, if that is not what it is already.

        What was asked is stored after Stripe took it: after a crash in between it is asked again.
        """
        if link.wanted == active:
            return link
        self._stripe.switch_link(link.link_id, active)
        switched = cabinets.switch(link, active, self._clock.stamp())
        log.info("link %s of %s: active=%s", link.link_id, link.machine_id, active)
        if self._ledger.replace(link, switched):
            return switched
        return self._ledger.link(link.link_id) or switched

    def _switch_off(self, links: Sequence[PaymentLink]) -> bool:
        on = [link for link in links if link.wanted and not link.withdrawn]
        for link in on:
            self._switch(link, active=False)
        return bool(on)

    def _retire(self, cabinet: Cabinet, links: Sequence[PaymentLink]) -> None:
        self._switch_off([link for link in links if link.prices != cabinet.prices])

    def _usable(
        self, cabinet: Cabinet, quantity: int, links: Sequence[PaymentLink]
    ) -> PaymentLink | None:
        for link in links:
            if link.prices != cabinet.prices or link.quantity != quantity or link.withdrawn:
                continue
            stamp = self._clock.stamp()
            if not link.wanted or 0 <= stamp.at_ms - link.confirmed_at_ms < CONFIRMED_MS:
                return link
            if not self._stripe.link_is_active(link.link_id):
                # Switched off in Stripe's dashboard: the operator withdrew it.
                self._ledger.replace(link, cabinets.withdraw(link, stamp))
                log.warning("link %s of %s was withdrawn", link.link_id, cabinet.machine_id)
                continue
            confirmed = cabinets.confirm(link, stamp)
            if self._ledger.replace(link, confirmed):
                return confirmed
            return self._ledger.link(link.link_id) or link
        return None

    def _make(self, cabinet: Cabinet, quantity: int, links: Sequence[PaymentLink]) -> PaymentLink:
        prices = cabinet.prices
        # Two at once, or one that the index does not list yet, have the same key and get the same
        # link. Its number changes the key only when an earlier link of the same prices was
        # withdrawn.
        before = sum(link.prices == prices and link.quantity == quantity for link in links)
        key = f"link:{cabinet.machine_id}:{prices.fingerprint}:{quantity}:{before}"
        price_id = self._stripe.create_price(
            f"One play, {cabinet.name}", prices.amount, prices.currency, f"{key}:price"
        )
        link_id, url = self._stripe.create_link(
            cabinet.machine_id, price_id, quantity, prices.most, self._receipt, key
        )
        stamp = self._clock.stamp()
        link = PaymentLink(
            link_id,
            cabinet.machine_id,
            url,
            price_id,
            quantity,
            prices,
            created_at_ms=stamp.at_ms,
            write_id=stamp.write_id,
            confirmed_at_ms=stamp.at_ms,
        )
        if self._ledger.insert(link):
            log.info("new link %s for %s", link_id, cabinet.machine_id)
            return link
        return self._ledger.link(link_id) or link


def _current(cabinet: Cabinet, links: Sequence[PaymentLink]) -> PaymentLink | None:
    return next(
        (link for link in links if link.prices == cabinet.prices and not link.withdrawn), None
    )
