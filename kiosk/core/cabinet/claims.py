"""Which orders the cabinet claims, and whose payments are over with that."""

from __future__ import annotations

from dataclasses import replace

from kiosk.core.cabinet.rules import Mode
from kiosk.core.cabinet.step import Step
from kiosk.core.entries import Entry, Kind

REMEMBERED = 16  # payments whose order was found


def note_payment(step: Step, payment_id: str) -> None:
    """A payment's order is there: what is told of the payment from now on is old."""
    taken = step.state.taken_payments
    if payment_id and payment_id not in taken:
        step.state = replace(step.state, taken_payments=(*taken, payment_id)[-REMEMBERED:])


def begin_claim(step: Step, order_id: str) -> None:
    """An order of this cabinet is open: claims it.

    Without a relay, or if nothing is sold, it is left for the cloud to release.
    """
    state = step.state
    if not state.can_pulse or step.rules.mode is not Mode.SELL:
        return
    if state.order_book.knows(order_id):
        return
    step.state = replace(state, payment=None)
    step.append(Entry(Kind.CLAIM, order_id, claim_id=f"{step.new_id}-{order_id[-12:]}"))
