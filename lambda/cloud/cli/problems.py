"""Command: what needs an operator's attention."""

from __future__ import annotations

import argparse
from typing import Any

from cloud.cli import listing, output, times
from cloud.cli.commands import Commands
from cloud.cli.desk import Desk
from cloud.core import cabinets, money
from cloud.core import problems as rules
from cloud.core.stamps import to_ms


def add_commands(commands: Commands) -> None:
    """``problems``."""
    morning = commands.add("problems", problems)
    morning.add_argument("machine_id", nargs="?")
    morning.add_argument("--since", help="yesterday, 2d, 12h or a date; all that is known without")
    morning.add_argument("--all", action="store_true", help="also those with little money in them")
    listing.add_json(morning)


def problems(desk: Desk, args: argparse.Namespace) -> None:
    """Lists what needs an operator's attention, the most money first."""
    since_ms = to_ms(times.since("--since", args.since, desk.now_ms() / 1000)) if args.since else 0
    now = []
    for cabinet in desk.ledger.lagging_cabinets():
        if cabinet.removed or args.machine_id not in (None, cabinet.machine_id):
            continue
        seen = desk.ledger.presence(cabinet.machine_id)
        if seen is None or not seen.seen_at_ms:
            continue
        if cabinets.silent(seen, desk.now_ms(), to_ms(desk.settings.times.silence)):
            minutes = (desk.now_ms() - seen.seen_at_ms) // 60_000
            silent = (
                f"it was last heard of {minutes} minutes ago and takes no payments: look at its "
                "power and its network"
            )
            now.append((cabinet.machine_id, silent))
        now += [(cabinet.machine_id, text) for text in seen.problems]
    listed = rules.heaviest_first(
        rules.problem_of(i, desk.ledger.order(i.order_id) if i.order_id else None)
        for i in desk.ledger.lagging_incidents(since_ms)
    )
    found = [p for p in listed if args.machine_id in (None, p.machine_id)]
    shown = found if args.all else found[: rules.SHOWN]
    if args.json:
        listing.document(_as_json(now, shown, len(found)))
        return
    for machine_id, text in now:
        output.wrapped(f"now  {machine_id}  {text}")
    for problem in shown:
        amount = money.text(problem.amount, problem.currency) if problem.currency else "-"
        about = f"{problem.machine_id or '-'}  {problem.order_id}".rstrip()
        output.line(f"{amount}  {times.text(problem.at_ms)}  {about}")
        output.wrapped(f"    {problem.text}")
        if problem.todo:
            output.wrapped(f"    to do: {problem.todo}")
    if len(shown) < len(found):
        rest = rules.total(found[len(shown) :])
        output.line(f"not shown: {rest} with less money in them; --all lists them too")
    output.line(f"in all: {rules.total(found)}" if found else "no incidents")


def _as_json(now: list[tuple[str, str]], shown: list[rules.Problem], count: int) -> dict[str, Any]:
    return {
        "now": [{"machine_id": machine_id, "text": text} for machine_id, text in now],
        "items": [dict(vars(problem)) for problem in shown],
        "count": count,
    }
