"""One step of the cabinet: what the handlers and the drive work on, and what both of them do."""

from __future__ import annotations

from dataclasses import dataclass, replace

from kiosk.core import order_book
from kiosk.core.cabinet.rules import Rules
from kiosk.core.cabinet.state import State
from kiosk.core.effects import Append, Effect, Level, Report
from kiosk.core.entries import Entry, Kind
from kiosk.core.order_book import OrderProgress


@dataclass(frozen=True)
class Context:
    """When an event is handled, and what cannot be computed.

    ``new_id`` was never used before, ``jitter`` is a random number from 0 to 1.
    """

    now: float
    new_id: str
    jitter: float


class Step:
    """One call of ``advance``: the state so far, and the effects so far."""

    def __init__(self, state: State, context: Context, rules: Rules) -> None:
        self.state = state
        self.effects: list[Effect] = []
        self.now = context.now
        self.new_id = context.new_id
        self.jitter = context.jitter
        self.rules = rules

    def append(self, entry: Entry) -> None:
        """Puts an entry into the order book, and has it written to the journal."""
        assert self.state.journal.ready, f"{entry} would be lost"
        book = order_book.apply(self.state.order_book, entry)
        self.state = replace(self.state, order_book=book)
        self.effects.append(Append(entry))

    def report(self, level: Level, text: str) -> None:
        """Has a sentence logged for the operator."""
        self.effects.append(Report(level, text))

    def settle(self, order: OrderProgress) -> None:
        """No more pulses for this order. An ambiguous one is charged only if the operator says."""
        if order.ambiguous:
            self.report(
                "error",
                f"order {order.order_id}: {order.ambiguous} pulse began and its end is unknown; "
                f"it is {'' if self.rules.charge_ambiguous else 'not '}charged",
            )
        pulsed = order.made - order.lost_made
        if self.rules.charge_ambiguous:
            pulsed += order.ambiguous
        note = f"{order.ambiguous} ambiguous" if order.ambiguous else ""
        self.append(Entry(Kind.SETTLE, order.order_id, number=pulsed, note=note))
