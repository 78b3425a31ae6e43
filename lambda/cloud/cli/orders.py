"""Commands: the orders of the last days, and the life of one."""

from __future__ import annotations

import argparse
from typing import Any

from cloud.cli import listing, output, times
from cloud.cli.commands import Commands
from cloud.cli.desk import Desk
from cloud.cli.listing import Column
from cloud.core import money, order_life
from cloud.core.orders import Order, OrderState
from cloud.core.stamps import to_ms

SHOWN_LETTERS = 8  # of an order's id: as many as a receipt shows


def add_commands(commands: Commands) -> None:
    """``orders`` and ``order``."""
    listed = commands.add("orders", orders)
    listed.add_argument("machine_id", nargs="?")
    listed.add_argument("--days", type=times.days, default=7.0)
    listed.add_argument("--state", choices=[state.value for state in OrderState])
    listed.add_argument("--free", action="store_true", help="only free credits")
    listing.add_options(listed)
    listing.add_json(commands.add("order", order, "order_id"))


def orders(desk: Desk, args: argparse.Namespace) -> None:
    """Lists the orders of the last days, the oldest first; `order` takes the letters of each."""
    since_ms = desk.now_ms() - to_ms(args.days * 86400)
    found = (
        order
        for order in desk.ledger.lagging_orders(args.machine_id or "", since_ms)
        if args.state in (None, order.state.value) and (order.free or not args.free)
    )
    page, more = listing.page(found, args)
    if args.json:
        listing.show_json([as_json(order) for order in page], args, more)
        return
    columns = [
        Column("PAID (UTC)"),
        Column("CABINET", gives=True),
        Column("STATE"),
        Column("AMOUNT", right=True),
        Column("PULSES", right=True),
        Column("MONEY", gives=True),
        Column("ORDER"),
    ]
    listing.table(columns, [_row(order) for order in page])
    for listed in page:
        if listed.reason:
            output.wrapped(f"…{listed.order_id[-SHOWN_LETTERS:]}: {listed.reason}")
    listing.tell_more(args, more)


def _row(order: Order) -> list[str]:
    paid = times.text(order.paid_at_ms)[5:16]
    if order.free:
        amount, brought = "free", "free"
    else:
        amount = money.text(order.amount, order.currency)
        brought = f"charged {money.text(order.charged, order.currency)}"
    if order.refunded:
        brought += f", {money.text(order.refunded, order.currency)} back"
    return [
        paid,
        order.machine_id,
        order.state.value,
        amount,
        f"{order.pulsed}/{order.pulses}",
        brought + _uncharged(order),
        order.order_id[-SHOWN_LETTERS:],
    ]


def order(desk: Desk, args: argparse.Namespace) -> None:
    """Tells one order's life, from the payment to where the money is."""
    found = desk.order(args.order_id)
    incidents = [
        incident
        for incident in desk.ledger.lagging_incidents(found.paid_at_ms)
        if incident.order_id == found.order_id
    ]
    if args.json:
        told = [vars(incident) for incident in incidents]
        listing.document({**as_json(found), "incidents": told})
        return
    payment = "free" if found.free else f"payment {found.intent_id}"
    output.line(f"{found.order_id}  {found.machine_id}  {payment}")
    for step in order_life.life(found):
        output.line(f"{times.text(step.at_ms, 'milliseconds')}  {step.where:7}  {step.sentence}")
    output.line(order_life.outcome(found))
    for incident in incidents:
        output.line(f"incident at {times.text(incident.at_ms)}: {incident.text}")
        if incident.todo:
            output.line(f"    to do: {incident.todo}")


def as_json(order: Order) -> dict[str, Any]:
    """An order for programs; nothing in it tells one card from another."""
    names = (
        "order_id machine_id quantity credits amount currency intent_id held free by note "
        "paid_at_ms claimed_at_ms changed_at_ms pulsed pulses made forgiven ambiguous charged "
        "given_away refunded disputed lost reason"
    )
    refunds = [{**vars(refund), "state": refund.state.value} for refund in order.refunds]
    return {
        **{name: getattr(order, name) for name in names.split()},
        "state": order.state.value,
        "refunds": refunds,
        "history": [dict(vars(step)) for step in order.history],
    }


def _uncharged(order: Order) -> str:
    """The pulses of an order that were made, or may have been, and that nobody pays for."""
    uncharged = {"forgiven": order.forgiven, "ambiguous": order.ambiguous}
    return "".join(f", {count} {name}" for name, count in uncharged.items() if count)
