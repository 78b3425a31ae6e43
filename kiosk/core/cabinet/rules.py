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
    ``forgive_lost`` says that what was made before a power cut is not charged, for up to
    ``forgive_per_day`` pulses a day.
    """

    machine_id: str
    mode: Mode = Mode.SELL
    pulses_per_credit: int = 1
    off_s: float = 0.4
    resume_window_s: float = 300.0
    charge_ambiguous: bool = False
    forgive_lost: bool = True
    forgive_per_day: int = 12
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


def forgives(rules: Rules, pulses: int, forgiven_today: int, card_was_forgiven_today: bool) -> bool:
    """Whether ``pulses`` that were made before the power was lost are not charged.

    The game has most likely forgotten them. But a player with a hand on the plug may know a game
    that has not, so each card is forgiven once a day, and a cabinet forgives so many pulses a day.
    """
    return not card_was_forgiven_today and forgiven_today + pulses <= rules.forgive_per_day


def backoff(tries: int, jitter: float) -> float:
    """Seconds before the next try: 0.5, 1, 2 … 30 at the most, each cut by up to a half.

    ``jitter``, from 0 to 1, is the share of that half: cabinets that lost the same cloud do not
    all come back at once.
    """
    return float(min(30.0, 0.5 * 2 ** min(tries, 10)) * (1 - jitter / 2))
