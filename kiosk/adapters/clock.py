"""Time and chance as the engine is given them, from the system."""

from __future__ import annotations

import random
import time
import uuid


class SystemNature:
    """Implements ``kiosk.engine.Nature``."""

    def now(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def fresh(self) -> str:
        return uuid.uuid4().hex

    def chance(self) -> float:
        return random.random()
