"""The cabinet's book: what each line means, and which entries cannot be."""

from __future__ import annotations

import pytest

from kiosk.core.entries import Entry, Kind
from kiosk.core.order_book import REMEMBERED, BadEntry, OrderStage, fold

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
    book = fold(WHOLE[:length])
    if length == 0:
        assert not book.knows("o")
        return
    order = book.unfinished["o"]
    assert order.claim_id == "c"
    assert order.begun == sum(e.kind is Kind.PULSE_BEGINS for e in WHOLE[:length])
    assert order.made == sum(e.kind is Kind.PULSE_OVER for e in WHOLE[:length])
    assert book.credits_left == order.made // 2


def test_a_settled_order_is_done_and_remembered() -> None:
    book = fold([*WHOLE, SETTLED])
    assert book.unfinished == {}
    assert book.knows("o")


def test_an_order_that_is_done_may_be_asked_for_again_and_is_refused() -> None:
    again = Entry(Kind.CLAIM, "o", claim_id="other")
    book = fold([*WHOLE, SETTLED, again])
    assert (book.unfinished["o"].claim_id, book.unfinished["o"].begun) == ("other", 0)
    assert fold([*WHOLE, SETTLED, again, REFUSED]).unfinished == {}


def test_a_pulse_without_its_end_is_ambiguous_and_the_next_one_follows_it() -> None:
    book = fold([CLAIM, CLAIMED, begins(1), over(1), begins(2), begins(3), over(3)])
    order = book.unfinished["o"]
    assert (order.begun, order.made, order.ambiguous) == (3, 2, 1)


@pytest.mark.parametrize(
    "entries",
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
    ids=lambda entries: " ".join(e.kind.value.replace(" ", "-") for e in entries)[-60:],
)
def test_entries_that_cannot_follow_are_refused(entries: list[Entry]) -> None:
    with pytest.raises(BadEntry):
        fold(entries)


def test_two_orders_do_not_touch_each_other() -> None:
    other = [
        Entry(Kind.CLAIM, "p", claim_id="d"),
        Entry(Kind.CLAIMED, "p", credits=1, pulses=1),
    ]
    book = fold([CLAIM, other[0], CLAIMED, other[1], begins(1)])
    assert list(book.unfinished) == ["o", "p"]
    assert (book.unfinished["o"].begun, book.unfinished["p"].begun) == (1, 0)
    assert book.unfinished["p"].stage is OrderStage.PULSING


def test_only_the_latest_finished_orders_are_remembered() -> None:
    entries = []
    for n in range(REMEMBERED + 5):
        entries += [
            Entry(Kind.CLAIM, f"o{n}", claim_id="c"),
            Entry(Kind.REFUSED, f"o{n}"),
        ]
    book = fold(entries)
    assert not book.knows("o0")
    assert book.knows(f"o{REMEMBERED + 4}")
