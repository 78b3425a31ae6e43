"""Commands: money that goes back by an operator's hand."""

from __future__ import annotations

import argparse

from cloud.cli import free_credits, output, prices, times
from cloud.cli.commands import Commands
from cloud.cli.desk import AdminError, Desk, operator, plain
from cloud.core import hand_refunds, money, order_refunds
from cloud.core.hand_refunds import HandRefund, RefundState, of_request
from cloud.core.orders import FINISHED, Order, OrderState, Refused


def add_commands(commands: Commands) -> None:
    """``release`` and ``refund``."""
    released = commands.add("release", release, "order_id")
    released.add_argument("--reason", default="", help="told on the player's receipt")
    refunded = commands.add("refund", refund, "order_id")
    refunded.add_argument("--amount", help="as in 0.50 (default: all that is left)")
    refunded.add_argument("--reason", required=True, help="told on the player's receipt")
    free_credits.add_request(refunded)


def release(desk: Desk, args: argparse.Namespace) -> None:
    """Releases an open order now: its player is not charged."""
    order = desk.order(args.order_id)
    note = plain("--reason", args.reason, hand_refunds.LONGEST_REASON) if args.reason else ""
    by = operator()
    done = desk.cloud.releases.release(order, "released by the operator", by, note)
    if done.state in (OrderState.CLAIMED, OrderState.SETTLING):
        raise AdminError(
            f"{done.order_id} is {done.state.value}: its cabinet may be giving the plays, and "
            "the player pays for those alone; `refund` gives money back once it is settled"
        )
    if done.state is OrderState.SETTLED:
        raise AdminError(f"{done.order_id} is settled: `refund` gives its money back")
    output.line(f"{done.order_id} is {done.state.value}")


def refund(desk: Desk, args: argparse.Namespace) -> None:
    """Gives the money of a settled order back, or a part of it, with the reason on the receipt."""
    order = desk.order(args.order_id)
    reason = plain("--reason", args.reason, hand_refunds.LONGEST_REASON)
    request_id = free_credits.request_id(args)
    before = of_request(order.refunds, request_id)
    if before and before.state is not RefundState.ASKED:
        output.line(f"already done: {_told(order, before)}")
        return
    if before:
        amount = before.amount
    elif args.amount is None:
        amount = order_refunds.left(order)
    else:
        amount = prices.amount("--amount", args.amount, order.currency)
    done = desk.cloud.hand_refunds.refund(order, amount, reason, operator(), request_id)
    if isinstance(done, Refused):
        raise AdminError(done.reason)
    made = of_request(done.refunds, request_id)
    assert made is not None
    if made.state is RefundState.ASKED:
        raise AdminError(
            f"{money.text(made.amount, order.currency)} of {order.order_id} goes back as soon as "
            "Stripe answers, or `problems` says why not: the sweep asks each minute; "
            f"`refund … --request {request_id}` asks at once, and never twice"
        )
    if made.state is RefundState.REFUSED:
        raise AdminError(f"{order.order_id} was not refunded: {made.refusal}")
    assert done.state in FINISHED
    output.line(_told(done, made))


def _told(order: Order, refund: HandRefund) -> str:
    amount = money.text(refund.amount, order.currency)
    if refund.state is RefundState.REFUSED:
        return f"the refund of {amount} of {order.order_id} was not made: {refund.refusal}"
    return (
        f"{amount} of {order.order_id} went back for {refund.by} at "
        f"{times.text(refund.asked_at_ms)} ({refund.reason}); request {refund.request_id}"
    )
