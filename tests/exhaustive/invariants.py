"""What no step may do, and what must be true at every end."""

from __future__ import annotations

from collections.abc import Collection

from cloud.core.orders import ARROWS, Order, OrderState
from kiosk.core.entries import Entry, Kind
from tests.exhaustive.cabinet import RULES, Coin
from tests.exhaustive.stripe_account import AMOUNT, Account

# What is checked, for people; each is a `Broken` below or in the search.
INVARIANTS = (
    "no pulse is made twice, and no more than were paid for",
    "no pulse without its entry in the journal before it",
    "no pulse for an order that is not claimed by this cabinet with this claim id, so none for a "
    "released one",
    "no pulse after the resume window",
    "no hint is acknowledged before the journal holds it",
    "no settle says more pulses than were made",
    "no more is forgiven in a day than the cabinet's limit",
    "no hold is charged for more than was made by then",
    "no order goes against its arrows",
    "no order is claimed once the cloud has taken the news that its hold was cancelled",
    "from every state all comes to its end: no order stays, nothing is held or forgotten",
    "at every end Stripe, ledger and journal agree, and the charge is for what was made",
)

PULSES = 2  # of each order: two credits, a pulse each
WINDOW_S = RULES.resume_window_s
FORGIVEN_A_DAY = RULES.forgive_per_day


class Broken(AssertionError):
    """An invariant does not hold; the message names it and the order."""


def check_pulse(order: Order | None, coin: Coin, made: int, claim_id: str, now: float) -> None:
    """Checked as the relay closes. ``made`` are the order's pulses so far, as bits; ``claim_id`` is
    what the cabinet claimed it with."""
    name = coin.order_id
    if order is None or order.state is not OrderState.CLAIMED:
        state = order.state.value if order else "not known"
        raise Broken(f"a pulse for {name}, which is {state} and not claimed")
    if made & 1 << coin.number:
        raise Broken(f"pulse {coin.number} of {name} was made twice")
    if coin.number > PULSES:
        raise Broken(f"more pulses than were paid for {name}")
    if not coin.is_recorded:
        raise Broken(f"pulse {coin.number} of {name} is made, and the journal does not say so")
    if claim_id and claim_id != order.claim_id:
        raise Broken(f"a pulse for {name}, which was granted to claim {order.claim_id}")
    late = now - order.claimed_at_ms / 1000
    if late > WINDOW_S:
        raise Broken(f"a pulse for {name}, {late:.0f} s after it was claimed")


def check_acknowledged(name: str, order: Order | None, is_held: bool) -> None:
    """Checked as a hint is acknowledged: the journal has it, or there was nothing to take."""
    if not is_held and order and order.state is OrderState.OPEN:
        raise Broken(f"the hint of {name} was acknowledged before the journal held it")


def check_entry(entry: Entry, coins: int) -> None:
    """Checked as an entry is written for an order of which ``coins`` pulses were made."""
    if entry.kind is Kind.SETTLE and entry.number > coins:
        raise Broken(f"{entry.order_id} is settled with {entry.number} pulses, {coins} were made")


def check_forgiven(entry: Entry, made: int, before: int) -> None:
    """Checked as an entry is written for an order of which ``made`` pulses would be charged, on a
    day on which ``before`` were forgiven to others."""
    if entry.kind is Kind.FORGIVEN and before + made > FORGIVEN_A_DAY:
        raise Broken(f"{made} pulses of {entry.order_id} are forgiven after {before} others")


def check_arrow(was: Order, becomes: Order) -> None:
    """Checked as the ledger stores an order in the place of another."""
    if becomes.state is not was.state and becomes.state not in ARROWS[was.state]:
        raise Broken(f"{was.order_id} went from {was.state.value} to {becomes.state.value}")


def check_cancelled(becomes: Order, is_known: bool) -> None:
    """Checked as an order is stored whose hold is gone, if the cloud has taken the news of it."""
    if is_known and becomes.state is OrderState.CLAIMED:
        raise Broken(f"{becomes.order_id} is claimed, and its hold is known to be cancelled")


def check_capture(name: str, account: Account, coins: int) -> None:
    """Checked as Stripe does something: a hold is charged for no more than was made by then."""
    if account.held and account.charged > AMOUNT * coins // PULSES:
        raise Broken(
            f"{name}: {account.charged} of {AMOUNT} is charged for {coins} of {PULSES} pulses"
        )


def check_account(order: Order, account: Account, coins: int) -> None:
    """Checked at every end: Stripe and the ledger agree."""
    name = order.order_id
    if account.status == "requires_capture":
        raise Broken(f"{name} is still held by the bank")
    if account.charged != order.charged:
        raise Broken(f"{name}: Stripe charged {account.charged}, the ledger says {order.charged}")
    if account.charged > AMOUNT * coins // PULSES:
        raise Broken(f"{name}: {account.charged} charged for {coins} of {PULSES} pulses")
    if order.state is OrderState.RELEASED and account.charged:
        raise Broken(f"{name} was released and charged {account.charged}")
    due = AMOUNT * order.pulsed // PULSES
    if order.state is OrderState.SETTLED and not order.given_away and account.charged != due:
        raise Broken(f"{name}: {account.charged} charged, {due} due")


def check_journal(order: Order, to_charge: int, coins: int, faults: Collection[str]) -> None:
    """Checked at every end: ledger and journal agree, and only what a fault explains is missing.

    ``to_charge`` are the pulses that the journal says were over and that were not forgiven.
    """
    name = order.order_id
    told = order.pulsed if order.state is OrderState.SETTLED else order.given_away
    if told != to_charge:
        raise Broken(f"{name}: the cloud was told of {told} pulses, the journal has {to_charge}")
    if not faults and order.state is OrderState.SETTLED and coins != PULSES:
        raise Broken(f"{name} was settled with {coins} of {PULSES} pulses for no reason")
    if "power cut" in faults:
        return
    most = sum(fault in faults for fault in ("process killed", "journal fails", "relay fails"))
    if not 0 <= coins - to_charge <= most:
        raise Broken(f"{name}: {coins} pulses were made, {to_charge} are charged")
