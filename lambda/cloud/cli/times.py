"""Times, days and time zones, as operators write and read them."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta, tzinfo

from cloud.cli.desk import AdminError
from cloud.services import price_schedule

MOST_DAYS = 3660.0


def text(at_ms: int, timespec: str = "seconds") -> str:
    """A time in UTC, for people."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).replace(tzinfo=None).isoformat(" ", timespec)


def since(option: str, word: str, now: float, zone: tzinfo = UTC) -> float:
    """The moment that ``yesterday``, ``2d``, ``12h`` or ``2026-01-31`` names, in seconds."""
    today = datetime.fromtimestamp(now, zone).replace(hour=0, minute=0, second=0, microsecond=0)
    if word in ("today", "yesterday"):
        return (today - timedelta(days=word == "yesterday")).timestamp()
    if span := re.fullmatch(r"([0-9]{1,4})([dh])", word):
        return now - int(span[1]) * (86400 if span[2] == "d" else 3600)
    try:
        return datetime.strptime(word, "%Y-%m-%d").replace(tzinfo=zone).timestamp()
    except ValueError as error:
        raise AdminError(
            f"{option} {word} names no time: say today, yesterday, 2d, 12h or 2026-01-31"
        ) from error


def ago(seconds: float) -> str:
    """A span for people: ``12 s``, ``5 min``, ``3 h``, ``2 d``."""
    for unit, length, most in (("s", 1, 120), ("min", 60, 120), ("h", 3600, 48)):
        if seconds < most * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds / 86400:.0f} d"


def days(word: str) -> float:
    """A number of days; the type of an option."""
    number = float(word)
    if not (math.isfinite(number) and 0 <= number <= MOST_DAYS):
        raise ValueError(f"{word} days")
    return number


def zone(name: str) -> tzinfo:
    """The time zone of that name, or a sentence."""
    try:
        return price_schedule.zone_of(name)
    except price_schedule.UnknownZone as error:
        raise AdminError(str(error)) from error
