"""Command: free credits."""

from __future__ import annotations

import argparse
import re

from cloud.cli import output, times
from cloud.cli.commands import Commands
from cloud.cli.desk import AdminError, Desk, new_request_id, operator, plain
from cloud.core.free_credits import LONGEST_REASON, MOST, Grant
from cloud.core.stamps import to_ms

MOST_MINUTES = 24 * 60


def add_commands(commands: Commands) -> None:
    """``credit``."""
    made = commands.add("credit", credit, "machine_id")
    made.add_argument("credits", type=int)
    made.add_argument("--reason", required=True, help="kept with the order, as in 'ate a coin'")
    made.add_argument(
        "--minutes", type=float, default=10.0, help="withdrawn if not fetched by then (default: 10)"
    )
    add_request(made)


def add_request(command: argparse.ArgumentParser) -> None:
    """``--request``."""
    command.add_argument(
        "--request", metavar="ID", help="a name for this: the same one again does nothing more"
    )


def request_id(args: argparse.Namespace) -> str:
    """The name of the request, or a new one."""
    if args.request is None:
        return new_request_id()
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", args.request):
        raise AdminError(f"--request {args.request!r} must be 1 to 64 of a-z A-Z 0-9 _ -")
    return str(args.request)


def credit(desk: Desk, args: argparse.Namespace) -> None:
    """Gives a cabinet free credits; who gave them and why is kept."""
    cabinet = desk.cabinet(args.machine_id)
    if not 1 <= args.credits <= MOST:
        raise AdminError(f"{args.credits} credits at once: 1 to {MOST} can be given")
    if not 0 < args.minutes <= MOST_MINUTES:
        raise AdminError(f"--minutes must be a number above 0, {MOST_MINUTES} at most")
    reason = plain("--reason", args.reason, LONGEST_REASON)
    grant = Grant(cabinet.machine_id, args.credits, reason, operator(), request_id(args))
    order, new = desk.cloud.free_credits.give(cabinet, grant, to_ms(args.minutes * 60))
    if not new:
        output.line(
            f"{order.order_id} was given already, at {times.text(order.paid_at_ms)}, with "
            f"{order.credits} credits for {order.note!r}: it is {order.state.value}"
        )
        return
    output.line(f"{order.order_id}: {order.credits} free credits wait for {order.machine_id}")
