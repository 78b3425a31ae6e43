"""Tells in the log of each write of an order or incident that the ledger took, with its metrics.

Whatever moved it, a call, the sweep or an operator, each arrow is one line, and it is there only
if the write is.
"""

from __future__ import annotations

import logging
from typing import Any, cast

from cloud.core import metrics
from cloud.core.cabinets import Incident
from cloud.core.orders import Order
from cloud.logs import about
from cloud.services.clock import Clock
from cloud.stores.base import Item, Ledger, Replaceable, WriteResult

log = logging.getLogger(__name__)


class _LoggedLedger:
    """Hands everything on to ``ledger``, and tells of what it stored."""

    def __init__(self, ledger: Ledger, clock: Clock) -> None:
        self._ledger = ledger
        self._clock = clock

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)

    def insert(self, item: Item) -> WriteResult:
        result = self._ledger.insert(item)
        if result and isinstance(item, Order):
            _tell(None, item, self._clock.now_ms())
        elif result and isinstance(item, Incident):
            _tell_incident(item, self._clock.now_ms())
        return result

    def replace(self, old: Replaceable, new: Replaceable) -> WriteResult:
        result = self._ledger.replace(old, new)
        if result and isinstance(old, Order) and isinstance(new, Order):
            _tell(old, new, self._clock.now_ms())
        return result


def logged(ledger: Ledger, clock: Clock) -> Ledger:
    """``ledger``, whose writes of orders and incidents are in the log."""
    return cast(Ledger, _LoggedLedger(ledger, clock))


def _tell(before: Order | None, after: Order, now_ms: int) -> None:
    moved = before is None or before.state is not after.state
    values = metrics.of_order(before, after)
    level = logging.WARNING if "failed" in values else logging.INFO
    if not (moved or values) or not log.isEnabledFor(level):
        return
    log.log(
        level,
        "order stored as %s" if moved else "order stays %s: Stripe refused",
        after.state.value,
        extra=about(
            order=after.order_id,
            cabinet=after.machine_id,
            payment=after.intent_id,
            state=after.state.value,
            before=before.state.value if before else "",
            amount=after.amount,
            charged=after.charged or None,
            currency=after.currency,
            reason=after.reason,
            **metrics.document(now_ms, values),
        ),
    )


def _tell_incident(incident: Incident, now_ms: int) -> None:
    if not log.isEnabledFor(logging.WARNING):
        return
    values = metrics.of_incident(incident.incident_id, incident.amount)
    log.warning(
        "incident: %s",
        incident.text,
        extra=about(
            order=incident.order_id,
            cabinet=incident.machine_id,
            incident=incident.incident_id,
            **metrics.document(now_ms, values),
        ),
    )
