"""What must be true of every run, and what must be true at its end."""

from __future__ import annotations

from collections import Counter

from cloud.core.orders import FINISHED, Order, OrderState
from kiosk.core.entries import Entry, Kind
from tests.simulation.cabinetside import Cabinet
from tests.simulation.cloudside import CloudSide

# The resume window, and the time that a few orders in a row take to be pulsed.
WINDOW = 300.0 + 60.0


class Broken(AssertionError):
    """An invariant does not hold; the message names it and the order."""


def at_a_coin(
    cloud: CloudSide, coins: Counter[tuple[str, int]], cabinet: Cabinet, order_id: str, number: int
) -> None:
    """Checked as the relay closes."""
    order = cloud.ledger.order(order_id)
    if order is None:
        raise Broken(f"a pulse for {order_id}, which nobody paid")
    if order.machine_id != cabinet.machine_id:
        raise Broken(f"a pulse for {order_id} at another cabinet")
    if order.state is not OrderState.CLAIMED:
        raise Broken(f"a pulse for {order_id}, which is {order.state.value} and not claimed")
    late = cloud.clock() - order.claimed_at_ms / 1000
    if late > WINDOW:
        raise Broken(f"a pulse for {order_id}, {late:.0f} s after it was claimed")
    if coins[order_id, number] > 1:
        raise Broken(f"pulse {number} of {order_id} was made twice")
    if sum(n for (o, _), n in coins.items() if o == order_id) > order.credits * cabinet.each:
        raise Broken(f"more pulses than were paid for {order_id}")
    if not any(
        e.kind is Kind.PULSE_BEGINS and e.order_id == order_id and e.number == number
        for e in cabinet.lines
    ):
        raise Broken(f"pulse {number} of {order_id} is not in the journal")


def at_a_line(cabinet: Cabinet, entry: Entry) -> None:
    """Checked as the journal gets a line."""
    kept = cabinet.kept[entry.order_id]
    # What a cabinet does not forgive any more today is charged, though the game forgot it.
    charged_anyway = any(
        e.kind is Kind.NOT_FORGIVEN and e.order_id == entry.order_id for e in cabinet.lines
    )
    if entry.kind is Kind.SETTLE and entry.number > kept and not charged_anyway:
        raise Broken(
            f"{entry.order_id} is settled with {entry.number} pulses, the game knows of {kept}"
        )
    if entry.kind is Kind.POWER_LOST and kept:
        raise Broken(f"pulses of {entry.order_id} are forgiven, and the game knows of {kept}")


def at_an_acknowledgement(cloud: CloudSide, cabinet: Cabinet, order_id: str) -> None:
    """Checked as a hint is acknowledged: it is in the journal, or there was nothing to take."""
    order = cloud.ledger.order(order_id)
    known = any(e.order_id == order_id and e.kind is Kind.CLAIM for e in cabinet.lines)
    engine = cabinet.engine
    able = engine is not None and engine.state.can_pulse
    if order is not None and order.state is OrderState.OPEN and able and not known:
        raise Broken(f"the hint of {order_id} was acknowledged before the journal held it")


def at_the_end(cloud: CloudSide, cabinets: list[Cabinet], coins: Counter[tuple[str, int]]) -> None:
    """Checked once everything is healed and quiet."""
    stored = {order.order_id: order for order in cloud.ledger.lagging_orders()}
    for session_id in cloud.stripe.payments:
        order = stored.get(session_id)
        if order is None:
            raise Broken(f"the ledger does not know {session_id}, which was paid")
        if order.state not in FINISHED:
            raise Broken(f"{session_id} stays {order.state.value} for ever")
        _the_books_agree(cloud, order, cabinets, coins)
    for finding in cloud.reconcile():
        raise Broken(f"{finding.order_id}: reconcile finds that {finding.reason}")
    for cabinet in cabinets:
        ambiguous = sum(
            _made(cabinet, order_id)[0] - _made(cabinet, order_id)[1] for order_id in stored
        )
        if ambiguous > cabinet.cuts + cabinet.failures:
            raise Broken(f"{ambiguous} ambiguous pulses at {cabinet.machine_id}")
        if cabinet.engine is None or cabinet.engine.state.order_book.unfinished:
            raise Broken(f"{cabinet.machine_id} is not done with its orders")


def _made(cabinet: Cabinet, order_id: str) -> tuple[int, int]:
    """How many pulses began and how many were over, by the journal."""
    lines = [e for e in cabinet.lines if e.order_id == order_id]
    begun = sum(e.kind is Kind.PULSE_BEGINS for e in lines)
    return begun, sum(e.kind is Kind.PULSE_OVER for e in lines)


def _to_charge(cabinet: Cabinet, order_id: str) -> int:
    """How many pulses the player pays: those that were over since the game last lost its memory,
    and none if the journal was lost."""
    count = 0
    for entry in cabinet.lines:
        if entry.order_id != order_id:
            continue
        if entry.kind is Kind.PULSE_OVER:
            count += 1
        elif entry.kind is Kind.FORGIVEN or entry.note == "not in the journal":
            count = 0
    return count


def _to_tell(cabinet: Cabinet, order_id: str) -> tuple[int, int, int]:
    """How many pulses were made, forgiven and are ambiguous, by the journal."""
    begun, over = _made(cabinet, order_id)
    made = forgiven = 0
    for entry in cabinet.lines:
        if entry.order_id == order_id:
            made += entry.kind is Kind.PULSE_OVER
            forgiven = made if entry.kind is Kind.FORGIVEN else forgiven
    return over, forgiven, begun - over


def _the_books_agree(
    cloud: CloudSide, order: Order, cabinets: list[Cabinet], coins: Counter[tuple[str, int]]
) -> None:
    name = f"{order.order_id} ({order.state.value})"
    cabinet = next(c for c in cabinets if c.machine_id == order.machine_id)
    begun, over = _made(cabinet, order.order_id)
    fallen = sum(n for (order_id, _), n in coins.items() if order_id == order.order_id)
    to_charge = _to_charge(cabinet, order.order_id)
    charged = cloud.stripe.charged(order.order_id)
    if cloud.stripe.holds(order.order_id):
        raise Broken(f"{name} is still held by the bank")
    if charged != order.charged:
        raise Broken(f"{name}: Stripe charged {charged}, the ledger says {order.charged}")
    if not over <= fallen <= begun:
        raise Broken(f"{name}: {fallen} coins fell, the journal says {over} to {begun}")
    if order.state is OrderState.RELEASED:
        if charged:
            raise Broken(f"{name} was charged {charged}")
        if to_charge != order.given_away and order.order_id not in cabinet.lost:
            raise Broken(f"{name}: {to_charge} pulses, of which {order.given_away} are given away")
        return
    told = order.made, order.forgiven, order.ambiguous
    if not order.lost and told != _to_tell(cabinet, order.order_id):
        raise Broken(f"{name}: the cloud was told of {told}, the journal has others")
    if order.pulsed != to_charge:
        raise Broken(f"{name}: settled with {order.pulsed} pulses, the journal has {to_charge}")
    # Reckoned here again, and not with the rules' own function: in dollars, rounded down.
    if charged != order.amount * to_charge // order.pulses:
        raise Broken(f"{name}: {charged} charged for {to_charge} of {order.pulses} pulses")
