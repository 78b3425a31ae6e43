"""The operator's commands: every one of them, and how one is run."""

from __future__ import annotations

import argparse
from pathlib import Path

from cloud.cli import (
    cabinets,
    free_credits,
    go_live,
    halls,
    ledger_backup,
    orders,
    prices,
    problems,
    reconcile,
    refunds,
    takings,
    tokens,
)
from cloud.cli.commands import Commands
from cloud.cli.desk import Desk

GROUPS = (
    cabinets,
    tokens,
    prices,
    halls,
    free_credits,
    orders,
    refunds,
    takings,
    problems,
    reconcile,
    ledger_backup,
    go_live,
)


def parser() -> argparse.ArgumentParser:
    """The command line, for ``main`` and for the test of the documentation."""
    top = argparse.ArgumentParser(
        prog="arcade-admin",
        description="Manages the cloud's cabinets, their prices, tokens, orders and takings.",
    )
    which = top.add_mutually_exclusive_group()
    which.add_argument(
        "--data", type=Path, help="the folder of a sandbox to work on, in place of a cloud"
    )
    which.add_argument(
        "--env-file",
        type=Path,
        metavar="FILE",
        help="the cloud's settings, NAME=value; without it ARCADE_ENV names the file, or the "
        "environment has them",
    )
    top.add_argument("--debug", action="store_true", help="show tracebacks")
    commands = Commands(top)
    for group in GROUPS:
        group.add_commands(commands)
    return top


def run(desk: Desk, args: argparse.Namespace) -> None:
    """Does the command that was typed."""
    args.run(desk, args)
