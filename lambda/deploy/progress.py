"""A payment as it passes: each step of an order's life, printed as the ledger knows it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from cloud.core import order_life
from cloud.core.orders import FINISHED, Order
from cloud.stores.base import Ledger

POLL_S = 0.5


def newest(ledger: Ledger, machine_id: str, since_ms: int) -> Order | None:
    """The cabinet's last order since then, as the ledger has it now."""
    listed = list(ledger.lagging_orders(machine_id, since_ms))
    if not listed:
        return None
    last = max(listed, key=lambda order: order.paid_at_ms)
    return ledger.order(last.order_id)


def watch(
    ledger: Ledger,
    machine_id: str,
    since_ms: int,
    say: Callable[[str], None],
    sleep: Callable[[float], None],
    patience_s: float,
) -> Order | None:
    """Prints each step of the cabinet's next order as it comes; returns the order once its money is
    where it belongs, or as it is after ``patience_s``; None if none came."""
    told: set[tuple[int, str, str]] = set()
    waited = 0.0
    order: Order | None = None
    while waited <= patience_s:
        order = newest(ledger, machine_id, since_ms)
        for step in order_life.life(order) if order else []:
            line = (step.at_ms, step.where, step.sentence)
            if line not in told:
                told.add(line)
                say(f"  {_time(step.at_ms)}  {step.where:7}  {step.sentence}")
        if order and order.state in FINISHED:
            break
        sleep(POLL_S)
        waited += POLL_S
    if order:
        say(f"  {order_life.outcome(order)}")
    return order


def _time(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%H:%M:%S.%f")[:-3]
