"""The life of an order: every state, every arrow, and nothing else.

             claim (once, by the order's own cabinet, before its deadline)
   OPEN ──────────────────────────────▶ CLAIMED ──▶ SETTLING ──▶ SETTLED    charged k of n
    │                                      │
    └──────────▶ RELEASING ──▶ RELEASED    │                                charged nothing
          ▲   deadline passed              │
          └────────────────────────────────┘ only a day before the hold runs out by itself

   RELEASING ──▶ SETTLED    only if Stripe shows a charge for pulses: the ledger was restored from
                            a backup, and has lost the claim and the settle (:func:`rebuild`)

Rules:

1. An arrow is a pure function from the order that it leaves to the order that it makes. The ledger
   stores the new one only if the old one is still there (``Ledger.replace``), so of two racing
   arrows one loses and changes nothing. Each carries the ``write_id`` of its stamp, so that a
   retry knows its own earlier try from somebody else's write.
2. SETTLING and RELEASING are stored before Stripe is asked, SETTLED and RELEASED after it answered.
   What a crash left in between, the sweep finishes.
3. An arrow that does not apply returns a :class:`Refused` with the reason, for people.
4. No arrow leads back.
5. Each arrow says when the sweep has to look at the order next: ``due_at_ms``, or ``None`` for
   never. OPEN, SETTLING and RELEASING orders are due at every sweep, but for those that Stripe has
   refused to finish: they are due an hour later (:func:`refused`).

Amounts are in the currency's smallest unit.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum

from cloud.core.hand_refunds import HandRefund
from cloud.core.limits import LOST_AFTER_S, MOST_CREDITS
from cloud.core.money import part
from cloud.core.order_history import Step, added
from cloud.core.payments import Intent, settled_charge
from cloud.core.stamps import Stamp


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
    OrderState.RELEASING: frozenset({OrderState.RELEASED, OrderState.SETTLED}),
    OrderState.SETTLED: frozenset(),
    OrderState.RELEASED: frozenset(),
}

AFTER_REFUSAL_MS = 3_600_000  # a bank that says no says so again a minute later

FINISHED = frozenset({OrderState.SETTLED, OrderState.RELEASED})
UNFINISHED = frozenset(OrderState) - FINISHED


@dataclass(frozen=True)
class Order:
    """What one completed Checkout Session bought at one cabinet.

    ``order_id`` is the Checkout Session's id. ``held`` tells money that the bank has reserved from
    money that was charged at once; ``hold_until_ms`` is when a hold runs out by itself. ``charged``
    is what the player has paid in the end, ``given_away`` the pulses that were made for nothing.
    ``made`` pulses are known to be over, ``forgiven`` of them are not charged because the game
    forgot them with the power; ``ambiguous`` ones began and may have been made. ``card`` is a keyed
    hash of the player's card, empty once the order has come to its end.
    ``lost`` says that its cabinet had no record of it and settled it with nothing.
    ``refunded`` and ``disputed`` are what happened to the charge after that, by people: money that
    went back, and a bank that takes it back.
    ``refusals`` counts how often Stripe refused to finish it. ``rebuilt`` says that the settle is
    known from Stripe alone; without pulses, nobody knows how many there were. ``history`` is what
    happened to it so far. ``version`` counts the writes, ``write_id`` names the last one.
    ``free`` credits were given by an operator: there is no payment, and Stripe is never asked. What
    an operator did to an order was done ``by`` somebody, with a ``note`` for the player;
    ``refunds`` are those made by hand. ``statement`` is what the card's bill shows.
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
    paid_at_ms: int
    deadline_ms: int
    hold_until_ms: int
    write_id: str
    claim_id: str = ""
    claimed_at_ms: int = 0
    pulsed: int = 0
    pulses: int = 0
    charged: int = 0
    given_away: int = 0
    made: int = 0
    forgiven: int = 0
    ambiguous: int = 0
    card: str = field(default="", repr=False)
    lost: bool = False
    refunded: int = 0
    disputed: bool = False
    refusals: int = 0
    rebuilt: bool = False
    reason: str = ""
    changed_at_ms: int = 0
    due_at_ms: int | None = None
    history: tuple[Step, ...] = ()
    version: int = 1
    free: bool = False
    by: str = ""
    note: str = ""
    refunds: tuple[HandRefund, ...] = ()
    statement: str = ""


@dataclass(frozen=True)
class ClaimRequest:
    """A cabinet takes an order."""

    machine_id: str
    order_id: str
    claim_id: str


@dataclass(frozen=True)
class SettleRequest:
    """A cabinet reports the pulses that it made, and how many of them are to be charged.

    ``made``, ``forgiven`` and ``ambiguous`` are those of :class:`Order`.
    """

    machine_id: str
    order_id: str
    claim_id: str
    pulsed: int
    pulses: int
    made: int = 0
    forgiven: int = 0
    ambiguous: int = 0

    @property
    def not_charged(self) -> int:
        """Ambiguous pulses that the cabinet does not ask to be charged."""
        return self.made - self.forgiven + self.ambiguous - self.pulsed


@dataclass(frozen=True)
class LostRequest:
    """A cabinet has no record of an order that was claimed for it; it makes no pulse for it."""

    machine_id: str
    order_id: str


@dataclass(frozen=True)
class Schedule:
    """How long an order may take: from the payment to its claim, from the claim until it is
    reported as unsettled, and how long before the end of its hold it is abandoned."""

    deadline_ms: int
    unsettled_ms: int
    abandon_before_ms: int

    def abandon_at_ms(self, order: Order) -> int | None:
        """When a claimed order is abandoned; ``None`` if there is no hold that could run out."""
        return order.hold_until_ms - self.abandon_before_ms if order.held else None


class Code(Enum):
    """What the cloud has decided about an order, in the answer to the cabinet that asked."""

    ORDER_UNKNOWN = "order_unknown"
    TOO_LATE = "too_late"
    NOTHING_BOUGHT = "nothing_bought"
    RELEASED = "released"
    CLAIMED_BY_OTHER = "claimed_by_other"
    NOT_CLAIMED = "not_claimed"
    SETTLED_OTHERWISE = "settled_otherwise"
    PULSES_DO_NOT_FIT = "pulses_do_not_fit"
    NOT_LOST_YET = "not_lost_yet"


# A cabinet and the ledger cannot both be right: somebody else speaks for the cabinet, or one of
# the two lost its records.
CONTRADICTIONS = frozenset(
    {
        Code.CLAIMED_BY_OTHER,
        Code.NOT_CLAIMED,
        Code.SETTLED_OTHERWISE,
        Code.PULSES_DO_NOT_FIT,
    }
)


@dataclass(frozen=True)
class Refused:
    """The arrow does not apply; ``reason`` is one sentence for the answer or the log.

    ``code`` says the same to a cabinet; arrows that no cabinet asks for have none.
    """

    reason: str
    code: Code | None = None


def claim(order: Order, request: ClaimRequest, stamp: Stamp, schedule: Schedule) -> Order | Refused:
    """OPEN → CLAIMED. The same ``claim_id`` again returns the order as it is."""
    if order.machine_id != request.machine_id:
        return Refused(f"order {order.order_id} was bought at another cabinet", Code.ORDER_UNKNOWN)
    if order.state is OrderState.OPEN:
        if stamp.at_ms >= order.deadline_ms:
            return Refused(
                "the order's deadline has passed: its money goes back to the player", Code.TOO_LATE
            )
        if not 1 <= order.credits <= MOST_CREDITS:
            return Refused(
                "the order bought nothing that can be given: its money goes back",
                Code.NOTHING_BOUGHT,
            )
        unsettled_at_ms = stamp.at_ms + schedule.unsettled_ms
        abandon_at_ms = schedule.abandon_at_ms(order)
        due_at_ms = (
            unsettled_at_ms if abandon_at_ms is None else min(unsettled_at_ms, abandon_at_ms)
        )
        claimed = _to(order, OrderState.CLAIMED, stamp, due_at_ms)
        return replace(claimed, claim_id=request.claim_id, claimed_at_ms=stamp.at_ms)
    if order.state in (OrderState.RELEASING, OrderState.RELEASED):
        return Refused("the order was released: its money went back to the player", Code.RELEASED)
    if order.claim_id != request.claim_id:
        return Refused("the order is claimed already", Code.CLAIMED_BY_OTHER)
    return order


def settle(order: Order, request: SettleRequest, stamp: Stamp) -> Order | Refused:
    """CLAIMED → SETTLING, or the order as it is for a repeat.

    A settle of an order that was abandoned and released, or that was said to be lost, comes too
    late to be charged: it is recorded as given away.
    """
    pulsed, pulses = request.pulsed, request.pulses
    if not order.claim_id:
        return Refused("the order is not claimed", Code.NOT_CLAIMED)
    if order.claim_id != request.claim_id:
        return Refused("the order is not claimed with this claim_id", Code.CLAIMED_BY_OTHER)
    if pulses % order.credits:
        return Refused(
            f"{pulses} pulses cannot be {order.credits} credits: the settle must match",
            Code.PULSES_DO_NOT_FIT,
        )
    if order.state is OrderState.CLAIMED:
        settling = _to(order, OrderState.SETTLING, stamp, stamp.at_ms)
        return replace(_reported(settling, request), pulsed=pulsed, pulses=pulses)
    known = (order.given_away, order.made) == (pulsed, request.made)
    if order.state in (OrderState.RELEASING, OrderState.RELEASED):
        if known:
            return order
        late = _reported(written(order, stamp, "given away", str(pulsed)), request)
        return replace(late, pulsed=pulsed, pulses=pulses, given_away=pulsed)
    if order.lost:
        # ``pulsed`` stays 0, which is what was charged.
        late = _reported(written(order, stamp, "given away", str(pulsed)), request)
        return order if known else replace(late, given_away=pulsed)
    if (order.pulsed, order.pulses) != (pulsed, pulses):
        return Refused(
            f"the order was settled with {order.pulsed} of {order.pulses} pulses: "
            "the first report counts",
            Code.SETTLED_OTHERWISE,
        )
    return order


def settle_lost(order: Order, stamp: Stamp) -> Order | Refused:
    """CLAIMED → SETTLING with nothing to charge: its cabinet's journal was lost with the order.

    Not before ``LOST_AFTER_S``: until then the cabinet that has the order may well be giving it.
    Anything but a claimed order is returned as it is: there is nothing to lose.
    """
    if order.state is OrderState.OPEN:
        return Refused("the order is not claimed", Code.NOT_CLAIMED)
    if order.state is not OrderState.CLAIMED:
        return order
    if stamp.at_ms - order.claimed_at_ms < LOST_AFTER_S * 1000:
        return Refused(
            f"the order was claimed less than {LOST_AFTER_S} s ago: its cabinet may be giving it",
            Code.NOT_LOST_YET,
        )
    settling = _to(order, OrderState.SETTLING, stamp, stamp.at_ms)
    return replace(settling, pulsed=0, pulses=order.credits, lost=True)


def settled(order: Order, charged: int, stamp: Stamp) -> Order | Refused:
    """SETTLING → SETTLED, after Stripe said what was charged."""
    if order.state is not OrderState.SETTLING:
        return Refused(f"the order is {order.state.value}")
    unpaid = charged == 0 and order.pulsed > 0 and not order.free
    given_away = order.pulsed if unpaid else order.given_away
    done = _to(order, OrderState.SETTLED, stamp, None)
    return replace(done, charged=charged, given_away=given_away, card="")


def release(
    order: Order, reason: str, stamp: Stamp, by: str = "", note: str = ""
) -> Order | Refused:
    """OPEN → RELEASING; CLAIMED → RELEASING only through :func:`abandon`."""
    if order.state is not OrderState.OPEN:
        return Refused(f"the order is {order.state.value}")
    releasing = _to(order, OrderState.RELEASING, stamp, stamp.at_ms)
    return replace(releasing, reason=reason, by=by or order.by, note=note or order.note)


def abandon(order: Order, reason: str, stamp: Stamp) -> Order | Refused:
    """CLAIMED → RELEASING: its cabinet never settled, and the hold is about to run out."""
    if order.state is not OrderState.CLAIMED:
        return Refused(f"the order is {order.state.value}")
    return replace(_to(order, OrderState.RELEASING, stamp, stamp.at_ms), reason=reason)


def released(order: Order, charged: int, stamp: Stamp) -> Order | Refused:
    """RELEASING → RELEASED, after Stripe gave the money back. ``charged`` is 0 if it could."""
    if order.state is not OrderState.RELEASING:
        return Refused(f"the order is {order.state.value}")
    return replace(_to(order, OrderState.RELEASED, stamp, None), charged=charged, card="")


def refused(order: Order, stamp: Stamp) -> Order | Refused:
    """A SETTLING or RELEASING order that Stripe refused to finish, to be tried again later.

    Nothing became of the order itself, so ``changed_at_ms`` stays.
    """
    if order.state not in (OrderState.SETTLING, OrderState.RELEASING):
        return Refused(f"the order is {order.state.value}")
    return replace(
        written(order, stamp),
        changed_at_ms=order.changed_at_ms,
        due_at_ms=stamp.at_ms + AFTER_REFUSAL_MS,
        refusals=order.refusals + 1,
    )


def rebuild(order: Order, intent: Intent, stamp: Stamp) -> Order | Refused:
    """The order as the settle left it that this ledger has lost, by what Stripe says of its charge.

    For an order that is not stored yet, and RELEASING → SETTLED for one that a restored ledger
    still had as it was before its claim.
    """
    if order.state not in (OrderState.OPEN, OrderState.RELEASING):
        return Refused(f"the order is {order.state.value}")
    charged = settled_charge(intent, order.currency)
    return replace(
        written(order, stamp, OrderState.SETTLED.value),
        state=OrderState.SETTLED,
        due_at_ms=None,
        pulsed=intent.pulsed,
        pulses=intent.pulses,
        charged=charged,
        refunded=max(0, charged - intent.charged),
        disputed=intent.disputed,
        rebuilt=True,
        reason="rebuilt from what Stripe charged",
    )


def report_unsettled(order: Order, stamp: Stamp, schedule: Schedule) -> Order | Refused:
    """Moves a CLAIMED order, which was reported as unsettled, on to when it is abandoned.

    Nothing became of the order itself, so ``changed_at_ms`` stays.
    """
    if order.state is not OrderState.CLAIMED:
        return Refused(f"the order is {order.state.value}")
    return replace(
        written(order, stamp, "unsettled"),
        changed_at_ms=order.changed_at_ms,
        due_at_ms=schedule.abandon_at_ms(order),
    )


def postpone(order: Order, stamp: Stamp) -> Order | Refused:
    """Puts an order whose money could not be moved behind the others that are due.

    Nothing became of the order itself, so ``changed_at_ms`` stays.
    """
    if order.state not in (OrderState.SETTLING, OrderState.RELEASING):
        return Refused(f"the order is {order.state.value}")
    return replace(written(order, stamp), changed_at_ms=order.changed_at_ms, due_at_ms=stamp.at_ms)


def record_refund(order: Order, refunded: int, disputed: bool, stamp: Stamp) -> Order | Refused:
    """What people did to a finished order's charge. The same again returns the order as it is."""
    if order.state not in FINISHED:
        return Refused(f"the order is {order.state.value}")
    if (order.refunded, order.disputed) == (refunded, disputed):
        return order
    what = "refunded" if disputed == order.disputed else "disputed"
    recorded = written(order, stamp, what, str(refunded))
    return replace(recorded, refunded=refunded, disputed=disputed)


def amount_due(order: Order) -> int:
    """What the player owes for the pulses made, in the currency's smallest unit."""
    if order.state in (OrderState.RELEASING, OrderState.RELEASED):
        return 0
    return part(order.amount, order.pulsed, order.pulses, order.currency)


def _reported(order: Order, request: SettleRequest) -> Order:
    """The order with what its cabinet says was made, whatever is charged for it."""
    return replace(order, made=request.made, forgiven=request.forgiven, ambiguous=request.ambiguous)


def _to(order: Order, state: OrderState, stamp: Stamp, due_at_ms: int | None) -> Order:
    assert state in ARROWS[order.state], f"no arrow leads from {order.state} to {state}"
    return replace(written(order, stamp, state.value), state=state, due_at_ms=due_at_ms)


def written(order: Order, stamp: Stamp, what: str = "", detail: str = "") -> Order:
    """The order as the next write, with ``what`` as its next step if that is one."""
    step = Step(stamp.at_ms, what, detail)
    return replace(
        order,
        version=order.version + 1,
        write_id=stamp.write_id,
        changed_at_ms=stamp.at_ms,
        history=added(order.history, step) if what else order.history,
    )
