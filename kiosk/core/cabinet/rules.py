"""What the operator has decided, and the wait before a failed call is made again."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Mode(Enum):
    """What the cabinet is for. Whatever that is, an order that was claimed is given."""

    SELL = "sell"
    FREE_PLAY = "free play"
    MAINTENANCE = "maintenance"


@dataclass(frozen=True)
class Rules:
    """The operator's rules. Times in seconds.

    An order that waits for the cloud is shown as under way for ``waiting_s``; what is told of a
    payment is news for ``news_s``.
    """

    machine_id: str
    mode: Mode = Mode.SELL
    pulses_per_credit: int = 1
    off_s: float = 0.4
    resume_window_s: float = 300.0
    charge_ambiguous: bool = False
    forgive_lost: bool = True
    heartbeat_s: float = 300.0
    ask_s: float = 15.0
    quiet_s: float = 180.0
    version: str = ""
    paying_s: float = 90.0
    waiting_s: float = 60.0
    news_s: float = 60.0
    declined_s: float = 10.0
    game_over_s: float = 8.0
    starting_s: float = 20.0
    reopen_s: float = 10.0
    reopen_closed_relay_s: float = 1.0


def backoff(tries: int, jitter: float) -> float:
    """Seconds before the next try: 0.5, 1, 2 … 30 at the most, each cut by up to a half.

    ``jitter``, from 0 to 1, is the share of that half: cabinets that lost the same cloud do not
    all come back at once.
    """
    return float(min(30.0, 0.5 * 2 ** min(tries, 10)) * (1 - jitter / 2))
