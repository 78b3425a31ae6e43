"""Commands: write the ledger to a file, and read it into an empty one, of whichever store."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from pathlib import Path

from cloud.cli import output
from cloud.cli.commands import Commands
from cloud.cli.desk import Desk
from cloud.services import ledger_backup
from cloud.stores.base import Ledger


def add_commands(commands: Commands) -> None:
    """``backup`` and ``restore``."""
    commands.add("backup", _backup).add_argument("file", type=Path)
    commands.add("restore", _restore).add_argument("file", type=Path)


def _backup(desk: Desk, args: argparse.Namespace) -> None:
    """Writes the whole ledger to a new file; nobody may write to it meanwhile."""
    backup(desk.ledger, args.file, desk.stamp().write_id)


def _restore(desk: Desk, args: argparse.Namespace) -> None:
    """Reads a backup into an empty ledger, of this or another kind of store."""
    restore(desk.ledger, args.file)


def backup(ledger: Ledger, path: Path, new_id: str) -> None:
    """Writes all lines into a new file, for its owner alone; one that broke off is taken away."""
    try:
        opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise output.OutputError(f"{path} is there already: take another name") from error
    except OSError as error:
        raise output.OutputError(f"{path} cannot be written: {error.strerror}") from error
    count = 0
    try:
        with os.fdopen(opened, "w", encoding="utf-8") as file:
            for line in ledger_backup.write(ledger, new_id):
                file.write(f"{line}\n")
                count += 1
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        path.unlink()
        raise output.OutputError(f"{path} cannot be written: {error.strerror}") from error
    except BaseException:
        path.unlink()
        raise
    output.line(f"{path}: {count - 2} items; whoever has this file knows all orders, keep it safe")


def restore(ledger: Ledger, path: Path) -> None:
    """Reads the file into the ledger, and says what there is now."""

    def lines() -> Iterator[str]:
        with path.open(encoding="utf-8") as file:
            yield from file

    try:
        counts = ledger_backup.restore(ledger, lines)
    except (OSError, UnicodeDecodeError) as error:
        raise output.OutputError(f"{path} cannot be read: {error}") from error
    except ledger_backup.BackupError as error:
        raise output.OutputError(f"{path}: {error}") from error
    told = ", ".join(f"{count} of kind {kind}" for kind, count in sorted(counts.items()))
    output.line(f"restored and compared with {path}: {told or 'nothing, it is empty'}")
