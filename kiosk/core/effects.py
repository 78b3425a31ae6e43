"""What is to happen. The rules make these; the engine does them in the order in which they stand.

The order is the promise: an ``Append`` before a ``Pulse`` means that the journal holds the entry
before the relay closes. When one fails, those behind it are not done.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from kiosk.core.entries import Entry


@dataclass(frozen=True)
class Append:
    """Write this entry to the journal, durably."""

    entry: Entry


@dataclass(frozen=True)
class Acknowledge:
    """Tell the broker that this message need not come again. ``receipt`` is the broker's own."""

    receipt: object


# The calls to the cloud. Each is a POST of ``body`` as JSON to ``path``; ``name`` is what the log
# calls it, and two calls with the same name are never under way at once.


@dataclass(frozen=True)
class HeartbeatCall:
    """Tells the cloud how the cabinet is, and asks for its open orders."""

    machine_id: str
    state: str
    version: str
    healthy: bool
    problems: tuple[str, ...]

    name: ClassVar[str] = "heartbeat"
    path: ClassVar[str] = "/status"

    @property
    def body(self) -> Mapping[str, object]:
        return {
            "machine_id": self.machine_id,
            "state": self.state,
            "version": self.version,
            "healthy": self.healthy,
            "problems": list(self.problems),
        }


@dataclass(frozen=True)
class LinkCall:
    """Asks for the cabinet's payment link."""

    machine_id: str

    name: ClassVar[str] = "link"
    path: ClassVar[str] = "/create-payment-link"

    @property
    def body(self) -> Mapping[str, object]:
        return {"machine_id": self.machine_id}


@dataclass(frozen=True)
class ClaimCall:
    """Asks for an order."""

    machine_id: str
    order_id: str
    claim_id: str

    path: ClassVar[str] = "/claim"

    @property
    def name(self) -> str:
        return f"claim {self.order_id}"

    @property
    def body(self) -> Mapping[str, object]:
        return {
            "machine_id": self.machine_id,
            "order_id": self.order_id,
            "claim_id": self.claim_id,
        }


@dataclass(frozen=True)
class SettleCall:
    """Says that ``pulsed`` of an order's ``pulses`` are to be charged, and what was made of it:
    ``made`` pulses are known to be over, ``forgiven`` of them are not charged because of a power
    cut, and of ``ambiguous`` ones nobody knows.

    Without a ``claim_id`` it says that the journal of this order was lost: nothing is charged.
    """

    machine_id: str
    order_id: str
    claim_id: str
    pulsed: int
    pulses: int
    made: int
    forgiven: int
    ambiguous: int

    path: ClassVar[str] = "/settle"

    @property
    def name(self) -> str:
        return f"settle {self.order_id}"

    @property
    def body(self) -> Mapping[str, object]:
        if not self.claim_id:
            return {"machine_id": self.machine_id, "order_id": self.order_id, "lost": True}
        return {
            "machine_id": self.machine_id,
            "order_id": self.order_id,
            "claim_id": self.claim_id,
            "pulsed": self.pulsed,
            "pulses": self.pulses,
            "made": self.made,
            "forgiven": self.forgiven,
            "ambiguous": self.ambiguous,
        }


Call = HeartbeatCall | LinkCall | ClaimCall | SettleCall


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
class Reconnect:
    """Make the broker's connection anew: what was not acknowledged over it comes again.

    ``BrokerUp`` is reported when it is there.
    """


@dataclass(frozen=True)
class ArchiveJournal:
    """Move the journal's oldest finished orders out of the way, if there are enough of them."""


@dataclass(frozen=True)
class ReopenJournal:
    """Try the journal again."""


@dataclass(frozen=True)
class ReopenRelay:
    """Try the relay's driver again."""


Level = Literal["info", "warning", "error"]


@dataclass(frozen=True)
class Report:
    """Write ``text`` to the log, for the operator."""

    level: Level
    text: str


Effect = (
    Append
    | Acknowledge
    | Call
    | Pulse
    | Announce
    | Reconnect
    | ArchiveJournal
    | ReopenJournal
    | ReopenRelay
    | Report
)
