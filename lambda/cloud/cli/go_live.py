"""Command: go live, or to another Stripe account."""

from __future__ import annotations

import argparse

from cloud.adapters.stripe_gateway import StripeRefused, StripeUnavailable
from cloud.cli import output
from cloud.cli.commands import Commands
from cloud.cli.desk import AdminError, Desk
from cloud.stores.base import LedgerUnavailable


def add_commands(commands: Commands) -> None:
    """``go-live``."""
    commands.add("go-live", go_live).add_argument(
        "--check", action="store_true", help="only look whether everything is right"
    )


def go_live(desk: Desk, args: argparse.Namespace) -> None:
    """Checks key and settings, and gives every cabinet a link of this Stripe account."""
    going_live = desk.cloud.going_live
    mistakes = going_live.mistakes()
    if mistakes:
        raise AdminError(f"nothing was changed: {'; '.join(mistakes)}")
    if args.check:
        output.line("everything is right: `go-live` gives the cabinets their links")
        return
    failed = []
    for cabinet in going_live.cabinets():
        try:
            output.line(f"{cabinet.machine_id}  {going_live.renew(cabinet)}")
        except (LedgerUnavailable, StripeRefused, StripeUnavailable) as error:
            failed.append(f"{cabinet.machine_id}: {error}")
    if failed:
        raise AdminError(f"run this again, these have no link: {'; '.join(failed)}")
    output.line("the cabinets take payments with this account")
