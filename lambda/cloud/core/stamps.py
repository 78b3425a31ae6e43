"""When something is written, and the id that the write is known by.

Stored times are whole milliseconds since the epoch by the cloud's clock; their names end in
``_ms``.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Stamp:
    """What a write carries. ``write_id`` is of this write alone: a retry of it carries it again,
    so that a store can tell a lost race from a write whose answer was lost."""

    at_ms: int
    write_id: str


def to_ms(seconds: float) -> int:
    """Seconds, since the epoch or of a span, as whole milliseconds."""
    return round(seconds * 1000)
