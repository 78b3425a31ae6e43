"""The cabinet's orders, as an operator reads them."""

from __future__ import annotations

import csv
import io

import pytest

from kiosk.core.entries import Entry, Kind
from kiosk.core.order_book import BadEntry
from kiosk.journal import order_report


def begun(number: int) -> Entry:
    return Entry(Kind.PULSE_BEGINS, "cs_1", number=number)


def over(number: int) -> Entry:
    return Entry(Kind.PULSE_OVER, "cs_1", number=number)


CLAIM = Entry(Kind.CLAIM, "cs_1", claim_id="mine")
CLAIMED = Entry(Kind.CLAIMED, "cs_1", credits=3, pulses=3)
WHOLE = (
    *(CLAIM, CLAIMED, begun(1), over(1), begun(2)),
    Entry(Kind.FORGIVEN, "cs_1", number=2),
    *(begun(3), over(3)),
    Entry(Kind.SETTLE, "cs_1", number=1),
    Entry(Kind.SETTLED, "cs_1"),
    Entry(Kind.CREDITS_LEFT, number=0),
)
REFUSED = (
    Entry(Kind.CLAIM, "cs_2", claim_id="other"),
    Entry(Kind.REFUSED, "cs_2", note="claim refused (HTTP 409): the order was released"),
)


def summaries(*entries: Entry) -> list[order_report.OrderSummary]:
    return list(
        order_report.summaries((entry, 1_800_000_000.0 + n) for n, entry in enumerate(entries))
    )


def test_each_order_is_one_row_with_what_became_of_it() -> None:
    first, second = summaries(*WHOLE, *REFUSED)
    assert (first.state, first.unsettled) == ("settled", False)
    assert (first.progress.made, first.progress.lost_made, first.progress.pulsed) == (2, 1, 1)
    assert (second.state, second.unsettled) == ("refused", False)
    assert "released" in second.note


def test_an_order_under_way_is_unsettled() -> None:
    for length in range(1, len(WHOLE) - 1):
        (order,) = summaries(*WHOLE[:length])
        assert order.unsettled


def test_a_late_hint_for_a_refused_order_stays_one_row() -> None:
    assert len(summaries(*REFUSED, *REFUSED)) == 1


def test_a_late_hint_for_a_settled_order_does_not_hide_what_was_charged() -> None:
    again = Entry(Kind.CLAIM, "cs_1", claim_id="late")
    (order,) = summaries(*WHOLE, again, Entry(Kind.REFUSED, "cs_1", note="claimed already"))
    assert (order.state, order.progress.pulsed) == ("settled", 1)


def test_the_table_names_its_columns_and_the_time() -> None:
    table = order_report.table(summaries(*WHOLE))
    assert table.split()[: len(order_report.HEAD)] == list(order_report.HEAD)
    assert "2027-01-15 08:00:00+00:00" in table


def test_the_csv_is_read_back() -> None:
    rows = list(csv.DictReader(io.StringIO(order_report.as_csv(summaries(*WHOLE, *REFUSED)))))
    assert [row["order"] for row in rows] == ["cs_1", "cs_2"]
    assert [rows[0][key] for key in ("made", "forgiven", "ambiguous", "charged")] == list("2101")


def test_a_journal_that_makes_no_sense_is_not_reported() -> None:
    with pytest.raises(BadEntry):
        summaries(Entry(Kind.SETTLED, "cs_1"))
