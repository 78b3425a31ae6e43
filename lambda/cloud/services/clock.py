"""The cloud's clock, in the milliseconds that the ledger keeps."""

from __future__ import annotations

import os
from collections.abc import Callable

from cloud.core.stamps import Stamp, to_ms


def _new_id() -> str:
    return os.urandom(8).hex()  # as secrets.token_hex, which is longer to import


class Clock:
    """Tells the time, and stamps what is to be written with it and an id that is used once.

    ``seconds`` is the time since the epoch, as ``time.time`` has it.
    """

    def __init__(self, seconds: Callable[[], float], new_id: Callable[[], str] = _new_id) -> None:
        self._seconds = seconds
        self._new_id = new_id

    def now_ms(self) -> int:
        """Milliseconds since the epoch."""
        return to_ms(self._seconds())

    def stamp(self) -> Stamp:
        """A stamp for one write. A retry of that write keeps it; the next write takes another."""
        return Stamp(self.now_ms(), self._new_id())
