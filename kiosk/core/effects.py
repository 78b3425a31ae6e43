"""What is to happen. The rules make these, the engine does them in the order they stand.

The order is the promise: an ``Append`` before a ``Pulse`` means that the journal holds the line
before the relay moves. When one fails, those behind it are not done.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kiosk.core.entries import Entry


@dataclass(frozen=True)
class Append:
    """Write this line to the journal, durably."""

    entry: Entry


@dataclass(frozen=True)
class Acknowledge:
    """Tell the broker that this message need not come again. ``receipt`` is the broker's own."""

    receipt: object


@dataclass(frozen=True)
class Call:
    """Ask the cloud: POST ``body`` as JSON to ``path``. ``name`` says in logs what it is for."""

    name: str
    path: str
    body: Mapping[str, object]


@dataclass(frozen=True)
class Pulse:
    """Close the relay for its time, open it again, and report ``PulseMade``."""

    order_id: str
    number: int


@dataclass(frozen=True)
class Announce:
    """Publish the cabinet's retained status."""

    status: str


@dataclass(frozen=True)
class ReopenJournal:
    """Try the journal again."""


@dataclass(frozen=True)
class ReopenRelay:
    """Try the relay's driver again."""


@dataclass(frozen=True)
class Report:
    """Tell the operator, in the log. ``level`` is ``info``, ``warning`` or ``error``."""

    level: str
    text: str


Effect = Append | Acknowledge | Call | Pulse | Announce | ReopenJournal | ReopenRelay | Report
