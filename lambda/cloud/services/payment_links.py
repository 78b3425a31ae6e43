"""The cabinets' Payment Links: one for each cabinet and price list, made once, used again.

What is wanted of a link is written before Stripe is asked, and that it is so after Stripe answered.
Where the answer was lost the link is due, and the sweep asks again.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Sequence
from dataclasses import replace

from cloud.adapters.stripe_gateway import Gateway, StripeRefused, StripeUnavailable
from cloud.core import cabinets
from cloud.core.cabinets import Cabinet, Incident, PaymentLink, Presence
from cloud.core.stamps import Stamp
from cloud.services import price_schedule
from cloud.services.clock import Clock
from cloud.stores.base import Ledger

log = logging.getLogger(__name__)

# Longer than a call may take (API Gateway ends it after 30 s), and than an index may be behind.
SWITCHING_MS = 40_000
# A little less than the time between two heartbeats: each asks once, however many come between.
CHECK_MS = 240_000
# Open sessions that one call ends. Anybody can open as many as they like: the sweep ends the rest.
EXPIRE_AT_ONCE = 20
TRIES = 3

# A link that Stripe has just called payable is not asked about again for so long: a cabinet that
# asks without end, or a thief with its token, costs a few calls a minute.
CONFIRMED_MS = 60_000


class UnknownPrice(Exception):
    """The cabinet asked for a price that is not on its list."""


class CabinetDisabled(Exception):
    """The operator has disabled the cabinet: it sells nothing."""


class PaymentLinks:
    """Gets, makes, switches on and switches off the links of cabinets."""

    def __init__(
        self,
        ledger: Ledger,
        stripe: Gateway,
        public_url: str,
        methods: Sequence[str],
        clock: Clock,
    ) -> None:
        self._ledger = ledger
        self._stripe = stripe
        self._receipt = f"{public_url}/receipt?session_id={{CHECKOUT_SESSION_ID}}"
        self._methods = tuple(methods)
        self._clock = clock

    def get(self, cabinet: Cabinet, price_id: str = "", quantity: int = 1) -> PaymentLink:
        """The link that sells the cabinet's price list now, switched on; made if there is none."""
        if cabinet.disabled:
            raise CabinetDisabled(f"{cabinet.machine_id} is disabled: its operator enables it")
        cabinet = self._with_prices_of_now(cabinet)
        quantity = min(quantity, cabinet.prices.most)
        links = self._links_of(cabinet.machine_id)
        link = self._usable(cabinet, quantity, links) or self._make(cabinet, quantity, links)
        if price_id and price_id != link.price_id:
            raise UnknownPrice(
                f"price {price_id} is not on the price list of {cabinet.machine_id}: "
                f"leave price_id out, or ask for {link.price_id}"
            )
        try:
            self._retire(cabinet, links)
        except (StripeUnavailable, StripeRefused) as error:
            # It is written down that they are to go off, and the sweep asks again.
            log.warning("an old link of %s stays on: %s", cabinet.machine_id, error)
        return link

    def current(self, cabinet: Cabinet, links: Sequence[PaymentLink]) -> PaymentLink | None:
        """Which of the cabinet's links is for the price list of now, without asking Stripe."""
        made_with = self._made_with(self._with_prices_of_now(cabinet))
        return next(
            (link for link in links if link.made_with == made_with and not link.withdrawn), None
        )

    def follow(
        self, cabinet: Cabinet, links: Sequence[PaymentLink], healthy: bool
    ) -> PaymentLink | None:
        """Switches the link on or off as a heartbeat has it, and looks now and then whether Stripe
        still has it on; returns the link, or ``None`` if a new one has to be made."""
        cabinet = self._with_prices_of_now(cabinet)
        link = self.current(cabinet, links)
        if link is None:
            return None
        try:
            self._retire(cabinet, links)
            if healthy:
                link = self._checked(self._switch(link, active=True), CHECK_MS)
                return None if link.withdrawn else link
            if not self._switch_off(links):
                return link
        except (StripeUnavailable, StripeRefused) as error:
            # The heartbeat itself is stored, and the next one tries again.
            log.warning("the link of %s could not be switched: %s", cabinet.machine_id, error)
        found = self._ledger.link(link.link_id)
        return None if found and found.withdrawn else found

    def switch_off(self, machine_id: str) -> bool:
        """Switches every link of a cabinet off; returns whether one was on."""
        return self._switch_off(self._links_of(machine_id))

    def switch_off_again(self, machine_id: str) -> list[str]:
        """Has the sweep switch off what the ledger has as off and Stripe as on, as after a
        restored backup; returns these links' ids."""
        found = []
        for link in self._links_of(machine_id):
            if link.wanted or not link.settled or not self._is_on(link):
                continue
            stamp = self._clock.stamp()
            if self._ledger.replace(link, cabinets.want(link, False, stamp.at_ms, stamp)):
                found.append(link.link_id)
        return found

    def _is_on(self, link: PaymentLink) -> bool:
        try:
            return self._stripe.link_is_active(link.link_id)
        except StripeRefused as refusal:
            if refusal.status != 404:
                raise
            return False  # of another account, whose checkout pages nobody here can see

    def retire(self, cabinet: Cabinet) -> bool:
        """Switches off the links of price lists that the cabinet does not have now; returns whether
        one was on."""
        cabinet = self._with_prices_of_now(cabinet)
        return self._retire(cabinet, self._links_of(cabinet.machine_id))

    def finish(self, link_id: str) -> bool:
        """Asks Stripe for what is wanted of a link, if that is due; returns whether it was."""
        link = self._ledger.link(link_id)
        if link is None or link.due_at_ms is None or link.due_at_ms > self._clock.now_ms():
            return False
        # Behind the others first: one that fails keeps none of them waiting.
        stamp = self._clock.stamp()
        asked = cabinets.want(link, link.wanted, stamp.at_ms + SWITCHING_MS, stamp)
        if self._ledger.replace(link, asked):
            self._ask(asked)
        return True

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

    def _with_prices_of_now(self, cabinet: Cabinet) -> Cabinet:
        """The cabinet with the price list of this moment, which a happy hour may have changed."""
        return replace(cabinet, prices=price_schedule.prices(cabinet, self._clock.now_ms()))

    def _links_of(self, machine_id: str) -> list[PaymentLink]:
        """The cabinet's links, the newest first, each as it is now."""
        links = (self._ledger.link(i) for i in self._ledger.lagging_link_ids(machine_id))
        return [link for link in links if link]

    def _switch(self, link: PaymentLink, active: bool) -> PaymentLink:
        """Writes down what is wanted and asks Stripe for it, if it is not so already."""
        if link.wanted == active and link.settled:
            return link
        stamp = self._clock.stamp()
        wanted = cabinets.want(link, active, stamp.at_ms + SWITCHING_MS, stamp)
        if not self._ledger.replace(link, wanted):
            # Somebody else wants something of it at this moment, and asks Stripe.
            return self._ledger.link(link.link_id) or link
        # Another call may still be asking for the opposite, and reach Stripe after this one.
        return self._ask(wanted, again=not link.settled)

    def _ask(self, link: PaymentLink, again: bool = False) -> PaymentLink:
        """Asks Stripe for what is wanted of a link and writes down that it is so.

        What is off has no open checkout page left, or is due again until none is.
        """
        for _ in range(TRIES):
            try:
                self._stripe.switch_link(link.link_id, link.wanted)
            except StripeRefused as refusal:
                if refusal.status == 404:
                    return self._not_known(link)
                self._report(link, "refused", f"Stripe refuses to switch its link: {refusal}")
                raise
            left = not link.wanted and self._expire_sessions(link)
            log.info("link %s of %s: active=%s", link.link_id, link.machine_id, link.wanted)
            stamp = self._clock.stamp()
            due_at_ms = stamp.at_ms + SWITCHING_MS if again else stamp.at_ms if left else None
            done = cabinets.switched(link, due_at_ms, stamp)
            if self._ledger.replace(link, done):
                return done
            newer = self._ledger.link(link.link_id)
            if newer is None or newer.wanted == link.wanted:
                return newer or done
            # The opposite was wanted in between, and Stripe may have heard of it before this.
            link, again = newer, True
        return link

    def _expire_sessions(self, link: PaymentLink) -> bool:
        """Ends checkout pages of a link that is off; returns whether some may be left."""
        try:
            return self._stripe.expire_sessions(link.link_id, EXPIRE_AT_ONCE)
        except StripeUnavailable as error:
            log.warning("checkout pages of link %s stay open: %s", link.link_id, error)
        except StripeRefused as refusal:
            self._report(
                link,
                "sessions",
                "open checkout pages of a link that is off can still be paid: Stripe refuses to "
                f"end them: {refusal}",
            )
        return True

    def _switch_off(self, links: Sequence[PaymentLink]) -> bool:
        on = [link for link in links if link.wanted or not link.settled]
        for link in on:
            self._switch(link, active=False)
        return bool(on)

    def _retire(self, cabinet: Cabinet, links: Sequence[PaymentLink]) -> bool:
        made_with = self._made_with(cabinet)
        return self._switch_off([link for link in links if link.made_with != made_with])

    def _usable(
        self, cabinet: Cabinet, quantity: int, links: Sequence[PaymentLink]
    ) -> PaymentLink | None:
        """A link of the price list of now that Stripe has on, or switched on at this moment."""
        made_with = self._made_with(cabinet)
        for link in links:
            if link.made_with != made_with or link.quantity != quantity or link.withdrawn:
                continue
            if link.wanted and link.settled:
                link = self._checked(link, CONFIRMED_MS)
            else:
                self._let_sweep_look(cabinet.machine_id)
                link = self._switch(link, active=True)
            if not link.withdrawn:
                return link
        return None

    def _checked(self, link: PaymentLink, after_ms: int) -> PaymentLink:
        """The link, looked at if that was ``after_ms`` ago."""
        if link.withdrawn or 0 <= self._clock.now_ms() - link.checked_at_ms < after_ms:
            return link
        looked_at = self._looked_at(link)
        if looked_at.withdrawn:
            return looked_at
        checked = cabinets.checked(link, self._clock.stamp())
        if self._ledger.replace(link, checked):
            return checked
        return self._ledger.link(link.link_id) or link

    def _looked_at(self, link: PaymentLink) -> PaymentLink:
        """The link, withdrawn if Stripe does not have it on although it should."""
        try:
            if self._stripe.link_is_active(link.link_id):
                return link
        except StripeRefused as refusal:
            if refusal.status != 404:
                raise
            return self._not_known(link)
        # Switched off in Stripe's dashboard. Its open checkout pages are ended by the sweep.
        log.warning("link %s of %s was withdrawn", link.link_id, link.machine_id)
        stamp = self._clock.stamp()
        withdrawn = cabinets.withdraw(link, stamp.at_ms, stamp)
        self._ledger.replace(link, withdrawn)
        return withdrawn

    def _not_known(self, link: PaymentLink) -> PaymentLink:
        """The link, withdrawn because it is not of the Stripe account whose key this is."""
        stamp = self._clock.stamp()
        withdrawn = cabinets.withdraw(link, None, stamp)
        self._ledger.replace(link, withdrawn)
        if link.withdrawn:
            return withdrawn
        log.warning("Stripe does not know link %s of %s", link.link_id, link.machine_id)
        self._report(
            link,
            "unknown",
            "Stripe does not know the cabinet's payment link: the key is of another account, or "
            "live where it was for tests; a new link is made, and the old one is not used again",
        )
        # With a key that was in use before, links that were unknown meanwhile are known again:
        # they must not stay payable.
        for other in self._links_of(link.machine_id):
            if other.withdrawn and other.due_at_ms is None and other.link_id != link.link_id:
                stamp = self._clock.stamp()
                self._ledger.replace(other, cabinets.want(other, False, stamp.at_ms, stamp))
        return withdrawn

    def _report(self, link: PaymentLink, what: str, text: str) -> None:
        stamp = self._clock.stamp()
        self._ledger.insert(
            Incident(
                incident_id=f"{link.link_id}:{what}",
                at_ms=stamp.at_ms,
                text=text,
                write_id=stamp.write_id,
                machine_id=link.machine_id,
                todo="look at the link in Stripe's dashboard",
            )
        )

    def _made_with(self, cabinet: Cabinet) -> str:
        """Sixteen hex digits that change with anything that a link of the cabinet is made with."""
        terms: list[object] = [cabinet.name, cabinet.prices.fingerprint]
        terms += [self._receipt, self._methods]
        if cabinet.statement:
            terms.append(cabinet.statement)
        return hashlib.sha256(json.dumps(terms).encode()).hexdigest()[:16]

    def _make(self, cabinet: Cabinet, quantity: int, links: Sequence[PaymentLink]) -> PaymentLink:
        self._let_sweep_look(cabinet.machine_id)
        made_with = self._made_with(cabinet)
        before = sum(link.made_with == made_with and link.quantity == quantity for link in links)
        for number in range(before, before + TRIES):
            link = self._create(cabinet, quantity, made_with, number)
            if not link.withdrawn and not (link.wanted and link.settled):
                link = self._switch(link, active=True)
            # A repeated call gets the first answer, whatever has become of the link since: as in a
            # ledger that was restored from before the link was made and switched off.
            elif not link.withdrawn:
                link = self._looked_at(link)
            if not link.withdrawn:
                return link
        raise StripeUnavailable(f"no link for {cabinet.machine_id}: Stripe has all of them off")

    def _create(self, cabinet: Cabinet, quantity: int, made_with: str, number: int) -> PaymentLink:
        """A new link, or the one that a call with the same terms has made."""
        # Two at once, or one that the index does not list yet, have the same key and get the same
        # link. Its number changes the key only when an earlier link of the same terms was
        # withdrawn; the installation keeps two ledgers on one Stripe account apart.
        installation = self._ledger.installation(self._clock.stamp().write_id)
        key = f"link:{installation}:{cabinet.machine_id}:{made_with}:{quantity}:{number}"
        prices = cabinet.prices
        price_id = self._stripe.create_price(
            f"One play, {cabinet.name}", prices.amount, prices.currency, f"{key}:price"
        )
        link_id, url = self._stripe.create_link(
            cabinet.machine_id,
            price_id,
            quantity,
            prices.most,
            self._receipt,
            self._methods,
            f"{key}:{price_id}",
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
            made_with=made_with,
            checked_at_ms=stamp.at_ms,
            statement=cabinet.statement,
        )
        if self._ledger.insert(link):
            log.info("new link %s for %s", link_id, cabinet.machine_id)
            return link
        return self._ledger.link(link_id) or link
