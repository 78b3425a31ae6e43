"""How a command is declared: its name, the function that does it, and its options."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from cloud.cli.desk import Desk

Run = Callable[[Desk, argparse.Namespace], None]


class Commands:
    """The commands of one parser."""

    def __init__(self, top: argparse.ArgumentParser) -> None:
        self._made = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(self, name: str, run: Run, *arguments: str) -> argparse.ArgumentParser:
        """A command that ``run`` does; its first line of documentation is the help."""
        said = str(run.__doc__).strip().partition("\n")[0]
        made = self._made.add_parser(name, help=said, description=said)
        for argument in arguments:
            made.add_argument(argument)
        made.set_defaults(run=run)
        return made
