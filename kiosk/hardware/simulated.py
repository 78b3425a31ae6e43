"""A relay without hardware: it records its edges."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from kiosk.hardware import RelayError


@dataclass(frozen=True)
class Edge:
    """The contact changed, ``at`` monotonic seconds, and is ``closed`` since."""

    at: float
    closed: bool


class SimulatedRelay:
    """Records its edges, in ``edges`` and, if ``record`` is given, as lines of JSON in that file.

    As with a real contact, opening an open one is no edge. A line, for instance
    ``{"at": 12.5, "closed": true}``, is in the file when the call returns; the file is appended to.
    """

    def __init__(self, clock: Callable[[], float], record: Path | None = None) -> None:
        self._clock = clock
        self._record = record
        self._closed = False
        self._file: IO[bytes] | None = None
        self.edges: list[Edge] = []
        if record is not None:
            try:
                self._file = record.open("ab", buffering=0)
            except OSError as error:
                raise RelayError(
                    f"the relay's record {record} cannot be written ({error.strerror}): "
                    "name another file in [relay] record"
                ) from error

    def open(self) -> None:
        """Opens the contact: no coin."""
        self._turn(closed=False)

    def close(self) -> None:
        """Closes the contact: a coin would be counted."""
        self._turn(closed=True)

    def shut_down(self) -> None:
        """Opens the contact and closes the record."""
        try:
            self._turn(closed=False)
        finally:
            if self._file is not None:
                self._file.close()
                self._file = None

    def _turn(self, closed: bool) -> None:
        if closed == self._closed:
            return
        self._closed = closed
        edge = Edge(self._clock(), closed)
        self.edges.append(edge)
        if self._file is None:
            return
        try:
            self._file.write(json.dumps(asdict(edge)).encode() + b"\n")
        except OSError as error:
            raise RelayError(
                f"the relay's record {self._record} cannot be written: {error.strerror}"
            ) from error
