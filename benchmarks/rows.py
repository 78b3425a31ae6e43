"""What a measurement says."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One line of the table. ``ratio`` is to the floor that was measured beside it."""

    what: str
    value: str
    ratio: str = ""
    note: str = ""


def spread(seconds: Sequence[float]) -> str:
    """The middle, the 95th and the 99th of a hundred, in milliseconds."""
    return " / ".join(f"{1000 * share(seconds, s):.2f}" for s in (0.5, 0.95, 0.99)) + " ms"


def share(seconds: Sequence[float], part: float) -> float:
    """The value below which ``part`` of them lie."""
    ordered = sorted(seconds)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


def middle(seconds: Sequence[float]) -> float:
    """The median."""
    return statistics.median(seconds)
