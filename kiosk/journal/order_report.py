"""The cabinet's orders for people: what the journal says of each, as a table or CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from tabulate import tabulate

from kiosk.core import order_book
from kiosk.core.entries import Entry, Kind
from kiosk.core.order_book import OrderBook, OrderProgress

HEAD = ("order", "begun", "state", "credits", "pulses", "made", "forgiven", "ambiguous", "charged")
SETTLED, REFUSED = "settled", "refused"


@dataclass(frozen=True)
class OrderSummary:
    """What became of one order here. ``begun_at`` is what the cabinet's wall clock said then.

    ``progress.pulsed`` is what the settle said, 0 before it; ``note`` is the last entry's that had
    one.
    """

    order_id: str
    begun_at: float
    state: str
    progress: OrderProgress
    note: str = ""

    @property
    def unsettled(self) -> bool:
        return self.state not in (SETTLED, REFUSED)


def summaries(entries: Iterable[tuple[Entry, float]]) -> Sequence[OrderSummary]:
    """Every order of a journal, oldest first.

    ``entries`` come with the wall clock's seconds. Raises
    :class:`kiosk.core.order_book.BadEntry`.
    """
    book = OrderBook()
    orders: dict[str, OrderSummary] = {}
    for entry, wall in entries:
        before = book.unfinished.get(entry.order_id)
        book = order_book.apply(book, entry)
        progress = book.unfinished.get(entry.order_id) or before
        if progress is None:
            continue
        order = orders.get(entry.order_id)
        if order and order.state == SETTLED:
            continue  # a late hint after a restart: the cloud refuses it, and nothing of it counts
        if order is None or entry.kind is Kind.CLAIM:
            order = OrderSummary(entry.order_id, wall, "", progress)
        state = {Kind.SETTLED: SETTLED, Kind.REFUSED: REFUSED}.get(entry.kind, progress.stage.value)
        orders[entry.order_id] = replace(
            order, state=state, progress=progress, note=entry.note or order.note
        )
    return tuple(orders.values())


def table(orders: Iterable[OrderSummary]) -> str:
    """A table for a terminal."""
    return tabulate([_row(order) for order in orders], (*HEAD, "note"), disable_numparse=True)


def as_csv(orders: Iterable[OrderSummary]) -> str:
    """Comma-separated values with a head, for a spreadsheet."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow((*HEAD, "note"))
    writer.writerows(_row(order) for order in orders)
    return text.getvalue()


def _row(order: OrderSummary) -> tuple[object, ...]:
    progress = order.progress
    return (
        order.order_id,
        datetime.fromtimestamp(order.begun_at, UTC).isoformat(" ", "seconds"),
        order.state,
        progress.credits,
        progress.pulses,
        progress.made,
        progress.lost_made,
        progress.ambiguous,
        progress.pulsed,
        order.note,
    )
