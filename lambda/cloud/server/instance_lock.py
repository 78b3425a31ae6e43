"""One process at a time on a ledger that is a file of this machine."""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path

SQLITE = "sqlite:///"


class LedgerInUse(Exception):
    """The ledger cannot be taken; the message says why, and what to do."""


@contextlib.contextmanager
def sole_use(ledger: str) -> Iterator[None]:
    """Keeps a second server off ``ledger``, as the settings name it, while the context lasts.

    The system gives the lock back when the process ends, however it ends. The operator's commands
    take no lock: they may write beside the server. A ledger that is no file takes many at once.
    """
    if not ledger.startswith(SQLITE):
        yield
        return
    file = Path(ledger.removeprefix(SQLITE))
    try:
        lock = file.with_name(f"{file.name}.lock").open("w")
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise LedgerInUse(
            f"{file.parent} cannot be written to ({reason}): make it the folder of the user that "
            "runs this"
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise LedgerInUse(
                f"another cloud uses the ledger {file}: end it first (systemctl stop arcade-cloud)"
            ) from error
        yield
