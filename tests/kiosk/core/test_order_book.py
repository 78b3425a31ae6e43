"""The cabinet's book: what each line means, and which lines cannot be."""

from __future__ import annotations

import pytest

from kiosk.core.entries import Entry, Kind
from kiosk.core.order_book import REMEMBERED, BadLine, Stage, fold

CLAIM = Entry(Kind.CLAIM, "o", claim_id="c")
CLAIMED = Entry(Kind.CLAIMED, "o", credits=2, pulses=4)
REFUSED = Entry(Kind.REFUSED, "o")


def begins(n: int) -> Entry:
    return Entry(Kind.PULSE_BEGINS, "o", number=n)


def over(n: int) -> Entry:
    return Entry(Kind.PULSE_OVER, "o", number=n)


def settle(n: int) -> Entry:
    return Entry(Kind.SETTLE, "o", number=n)


SETTLED = Entry(Kind.SETTLED, "o")
WHOLE = [
    CLAIM,
    CLAIMED,
    *(e for n in range(1, 5) for e in (begins(n), over(n))),
    settle(4),
]


@pytest.mark.parametrize("length", range(len(WHOLE) + 1))
def test_every_beginning_of_an_order_can_be_read(length: int) -> None:
    till = fold(WHOLE[:length])
    if length == 0:
        assert not till.knows("o")
        return
    job = till.jobs["o"]
    assert job.claim_id == "c"
    assert job.begun == sum(e.kind is Kind.PULSE_BEGINS for e in WHOLE[:length])
    assert job.made == sum(e.kind is Kind.PULSE_OVER for e in WHOLE[:length])
    assert till.credits_left == job.made // 2


def test_a_settled_order_is_done_and_remembered() -> None:
    till = fold([*WHOLE, SETTLED])
    assert till.jobs == {}
    assert till.knows("o")


def test_an_order_that_is_done_may_be_asked_for_again_and_is_refused() -> None:
    again = Entry(Kind.CLAIM, "o", claim_id="other")
    till = fold([*WHOLE, SETTLED, again])
    assert (till.jobs["o"].claim_id, till.jobs["o"].begun) == ("other", 0)
    assert fold([*WHOLE, SETTLED, again, REFUSED]).jobs == {}


def test_a_pulse_without_its_end_is_ambiguous_and_the_next_one_follows_it() -> None:
    till = fold([CLAIM, CLAIMED, begins(1), over(1), begins(2), begins(3), over(3)])
    job = till.jobs["o"]
    assert (job.begun, job.made, job.ambiguous) == (3, 2, 1)


@pytest.mark.parametrize(
    "lines",
    [
        [CLAIMED],
        [CLAIM, CLAIM],
        [CLAIM, begins(1)],
        [CLAIM, CLAIMED, CLAIMED],
        [CLAIM, CLAIMED, REFUSED],
        [CLAIM, CLAIMED, begins(2)],
        [CLAIM, CLAIMED, over(1)],
        [CLAIM, CLAIMED, begins(1), over(1), over(1)],
        [CLAIM, CLAIMED, begins(1), over(1), begins(1)],
        [*WHOLE[:-1], begins(5)],
        [CLAIM, CLAIMED, settle(1)],
        [CLAIM, CLAIMED, settle(0), begins(1)],
        [CLAIM, CLAIMED, SETTLED],
        [*WHOLE, SETTLED, SETTLED],
        [CLAIM, Entry(Kind.CLAIMED, "o", credits=0, pulses=0)],
    ],
    ids=lambda lines: " ".join(e.kind.value.replace(" ", "-") for e in lines)[-60:],
)
def test_lines_that_cannot_follow_are_not_believed(lines: list[Entry]) -> None:
    with pytest.raises(BadLine):
        fold(lines)


def test_two_orders_do_not_touch_each_other() -> None:
    other = [
        Entry(Kind.CLAIM, "p", claim_id="d"),
        Entry(Kind.CLAIMED, "p", credits=1, pulses=1),
    ]
    till = fold([CLAIM, other[0], CLAIMED, other[1], begins(1)])
    assert list(till.jobs) == ["o", "p"]
    assert (till.jobs["o"].begun, till.jobs["p"].begun) == (1, 0)
    assert till.jobs["p"].stage is Stage.PULSING


def test_only_the_latest_finished_orders_are_remembered() -> None:
    lines = []
    for n in range(REMEMBERED + 5):
        lines += [
            Entry(Kind.CLAIM, f"o{n}", claim_id="c"),
            Entry(Kind.REFUSED, f"o{n}"),
        ]
    till = fold(lines)
    assert not till.knows("o0")
    assert till.knows(f"o{REMEMBERED + 4}")
