"""Asks and tells on a terminal. Secrets are typed unseen, and never printed."""

from __future__ import annotations

import getpass
from typing import Protocol

from cloud.cli import output
from deploy.errors import DeployError


class Terminal(Protocol):
    """Where the operator is."""

    def say(self, text: str = "") -> None:
        """Prints one line."""

    def ask(self, question: str, default: str = "") -> str:
        """What the operator types; ``default`` for nothing."""

    def ask_secret(self, question: str) -> str:
        """What the operator types, unseen."""


class RealTerminal:
    """The terminal that the command was started from."""

    def say(self, text: str = "") -> None:
        output.line(text)

    def ask(self, question: str, default: str = "") -> str:
        shown = f"{question} [{default}]: " if default else f"{question}: "
        try:
            return input(shown).strip() or default
        except EOFError:
            raise _no_terminal() from None

    def ask_secret(self, question: str) -> str:
        try:
            return getpass.getpass(f"{question} (is not shown): ").strip()
        except EOFError:
            raise _no_terminal() from None


def _no_terminal() -> DeployError:
    return DeployError("an answer is needed, and there is no terminal: run this in one")
