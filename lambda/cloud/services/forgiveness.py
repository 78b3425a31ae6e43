"""Who was forgiven pulses in the last day: asked as a cabinet claims again, told by its settle."""

from __future__ import annotations

import hashlib
import hmac

from cloud.core import forgiveness
from cloud.core.forgiveness import of_cabinet, of_card
from cloud.core.orders import Order
from cloud.services.clock import Clock
from cloud.stores.base import Ledger, LedgerUnavailable


class CardHash:
    """Stripe's fingerprint of a card → what the ledger knows it by.

    The key is derived from the webhook's secret, so the hash says nothing to whoever has the ledger
    alone. With a new secret each card is a new one.
    """

    def __init__(self, webhook_secret: str) -> None:
        self._key = hmac.digest(webhook_secret.encode(), b"card fingerprints", "sha256")

    def __call__(self, fingerprint: str) -> str:
        """The hash; empty for a payment without a card."""
        if not fingerprint:
            return ""
        return hmac.new(self._key, fingerprint.encode(), hashlib.sha256).hexdigest()


class ForgivenPulses:
    """Keeps what was forgiven, by card and by cabinet, for a day."""

    def __init__(self, ledger: Ledger, clock: Clock) -> None:
        self._ledger = ledger
        self._clock = clock

    def at_cabinet(self, machine_id: str) -> int:
        """The pulses that were forgiven at a cabinet in the last day."""
        found = self._ledger.forgiveness(of_cabinet(machine_id))
        return forgiveness.pulses_in_a_day(found, self._clock.now_ms())

    def card_was_forgiven(self, card: str) -> bool:
        """Whether a card was forgiven anything in the last day."""
        found = self._ledger.forgiveness(of_card(card)) if card else None
        return forgiveness.pulses_in_a_day(found, self._clock.now_ms()) > 0

    def record(self, order: Order, pulses: int) -> None:
        """Writes down that ``pulses`` of an order were forgiven; once for each order."""
        self._add(of_cabinet(order.machine_id), order.order_id, pulses)
        if order.card:
            self._add(of_card(order.card), order.order_id, pulses)

    def _add(self, subject: str, order_id: str, pulses: int) -> None:
        # Orders of one card or cabinet are settled one after the other, so a race is rare.
        for _ in range(5):
            found = self._ledger.forgiveness(subject)
            stamp = self._clock.stamp()
            new = forgiveness.with_order(found, subject, order_id, pulses, stamp)
            if new is None:
                return
            if self._ledger.replace(found, new) if found else self._ledger.insert(new):
                return
        raise LedgerUnavailable(f"what was forgiven to {order_id} is changing: ask again")
