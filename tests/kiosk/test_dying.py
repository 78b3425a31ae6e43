"""The hook by which tests kill the kiosk: off by default, and loud when it is wrong."""

from __future__ import annotations

import os
import signal

import pytest

from kiosk import dying
from kiosk.core.entries import Entry, Kind
from kiosk.errors import KioskError
from kiosk.hardware.simulated import SimulatedRelay


@pytest.fixture
def killed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "kill", lambda pid, number: found.append((pid, number)))
    return found


def test_without_the_variable_there_is_no_fate() -> None:
    assert dying.fate({}) is None
    assert dying.fate({dying.VARIABLE: ""}) is None


@pytest.mark.parametrize("told", ["append", "append-before", "append-before:0", "nap-after:1"])
def test_a_point_that_is_none_is_a_sentence(told: str) -> None:
    with pytest.raises(KioskError, match="unset it"):
        dying.fate({dying.VARIABLE: told})


def test_the_third_edge_kills_this_very_process(killed: list[tuple[int, int]]) -> None:
    fate = dying.fate({dying.VARIABLE: "close-after:3"})
    assert fate
    relay = dying.MortalRelay(SimulatedRelay(lambda: 0.0), fate)
    for _ in range(2):
        relay.close()
        relay.open()
    assert killed == []
    relay.close()
    assert killed == [(os.getpid(), signal.SIGKILL)]


def test_opening_an_open_contact_is_no_edge(killed: list[tuple[int, int]]) -> None:
    fate = dying.fate({dying.VARIABLE: "open-before:1"})
    assert fate
    relay = dying.MortalRelay(SimulatedRelay(lambda: 0.0), fate)
    relay.open()
    assert killed == []
    relay.close()
    relay.open()
    assert len(killed) == 1


@pytest.mark.parametrize(("point", "expected"), [("append-before:1", 0), ("append-after:1", 1)])
def test_a_write_is_done_before_the_death_after_it(
    monkeypatch: pytest.MonkeyPatch, point: str, expected: int
) -> None:
    written: list[Entry] = []
    at_death: list[int] = []
    monkeypatch.setattr(os, "kill", lambda _pid, _number: at_death.append(len(written)))

    class Book:
        power_was_lost = False

        def open(self) -> list[Entry]:
            return []

        def append(self, *entries: Entry) -> None:
            written.extend(entries)

    fate = dying.fate({dying.VARIABLE: point})
    assert fate
    dying.MortalBook(Book(), fate).append(Entry(Kind.CREDITS_LEFT))
    assert at_death == [expected]
