"""The coin relay: what the kiosk needs of one, and the choice of its driver by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from kiosk.config.schema import RelayConfig
from kiosk.errors import KioskError


class RelayError(KioskError):
    """The relay cannot be used."""


class Relay(Protocol):
    """A relay whose contact lies across the game's coin switch. A driver opens it when it is made.

    One pulse, which the game takes for one coin::

        contact  ______|‾‾‾‾‾‾‾‾‾‾|______________________|‾‾‾
                       close()    open()                 close()
                       |←  on_ms →|←      off_ms        →|

    All methods raise :class:`RelayError`, and may be called in any order and again.
    """

    def open(self) -> None:
        """Opens the contact: no coin."""

    def close(self) -> None:
        """Closes the contact: the game's coin line is active."""

    def shut_down(self) -> None:
        """Opens the contact for good and releases what the driver holds."""


TRIES = 5
PAUSE_S = 0.01


def insist(action: Callable[[], None], sleep: Callable[[float], None]) -> None:
    """Opens a contact (``action``), and tries again at once if that fails.

    A contact that stays closed is a jammed coin to the game. Raises the last :class:`RelayError`
    after ``TRIES`` tries, within a tenth of a second.
    """
    for _ in range(TRIES - 1):
        try:
            return action()
        except RelayError:
            sleep(PAUSE_S)
    return action()


def build(settings: RelayConfig, clock: Callable[[], float]) -> Relay:
    """The relay that the config names, its contact open; raises :class:`RelayError`.

    ``clock`` returns monotonic seconds, for the simulated relay's edges.
    """
    # Imported here: each driver for itself, and only where it is used.
    if settings.driver == "simulated":
        from kiosk.hardware.simulated import SimulatedRelay

        return SimulatedRelay(clock, settings.record)
    from kiosk.hardware.gpio import GpioRelay

    assert settings.pin is not None  # the config refuses gpio without a pin
    return GpioRelay(settings.pin, settings.active_high)
