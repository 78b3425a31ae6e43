"""Command: the books of Stripe, of the ledger and of the cabinets, compared."""

from __future__ import annotations

import argparse
import csv
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from cloud.adapters.stripe_gateway import StripeRefused, StripeUnavailable
from cloud.cli import listing, output, times
from cloud.cli.commands import Commands
from cloud.cli.desk import AdminError, Desk
from cloud.core import money
from cloud.core.reconciliation import Finding, Repair, beside_journal
from cloud.stores.base import LedgerUnavailable


def add_commands(commands: Commands) -> None:
    """``reconcile``."""
    checking = commands.add("reconcile", reconcile)
    checking.add_argument("--days", type=times.days, default=7.0, help="how far back (default: 7)")
    checking.add_argument("--fix", action="store_true", help="repair what has one right answer")
    listing.add_json(checking)
    checking.add_argument(
        "--journal",
        action="append",
        default=[],
        metavar="MACHINE_ID=FILE",
        help="compare a cabinet's journal too, as `kiosk ledger --csv` printed it",
    )


def reconcile(desk: Desk, args: argparse.Namespace) -> None:
    """Compares Stripe, the ledger and the cabinets' journals, and lists the differences."""
    books = desk.cloud.reconciliation
    since = desk.now_ms() / 1000 - args.days * 86400
    found = books.compare(since)
    for word in args.journal:
        machine_id, _, file = word.partition("=")
        machine_id = desk.cabinet(machine_id, removed=True).machine_id
        rows = {row["order"]: row for row in _rows(file)}
        found = [
            beside_journal(finding, rows[finding.order_id])
            if finding.machine_id == machine_id and finding.order_id in rows
            else finding
            for finding in found
        ]
        found += books.compare_journal(machine_id, rows.values())
    switched = _switched_off(desk) if args.fix else {}
    if args.json:
        _show_json(desk, args, found, since, switched)
        return
    left = 0
    for finding in found:
        amount = money.text(finding.amount, finding.currency) if finding.currency else ""
        output.line(f"{finding.order_id}  {finding.machine_id}  {amount}".rstrip())
        output.line(f"    {finding.reason}")
        done, todo = _repaired(desk, args, finding)
        left += not done
        output.line(f"    {f'done: {done}' if done else todo}")
    for link_id, machine_id in switched.items():
        output.line(
            f"{link_id}  {machine_id}: the link is off here and was on at Stripe: the next sweep "
            "switches it off"
        )
    for kind, count in sorted(Counter(e.type for e in books.undelivered(since)).items()):
        output.line(
            f"never delivered: {count} × {kind}; look at the webhooks in Stripe's dashboard"
        )
    for tally in books.tallies(since):
        summary = f"{tally.machine_id}  {tally.orders} orders, charged "
        summary += money.text(tally.charged, tally.currency)
        if tally.refunds:
            back = money.text(tally.refunded, tally.currency)
            summary += f", {tally.refunds} refunded by hand ({back})"
        if tally.disputes:
            summary += f", {tally.disputes} disputed"
        if tally.forgiven:
            worth = money.text(tally.worth_forgiven, tally.currency)
            summary += f", {tally.forgiven} pulses forgiven after power cuts ({worth})"
        output.line(summary)
    _raise_left(left, len(found))
    repaired = f" ({len(found)} exceptions repaired)" if found else ""
    output.line(f"the books agree{repaired}")


def _repaired(desk: Desk, args: argparse.Namespace, finding: Finding) -> tuple[str, str]:
    """What was done about a finding, or nothing, and what is to do."""
    # What people did in Stripe's dashboard moves no money here: it is always recorded.
    if not (args.fix or finding.repair is Repair.RECORD):
        return "", finding.todo
    try:
        return desk.cloud.reconciliation.repair(finding), finding.todo
    except (LedgerUnavailable, StripeRefused, StripeUnavailable) as error:
        return "", f"not repaired, run this again: {error}"


def _raise_left(left: int, count: int) -> None:
    if left:
        raise AdminError(f"{left} of {count} exceptions are left")


def _switched_off(desk: Desk) -> dict[str, str]:
    """The links that are switched off again, as after a restored backup, with their cabinets."""
    return {
        link_id: cabinet.machine_id
        for cabinet in desk.ledger.lagging_cabinets()
        for link_id in desk.cloud.links.switch_off_again(cabinet.machine_id)
    }


def _show_json(
    desk: Desk,
    args: argparse.Namespace,
    found: Sequence[Finding],
    since: float,
    switched: Mapping[str, str],
) -> None:
    """The same for programs; it ends with 1 while something is left, too."""
    books = desk.cloud.reconciliation
    repaired = [(finding, *_repaired(desk, args, finding)) for finding in found]
    items = [
        {
            "order_id": finding.order_id,
            "machine_id": finding.machine_id,
            "amount": finding.amount,
            "currency": finding.currency,
            "reason": finding.reason,
            "done": done,
            "todo": "" if done else todo,
        }
        for finding, done, todo in repaired
    ]
    listing.document(
        {
            "items": items,
            "links_switched_off": dict(switched),
            "undelivered": Counter(event.type for event in books.undelivered(since)),
            "tallies": [dict(vars(tally)) for tally in books.tallies(since)],
        }
    )
    _raise_left(sum(not done for _, done, _ in repaired), len(found))


def _rows(file: str) -> list[dict[str, str]]:
    """A cabinet's orders, as ``kiosk ledger --csv`` printed it."""
    try:
        with Path(file).open(newline="") as text:
            rows = list(csv.DictReader(text))
    except (OSError, ValueError, csv.Error) as error:
        raise AdminError(f"{file or 'no file'} cannot be read: {error}") from error
    for row in rows:
        if not (row.get("order") and row.get("state") and (row.get("charged") or "").isdecimal()):
            raise AdminError(f"{file} is no cabinet's book: take what `kiosk ledger --csv` prints")
    return rows
