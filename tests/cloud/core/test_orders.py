"""Every state and every arrow: those of the drawing work, all others change nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from cloud.core import orders
from cloud.core.orders import (
    ARROWS,
    FINISHED,
    ClaimRequest,
    Order,
    OrderState,
    Refused,
    Schedule,
    SettleRequest,
)
from cloud.core.payments import Intent
from cloud.core.stamps import Stamp, to_ms

OPEN = Order(
    order_id="cs_1",
    machine_id="cab001",
    state=OrderState.OPEN,
    quantity=5,
    credits=6,
    amount=500,
    currency="USD",
    intent_id="pi_1",
    held=True,
    paid_at_ms=1_000_000,
    deadline_ms=1_120_000,
    hold_until_ms=600_000_000,
    write_id="paid",
)
SCHEDULE = Schedule(deadline_ms=120_000, unsettled_ms=900_000, abandon_before_ms=86_400_000)


def stamp(seconds: float) -> Stamp:
    return Stamp(to_ms(seconds), f"write at {seconds}")


def claim(order: Order, machine_id: str, claim_id: str, at: float) -> Order | Refused:
    request = ClaimRequest(machine_id, order.order_id, claim_id)
    return orders.claim(order, request, stamp(at), SCHEDULE)


def settle(order: Order, claim_id: str, pulsed: int, pulses: int, at: float) -> Order | Refused:
    request = SettleRequest(order.machine_id, order.order_id, claim_id, pulsed, pulses)
    return orders.settle(order, request, stamp(at))


CLAIMED = replace(OPEN, state=OrderState.CLAIMED, claim_id="c1", claimed_at_ms=1_001_000)
EACH = {
    OrderState.OPEN: OPEN,
    OrderState.CLAIMED: CLAIMED,
    OrderState.SETTLING: replace(CLAIMED, state=OrderState.SETTLING, pulsed=6, pulses=6),
    OrderState.SETTLED: replace(CLAIMED, state=OrderState.SETTLED, pulsed=6, pulses=6, charged=500),
    OrderState.RELEASING: replace(OPEN, state=OrderState.RELEASING),
    OrderState.RELEASED: replace(OPEN, state=OrderState.RELEASED),
}
CHARGED = Intent("pi_1", "succeeded", 500, 250, 250, pulsed=3, pulses=6)
Arrow = Callable[[Order], Order | Refused]
LEADS_TO: dict[OrderState, Arrow] = {
    OrderState.CLAIMED: lambda o: claim(o, "cab001", "new", 1010.0),
    OrderState.SETTLING: lambda o: settle(o, o.claim_id or "c1", 3, 6, 1020.0),
    OrderState.SETTLED: lambda o: (
        orders.rebuild(o, CHARGED, stamp(1030.0))
        if o.state is OrderState.RELEASING
        else orders.settled(o, 500, stamp(1030.0))
    ),
    OrderState.RELEASED: lambda o: orders.released(o, 0, stamp(1030.0)),
}


@pytest.mark.parametrize("before", OrderState)
@pytest.mark.parametrize("after", LEADS_TO)
def test_only_the_arrows_of_the_drawing_lead_on(before: OrderState, after: OrderState) -> None:
    result = LEADS_TO[after](EACH[before])
    if after in ARROWS[before]:
        assert isinstance(result, Order)
        assert result.state is after
        assert result.version == EACH[before].version + 1
    else:
        assert isinstance(result, Refused) or result.state is before


@pytest.mark.parametrize("before", OrderState)
def test_only_open_orders_are_released_and_only_claimed_ones_abandoned(
    before: OrderState,
) -> None:
    released = orders.release(EACH[before], "late", stamp(2000.0))
    abandoned = orders.abandon(EACH[before], "late", stamp(2000.0))
    assert isinstance(released, Order) == (before is OrderState.OPEN)
    assert isinstance(abandoned, Order) == (before is OrderState.CLAIMED)


def test_the_same_claim_again_changes_nothing_and_another_one_is_refused() -> None:
    assert claim(CLAIMED, "cab001", "c1", 5000.0) is CLAIMED
    assert isinstance(claim(CLAIMED, "cab001", "c2", 1002.0), Refused)


def test_a_claim_at_the_deadline_is_too_late() -> None:
    assert isinstance(claim(OPEN, "cab001", "c1", 1119.9), Order)
    assert isinstance(claim(OPEN, "cab001", "c1", 1120.0), Refused)


def test_another_cabinet_and_an_order_for_nothing_cannot_be_claimed() -> None:
    assert isinstance(claim(OPEN, "cab002", "c1", 1010.0), Refused)
    assert isinstance(claim(replace(OPEN, credits=0), "cab001", "c1", 1010.0), Refused)


def test_a_second_settle_with_other_numbers_does_not_count() -> None:
    settling = EACH[OrderState.SETTLING]
    assert settle(settling, "c1", 6, 6, 1040.0) is settling
    assert isinstance(settle(settling, "c1", 5, 6, 1040.0), Refused)


def test_pulses_that_do_not_match_the_credits_are_refused() -> None:
    assert isinstance(settle(CLAIMED, "c1", 6, 12, 1040.0), Order)
    assert isinstance(settle(CLAIMED, "c1", 6, 7, 1040.0), Refused)


def test_a_settle_after_the_release_is_recorded_as_given_away() -> None:
    released = replace(CLAIMED, state=OrderState.RELEASED)
    late = settle(released, "c1", 4, 6, 9999.0)
    assert isinstance(late, Order)
    assert (late.state, late.given_away, late.charged) == (OrderState.RELEASED, 4, 0)
    assert settle(late, "c1", 4, 6, 10_000.0) is late


DUE = {
    OrderState.CLAIMED: 1_010_000 + 900_000,
    OrderState.SETTLING: 1_020_000,
    OrderState.SETTLED: None,
    OrderState.RELEASING: 2_000_000,
    OrderState.RELEASED: None,
}


@pytest.mark.parametrize("before", OrderState)
@pytest.mark.parametrize("after", DUE)
def test_each_arrow_says_when_the_order_is_due_next_and_is_known_by_its_stamp(
    before: OrderState, after: OrderState
) -> None:
    arrows = LEADS_TO | {
        OrderState.RELEASING: lambda o: (
            orders.release(o, "late", stamp(2000.0))
            if o.state is OrderState.OPEN
            else orders.abandon(o, "never settled", stamp(2000.0))
        )
    }
    if after not in ARROWS[before]:
        return
    result = arrows[after](EACH[before])
    assert isinstance(result, Order)
    assert result.due_at_ms == DUE[after]
    assert result.write_id == f"write at {result.changed_at_ms / 1000}"


def test_a_claim_is_due_when_it_is_unsettled_or_abandoned_whichever_comes_first() -> None:
    short = replace(OPEN, hold_until_ms=86_400_000 + 1_500_000)
    for order, due_at_ms in (
        (OPEN, 1_910_000),
        (short, 1_500_000),
        (replace(short, held=False), 1_910_000),
    ):
        claimed = claim(order, "cab001", "c1", 1010.0)
        assert isinstance(claimed, Order)
        assert claimed.due_at_ms == due_at_ms


@pytest.mark.parametrize("before", OrderState)
def test_a_claimed_order_that_was_reported_is_due_again_when_it_is_abandoned(
    before: OrderState,
) -> None:
    order = replace(EACH[before], changed_at_ms=7)
    reported = orders.report_unsettled(order, stamp(2000.0), SCHEDULE)
    if before is not OrderState.CLAIMED:
        assert isinstance(reported, Refused)
        return
    assert isinstance(reported, Order)
    assert reported.due_at_ms == 600_000_000 - 86_400_000
    assert (reported.version, reported.changed_at_ms) == (order.version + 1, 7)
    charged = orders.report_unsettled(replace(order, held=False), stamp(2000.0), SCHEDULE)
    assert isinstance(charged, Order)
    assert charged.due_at_ms is None


@pytest.mark.parametrize("before", OrderState)
def test_a_refund_is_recorded_beside_a_finished_order_once(before: OrderState) -> None:
    recorded = orders.record_refund(EACH[before], 100, True, stamp(2000.0))
    if before not in FINISHED:
        assert isinstance(recorded, Refused)
        return
    assert isinstance(recorded, Order)
    assert (recorded.state, recorded.refunded, recorded.disputed) == (before, 100, True)
    assert recorded.due_at_ms is None
    assert orders.record_refund(recorded, 100, True, stamp(3000.0)) is recorded


@pytest.mark.parametrize(("pulsed", "due"), [(6, 500), (5, 416), (1, 83), (0, 0)])
def test_what_is_due_is_the_pulsed_part_rounded_down(pulsed: int, due: int) -> None:
    assert orders.amount_due(replace(EACH[OrderState.SETTLING], pulsed=pulsed)) == due


def test_nothing_is_due_for_what_is_released() -> None:
    assert orders.amount_due(replace(EACH[OrderState.RELEASING], pulsed=4, pulses=6)) == 0


def test_a_lost_settle_is_rebuilt_from_what_was_charged_and_only_while_none_is_known() -> None:
    for before in OrderState:
        rebuilt = orders.rebuild(EACH[before], CHARGED, stamp(1030.0))
        lost = before in (OrderState.OPEN, OrderState.RELEASING)
        assert isinstance(rebuilt, Order) == lost
        if isinstance(rebuilt, Order):
            assert (rebuilt.charged, rebuilt.refunded, rebuilt.pulsed) == (250, 0, 3)
    at_once = replace(CHARGED, received=500, refunded=350)
    rebuilt = orders.rebuild(EACH[OrderState.OPEN], at_once, stamp(1030.0))
    assert isinstance(rebuilt, Order)
    assert (rebuilt.charged, rebuilt.refunded) == (250, 100)
