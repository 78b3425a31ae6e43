"""The life of an order: every state, every arrow, and nothing else.

             claim (once, by the order's own cabinet, before its deadline)
   OPEN ──────────────────────────────▶ CLAIMED ──▶ SETTLING ──▶ SETTLED    charged k of n
    │                                      │
    └──────────▶ RELEASING ──▶ RELEASED    │                                charged nothing
          ▲   deadline passed              │
          └────────────────────────────────┘ only a day before the hold runs out by itself

Rules:

1. An arrow is a pure function from the order that it leaves to the order that it makes. The ledger
   stores the new one only if the old one is still there (``Ledger.replace``), so of two racing
   arrows one loses and changes nothing.
2. SETTLING and RELEASING are stored before Stripe is asked, SETTLED and RELEASED after it answered.
   What a crash left in between, the sweep finishes.
3. An arrow that does not apply returns a :class:`Refused` with the reason, for people.
4. No arrow leads back.

Times are seconds since the epoch by the cloud's clock; amounts are in the currency's smallest unit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

from cloud.core.money import part


class OrderState(Enum):
    """Where an order is in its life."""

    OPEN = "open"
    CLAIMED = "claimed"
    SETTLING = "settling"
    SETTLED = "settled"
    RELEASING = "releasing"
    RELEASED = "released"


ARROWS: dict[OrderState, frozenset[OrderState]] = {
    OrderState.OPEN: frozenset({OrderState.CLAIMED, OrderState.RELEASING}),
    OrderState.CLAIMED: frozenset({OrderState.SETTLING, OrderState.RELEASING}),
    OrderState.SETTLING: frozenset({OrderState.SETTLED}),
    OrderState.RELEASING: frozenset({OrderState.RELEASED}),
    OrderState.SETTLED: frozenset(),
    OrderState.RELEASED: frozenset(),
}

FINISHED = frozenset({OrderState.SETTLED, OrderState.RELEASED})
UNFINISHED = frozenset(OrderState) - FINISHED


@dataclass(frozen=True)
class Order:
    """What one completed Checkout Session bought at one cabinet.

    ``order_id`` is the Checkout Session's id. ``held`` tells money that the bank has reserved from
    money that was charged at once; ``hold_until`` is when a hold runs out by itself. ``charged`` is
    what the player has paid in the end, ``given_away`` the pulses that were made for nothing.
    ``refunded`` and ``disputed`` are what happened to the charge after that, by people: money that
    went back, and a bank that takes it back.
    ``version`` counts the writes.
    """

    order_id: str
    machine_id: str
    state: OrderState
    quantity: int
    credits: int
    amount: int
    currency: str
    intent_id: str
    held: bool
    paid_at: float
    deadline: float
    hold_until: float
    claim_id: str = ""
    claimed_at: float = 0.0
    pulsed: int = 0
    pulses: int = 0
    charged: int = 0
    given_away: int = 0
    refunded: int = 0
    disputed: bool = False
    reason: str = ""
    changed_at: float = 0.0
    version: int = 1


@dataclass(frozen=True)
class Refused:
    """The arrow does not apply; ``reason`` is one sentence for the answer or the log."""

    reason: str


def claim(order: Order, machine_id: str, claim_id: str, now: float) -> Order | Refused:
    """OPEN → CLAIMED. The same ``claim_id`` again returns the order as it is."""
    if order.machine_id != machine_id:
        return Refused(f"order {order.order_id} was bought at another cabinet")
    if order.state is OrderState.OPEN:
        if now >= order.deadline:
            return Refused("the order's deadline has passed: its money goes back to the player")
        if order.credits < 1:
            return Refused("the order bought nothing on the price list: its money goes back")
        return _to(order, OrderState.CLAIMED, now, claim_id=claim_id, claimed_at=now)
    if order.state in (OrderState.RELEASING, OrderState.RELEASED):
        return Refused("the order was released: its money went back to the player")
    if order.claim_id != claim_id:
        return Refused("the order is claimed already")
    return order


def settle(order: Order, claim_id: str, pulsed: int, pulses: int, now: float) -> Order | Refused:
    """CLAIMED → SETTLING, or the order as it is for a repeat.

    A settle of an order that was given up and released is recorded as given away.
    """
    if order.claim_id != claim_id or not order.claim_id:
        return Refused("the order is not claimed with this claim_id")
    if pulses % order.credits:
        return Refused(f"{pulses} pulses cannot be {order.credits} credits: the settle must match")
    if order.state is OrderState.CLAIMED:
        return _to(order, OrderState.SETTLING, now, pulsed=pulsed, pulses=pulses)
    if order.state in (OrderState.RELEASING, OrderState.RELEASED):
        if order.given_away == pulsed:
            return order
        return _changed(order, now, pulsed=pulsed, pulses=pulses, given_away=pulsed)
    if (order.pulsed, order.pulses) != (pulsed, pulses):
        return Refused(
            f"the order was settled with {order.pulsed} of {order.pulses} pulses: "
            "the first report counts"
        )
    return order


def settled(order: Order, charged: int, now: float) -> Order | Refused:
    """SETTLING → SETTLED, after Stripe said what was charged."""
    if order.state is not OrderState.SETTLING:
        return Refused(f"the order is {order.state.value}")
    given_away = order.pulsed if charged == 0 and order.pulsed > 0 else 0
    return _to(order, OrderState.SETTLED, now, charged=charged, given_away=given_away)


def release(order: Order, reason: str, now: float) -> Order | Refused:
    """OPEN → RELEASING; CLAIMED → RELEASING only through :func:`give_up`."""
    if order.state is not OrderState.OPEN:
        return Refused(f"the order is {order.state.value}")
    return _to(order, OrderState.RELEASING, now, reason=reason)


def give_up(order: Order, reason: str, now: float) -> Order | Refused:
    """CLAIMED → RELEASING: its cabinet never settled, and the hold is about to run out."""
    if order.state is not OrderState.CLAIMED:
        return Refused(f"the order is {order.state.value}")
    return _to(order, OrderState.RELEASING, now, reason=reason)


def released(order: Order, charged: int, now: float) -> Order | Refused:
    """RELEASING → RELEASED, after Stripe gave the money back. ``charged`` is 0 if it could."""
    if order.state is not OrderState.RELEASING:
        return Refused(f"the order is {order.state.value}")
    return _to(order, OrderState.RELEASED, now, charged=charged)


def noted(order: Order, refunded: int, disputed: bool, now: float) -> Order | Refused:
    """What people did to a finished order's charge. The same again returns the order as it is."""
    if order.state not in FINISHED:
        return Refused(f"the order is {order.state.value}")
    if (order.refunded, order.disputed) == (refunded, disputed):
        return order
    return _changed(order, now, refunded=refunded, disputed=disputed)


def due(order: Order) -> int:
    """What the player owes for the pulses made, in the currency's smallest unit."""
    if order.state in (OrderState.RELEASING, OrderState.RELEASED):
        return 0
    return part(order.amount, order.pulsed, order.pulses, order.currency)


def _to(order: Order, state: OrderState, now: float, **changes: object) -> Order:
    assert state in ARROWS[order.state], f"no arrow leads from {order.state} to {state}"
    return _changed(order, now, state=state, **changes)


def _changed(order: Order, now: float, **changes: object) -> Order:
    return replace(order, version=order.version + 1, changed_at=now, **changes)  # type: ignore[arg-type]
