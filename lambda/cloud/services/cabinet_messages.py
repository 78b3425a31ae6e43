"""Tells cabinets things. A message that does not get through costs seconds, never money."""

from __future__ import annotations

import logging

from cloud.adapters.publisher import Publisher, PublishFailed
from cloud.core import messages
from cloud.core.orders import Order
from cloud.logs import about

log = logging.getLogger(__name__)


class CabinetMessages:
    """The messages of ``cloud.core.messages``, over a publisher; none of these raises."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher

    def coin_pulse(self, order: Order, now: float) -> bool:
        """Hints to the cabinet that an order is open; returns whether the broker has the hint."""
        return self._send(
            order.machine_id,
            "coinpulse",
            messages.coin_pulse(order, now),
            messages.coin_pulse_expiry_s(order, now),
            order=order.order_id,
        )

    def game_over(self, machine_id: str, ended_at: str) -> bool:
        """Passes on that a game ended; returns whether the broker has it."""
        return self._send(machine_id, "gameover", messages.game_over(machine_id, ended_at))

    def payment(self, machine_id: str, status: str, now: float, payment_id: str = "") -> bool:
        """Says what a player's payment is doing."""
        payload = messages.payment(machine_id, status, now, payment_id)
        expiry_s = messages.PAYMENT_NEWS_S
        return self._send(machine_id, "payment", payload, expiry_s, says=status, payment=payment_id)

    def _send(
        self,
        machine_id: str,
        kind: str,
        payload: bytes,
        expiry_s: int | None = None,
        **about_it: str,
    ) -> bool:
        extra = about(cabinet=machine_id, topic=kind, **about_it)
        try:
            self._publisher.publish(messages.topic(machine_id, kind), payload, expiry_s)
        except PublishFailed as error:
            log.warning("no %s for %s: %s", kind, machine_id, error, extra=extra)
            return False
        log.info("published %s", kind, extra=extra)
        return True
