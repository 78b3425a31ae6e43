"""What the cabinet knows: one value for each of its parts, and the order book.

A ``problem`` is a sentence for the operator, empty if all is well; ``ready`` is false before the
part has reported for the first time, too. Times are seconds of a monotonic clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from kiosk.core.cabinet.rules import Mode, Rules
from kiosk.core.effects import Call, Pulse
from kiosk.core.order_book import OrderBook
from kiosk.core.view import Alert, Offer

Value = TypeVar("Value")
NEVER = float("inf")


@dataclass(frozen=True)
class PartState:
    """A part that the cabinet needs before it can sell."""

    ready: bool = False
    problem: str = ""

    @property
    def has_reported(self) -> bool:
        """Whether it is known to work, or not to."""
        return self.ready or bool(self.problem)


@dataclass(frozen=True)
class JournalState(PartState):
    """The journal. ``next_try`` is when it is opened again."""

    next_try: float = NEVER


@dataclass(frozen=True)
class RelayState(PartState):
    """The coin relay. ``next_try`` is when its driver is started again.

    ``pulsing`` is the pulse that is being made; the one after it begins at ``next_pulse_at`` or
    later.
    """

    next_try: float = NEVER
    pulsing: Pulse | None = None
    next_pulse_at: float = 0.0


@dataclass(frozen=True)
class BrokerState(PartState):
    """The broker's connection, which its adapter makes again by itself.

    ``announced`` is the retained status that was published over it, ``dropped`` the number of
    messages that could not be used. ``unacknowledged`` messages were left with the broker, which
    sends nothing more over this connection when there are too many of them.
    """

    announced: str = ""
    dropped: int = 0
    unacknowledged: int = 0


@dataclass(frozen=True)
class Retry:
    """A call that failed, how many tries in a row have failed after it, and its next try."""

    tries: int
    next_try: float


@dataclass(frozen=True)
class CloudState(PartState):
    """The cloud. ``under_way`` and ``retries`` have its calls by their names.

    ``heartbeat_at`` is when the next heartbeat is due, ``reported_problems`` what the last one
    said. ``ahead`` is the cloud's clock, in seconds since the epoch, less this cabinet's monotonic
    one, as of the last heartbeat.
    """

    under_way: Mapping[str, Call] = field(default_factory=dict)
    retries: Mapping[str, Retry] = field(default_factory=dict)
    heartbeat_at: float = 0.0
    reported_problems: tuple[str, ...] | None = None
    ahead: float | None = None


@dataclass(frozen=True)
class LinkState:
    """The payment link: what it sells, and whether the cloud has it switched on.

    A ``stale`` link is to be asked for again.
    """

    offer: Offer | None = None
    stale: bool = True
    active: bool = False


@dataclass(frozen=True)
class PaymentState:
    """How a player's payment stands, shown until ``until``."""

    status: str
    until: float
    payment_id: str = ""


@dataclass(frozen=True)
class GameState:
    """The game in the cabinet.

    ``active_at`` is when it last got a coin or a game ended, ``games_over`` the timestamps of the
    latest such messages; "game over" is shown until ``game_over_until``.
    """

    active_at: float = 0.0
    games_over: tuple[str, ...] = ()
    game_over_until: float = 0.0


@dataclass(frozen=True)
class State:
    """All that the cabinet knows.

    ``confirmed`` orders were granted by the cloud since the journal was opened. ``unreported`` ones
    were settled here, and the cloud still waits for their report. ``was_ready`` says that the
    cabinet could sell at some time since its start. ``waiting_since`` has the orders that the cloud
    has to say something about before they can go on, ``taken_payments`` the latest payments whose
    orders were found.
    """

    started_at: float
    order_book: OrderBook = field(default_factory=OrderBook)
    confirmed: frozenset[str] = frozenset()
    waiting_since: Mapping[str, float] = field(default_factory=dict)
    taken_payments: tuple[str, ...] = ()
    unreported: frozenset[str] = frozenset()
    journal: JournalState = field(default_factory=JournalState)
    relay: RelayState = field(default_factory=RelayState)
    broker: BrokerState = field(default_factory=BrokerState)
    cloud: CloudState = field(default_factory=CloudState)
    link: LinkState = field(default_factory=LinkState)
    payment: PaymentState | None = None
    game: GameState = field(default_factory=GameState)
    was_ready: bool = False

    @property
    def alerts(self) -> tuple[Alert, ...]:
        """What an operator should mend, the worst first."""
        all_parts = (
            Alert("E1", self.journal.problem),
            Alert("E2", self.relay.problem),
            Alert("E3", self.broker.problem),
            Alert("E4", self.cloud.problem),
        )
        return tuple(alert for alert in all_parts if alert.text)

    @property
    def can_pulse(self) -> bool:
        """Whether an order could be claimed and given now."""
        return self.journal.ready and self.relay.ready

    @property
    def payment_is_processing(self) -> bool:
        """Whether a player is paying, as far as is known."""
        return self.payment is not None and self.payment.status == "processing"

    def can_sell(self, rules: Rules) -> bool:
        """Whether a player may be asked for money."""
        return (
            self.can_pulse
            and rules.mode is Mode.SELL
            and self.broker.ready
            and self.cloud.ready
            and self.link.active
            and self.link.offer is not None
        )


def without(mapping: Mapping[str, Value], key: str) -> Mapping[str, Value]:
    """The mapping with one key less."""
    return {name: value for name, value in mapping.items() if name != key}
