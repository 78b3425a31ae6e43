"""The order book: how far each order is in this cabinet, as the fold of the journal's entries.

            CLAIM            CLAIMED              SETTLE            SETTLED
   (hint) ────────▶ CLAIMING ────────▶ PULSING ────────▶ SETTLING ────────▶ done
                       │ REFUSED                             ▲
                       └─────────▶ done          PULSE_BEGINS 1, PULSE_OVER 1, PULSE_BEGINS 2, …
                                                 POWER_LOST, then FORGIVEN or NOT_FORGIVEN

Rules:

1. Pulses are numbered from 1 and begin in order, each once. A pulse that began is never begun
   again, whether its end is in the book or not: without it, it is ambiguous.
2. The book is folded entry by entry while the kiosk runs, and the same way after a restart, so
   what runs and what is read after a crash cannot differ.
3. An order that is done may be claimed again: only the latest finished ones are remembered, and a
   hint for an older one may come late. The cloud refuses a second claim id, so the order ends
   without another pulse.
4. Where the power was lost after pulses had begun, it is decided, before another one is made,
   whether they are forgiven: then they are not charged, and those that would make only a part of
   a credit are not made any more.
5. An entry that does not fit those before it raises :class:`BadEntry`: such a book is not used.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum

from kiosk.core.entries import Entry, Kind

# Finished orders whose late hints are known for what they are, and whose settle could be repeated.
REMEMBERED = 200


class BadEntry(Exception):
    """The entry does not follow from those before it: this kiosk cannot have written them."""


class OrderStage(Enum):
    """How far an order is in this cabinet."""

    CLAIMING = "claiming"
    PULSING = "pulsing"
    SETTLING = "settling"


@dataclass(frozen=True)
class OrderProgress:
    """An order that this cabinet is not done with.

    Without a ``claim_id`` it is one that the journal had lost, and the cloud told of.
    ``begun`` pulses began, ``made`` of them are known to be over; ``lost_begun`` and ``lost_made``
    of these the game forgot when the power was lost, and they are forgiven. ``undecided`` is how
    many had begun when the power was lost, as long as nobody knows what becomes of them; else 0.
    ``pulsed`` is what the settle says.
    """

    order_id: str
    claim_id: str
    stage: OrderStage = OrderStage.CLAIMING
    credits: int = 0
    pulses: int = 0
    begun: int = 0
    made: int = 0
    lost_begun: int = 0
    lost_made: int = 0
    undecided: int = 0
    pulsed: int = 0

    @property
    def ambiguous(self) -> int:
        """Pulses that began and whose end is not in the book."""
        return self.begun - self.made - (self.lost_begun - self.lost_made)

    @property
    def last(self) -> int:
        """The number of the last pulse to make: with it, whole credits were given."""
        each = self.pulses // self.credits if self.credits else 1
        return self.lost_begun + (self.pulses - self.lost_begun) // each * each


@dataclass(frozen=True)
class OrderBook:
    """The unfinished orders, oldest first, and what the game still owes the player.

    ``done`` orders were settled here, ``refused`` ones were refused by the cloud; the latest of
    both are kept.
    """

    unfinished: Mapping[str, OrderProgress] = field(default_factory=dict)
    done: Mapping[str, OrderProgress] = field(default_factory=dict)
    refused: tuple[str, ...] = ()
    credits_left: int = 0

    def knows(self, order_id: str) -> bool:
        """Whether a hint for this order says nothing new."""
        return order_id in self.unfinished or order_id in self.done or order_id in self.refused


def fold(entries: Iterable[Entry]) -> OrderBook:
    """The book that these entries make."""
    book = OrderBook()
    for entry in entries:
        book = apply(book, entry)
    return book


def apply(book: OrderBook, entry: Entry) -> OrderBook:
    """The book with one more entry. Raises :class:`BadEntry`."""
    match entry.kind:
        case Kind.CREDITS_LEFT:
            return replace(book, credits_left=entry.number)
        case Kind.CLAIM:
            if entry.order_id in book.unfinished:
                raise BadEntry(f"order {entry.order_id} is claimed twice")
            return _with(book, OrderProgress(entry.order_id, entry.claim_id))
    order = book.unfinished.get(entry.order_id)
    if order is None:
        raise BadEntry(f"'{entry.kind.value}' for order {entry.order_id}, which was never claimed")
    match entry.kind, order.stage:
        case Kind.CLAIMED, OrderStage.CLAIMING if entry.credits > 0 and entry.pulses > 0:
            return _with(
                book,
                replace(
                    order, stage=OrderStage.PULSING, credits=entry.credits, pulses=entry.pulses
                ),
            )
        case Kind.REFUSED, OrderStage.CLAIMING:
            book = _without(book, order)
            return replace(book, refused=(*book.refused, order.order_id)[-REMEMBERED:])
        case Kind.PULSE_BEGINS, OrderStage.PULSING if (
            entry.number == order.begun + 1 <= order.last and not order.undecided
        ):
            return _with(book, replace(order, begun=entry.number))
        # The last pulse ends once: after that as many are over as may be, given the ambiguous ones.
        case Kind.PULSE_OVER, OrderStage.PULSING if order.made < entry.number == order.begun:
            book = _with(book, replace(order, made=order.made + 1))
            each = order.pulses // order.credits
            gained = 1 if (entry.number - order.lost_begun) % each == 0 else 0
            return replace(book, credits_left=book.credits_left + gained)
        case Kind.POWER_LOST, OrderStage.PULSING if entry.number == order.begun > order.lost_begun:
            return _with(book, replace(order, undecided=order.begun))
        case Kind.FORGIVEN, OrderStage.PULSING if entry.number == order.begun:
            forgiven = replace(order, lost_begun=order.begun, lost_made=order.made, undecided=0)
            return _with(book, forgiven)
        case Kind.NOT_FORGIVEN, OrderStage.PULSING if entry.number == order.undecided > 0:
            return _with(book, replace(order, undecided=0))
        case Kind.SETTLE, OrderStage.PULSING if 0 <= entry.number <= order.begun - order.lost_begun:
            return _with(book, replace(order, stage=OrderStage.SETTLING, pulsed=entry.number))
        case Kind.SETTLED, OrderStage.SETTLING:
            book = _without(book, order)
            done = {key: value for key, value in book.done.items() if key != order.order_id}
            done[order.order_id] = order
            while len(done) > REMEMBERED:
                del done[next(iter(done))]
            return replace(book, done=done)
    raise BadEntry(
        f"'{entry.kind.value}' number {entry.number} does not follow for order {entry.order_id}, "
        f"which is {order.stage.value} with {order.begun} of {order.pulses} pulses begun"
    )


def _with(book: OrderBook, order: OrderProgress) -> OrderBook:
    return replace(book, unfinished={**book.unfinished, order.order_id: order})


def _without(book: OrderBook, order: OrderProgress) -> OrderBook:
    left = {key: value for key, value in book.unfinished.items() if key != order.order_id}
    return replace(book, unfinished=left)
