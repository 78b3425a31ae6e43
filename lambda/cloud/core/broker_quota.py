"""What can be told of an EMQX deployment's month and life, from what its API and the ledger show.

EMQX tells no program how many session minutes were used. They are estimated: as if as many sessions
as now had been there since the month's first day (UTC). Sources:
https://docs.emqx.com/en/cloud/latest/deployments/spend_limit.html (with a spend limit of 0 the
deployment stops when the free quota is used up) and EMQX's terms for Serverless (stopped after 30
days without a client, deleted 30 days later).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

QUOTA_SHARE = 0.75
IDLE_DAYS = 30
IDLE_WARNING_DAYS = 20
DAY_MS = 86_400_000
STOPPED = "stopped"


@dataclass(frozen=True)
class BrokerState:
    """What EMQX says: ``status`` as its platform calls it, empty if that is not known; ``sessions``
    that count for the quota, of which ``connected`` are connected."""

    status: str
    sessions: int
    connected: int


@dataclass(frozen=True)
class Finding:
    """Something for the operator, stored once for each ``key``."""

    key: str
    text: str
    todo: str


def stopped(now_ms: int) -> Finding:
    """The deployment does not run."""
    return Finding(
        f"broker-stopped:{_day(now_ms)}",
        "EMQX has stopped the deployment: no cabinet hears of a payment at once",
        "start it in EMQX's console; if the month's quota is used up, raise its spend limit first",
    )


def unreachable(sentence: str, now_ms: int) -> Finding:
    """The deployment's API does not say how it is, which may mean that it is stopped."""
    return Finding(
        f"broker-unreachable:{_day(now_ms)}",
        f"how the broker is cannot be told: {sentence}",
        "look in EMQX's console whether the deployment runs, and whether the API key is there",
    )


def quota(state: BrokerState, minutes: int, now_ms: int) -> Finding | None:
    """Three quarters of the month's session minutes are used, as estimated."""
    now = _at(now_ms)
    begun = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    used = state.sessions * (now - begun).total_seconds() / 60
    if not minutes or used < minutes * QUOTA_SHARE:
        return None
    ends = (begun + timedelta(days=31)).replace(day=1)
    whole_month = state.sessions * (ends - begun).total_seconds() / 60
    outlook = "they last until the month's end"
    if whole_month > minutes:
        last = int(minutes / (state.sessions * 24 * 60)) + 1
        outlook = f"they last until day {last} of the month" if used < minutes else "none are left"
    return Finding(
        f"broker-quota:{now:%Y-%m}",
        f"about {used / minutes:.0%} of the month's {minutes:,} session minutes are used, if the "
        f"{state.sessions} sessions of now were there since its first day; {outlook}",
        "look at the usage in EMQX's console; with a spend limit of 0 the deployment stops when "
        "they are used up, and must be started by hand",
    )


def idle(newest_seen_ms: int, now_ms: int) -> Finding | None:
    """Nobody is connected, and no cabinet was heard for weeks; 0 if none ever was."""
    days = (now_ms - newest_seen_ms) // DAY_MS
    if not newest_seen_ms or days < IDLE_WARNING_DAYS:
        return None
    return Finding(
        f"broker-idle:{_day(now_ms)}",
        f"no cabinet is connected, and none was heard for {days} days: EMQX stops a Serverless "
        f"deployment after {IDLE_DAYS} days without a client and deletes it {IDLE_DAYS} days later",
        "let a cabinet connect, or any MQTT client with an account of the deployment",
    )


def is_recent(seen_ms: int, now_ms: int) -> bool:
    """Whether a cabinet that was seen then makes an idle deployment impossible."""
    return now_ms - seen_ms < IDLE_WARNING_DAYS * DAY_MS


def _at(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, UTC)


def _day(at_ms: int) -> str:
    return f"{_at(at_ms):%Y-%m-%d}"
