"""Dies where it is told to, so that tests can see what a power cut leaves behind.

``ARCADE_KIOSK_DIES_AT=append-before:3`` kills the process (SIGKILL, as nothing can catch it) before
its third write to the journal. The points are ``append``, ``close`` and ``open`` (of the relay's
contact), each ``-before`` and ``-after``. Without the variable nothing of this is in the way.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kiosk.core.entries import Entry
from kiosk.engine import JournalPort
from kiosk.errors import KioskError
from kiosk.hardware import Relay

VARIABLE = "ARCADE_KIOSK_DIES_AT"
WHAT = ("append", "close", "open")
POINTS = tuple(f"{what}-{when}" for what in WHAT for when in ("before", "after"))


@dataclass
class Fate:
    """The point, and how many times it is still passed."""

    point: str
    left: int

    def meet(self, point: str) -> None:
        """Passes a point, or dies at it."""
        if point != self.point:
            return
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def fate(environment: Mapping[str, str]) -> Fate | None:
    """What the environment has decided; ``None`` in real life. Raises :class:`KioskError`."""
    told = environment.get(VARIABLE)
    if not told:
        return None
    point, _, number = told.partition(":")
    if point not in POINTS or not number.isdecimal() or number == "0":
        raise KioskError(f"{VARIABLE}={told} is not a point like {POINTS[0]}:1: unset it")
    return Fate(point, int(number))


class MortalBook:
    """A journal that dies before or after a write."""

    def __init__(self, book: JournalPort, fate: Fate) -> None:
        self._book = book
        self._fate = fate

    def open(self) -> Sequence[Entry]:
        return self._book.open()

    @property
    def power_was_lost(self) -> bool:
        return self._book.power_was_lost

    def append(self, *entries: Entry) -> None:
        self._fate.meet("append-before")
        self._book.append(*entries)
        self._fate.meet("append-after")


class MortalRelay:
    """A relay that dies before or after an edge. Opening an open contact is no edge."""

    def __init__(self, relay: Relay, fate: Fate) -> None:
        self._relay = relay
        self._fate = fate
        self._closed = False

    def close(self) -> None:
        self._fate.meet("close-before")
        self._relay.close()
        self._closed = True
        self._fate.meet("close-after")

    def open(self) -> None:
        edge, self._closed = self._closed, False
        if edge:
            self._fate.meet("open-before")
        self._relay.open()
        if edge:
            self._fate.meet("open-after")

    def shut_down(self) -> None:
        self._relay.shut_down()
