"""Orders summed up."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from cloud.core.orders import Order, OrderState
from cloud.core.takings import Place, Takings, summed, total
from tests.cloud.stores.test_stores import ORDER

PLACES = {
    "cab001": Place("Nord", 30_00),
    "cab002": Place("Nord", 12_50),
    "cab003": Place("", 0),
}


def order(
    machine_id: str = "cab001", at: str = "2026-11-24T18:30", charged: int = 100, **more: object
) -> Order:
    paid_at_ms = round(datetime.fromisoformat(at).replace(tzinfo=UTC).timestamp() * 1000)
    settled = replace(
        ORDER,
        machine_id=machine_id,
        state=OrderState.SETTLED,
        paid_at_ms=paid_at_ms,
        charged=charged,
        pulsed=1,
        pulses=1,
    )
    return replace(settled, **more)  # type: ignore[arg-type]


def by(keys: str, *orders: Order, zone: str = "UTC") -> list[Takings]:
    def local(at_ms: int) -> datetime:
        return datetime.fromtimestamp(at_ms / 1000, ZoneInfo(zone))

    return summed(orders, keys.split(","), PLACES, local)


def test_a_group_counts_what_was_charged_and_what_went_back() -> None:
    [found] = by(
        "cabinet",
        order(charged=500, credits=6, pulsed=12, pulses=12),
        order(charged=250, credits=6, pulsed=3, pulses=6, refunded=50),
        order(charged=0, state=OrderState.RELEASED, pulsed=0, pulses=0),
        order(charged=300, disputed=True),
    )
    assert (found.payments, found.plays, found.charged, found.refunded) == (3, 10, 1050, 50)
    assert (found.taken, found.disputed) == (1000, 300)


def test_free_credits_are_counted_apart_from_what_was_paid() -> None:
    [found] = by("cabinet", order(), order(charged=0, free=True, credits=2, pulsed=2, pulses=2))
    assert (found.payments, found.plays, found.free, found.taken) == (1, 1, 2, 100)


def test_days_and_hours_are_those_of_the_zone() -> None:
    late = order(at="2026-11-24T23:30")
    assert [t.group for t in by("day,hour", late)] == [("2026-11-24", "23:00")]
    assert [t.group for t in by("day,hour", late, zone="Europe/Berlin")] == [
        ("2026-11-25", "00:00")
    ]


def test_an_hour_is_one_of_the_day_over_all_days() -> None:
    found = by("hour", order(at="2026-11-24T18:05"), order(at="2026-11-25T18:55"))
    assert [(t.group, t.taken) for t in found] == [(("18:00",), 200)]


def test_each_cabinets_share_is_its_own_and_no_part_of_a_cent_is_given() -> None:
    orders = [order(charged=101) for _ in range(3)] + [order("cab002", charged=99)]
    [hall] = by("hall", *orders, order("cab003", charged=1000))[1:]
    assert hall.group == ("Nord",)
    assert hall.hall_share == 303 * 30 // 100 + 99 * 125 // 1000


def test_a_share_is_of_what_is_left_after_refunds() -> None:
    [found] = by("hall", order(charged=1000, refunded=400))
    assert found.hall_share == 180


def test_currencies_are_never_added_up() -> None:
    found = by("cabinet", order(), order(currency="JPY", charged=300))
    assert [(t.currency, t.taken) for t in found] == [("JPY", 300), ("USD", 100)]
    assert [(t.currency, t.taken) for t in total(found)] == [("JPY", 300), ("USD", 100)]


@pytest.mark.parametrize("keys", ["hall", "cabinet", "day", "hour", "day,cabinet", "hall,hour"])
def test_however_they_are_grouped_the_sum_is_the_same(keys: str) -> None:
    orders = [
        order(f"cab00{n % 3 + 1}", f"2026-11-{n % 20 + 1:02}T{n % 24:02}:00", n * 7, refunded=n)
        for n in range(100)
    ]
    [all_of_it] = total(by(keys, *orders))
    assert all_of_it.taken == sum(o.charged - o.refunded for o in orders)
    assert [t.group for t in by(keys, *orders)] == sorted(t.group for t in by(keys, *orders))


def test_a_cabinet_that_the_ledger_has_forgotten_is_in_no_hall() -> None:
    assert [(t.group, t.hall_share) for t in by("hall", order("gone"))] == [(("",), 0)]
