"""Going live: another Stripe account or key, and what must be right before and after it.

Everything that is wrong is found before anything is changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from cloud.adapters.stripe_gateway import Gateway, StripeRefused, StripeUnavailable
from cloud.core.cabinets import Cabinet
from cloud.core.orders import UNFINISHED
from cloud.services.cabinet_messages import CabinetMessages
from cloud.services.clock import Clock
from cloud.services.payment_links import PaymentLinks
from cloud.settings import Settings
from cloud.stores.base import Ledger

LOOPBACK = ("localhost", "127.0.0.1", "::1")


class GoingLive:
    """Checks the settings, the key and the cabinets, and gives each cabinet its link anew."""

    def __init__(
        self,
        ledger: Ledger,
        stripe: Gateway,
        links: PaymentLinks,
        cabinet_messages: CabinetMessages,
        settings: Settings,
        clock: Clock,
    ) -> None:
        self._ledger = ledger
        self._stripe = stripe
        self._links = links
        self._cabinet_messages = cabinet_messages
        self._settings = settings
        self._clock = clock

    def mistakes(self) -> list[str]:
        """Every sentence that stands against going live; asks Stripe, and changes nothing."""
        found = list(self._of_settings())
        try:
            now = self._clock.now_ms() / 1000
            self._stripe.completed(now - 60, now)
        except (StripeRefused, StripeUnavailable) as error:
            # The other questions would only bring the same answer.
            return [*found, f"Stripe does not take STRIPE_KEY: {error}"]
        return found + list(self._of_orders())

    def cabinets(self) -> list[Cabinet]:
        """The cabinets in service; those that are disabled get their link when they are enabled."""
        listed = self._ledger.lagging_cabinets()
        return [cabinet for cabinet in listed if not (cabinet.removed or cabinet.disabled)]

    def renew(self, cabinet: Cabinet) -> str:
        """Gives a cabinet a link that this account knows, takes the others out of service and tells
        the cabinet; returns the link's id. Raises what Stripe and the ledger raise."""
        link = self._links.get(cabinet)
        self._cabinet_messages.payment(
            cabinet.machine_id, "offer_changed", self._clock.now_ms() / 1000
        )
        return link.link_id

    def _of_settings(self) -> Iterator[str]:
        settings = self._settings
        if not settings.stripe_key.startswith(("sk_live_", "rk_live_")):
            yield "STRIPE_KEY is no live key: it must begin with sk_live_ or rk_live_"
        if not settings.webhook_secret.startswith("whsec_"):
            yield (
                "STRIPE_WEBHOOK_SECRET is no signing secret: take that of the webhook endpoint in "
                "live mode, whsec_…"
            )
        if settings.stripe_api_base:
            yield "STRIPE_API_BASE is set: without it, Stripe itself is asked"
        public = urlsplit(settings.public_url)
        if public.scheme != "https" or public.hostname in LOOPBACK:
            yield "PUBLIC_URL is no address that a phone can reach safely: https://pay.example.com"

    def _of_orders(self) -> Iterator[str]:
        """Orders whose money is with another account: they must be finished with its key first."""
        for cabinet in self._ledger.lagging_cabinets():
            for order_id in self._ledger.lagging_unfinished_ids(cabinet.machine_id):
                order = self._ledger.order(order_id)
                if order is None or order.state not in UNFINISHED or order.free:
                    continue
                try:
                    self._stripe.intent(order.intent_id)
                except StripeRefused as refusal:
                    yield (
                        f"order {order_id} of {order.machine_id} is {order.state.value}, and this "
                        f"account does not know its payment ({refusal}): finish it with the key "
                        "from before"
                    )
