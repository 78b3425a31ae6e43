"""The writes of an order whose charge is refunded by hand; none of them moves it to another state.

(finished, charged) ── ask ──▶ one refund ASKED, due ── made ──▶ DONE
                                                     └─ refuse ──▶ REFUSED
"""

from __future__ import annotations

from dataclasses import replace

from cloud.core import money
from cloud.core.hand_refunds import MOST, HandRefund, RefundState, of_request, pending
from cloud.core.orders import FINISHED, Order, OrderState, Refused, written
from cloud.core.stamps import Stamp

# A call of Stripe that has begun is over by then.
AGAIN_MS = 60_000


def left(order: Order) -> int:
    """What can still go back of an order's charge, in the currency's smallest unit."""
    asked = pending(order.refunds)
    return max(0, order.charged - order.refunded - (asked.amount if asked else 0))


def ask(order: Order, refund: HandRefund, stamp: Stamp) -> Order | Refused:
    """The order with a refund to be made. The same request again returns it as it is."""
    if of_request(order.refunds, refund.request_id):
        return order
    if refusal := _refusal(order, refund):
        return Refused(refusal)
    asked = replace(order, refunds=(*order.refunds, refund))
    return replace(written(asked, stamp), due_at_ms=stamp.at_ms + AGAIN_MS)


def again_later(order: Order, stamp: Stamp) -> Order | Refused:
    """The order whose refund could not be asked for now, behind the others that are due."""
    if pending(order.refunds) is None:
        return Refused("no refund of the order waits")
    return replace(
        written(order, stamp),
        changed_at_ms=order.changed_at_ms,
        due_at_ms=stamp.at_ms + AGAIN_MS,
    )


def made(order: Order, request_id: str, refunded: int, stamp: Stamp) -> Order | Refused:
    """The order after Stripe made the refund; ``refunded`` is what has gone back in all."""
    done = _with_state(order, request_id, RefundState.DONE, "")
    if isinstance(done, Refused):
        return done
    told = written(done, stamp, "refunded by hand", request_id)
    return replace(told, refunded=refunded, due_at_ms=None)


def refuse(order: Order, request_id: str, why: str, stamp: Stamp) -> Order | Refused:
    """The order after Stripe refused the refund: it is not tried again."""
    refused = _with_state(order, request_id, RefundState.REFUSED, why)
    if isinstance(refused, Refused):
        return refused
    return replace(written(refused, stamp, "refund refused", why), due_at_ms=None)


def _refusal(order: Order, refund: HandRefund) -> str:
    """Why a refund cannot be asked for; nothing if it can."""
    name = order.order_id
    if order.free:
        return f"{name} was free: nobody paid for it"
    if order.state is OrderState.OPEN:
        return f"{name} is not charged yet: `release` gives all of its money back"
    if order.state is OrderState.CLAIMED:
        return (
            f"{name} is not charged yet, and its cabinet may be giving the plays: wait until it "
            "is settled; a cabinet that never settles it costs the player nothing"
        )
    if order.state not in FINISHED:
        return f"{name} is {order.state.value}: its money moves in a minute, refund it then"
    if order.disputed:
        return f"the player's bank disputes {name}: answer it in Stripe's dashboard"
    if pending(order.refunds):
        return f"an earlier refund of {name} is not made yet: it is asked for each minute"
    if len(order.refunds) >= MOST:
        return f"{name} has {MOST} refunds already: make others in Stripe's dashboard"
    most = left(order)
    if most == 0:
        return f"of {name} nothing is left to give back"
    if not 0 < refund.amount <= most:
        return f"of {name} at most {money.text(most, order.currency)} can go back"
    if refund.amount % money.step(order.currency) and refund.amount != most:
        return f"{order.currency} goes back in steps of {money.step(order.currency)} only"
    return ""


def _with_state(order: Order, request_id: str, state: RefundState, why: str) -> Order | Refused:
    found = of_request(order.refunds, request_id)
    if found is None or found.state is not RefundState.ASKED:
        return Refused("no such refund of the order waits")
    changed = tuple(
        replace(refund, state=state, refusal=why) if refund is found else refund
        for refund in order.refunds
    )
    return replace(order, refunds=changed)
