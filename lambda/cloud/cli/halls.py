"""Command: the hall in which a cabinet stands, and the hall's share of what it brings."""

from __future__ import annotations

import argparse
import re

from cloud.cli import output
from cloud.cli.commands import Commands
from cloud.cli.desk import AdminError, Desk, plain
from cloud.core import cabinets
from cloud.core.cabinets import Cabinet

LONGEST_NAME = 60
WHOLE_BP = 100_00


def add_commands(commands: Commands) -> None:
    """``hall``."""
    made = commands.add("hall", hall, "machine_id")
    made.add_argument("name", nargs="?", default="", help="none takes the cabinet out of its hall")
    made.add_argument(
        "--share", help="percent of the takings that are the hall's, as in 30 or 12.5"
    )


def hall(desk: Desk, args: argparse.Namespace) -> None:
    """Says in which hall a cabinet stands, and what share of the takings is the hall's."""
    cabinet = desk.cabinet(args.machine_id)
    if not args.name and args.share is not None:
        raise AdminError("a share needs the hall's name too")
    name = plain("the hall's name", args.name, LONGEST_NAME) if args.name else ""
    share = _share(args.share) if args.share is not None else cabinet.share_bp if name else 0
    changed = cabinets.with_hall(cabinet, name, share, desk.stamp())
    desk.replace(cabinet, changed)
    output.line(f"{cabinet.machine_id}: {text(changed) if name else 'in no hall'}")


def text(cabinet: Cabinet) -> str:
    """The hall with its share."""
    return f"{cabinet.hall}, {cabinet.share_bp / 100:g} % of the takings are the hall's"


def _share(word: str) -> int:
    """Percent, in hundredths of one."""
    if not re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,2})?", word) or float(word) > 100:
        raise AdminError(f"--share {word} is no share: say percent, as in 30 or 12.5")
    return round(float(word) * 100)
