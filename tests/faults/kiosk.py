"""``python -m tests.faults.kiosk POINT CONFIG``: the kiosk, killed at a point.

``append-before:3`` is the point before its third write to the journal. The other steps are
``close`` and ``open``, the edges of the relay's contact.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from kiosk import app, hardware
from kiosk.config import loader
from kiosk.config.schema import RelayConfig
from kiosk.hardware import Relay
from kiosk.journal.store import Journal
from tests.faults.fail_point import FailPoint, faulty

KINDS = ("append", "close", "open")


class FaultyRelay:
    """A relay at whose edges the process can be killed. Opening an open contact is no edge."""

    def __init__(self, relay: Relay, fail_point: FailPoint) -> None:
        self._relay = relay
        self._fail_point = fail_point
        self._closed = False

    def close(self) -> None:
        self._fail_point.reach("close-before")
        self._relay.close()
        self._closed = True
        self._fail_point.reach("close-after")

    def open(self) -> None:
        edge, self._closed = self._closed, False
        if edge:
            self._fail_point.reach("open-before")
        self._relay.open()
        if edge:
            self._fail_point.reach("open-after")

    def shut_down(self) -> None:
        self._relay.shut_down()


def faulty_journal(journal: Journal, fail_point: FailPoint) -> Journal:
    """A journal at whose writes the process can be killed."""
    return faulty(journal, fail_point, "append", ("append",))


def main(arguments: Sequence[str]) -> int:
    point, config = arguments
    fail_point = FailPoint.parse(point, KINDS)

    def make_relay(settings: RelayConfig, clock: Callable[[], float]) -> Relay:
        return FaultyRelay(hardware.build(settings, clock), fail_point)

    def make_journal(path: Path) -> Journal:
        return faulty_journal(app.journal_at(path), fail_point)

    return app.run(loader.load(Path(config)), make_journal=make_journal, make_relay=make_relay)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
