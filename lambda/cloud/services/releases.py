"""Gives the money of an order back: OPEN → RELEASING → RELEASED."""

from __future__ import annotations

from cloud.core import orders
from cloud.core.orders import Order, OrderState, Refused
from cloud.services.cabinet_messages import CabinetMessages
from cloud.services.clock import Clock
from cloud.services.settlement import Settlement
from cloud.stores.base import Ledger

NEWS_MS = 15 * 60_000  # whoever paid longer ago does not stand at the cabinet any more


class Releases:
    """Releases orders that no cabinet claimed, and those that none will ever settle."""

    def __init__(
        self,
        ledger: Ledger,
        settlement: Settlement,
        cabinet_messages: CabinetMessages,
        clock: Clock,
    ) -> None:
        self._ledger = ledger
        self._settlement = settlement
        self._cabinet_messages = cabinet_messages
        self._clock = clock

    def release(self, order: Order, reason: str, by: str = "", note: str = "") -> Order:
        """Releases an OPEN order, unless a claim is faster; returns what became of it.

        ``by`` is the operator who asked for it, ``note`` what the receipt tells the player.
        """
        return self._finish(order, orders.release(order, reason, self._clock.stamp(), by, note))

    def store(self, order: Order, reason: str) -> Order:
        """Stores a new order as one that is being released, unless it is stored already; returns
        what became of it."""
        releasing = orders.release(order, reason, self._clock.stamp())
        if isinstance(releasing, Refused) or not self._ledger.insert(releasing):
            return self._ledger.order(order.order_id) or order
        return self._moved(releasing)

    def abandon(self, order: Order, reason: str) -> Order:
        """Releases a CLAIMED order, unless its settle is faster; returns what became of it."""
        return self._finish(order, orders.abandon(order, reason, self._clock.stamp()))

    def _finish(self, order: Order, releasing: Order | Refused) -> Order:
        if isinstance(releasing, Refused) or not self._ledger.replace(order, releasing):
            return self._ledger.order(order.order_id) or order
        return self._moved(releasing)

    def _moved(self, releasing: Order) -> Order:
        done = self._settlement.finish(releasing)
        now_ms = self._clock.now_ms()
        told = done.state is OrderState.RELEASED and not done.free
        if told and now_ms - done.paid_at_ms < NEWS_MS:
            self._cabinet_messages.payment(done.machine_id, "released", now_ms / 1000)
        return done
