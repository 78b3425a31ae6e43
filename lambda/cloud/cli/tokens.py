"""Commands: a cabinet's token, replaced at once or rotated."""

from __future__ import annotations

import argparse

from cloud.cli import broker_accounts, config_files, output, times
from cloud.cli.commands import Commands
from cloud.cli.desk import AdminError, Desk
from cloud.core import cabinets
from cloud.core.stamps import to_ms
from cloud.services import cabinet_tokens

MOST_HOURS = 24 * 31


def add_commands(commands: Commands) -> None:
    """``token`` and ``rotate``."""
    renewed = commands.add("token", token)
    renewed.add_argument("machine_id")
    config_files.add_after_power_cut(renewed)
    config_files.add_output(renewed)
    broker_accounts.add_arguments(renewed)
    rotated = commands.add("rotate", rotate)
    rotated.add_argument("machine_id")
    rotated.add_argument(
        "--hours",
        type=float,
        default=24.0,
        help="how long the old token counts too, at most (default: 24)",
    )
    config_files.add_output(rotated)


def token(desk: Desk, args: argparse.Namespace) -> None:
    """Replaces a cabinet's token and makes its config file; the old token stops working."""
    cabinet = desk.cabinet(args.machine_id)
    made, digest = cabinet_tokens.new(cabinet.machine_id)
    with config_files.opened(args) as file:
        desk.replace(cabinet, cabinets.with_token(cabinet, digest, desk.stamp()))
        config_files.hand_out(desk, cabinet, made, args, file)


def rotate(desk: Desk, args: argparse.Namespace) -> None:
    """Makes a cabinet a new token; the old one counts until a heartbeat comes with the new one."""
    if not 0 < args.hours <= MOST_HOURS:
        raise AdminError(f"--hours must be a number above 0, {MOST_HOURS} at most")
    cabinet = desk.cabinet(args.machine_id)
    made, digest = cabinet_tokens.new(cabinet.machine_id)
    with config_files.opened(args) as file:
        stamp = desk.stamp()
        until_ms = stamp.at_ms + to_ms(args.hours * 3600)
        desk.replace(cabinet, cabinets.rotate_token(cabinet, digest, until_ms, stamp))
        text = f'token = "{made}"\n'
        if file is None:
            output.document(text)
        else:
            file.write(text)
    output.error(
        f"{cabinet.machine_id}: put this line in the place of the old one in [cloud] of its config "
        f"file, and start its kiosk anew before {times.text(until_ms)} UTC; until then the old "
        "token counts too"
    )
