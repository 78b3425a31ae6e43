"""What every relay does, real or simulated; and how each refuses what it cannot do."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from types import ModuleType

import pytest

from kiosk import hardware
from kiosk.config.schema import RelayConfig
from kiosk.hardware import Relay, RelayError
from kiosk.hardware.gpio import GpioRelay
from kiosk.hardware.simulated import Edge, SimulatedRelay

PIN = 17


class Gpio(ModuleType):
    """Stands for ``RPi.GPIO``, with its names: keeps each call, and each level of the pin."""

    BCM = 11
    OUT = 0

    def __init__(self) -> None:
        super().__init__("RPi.GPIO")
        self.calls: list[tuple[object, ...]] = []
        self.levels: list[int] = []
        self.failure: Exception | None = None

    def setwarnings(self, wanted: bool) -> None:
        self._called("setwarnings", wanted)

    def setmode(self, mode: int) -> None:
        self._called("setmode", mode)

    def setup(self, pin: int, direction: int, initial: int) -> None:
        self._called("setup", pin, direction, initial)
        self._drive(initial)

    def output(self, pin: int, level: int) -> None:
        self._called("output", pin, level)
        self._drive(level)

    def _called(self, *call: object) -> None:
        if self.failure:
            raise self.failure
        self.calls.append(call)

    def _drive(self, level: int) -> None:
        if not self.levels or self.levels[-1] != level:
            self.levels.append(level)


@pytest.fixture
def gpio(monkeypatch: pytest.MonkeyPatch) -> Gpio:
    made = Gpio()
    package = ModuleType("RPi")
    monkeypatch.setattr(package, "GPIO", made, raising=False)
    monkeypatch.setitem(sys.modules, "RPi", package)
    monkeypatch.setitem(sys.modules, "RPi.GPIO", made)
    return made


@pytest.fixture
def devices(tmp_path: Path) -> Path:
    """A folder with a GPIO chip."""
    folder = tmp_path / "dev"
    folder.mkdir()
    (folder / "gpiochip0").touch()
    return folder


@dataclass
class Made:
    """A relay, how to make another one like it, and what its contact did since the first."""

    relay: Relay
    again: Callable[[], Relay]
    contact: Callable[[], list[bool]] = field(repr=False)


@pytest.fixture(params=["simulated", "gpio, active high", "gpio, active low"])
def made(request: pytest.FixtureRequest, gpio: Gpio, devices: Path) -> Iterator[Made]:
    """Each driver in turn; ``contact`` lists the changes, closed is true, beginning open."""
    if request.param == "simulated":
        relays = [SimulatedRelay(lambda: 0.0)]

        def one_more() -> Relay:
            relays.append(SimulatedRelay(lambda: 0.0))
            return relays[-1]

        yield Made(
            relays[0],
            one_more,
            lambda: [False] + [edge.closed for relay in relays for edge in relay.edges],
        )
        return
    active_high = request.param == "gpio, active high"

    def make() -> Relay:
        return GpioRelay(PIN, active_high, devices)

    yield Made(make(), make, lambda: [bool(level) == active_high for level in gpio.levels])


def test_a_relay_is_open_when_it_is_made(made: Made) -> None:
    assert made.contact() == [False]


def test_each_pulse_closes_and_opens_the_contact_once(made: Made) -> None:
    for _ in range(3):
        made.relay.close()
        made.relay.open()
    assert made.contact() == [False, True, False, True, False, True, False]


def test_opening_an_open_relay_changes_nothing(made: Made) -> None:
    made.relay.open()
    made.relay.open()
    assert made.contact() == [False]


def test_closing_a_closed_relay_changes_nothing(made: Made) -> None:
    made.relay.close()
    made.relay.close()
    assert made.contact() == [False, True]


def test_shut_down_opens_a_closed_relay(made: Made) -> None:
    made.relay.close()
    made.relay.shut_down()
    assert made.contact() == [False, True, False]


def test_shut_down_may_be_called_again(made: Made) -> None:
    made.relay.shut_down()
    made.relay.shut_down()
    assert made.contact() == [False]


def test_a_relay_can_be_made_again_after_one_was_shut_down(made: Made) -> None:
    made.relay.shut_down()
    relay = made.again()
    relay.close()
    relay.open()
    relay.shut_down()
    assert made.contact() == [False, True, False]


# Simulated


def test_the_simulated_relay_keeps_the_time_of_each_edge() -> None:
    times = count(start=10)
    relay = SimulatedRelay(lambda: float(next(times)))
    relay.close()
    relay.open()
    relay.open()
    relay.close()
    assert relay.edges == [Edge(10.0, True), Edge(11.0, False), Edge(12.0, True)]


def test_another_process_can_read_the_record_at_once(tmp_path: Path) -> None:
    record = tmp_path / "edges.jsonl"
    record.write_text('{"at": 1.0, "closed": false}\n')  # of the run before
    relay = SimulatedRelay(lambda: 12.5, record)
    relay.close()
    assert [json.loads(line) for line in record.read_text().splitlines()] == [
        {"at": 1.0, "closed": False},
        {"at": 12.5, "closed": True},
    ]
    relay.shut_down()
    assert json.loads(record.read_text().splitlines()[-1]) == {"at": 12.5, "closed": False}


def test_a_record_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    record = tmp_path / "nowhere" / "edges.jsonl"
    with pytest.raises(RelayError, match=r"edges\.jsonl cannot be written .*name another file"):
        SimulatedRelay(lambda: 0.0, record)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_record_on_a_full_disk_is_named() -> None:
    relay = SimulatedRelay(lambda: 0.0, Path("/dev/full"))
    with pytest.raises(RelayError, match="/dev/full cannot be written: No space left"):
        relay.close()
    with pytest.raises(RelayError):
        relay.shut_down()


# GPIO


@pytest.mark.parametrize(("active_high", "open_level"), [(True, 0), (False, 1)])
def test_the_pin_is_open_from_its_first_moment_as_an_output(
    gpio: Gpio, devices: Path, active_high: bool, open_level: int
) -> None:
    GpioRelay(PIN, active_high, devices)
    assert gpio.calls == [
        ("setwarnings", False),
        ("setmode", gpio.BCM),
        ("setup", PIN, gpio.OUT, open_level),
        ("output", PIN, open_level),
    ]


def test_the_pin_stays_driven_after_shut_down(gpio: Gpio, devices: Path) -> None:
    relay = GpioRelay(PIN, True, devices)
    relay.shut_down()
    assert gpio.calls[-1] == ("output", PIN, 0)  # and it was not cleaned up into an input


@pytest.mark.parametrize(
    ("failure", "told"),
    [
        (RuntimeError("GPIO busy"), r"GPIO 17 fails \(GPIO busy\): end the other program"),
        (Exception("'GPIO busy'"), r"GPIO 17 fails \(GPIO busy\): end the other program"),
        (OSError("I/O error"), r"GPIO 17 fails \(I/O error\): check the wiring"),
    ],
)
def test_a_pin_that_fails_is_a_known_failure(
    gpio: Gpio, devices: Path, failure: Exception, told: str
) -> None:
    relay = GpioRelay(PIN, True, devices)
    gpio.failure = failure
    for use in (relay.close, relay.open, relay.shut_down):
        with pytest.raises(RelayError, match=told):
            use()
    with pytest.raises(RelayError, match=told):
        GpioRelay(PIN, True, devices)


def test_without_a_chip_the_pin_is_not_touched(gpio: Gpio, tmp_path: Path) -> None:
    with pytest.raises(RelayError, match=r"no GPIO chip .*gpiochip.*driver = \"simulated\""):
        GpioRelay(PIN, True, tmp_path)
    assert gpio.calls == []


def test_a_chip_that_this_user_may_not_use_is_named_with_the_group(
    gpio: Gpio, devices: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may use everything
    with pytest.raises(RelayError, match=r"gpiochip0: put it into the group gpio"):
        GpioRelay(PIN, True, devices)
    assert gpio.calls == []


def test_a_missing_package_is_named_with_the_command(
    devices: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "RPi", None)
    monkeypatch.setitem(sys.modules, "RPi.GPIO", None)
    with pytest.raises(RelayError, match=r"pip install 'arcade-kiosk\[pi\]'"):
        GpioRelay(PIN, True, devices)


def test_the_import_leaves_the_working_directory_and_the_environment_alone(
    gpio: Gpio, devices: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    seen: list[str] = []

    def load(_name: str) -> ModuleType:
        seen.append(os.environ["LG_WD"])
        os.chdir(os.environ["LG_WD"])  # as lgpio does
        return gpio

    monkeypatch.setattr("importlib.import_module", load)
    GpioRelay(PIN, True, devices)
    assert Path.cwd() == tmp_path
    assert "LG_WD" not in os.environ
    assert not Path(seen[0]).exists()


def has_chip() -> bool:
    return any(Path("/dev").glob("gpiochip*"))


@pytest.mark.skipif(has_chip(), reason="this machine has a GPIO chip")
@pytest.mark.skipif(not find_spec("RPi"), reason="rpi-lgpio is not installed")
def test_the_real_library_refuses_without_a_chip(
    monkeypatch: pytest.MonkeyPatch, devices: Path
) -> None:
    monkeypatch.setenv("RPI_LGPIO_REVISION", "a020d3")  # then it loads on any machine
    with pytest.raises(RelayError, match="there is no GPIO chip"):
        GpioRelay(PIN, True)
    # Even where a file looks like a chip: the library's own refusal is a known failure too.
    with pytest.raises(RelayError, match="can not open gpiochip"):
        GpioRelay(PIN, True, devices)


# The choice


def test_the_config_names_the_driver(tmp_path: Path) -> None:
    record = tmp_path / "edges.jsonl"
    settings = RelayConfig(driver="simulated", record=record)
    relay = hardware.build(settings, lambda: 7.0)
    assert isinstance(relay, SimulatedRelay)
    relay.close()
    relay.shut_down()
    assert relay.edges == [Edge(7.0, True), Edge(7.0, False)]
    assert len(record.read_text().splitlines()) == 2


def test_the_gpio_driver_gets_its_pin_and_its_polarity(
    gpio: Gpio, devices: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kiosk.hardware.gpio._check_chip", lambda _devices: None)
    settings = RelayConfig(driver="gpio", pin=22, active_high=False)
    assert isinstance(hardware.build(settings, lambda: 0.0), GpioRelay)
    assert gpio.calls[-1] == ("output", 22, 1)


@pytest.mark.skipif(has_chip(), reason="this machine has a GPIO chip")
def test_the_gpio_driver_is_never_replaced_by_another() -> None:
    with pytest.raises(RelayError):
        hardware.build(RelayConfig(driver="gpio", pin=PIN), lambda: 0.0)
