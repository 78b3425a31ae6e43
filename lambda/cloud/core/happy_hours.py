"""Happy hours: other prices at some hours of some weekdays, by the clock on the hall's wall.

The rules know wall clocks only: what time it is in a zone is asked through ``Local``, at each
moment anew. So nothing here has to know of daylight saving time: an hour that a night skips is
never happy, and one that comes twice is happy twice.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from cloud.core.prices import Bonus, PriceList, mistakes

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY_MINUTES = 24 * 60
MOST = 20  # happy hours of one cabinet

Local = Callable[[int], datetime]
"""Milliseconds since the epoch as the time on the hall's wall."""


@dataclass(frozen=True)
class HappyHour:
    """From ``begins`` to before ``ends`` a play costs ``amount``.

    Both are minutes from midnight; with an end before its beginning it lasts into the next day.
    ``days`` are those on which it begins, 0 for Monday. ``amount`` is in the smallest unit of the
    cabinet's currency.
    """

    days: tuple[int, ...]
    begins: int
    ends: int
    amount: int
    bonuses: tuple[Bonus, ...] = ()

    def holds(self, local: datetime) -> bool:
        """Whether it is now, at this time on the wall."""
        minute = local.hour * 60 + local.minute
        if self.begins < self.ends:
            return local.weekday() in self.days and self.begins <= minute < self.ends
        yesterday = (local.weekday() - 1) % 7
        return (local.weekday() in self.days and minute >= self.begins) or (
            yesterday in self.days and minute < self.ends
        )

    @property
    def minutes(self) -> frozenset[int]:
        """The minutes of the week that it covers, from Monday's midnight on."""
        length = (self.ends - self.begins) % DAY_MINUTES or DAY_MINUTES
        return frozenset(
            (day * DAY_MINUTES + self.begins + minute) % (7 * DAY_MINUTES)
            for day in self.days
            for minute in range(length)
        )


def prices_at(prices: PriceList, hours: Sequence[HappyHour], local: datetime) -> PriceList:
    """The price list at this time on the wall."""
    for hour in hours:
        if hour.holds(local):
            return replace(prices, amount=hour.amount, bonuses=hour.bonuses)
    return prices


def next_change_ms(
    hours: Sequence[HappyHour], now_ms: int, until_ms: int, local: Local
) -> int | None:
    """When the next happy hour begins or ends, in milliseconds since the epoch; ``None`` if none
    does until then. It looks at each minute: hours begin anywhere, and clocks are set at night."""
    if not hours:
        return None
    now = _which(hours, local(now_ms))
    for minute in range(now_ms // 60_000 + 1, until_ms // 60_000 + 1):
        if _which(hours, local(minute * 60_000)) != now:
            return minute * 60_000
    return None


def _which(hours: Sequence[HappyHour], local: datetime) -> int | None:
    return next((n for n, hour in enumerate(hours) if hour.holds(local)), None)


def parse(days: str, begins: str, ends: str, amount: int, bonuses: Sequence[Bonus]) -> HappyHour:
    """A happy hour as people write it: ``fri,sat`` or ``mon-thu``, ``17:00``, ``19:00``; raises
    :class:`ValueError` with a sentence."""
    hour = HappyHour(_days(days), _minute(begins), _minute(ends), amount, tuple(bonuses))
    if hour.begins == hour.ends:
        raise ValueError(f"{begins} to {ends} is no time: a happy hour ends after it begins")
    return hour


def text(hour: HappyHour) -> str:
    """``fri,sat 17:00-19:00``."""
    days = ",".join(WEEKDAYS[day] for day in hour.days)
    return f"{days} {_clock(hour.begins)}-{_clock(hour.ends)}"


def wrong(prices: PriceList, hours: Sequence[HappyHour]) -> list[str]:
    """Every sentence that stands against these happy hours with this price list."""
    found = []
    if len(hours) > MOST:
        found.append(f"{len(hours)} happy hours are too many: {MOST} at most")
    for number, hour in enumerate(hours):
        cheap = replace(prices, amount=hour.amount, bonuses=hour.bonuses)
        found += [f"{text(hour)}: {sentence}" for sentence in mistakes(cheap)]
        for other in hours[:number]:
            if hour.minutes & other.minutes:
                found.append(f"{text(hour)} and {text(other)} are at the same time")
    return found


def _days(words: str) -> tuple[int, ...]:
    found: set[int] = set()
    for word in words.lower().split(","):
        first, _, last = word.strip().partition("-")
        if first not in WEEKDAYS or (last and last not in WEEKDAYS):
            raise ValueError(
                f"{words} names no weekdays: say them as in fri,sat or mon-thu, of "
                f"{', '.join(WEEKDAYS)}"
            )
        day, end = WEEKDAYS.index(first), WEEKDAYS.index(last or first)
        found |= {(day + n) % 7 for n in range((end - day) % 7 + 1)}
    return tuple(sorted(found))


def _minute(clock: str) -> int:
    read = re.fullmatch(r"([01]?[0-9]|2[0-4]):([0-5][0-9])", clock)
    minute = int(read[1]) * 60 + int(read[2]) if read else -1
    if not 0 <= minute <= DAY_MINUTES:
        raise ValueError(f"{clock} is no time of the day: say it as in 17:30")
    return minute % DAY_MINUTES


def _clock(minute: int) -> str:
    return (datetime.min + timedelta(minutes=minute)).strftime("%H:%M")
