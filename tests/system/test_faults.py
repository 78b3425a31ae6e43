"""The fail points at which tests kill the programs: each is reached, and a wrong one refused."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from cloud.adapters.stripe_gateway import StripeGateway
from demo.processes import Child
from kiosk.core.entries import Entry, Kind
from kiosk.hardware.simulated import SimulatedRelay
from kiosk.journal.store import Journal, read
from tests.faults import cloud, kiosk
from tests.faults.fail_point import FailPoint


@pytest.fixture
def killed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "kill", lambda pid, number: found.append((pid, number)))
    return found


@pytest.mark.parametrize(
    "text", ["", "append", "append-before", "append-before:0", "nap-after:1", "append-during:1"]
)
def test_a_point_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="point"):
        FailPoint.parse(text, kiosk.KINDS)


@pytest.mark.parametrize("module", ["tests.faults.kiosk", "tests.faults.cloud"])
def test_a_program_with_a_point_that_is_none_does_not_start(module: str) -> None:
    child = Child(module, ["-m", module, "nap-after:1", "/no/file"], verbose=False)
    try:
        assert child.ended(20) == 1
        assert "'nap-after:1' is not a point like" in str(child.failure())
    finally:
        child.stop()


def test_the_third_edge_kills_this_very_process(killed: list[tuple[int, int]]) -> None:
    fail_point = FailPoint.parse("close-after:3", kiosk.KINDS)
    relay = kiosk.FaultyRelay(SimulatedRelay(lambda: 0.0), fail_point)
    for _ in range(2):
        relay.close()
        relay.open()
    assert killed == []
    relay.close()
    assert killed == [(os.getpid(), signal.SIGKILL)]


def test_opening_an_open_contact_is_no_edge(killed: list[tuple[int, int]]) -> None:
    fail_point = FailPoint.parse("open-before:1", kiosk.KINDS)
    relay = kiosk.FaultyRelay(SimulatedRelay(lambda: 0.0), fail_point)
    relay.open()
    assert killed == []
    relay.close()
    relay.open()
    assert len(killed) == 1


@pytest.mark.parametrize(("point", "expected"), [("append-before:1", 0), ("append-after:1", 1)])
def test_a_write_is_done_before_the_kill_after_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, point: str, expected: int
) -> None:
    path = tmp_path / "journal.db"
    written_at_kill: list[int] = []
    monkeypatch.setattr(
        os, "kill", lambda _pid, _number: written_at_kill.append(len(list(read(path))))
    )
    journal = Journal(path, lambda: ("boot", 0.0, 0.0))
    faulty = kiosk.faulty_journal(journal, FailPoint.parse(point, kiosk.KINDS))
    faulty.open()
    try:
        faulty.append(Entry(Kind.CREDITS_LEFT))
    finally:
        faulty.close()
    assert written_at_kill == [expected]


def test_only_calls_about_a_payment_are_steps_of_stripe(killed: list[tuple[int, int]]) -> None:
    class Gateway(StripeGateway):
        def create_price(self, *_: object) -> str:
            return "price_1"

        def cancel(self, *_: object) -> None:
            assert killed

    gateway = cloud.faulty_gateway(
        Gateway("sk_test_1"), FailPoint.parse("stripe-before:1", cloud.KINDS)
    )
    assert gateway.create_price("Game", 100, "usd", "key") == "price_1"
    assert killed == []
    gateway.cancel("pi_1", "key")
    assert len(killed) == 1


def test_the_programs_themselves_have_no_fail_points(root: Path) -> None:
    """Only the launchers here have: nothing in the product can be told to kill itself."""
    product = [*(root / "kiosk").rglob("*.py"), *(root / "lambda" / "cloud").rglob("*.py")]
    assert product
    assert [path for path in product if "SIGKILL" in path.read_text()] == []
