"""Happy hours by the clock on the wall."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from cloud.core import happy_hours
from cloud.core.happy_hours import HappyHour, next_change_ms, parse, prices_at, wrong
from cloud.core.prices import Bonus, PriceList

PRICES = PriceList(100, "EUR", (Bonus(5, 6),))
BERLIN = ZoneInfo("Europe/Berlin")
FRIDAY = parse("fri", "17:00", "19:00", 50, [])
NIGHT = parse("sat", "22:00", "02:00", 60, [Bonus(2, 3)])


def at(text: str, fold: int = 0) -> int:
    """A time on the wall in Berlin, in milliseconds since the epoch."""
    local = datetime.fromisoformat(text).replace(tzinfo=BERLIN, fold=fold)
    return round(local.timestamp() * 1000)


def berlin(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, BERLIN)


@pytest.mark.parametrize(
    ("when", "amount"),
    [
        ("2026-11-27T16:59:59", 100),
        ("2026-11-27T17:00", 50),
        ("2026-11-27T18:59:59", 50),
        ("2026-11-27T19:00", 100),
        ("2026-11-26T18:00", 100),  # Thursday
        ("2026-11-28T21:59", 100),
        ("2026-11-28T22:00", 60),
        ("2026-11-29T01:59", 60),  # Sunday morning belongs to Saturday night
        ("2026-11-29T02:00", 100),
        ("2026-11-28T01:00", 100),  # and Saturday morning to Friday's, which has none
    ],
)
def test_the_price_is_that_of_the_wall_clock(when: str, amount: int) -> None:
    assert prices_at(PRICES, [FRIDAY, NIGHT], berlin(at(when))).amount == amount


def test_a_happy_hour_has_its_own_bonus_and_the_cabinets_other_terms() -> None:
    happy = prices_at(PRICES, [NIGHT], berlin(at("2026-11-28T23:00")))
    assert happy == PriceList(60, "EUR", (Bonus(2, 3),), PRICES.most)


def changes(hours: list[HappyHour], begin: str, end: str) -> list[str]:
    """Every change between two times, as the walls in Berlin and in Greenwich have them."""
    now_ms, until_ms, found = at(begin), at(end), []
    while (change := next_change_ms(hours, now_ms, until_ms, berlin)) is not None:
        greenwich = datetime.fromtimestamp(change / 1000, ZoneInfo("UTC"))
        found.append(f"{berlin(change):%a %H:%M} {greenwich:%H:%M}")
        now_ms = change
    return found


def test_the_next_change_is_exact_to_the_minute() -> None:
    assert changes([FRIDAY, NIGHT], "2026-11-27T12:00", "2026-11-30T00:00") == [
        "Fri 17:00 16:00",
        "Fri 19:00 18:00",
        "Sat 22:00 21:00",
        "Sun 02:00 01:00",
    ]
    odd = parse("fri", "17:07", "17:09", 50, [])
    found = next_change_ms([odd], at("2026-11-27T17:06:59"), at("2026-11-27T18:00"), berlin)
    assert found == at("2026-11-27T17:07")


def test_it_looks_no_further_than_it_is_asked_to() -> None:
    assert next_change_ms([FRIDAY], at("2026-11-27T12:00"), at("2026-11-27T16:59"), berlin) is None
    assert next_change_ms([], 0, at("2026-11-27T12:00"), berlin) is None


def test_the_clock_goes_forward_over_a_happy_hour() -> None:
    """On 2026-03-29 there is no time from 2 to 3 in Berlin."""
    early = parse("sun", "02:30", "04:00", 50, [])
    assert changes([early], "2026-03-29T00:00", "2026-03-29T06:00") == [
        "Sun 03:00 01:00",
        "Sun 04:00 02:00",
    ]
    skipped = parse("sun", "02:00", "03:00", 50, [])
    assert changes([skipped], "2026-03-29T00:00", "2026-03-29T06:00") == []


def test_the_clock_goes_back_over_a_happy_hour() -> None:
    """On 2026-10-25 the hour from 2 to 3 comes twice in Berlin."""
    twice = parse("sun", "02:15", "02:45", 50, [])
    assert changes([twice], "2026-10-25T00:00", "2026-10-25T06:00") == [
        "Sun 02:15 00:15",
        "Sun 02:45 00:45",
        "Sun 02:15 01:15",
        "Sun 02:45 01:45",
    ]


def test_the_week_is_the_walls_and_not_greenwichs() -> None:
    auckland = ZoneInfo("Pacific/Auckland")
    local = datetime.fromtimestamp(at("2026-11-26T18:00") / 1000, auckland)
    assert FRIDAY.holds(local.replace(hour=17))
    assert local.weekday() == 4


@pytest.mark.parametrize(
    ("days", "found"),
    [
        ("fri,sat", (4, 5)),
        ("mon-thu", (0, 1, 2, 3)),
        ("sat-mon", (0, 5, 6)),
        ("SUN", (6,)),
        ("mon-sun", tuple(range(7))),
        ("mon,mon", (0,)),
    ],
)
def test_days_are_read_as_people_write_them(days: str, found: tuple[int, ...]) -> None:
    hour = parse(days, "9:05", "10:00", 50, [])
    assert hour.days == found
    assert hour.begins == 545


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("friday", "17:00", "19:00"), "names no weekdays"),
        (("", "17:00", "19:00"), "names no weekdays"),
        (("fri", "5pm", "19:00"), "no time of the day"),
        (("fri", "24:01", "19:00"), "no time of the day"),
        (("fri", "17:00", "17:00"), "ends after it begins"),
        (("fri", "17:60", "19:00"), "no time of the day"),
    ],
)
def test_what_is_no_time_is_a_sentence(words: tuple[str, str, str], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        parse(*words, 50, [])


def test_until_midnight_can_be_said_as_24() -> None:
    hour = parse("fri", "22:00", "24:00", 50, [])
    assert happy_hours.text(hour) == "fri 22:00-00:00"
    assert hour.holds(datetime(2026, 11, 27, 23, 59))
    assert not hour.holds(datetime(2026, 11, 28, 0, 0))


@pytest.mark.parametrize(
    ("other", "overlaps"),
    [
        (parse("fri", "18:59", "20:00", 50, []), True),
        (parse("fri", "19:00", "20:00", 50, []), False),
        (parse("thu", "23:00", "17:01", 50, []), True),
        (parse("sat", "17:00", "19:00", 50, []), False),
    ],
)
def test_two_at_the_same_time_are_refused(other: HappyHour, overlaps: bool) -> None:
    assert bool([s for s in wrong(PRICES, [FRIDAY, other]) if "same time" in s]) == overlaps


def test_a_week_has_no_end_for_overlaps() -> None:
    sunday = parse("sun", "23:00", "01:00", 50, [])
    monday = parse("mon", "00:30", "02:00", 50, [])
    assert wrong(PRICES, [sunday, monday])


def test_a_price_that_cannot_be_sold_is_refused() -> None:
    assert "below the smallest charge" in wrong(PRICES, [parse("fri", "1:00", "2:00", 10, [])])[0]
