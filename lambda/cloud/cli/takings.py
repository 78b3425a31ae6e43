"""Command: what the cabinets brought, as a table, CSV, a chart, or JSON."""

from __future__ import annotations

import argparse
import csv
import io
from collections.abc import Iterator, Sequence

from cloud.cli import listing, output, times
from cloud.cli.commands import Commands
from cloud.cli.desk import AdminError, Desk
from cloud.cli.listing import Column
from cloud.core import money
from cloud.core.orders import Order
from cloud.core.stamps import to_ms
from cloud.core.takings import KEYS, Place, Takings, summed, total
from cloud.services import price_schedule

CHART_LABEL = 30  # columns
AMOUNTS = (
    "currency", "payments", "plays", "free", "charged", "refunded", "disputed", "taken",
    "hall_share",
)  # fmt: skip
EIGHTHS = " ▏▎▍▌▋▊▉"


def add_commands(commands: Commands) -> None:
    """``takings``."""
    made = commands.add(
        "takings",
        takings,
    )
    made.add_argument("machine_id", nargs="?")
    made.add_argument(
        "--by",
        default="cabinet",
        help=f"what to sum up by, with commas: {', '.join(KEYS)} (default: cabinet)",
    )
    made.add_argument("--hall", help="only the cabinets of this hall")
    made.add_argument("--since", default="7d", help="yesterday, 7d, 12h or a date (default: 7d)")
    made.add_argument("--until", help="to before this time, said in the same way; now without")
    made.add_argument("--zone", default="UTC", help="whose days and hours (default: UTC)")
    how = made.add_mutually_exclusive_group()
    how.add_argument("--csv", action="store_true", help="for a spreadsheet")
    how.add_argument("--chart", action="store_true", help="as bars")
    listing.add_options(made)


def takings(desk: Desk, args: argparse.Namespace) -> None:
    """Sums up what the cabinets brought, by hall, cabinet, day and hour of the day."""
    keys = args.by.split(",")
    if not set(keys) <= set(KEYS) or len(set(keys)) < len(keys):
        raise AdminError(f"--by {args.by} must be of {', '.join(KEYS)}, with commas between")
    places = {
        cabinet.machine_id: Place(cabinet.hall, cabinet.share_bp)
        for cabinet in desk.ledger.lagging_cabinets()
    }
    zone = times.zone(args.zone)
    found = summed(_orders(desk, args, places), keys, places, price_schedule.local_in(zone))
    if args.csv:
        output.document(_csv(keys, found))
        return
    page, more = listing.page(found, args)
    if args.json:
        listing.show_json([_as_json(keys, group) for group in page], args, more)
        return
    if args.chart:
        for line in chart(page, output.can_show(EIGHTHS + "█")):
            output.line(line)
    else:
        _table(keys, page, total(found))
    listing.tell_more(args, more)
    if not found:
        output.line("nothing was taken")


def _orders(desk: Desk, args: argparse.Namespace, places: dict[str, Place]) -> Iterator[Order]:
    now, zone = desk.now_ms() / 1000, times.zone(args.zone)
    since_ms = to_ms(times.since("--since", args.since, now, zone))
    until_ms = to_ms(times.since("--until", args.until, now, zone) if args.until else now + 1)
    for order in desk.ledger.lagging_orders(args.machine_id or "", since_ms):
        if order.paid_at_ms >= until_ms:
            continue
        place = places.get(order.machine_id)
        if args.hall is None or (place and place.hall == args.hall):
            yield order


def _table(keys: Sequence[str], page: Sequence[Takings], totals: Sequence[Takings]) -> None:
    shares = any(group.hall_share for group in totals)
    columns = [Column(key.upper(), gives=key in ("hall", "cabinet")) for key in keys]
    columns += [
        Column("PAID", right=True),
        Column("PLAYS", right=True),
        Column("FREE", right=True),
        Column("BACK", right=True),
        Column("TAKEN", right=True),
    ]
    columns += [Column("HALLS", right=True)] if shares else []
    columns += [Column("REST", right=True)] if shares and _has_rest(keys) else []
    columns.append(Column(""))
    rows = [[*group.group, *_numbers(group, shares, _has_rest(keys))] for group in page]
    for group in totals if rows else ():
        numbers = _numbers(group, shares, _has_rest(keys))
        rows.append(["in all", *[""] * (len(keys) - 1), *numbers])
    listing.table(columns, rows)


def _has_rest(keys: Sequence[str]) -> bool:
    """Whether there is room for what is not the halls'."""
    return len(keys) <= 2


def _numbers(group: Takings, shares: bool, rest: bool) -> list[str]:
    def text(amount: int) -> str:
        return _number(amount, group.currency)

    numbers = [str(group.payments), str(group.plays), str(group.free)]
    numbers += [text(group.refunded) if group.refunded else "-", text(group.taken)]
    if shares:
        numbers.append(text(group.hall_share))
    if shares and rest:
        numbers.append(text(group.taken - group.hall_share))
    return [*numbers, group.currency]


def _number(amount: int, currency: str) -> str:
    """An amount without its currency."""
    return money.text(amount, currency).partition(" ")[0]


def chart(found: Sequence[Takings], blocks: bool = True) -> list[str]:
    """A bar for each group, the longest of each currency as long as the screen lets it be."""
    labels = [" ".join(group.group) for group in found]
    amounts = [money.text(group.taken, group.currency) for group in found]
    label = min(CHART_LABEL, max(map(listing.width, labels), default=0))
    figure = max(map(len, amounts), default=0)
    room = output.WIDTH - label - figure - 4
    most: dict[str, int] = {}
    for group in found:
        most[group.currency] = max(most.get(group.currency, 0), group.taken)
    return [
        f"{listing.fitted(name, label)}  {amount:>{figure}}  "
        f"{_bar(group.taken, most[group.currency], room, blocks)}".rstrip()
        for group, name, amount in zip(found, labels, amounts, strict=True)
    ]


def _bar(amount: int, most: int, room: int, blocks: bool) -> str:
    if amount <= 0:
        return ""
    eighths = max(1, amount * room * 8 // most)
    if not blocks:
        return "#" * max(1, eighths // 8)
    return "█" * (eighths // 8) + EIGHTHS[eighths % 8].strip()


def _csv(keys: Sequence[str], found: Sequence[Takings]) -> str:
    """Amounts as plain numbers with a point, as spreadsheets read them."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        [
            *keys,
            *(AMOUNTS),
        ]
    )
    for group in found:
        amounts = [group.charged, group.refunded, group.disputed, group.taken, group.hall_share]
        numbers = [_number(amount, group.currency) for amount in amounts]
        counts = [group.payments, group.plays, group.free]
        writer.writerow([*group.group, group.currency, *counts, *numbers])
    return text.getvalue()


def _as_json(keys: Sequence[str], group: Takings) -> dict[str, object]:
    return {
        **dict(zip(keys, group.group, strict=True)),
        **{name: value for name, value in vars(group).items() if name != "group"},
        "taken": group.taken,
        "decimals": money.decimals(group.currency),
    }
