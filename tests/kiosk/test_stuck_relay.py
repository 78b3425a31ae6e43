"""A relay that does not open: it is tried again at once, and then every second."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from kiosk.core.events import Tick
from kiosk.core.view import Screen
from kiosk.hardware import TRIES, RelayError, insist
from tests.kiosk.test_engine import Lab


class Contact:
    """What the lab's relay does at its contact, and how often it will not open."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.refusals = 0
        self.closed_at: float | None = None
        self.longest = 0.0
        self._open, self._close = lab.relay.open, lab.relay.close
        lab.relay.open = self.open  # type: ignore[method-assign]
        lab.relay.close = self.close  # type: ignore[method-assign]

    def close(self) -> None:
        self._close()
        self.closed_at = self.lab.time

    def open(self) -> None:
        if self.refusals:
            self.refusals -= 1
            raise RelayError("the relay at GPIO 17 fails (I/O): check the wiring")
        self._open()
        if self.closed_at is not None:
            self.longest = max(self.longest, self.lab.time - self.closed_at)
            self.closed_at = None


@pytest.fixture
def contact(tmp_path: Path) -> Iterator[Contact]:
    lab = Lab(tmp_path)
    lab.start()
    lab.hint("cs_1")
    yield Contact(lab)
    lab.journal.close()


def test_a_relay_that_opens_at_the_second_try_makes_an_ordinary_pulse(contact: Contact) -> None:
    contact.refusals = 1
    contact.lab.grant("cs_1", 2)
    contact.lab.run_out()
    assert contact.longest < 0.2
    settle = next(c for c in contact.lab.calls if c.name == "settle cs_1")
    assert (settle.body["pulsed"], settle.body["pulses"]) == (2, 2)
    assert contact.lab.engine.view.screen is Screen.PLAYING


def test_a_relay_that_stays_closed_is_tried_every_second_and_takes_no_money(
    contact: Contact,
) -> None:
    lab = contact.lab
    contact.refusals = TRIES + TRIES + 2
    lab.grant("cs_1", 2)
    assert contact.closed_at is not None
    assert (lab.engine.view.screen, lab.engine.view.offer) == (Screen.OUT_OF_ORDER, None)
    settle = next(c for c in lab.calls if c.name == "settle cs_1")
    assert settle.body["pulsed"] == 0
    for _ in range(2):
        wait = lab.engine.seconds_to_next_due()
        assert wait <= 1.0
        lab.time += wait
        lab.engine.handle(Tick())
    assert contact.closed_at is None
    assert contact.longest < 2.5
    assert lab.engine.state.relay.ready


def test_the_same_failure_is_logged_once(
    contact: Contact, caplog: pytest.LogCaptureFixture
) -> None:
    lab = contact.lab
    contact.refusals = 20 * TRIES
    lab.grant("cs_1", 1)
    for _ in range(10):
        lab.time += 1.0
        lab.engine.handle(Tick())
    assert caplog.text.count("check the wiring") == 1


def test_it_is_tried_again_a_bounded_number_of_times() -> None:
    pauses: list[float] = []
    tries: list[int] = []

    def refuse() -> None:
        tries.append(1)
        raise RelayError("stuck")

    with pytest.raises(RelayError, match="stuck"):
        insist(refuse, pauses.append)
    assert len(tries) == TRIES
    assert sum(pauses) < 0.1
