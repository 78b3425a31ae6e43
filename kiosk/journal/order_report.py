"""The cabinet's own book for people: what the journal says of each order, as a table or CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from tabulate import tabulate

from kiosk.core import order_book
from kiosk.core.entries import Entry, Kind
from kiosk.core.order_book import Job, Till

HEAD = ("order", "begun", "state", "credits", "pulses", "made", "forgiven", "ambiguous", "charged")
SETTLED, REFUSED = "settled", "refused"


@dataclass(frozen=True)
class Account:
    """What became of one order here. ``begun_at`` is what the cabinet's wall clock said then.

    ``job.pulsed`` is what the settle told, 0 before it; ``note`` is the last thing that was written
    beside a line.
    """

    order_id: str
    begun_at: float
    state: str
    job: Job
    note: str = ""

    @property
    def unsettled(self) -> bool:
        return self.state not in (SETTLED, REFUSED)


def accounts(lines: Iterable[tuple[Entry, float]]) -> Sequence[Account]:
    """Every order of a journal, oldest first. Raises :class:`kiosk.core.order_book.BadLine`."""
    book, found = Till(), dict[str, Account]()
    for entry, wall in lines:
        before = book.jobs.get(entry.order_id)
        book = order_book.apply(book, entry)
        job = book.jobs.get(entry.order_id) or before
        if job is None:
            continue
        account = found.get(entry.order_id)
        if account and account.state == SETTLED:
            continue  # a late hint after a restart: the cloud refuses it, and nothing of it counts
        if account is None or entry.kind is Kind.CLAIM:
            account = Account(entry.order_id, wall, "", job)
        state = {Kind.SETTLED: SETTLED, Kind.REFUSED: REFUSED}.get(entry.kind, job.stage.value)
        found[entry.order_id] = replace(
            account, state=state, job=job, note=entry.note or account.note
        )
    return tuple(found.values())


def table(book: Iterable[Account]) -> str:
    """A table for a terminal."""
    return tabulate([_row(account) for account in book], (*HEAD, "note"), disable_numparse=True)


def as_csv(book: Iterable[Account]) -> str:
    """Comma-separated values with a head, for a spreadsheet."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow((*HEAD, "note"))
    writer.writerows(_row(account) for account in book)
    return text.getvalue()


def _row(account: Account) -> tuple[object, ...]:
    job = account.job
    return (
        account.order_id,
        datetime.fromtimestamp(account.begun_at, UTC).isoformat(" ", "seconds"),
        account.state,
        job.credits,
        job.pulses,
        job.made,
        job.lost_made,
        job.ambiguous,
        job.pulsed,
        account.note,
    )
