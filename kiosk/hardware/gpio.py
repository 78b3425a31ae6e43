"""A relay at a Raspberry Pi's pin. The only module that knows ``RPi.GPIO`` (from rpi-lgpio)."""

from __future__ import annotations

import importlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from kiosk.hardware import RelayError


class GpioRelay:
    """The relay at the BCM pin ``pin``, opened as soon as the pin is ours.

    The kernel of a Pi keeps an output as it is when its process ends, so a kiosk that is killed
    within a pulse leaves the relay closed until the next one is made, here or by
    ``kiosk open-relay``. ``devices`` is where the system keeps its GPIO chips.
    """

    def __init__(self, pin: int, active_high: bool, devices: Path = Path("/dev")) -> None:
        self._pin = pin
        self._closed_level = int(active_high)
        self._open_level = 1 - self._closed_level
        _check_chip(devices)
        self._gpio = _import_gpio()
        with self._as_relay_error():
            self._gpio.setwarnings(False)
            self._gpio.setmode(self._gpio.BCM)
            # With its first level, or the pin would be what it was before for a moment.
            self._gpio.setup(pin, self._gpio.OUT, initial=self._open_level)
        self.open()

    def open(self) -> None:
        """Opens the contact: no coin."""
        self._drive(self._open_level)

    def close(self) -> None:
        """Closes the contact: the game counts a coin."""
        self._drive(self._closed_level)

    def shut_down(self) -> None:
        """Opens the contact. The pin stays driven, so that it cannot float.

        ``GPIO.cleanup`` would make it an input without a pull, and many relay boards read that as
        closed: a coin that nobody paid. The pin is free for others when the process ends.
        """
        self.open()

    def _drive(self, level: int) -> None:
        with self._as_relay_error():
            self._gpio.output(self._pin, level)

    @contextmanager
    def _as_relay_error(self) -> Iterator[None]:
        """Turns what rpi-lgpio raises, its own types and several others, into a RelayError."""
        try:
            yield
        except Exception as error:
            message = str(error).strip("'\"")
            remedy = (
                "end the other program that uses it"
                if "busy" in message.lower()
                else "check the wiring and [relay] pin"
            )
            raise RelayError(
                f"the relay at GPIO {self._pin} fails ({message}): {remedy}"
            ) from error


def _check_chip(devices: Path) -> None:
    """Raises :class:`RelayError` where there is no GPIO chip that we may use."""
    chips = sorted(devices.glob("gpiochip*"))
    if not chips:
        raise RelayError(
            f"there is no GPIO chip ({devices}/gpiochip*): run on a Raspberry Pi, or say "
            'driver = "simulated" in [relay]'
        )
    if not any(os.access(chip, os.R_OK | os.W_OK) for chip in chips):
        raise RelayError(
            f"this user may not use {chips[0]}: put it into the group gpio and start again"
        )


def _import_gpio() -> ModuleType:
    """``RPi.GPIO``; raises :class:`RelayError` where it is missing or finds no Raspberry Pi.

    At its import lgpio changes into the folder ``LG_WD``, or stays in the working directory, and
    makes a named pipe there: it gets a folder for that, which it needs no longer afterwards.
    """
    before = Path.cwd()
    with tempfile.TemporaryDirectory(prefix="arcade-kiosk-") as folder:
        os.environ["LG_WD"] = folder
        try:
            return importlib.import_module("RPi.GPIO")
        except ImportError as error:
            raise RelayError(
                "the package rpi-lgpio is missing: pip install 'arcade-kiosk[pi]'"
            ) from error
        except (RuntimeError, NotImplementedError, OSError) as error:
            raise RelayError(
                f"RPi.GPIO does not work on this machine ({error}): run on a Raspberry Pi, or say "
                'driver = "simulated" in [relay]'
            ) from error
        finally:
            del os.environ["LG_WD"]
            os.chdir(before)
