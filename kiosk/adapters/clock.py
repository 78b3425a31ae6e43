"""The time, new identifiers and random numbers, from the system."""

from __future__ import annotations

import random
import time
import uuid


class SystemClock:
    """Implements ``kiosk.engine.Clock``."""

    def now(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


def new_id() -> str:
    """A string that was never used before."""
    return uuid.uuid4().hex


def jitter() -> float:
    """A random number from 0 to 1."""
    return random.random()
