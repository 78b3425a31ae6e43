"""What happened to the cabinet. The adapters make these and put them into the engine's inbox.

Nothing in here is checked yet: a message is bytes, an answer is a status and a JSON object. The
rules check them (``kiosk.core.messages``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kiosk.core.effects import Call, Effect
from kiosk.core.entries import Entry


@dataclass(frozen=True)
class JournalOpened:
    """The journal could be read: these are the entries that still matter, oldest first.

    ``power_was_lost`` says that its last entry was written before the machine was switched on: what
    the game had in memory is gone too.
    """

    entries: tuple[Entry, ...]
    power_was_lost: bool = False


@dataclass(frozen=True)
class JournalFailed:
    """The journal could not be read or written; nothing that needs it may happen.

    ``undone`` are the effects that stood behind the entry that could not be written.
    """

    reason: str
    undone: tuple[Effect, ...] = ()


@dataclass(frozen=True)
class RelayReady:
    """The relay's driver works and its contact is open."""


@dataclass(frozen=True)
class RelayFailed:
    """The relay's driver refused to start, or failed in a pulse.

    ``may_be_closed`` says that it could not be opened: it is tried again soon.
    """

    reason: str
    may_be_closed: bool = False


@dataclass(frozen=True)
class PulseMade:
    """The relay closed for its time and is open again."""

    order_id: str
    number: int


@dataclass(frozen=True)
class BrokerUp:
    """Connected, and every subscription granted."""


@dataclass(frozen=True)
class BrokerDown:
    """Not connected; ``reason`` is a short sentence for the operator."""

    reason: str


@dataclass(frozen=True)
class Receipt:
    """What an acknowledgement needs. Packet numbers are of one ``connection`` only."""

    mid: int
    qos: int
    connection: int


@dataclass(frozen=True)
class MessageArrived:
    """A message from the broker, not yet acknowledged.

    A ``retained`` one was kept for whoever comes: nobody knows how old its news are.
    """

    topic: str
    payload: bytes
    receipt: Receipt
    retained: bool = False


@dataclass(frozen=True)
class Answered:
    """The cloud answered a call with a JSON object, whatever its HTTP status."""

    call: Call
    status: int
    body: Mapping[str, object]


@dataclass(frozen=True)
class NotAnswered:
    """No usable answer came: ``reason`` is a short sentence for the operator."""

    call: Call
    reason: str


@dataclass(frozen=True)
class Tick:
    """Time passed; something in the state may be due."""


Event = (
    JournalOpened
    | JournalFailed
    | RelayReady
    | RelayFailed
    | PulseMade
    | BrokerUp
    | BrokerDown
    | MessageArrived
    | Answered
    | NotAnswered
    | Tick
)
