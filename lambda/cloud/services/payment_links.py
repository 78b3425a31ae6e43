"""The cabinets' Payment Links: one for each cabinet and price list, made once, used again."""

from __future__ import annotations

import logging
from dataclasses import replace

from cloud.adapters.stripe_gateway import Gateway
from cloud.core.cabinets import Cabinet, PaymentLink
from cloud.stores.base import Ledger

log = logging.getLogger(__name__)


class UnknownPrice(Exception):
    """The cabinet asked for a price that is not on its list."""


class PaymentLinks:
    """Gets, makes, switches on and switches off the links of cabinets."""

    def __init__(self, ledger: Ledger, stripe: Gateway, public_url: str) -> None:
        self._ledger = ledger
        self._stripe = stripe
        self._receipt = f"{public_url}/receipt?session_id={{CHECKOUT_SESSION_ID}}"

    def get(self, cabinet: Cabinet, price_id: str = "", quantity: int = 1) -> PaymentLink:
        """The link that sells the cabinet's price list now, switched on; made if there is none."""
        quantity = min(quantity, cabinet.prices.most)
        link = self._usable(cabinet, quantity) or self._make(cabinet, quantity)
        if price_id and price_id != link.price_id:
            raise UnknownPrice(
                f"price {price_id} is not on the price list of {cabinet.machine_id}: "
                f"leave price_id out, or ask for {link.price_id}"
            )
        self.retire(cabinet)
        return self.switch(link, active=True)

    def current(self, cabinet: Cabinet) -> PaymentLink | None:
        """The link that the ledger holds for the price list of now, without asking Stripe."""
        return next(
            (
                link
                for link in self._ledger.links(cabinet.machine_id)
                if link.prices == cabinet.prices and not link.withdrawn
            ),
            None,
        )

    def switch(self, link: PaymentLink, active: bool) -> PaymentLink:
        """Asks Stripe to let the link be paid, or not, if that is not what it is already.

        The wish is stored after Stripe took it: after a crash in between it is asked again.
        """
        if link.wanted == active:
            return link
        self._stripe.switch_link(link.link_id, active)
        changed = replace(link, wanted=active, version=link.version + 1)
        self._ledger.replace(link, changed)
        log.info("link %s of %s: active=%s", link.link_id, link.machine_id, active)
        return changed

    def switch_off(self, machine_id: str) -> bool:
        """Switches every link of a cabinet off; returns whether one was on."""
        on = [link for link in self._ledger.links(machine_id) if link.wanted and not link.withdrawn]
        for link in on:
            self.switch(link, active=False)
        return bool(on)

    def retire(self, cabinet: Cabinet) -> None:
        """Switches off the links of price lists that the cabinet no longer has."""
        for link in self._ledger.links(cabinet.machine_id):
            if link.prices != cabinet.prices and link.wanted and not link.withdrawn:
                self.switch(link, active=False)

    def _usable(self, cabinet: Cabinet, quantity: int) -> PaymentLink | None:
        for link in self._ledger.links(cabinet.machine_id):
            if link.prices != cabinet.prices or link.quantity != quantity or link.withdrawn:
                continue
            if link.wanted and not self._stripe.link_is_active(link.link_id):
                # Switched off in Stripe's dashboard: the operator withdrew it.
                withdrawn = replace(link, withdrawn=True, version=link.version + 1)
                self._ledger.replace(link, withdrawn)
                log.warning("link %s of %s was withdrawn", link.link_id, cabinet.machine_id)
                continue
            return link
        return None

    def _make(self, cabinet: Cabinet, quantity: int) -> PaymentLink:
        prices = cabinet.prices
        # Two at once ask with the same key and get the same link. Its number changes the key only
        # when an earlier link of the same prices was withdrawn.
        before = sum(
            link.prices == prices and link.quantity == quantity
            for link in self._ledger.links(cabinet.machine_id)
        )
        key = f"link:{cabinet.machine_id}:{prices.fingerprint}:{quantity}:{before}"
        price_id = self._stripe.create_price(
            f"One play, {cabinet.name}", prices.amount, prices.currency, f"{key}:price"
        )
        link_id, url = self._stripe.create_link(
            cabinet.machine_id, price_id, quantity, prices.most, self._receipt, key
        )
        link = PaymentLink(link_id, cabinet.machine_id, url, price_id, quantity, prices)
        if self._ledger.insert(link):
            log.info("new link %s for %s", link_id, cabinet.machine_id)
        return self._ledger.link(link_id) or link
