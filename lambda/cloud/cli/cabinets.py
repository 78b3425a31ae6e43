"""Commands: cabinets, from the day one is added to the day it is removed."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

from cloud.cli import broker_accounts, config_files, halls, listing, output, prices, times
from cloud.cli.commands import Commands
from cloud.cli.desk import AdminError, Desk, plain
from cloud.cli.listing import Column
from cloud.core import cabinets, money, statements
from cloud.core.cabinets import MACHINE_ID, Cabinet, Presence
from cloud.core.orders import UNFINISHED
from cloud.core.prices import PriceList
from cloud.services import cabinet_tokens, price_schedule

LONGEST_NAME = 100
STATES = ("selling", "troubled", "silent", "disabled")


def add_commands(commands: Commands) -> None:
    """``add``, ``list``, ``show``, ``rename``, ``statement``, ``disable``, ``enable``,
    ``remove``."""
    added = commands.add("add", add, "machine_id")
    prices.add_options(added)
    added.add_argument("--name", help="shown on the cabinet's marquee")
    config_files.add_after_power_cut(added)
    config_files.add_output(added)
    broker_accounts.add_arguments(added)
    listed = commands.add("list", list_cabinets)
    listed.add_argument("--hall", help="only those of this hall")
    listed.add_argument("--state", choices=STATES, help="only those that are so now")
    listing.add_options(listed)
    listing.add_json(commands.add("show", show, "machine_id"))
    commands.add("rename", rename, "machine_id", "name")
    named = commands.add("statement", change_statement, "machine_id")
    named.add_argument("name", nargs="?", default="", help="none takes it away")
    commands.add("disable", disable, "machine_id")
    commands.add("enable", enable, "machine_id")
    broker_accounts.add_arguments(commands.add("remove", remove, "machine_id"))


def add(desk: Desk, args: argparse.Namespace) -> None:
    """Adds a cabinet and makes its config file."""
    if not MACHINE_ID.fullmatch(args.machine_id):
        raise AdminError(
            f"{args.machine_id!r} cannot name a cabinet: take 1 to 64 of a-z A-Z 0-9 _ -"
        )
    if not desk.sandbox:
        broker_accounts.check_name(desk.settings, args.machine_id)
    token, digest = cabinet_tokens.new(args.machine_id)
    name = plain("--name", args.name or args.machine_id, LONGEST_NAME)
    terms = prices.read(PriceList(100, "USD"), args)
    cabinet = Cabinet(args.machine_id, name, digest, terms, desk.stamp().write_id)
    with config_files.opened(args) as file:
        if not desk.ledger.insert(cabinet):
            old = desk.cabinet(args.machine_id, removed=True)
            if not old.removed:
                raise AdminError(
                    f"{args.machine_id} is there already: `token {args.machine_id}` makes it a "
                    "new token, `price` another price list"
                )
            desk.replace(old, cabinets.add_again(old, cabinet))
        config_files.hand_out(desk, cabinet, token, args, file)


def rename(desk: Desk, args: argparse.Namespace) -> None:
    """Gives a cabinet another name, for the page on which players pay."""
    cabinet = desk.cabinet(args.machine_id)
    name = plain("the name", args.name, LONGEST_NAME)
    _store(desk, cabinet, cabinets.rename(cabinet, name, desk.stamp()))
    output.line(
        f"{cabinet.machine_id} is {name} now; its marquee has the name in [cabinet] of its config "
        "file"
    )


def change_statement(desk: Desk, args: argparse.Namespace) -> None:
    """Sets what the bills of its players' cards show behind the name of the Stripe account."""
    cabinet = desk.cabinet(args.machine_id)
    if args.name and (wrong := statements.mistakes(args.name)):
        raise AdminError("\n".join(wrong))
    _store(desk, cabinet, cabinets.with_statement(cabinet, args.name, desk.stamp()))
    output.line(
        f"{cabinet.machine_id}: bills of new payments show "
        + (f"the account's name and {args.name}" if args.name else "the account's name alone")
    )


def disable(desk: Desk, args: argparse.Namespace) -> None:
    """Lets a cabinet sell nothing, until it is enabled; what is paid already is given."""
    cabinet = desk.cabinet(args.machine_id)
    if cabinet.disabled:
        output.line(f"{cabinet.machine_id} is disabled already")
        return
    desk.cloud.links.let_sweep_look_now(cabinet.machine_id)
    desk.replace(cabinet, cabinets.disable(cabinet, True, desk.stamp()))
    desk.cloud.links.switch_off(cabinet.machine_id)
    desk.tell_offer_changed(cabinet.machine_id)
    output.line(f"{cabinet.machine_id} is disabled: its link is off, its screen shows no code")


def enable(desk: Desk, args: argparse.Namespace) -> None:
    """Lets a cabinet sell again."""
    cabinet = desk.cabinet(args.machine_id)
    if not cabinet.disabled:
        output.line(f"{cabinet.machine_id} is not disabled")
        return
    desk.replace(cabinet, cabinets.disable(cabinet, False, desk.stamp()))
    desk.tell_offer_changed(cabinet.machine_id)
    output.line(f"{cabinet.machine_id} is enabled: it asks for its link")


def remove(desk: Desk, args: argparse.Namespace) -> None:
    """Takes a cabinet out of service; its orders stay in the ledger."""
    cabinet = desk.cabinet(args.machine_id)
    desk.cloud.links.let_sweep_look_now(cabinet.machine_id)
    desk.replace(cabinet, cabinets.remove(cabinet, desk.stamp()))
    desk.cloud.links.switch_off(cabinet.machine_id)
    output.line(f"{cabinet.machine_id} is removed: its token is void and its link is off")
    if not desk.sandbox:
        done = broker_accounts.remove(desk.settings, cabinet.machine_id, args.broker_files)
        for sentence in done:
            output.line(sentence)


def list_cabinets(desk: Desk, args: argparse.Namespace) -> None:
    """Lists the cabinets and their last heartbeats."""
    found = (
        (cabinet, seen)
        for cabinet, seen in _with_presences(desk)
        if args.hall in (None, cabinet.hall) and args.state in (None, state_of(desk, cabinet, seen))
    )
    page, more = listing.page(found, args)
    if args.json:
        listing.show_json([_as_json(desk, cabinet, seen) for cabinet, seen in page], args, more)
        return
    columns = [
        Column("CABINET", gives=True),
        Column("NAME", gives=True),
        Column("HALL", gives=True),
        Column("NOW", gives=True),
        Column("STATE"),
        Column("SEEN", right=True),
    ]
    rows = [
        [
            cabinet.machine_id,
            cabinet.name,
            cabinet.hall,
            prices.text(price_schedule.prices(cabinet, desk.now_ms())),
            state_of(desk, cabinet, seen),
            _seen(desk, seen),
        ]
        for cabinet, seen in page
    ]
    listing.table(columns, rows)
    for cabinet, seen in page:
        for problem in seen.problems if seen else ():
            output.wrapped(f"{cabinet.machine_id}: {problem}")
    listing.tell_more(args, more)


def show(desk: Desk, args: argparse.Namespace) -> None:
    """Shows all that is known of one cabinet."""
    cabinet = desk.cabinet(args.machine_id)
    seen = desk.ledger.presence(cabinet.machine_id)
    if args.json:
        listing.document(_as_json(desk, cabinet, seen))
        return
    for title, value in _facts(desk, cabinet, seen):
        output.wrapped(f"{title + ':':12} {value}", indent=13)


def _facts(desk: Desk, cabinet: Cabinet, seen: Presence | None) -> Iterator[tuple[str, str]]:
    yield "cabinet", cabinet.machine_id
    yield "name", cabinet.name
    if cabinet.hall:
        yield "hall", halls.text(cabinet)
    yield "prices", prices.text(cabinet.prices)
    for line in prices.happy_hours_text(cabinet):
        yield "happy hour", line
    if cabinet.statement:
        yield "statement", cabinet.statement
    yield "state", state_of(desk, cabinet, seen)
    if seen and seen.seen_at_ms:
        yield "seen", f"{_seen(desk, seen)} ago, {seen.state or 'unknown'}, {seen.software}"
    for problem in seen.problems if seen else ():
        yield "problem", problem
    ids = desk.ledger.lagging_link_ids(cabinet.machine_id)
    links = [link for link in (desk.ledger.link(link_id) for link_id in ids) if link]
    link = desk.cloud.links.current(cabinet, links)
    yield "link", f"{link.url} ({'on' if link.payable else 'off'})" if link else "none yet"
    if cabinet.old_token_counts(desk.now_ms()):
        yield (
            "token",
            f"being rotated: the old one counts until {times.text(cabinet.old_token_until_ms)} UTC",
        )
    unfinished = [order.order_id for order in _unfinished(desk, cabinet)]
    yield "unfinished", ", ".join(unfinished) or "no orders"


def _unfinished(desk: Desk, cabinet: Cabinet) -> Iterator[Any]:
    for order_id in desk.ledger.lagging_unfinished_ids(cabinet.machine_id):
        order = desk.ledger.order(order_id)
        if order and order.state in UNFINISHED:
            yield order


def state_of(desk: Desk, cabinet: Cabinet, seen: Presence | None) -> str:
    """One of ``STATES``."""
    if cabinet.disabled:
        return "disabled"
    silence_ms = round(desk.settings.times.silence * 1000)
    if cabinets.silent(seen, desk.now_ms(), silence_ms):
        return "silent"
    return "selling" if seen and seen.healthy else "troubled"


def _with_presences(desk: Desk) -> Iterator[tuple[Cabinet, Presence | None]]:
    for cabinet in desk.ledger.lagging_cabinets():
        if not cabinet.removed:
            yield cabinet, desk.ledger.presence(cabinet.machine_id)


def _seen(desk: Desk, seen: Presence | None) -> str:
    if seen is None or not seen.seen_at_ms:
        return "never"
    return times.ago(max(0, desk.now_ms() - seen.seen_at_ms) / 1000)


def _as_json(desk: Desk, cabinet: Cabinet, seen: Presence | None) -> dict[str, Any]:
    now = price_schedule.prices(cabinet, desk.now_ms())
    return {
        "machine_id": cabinet.machine_id,
        "name": cabinet.name,
        "state": state_of(desk, cabinet, seen),
        "seen_at_ms": seen.seen_at_ms if seen else 0,
        "reports": seen.state if seen else "",
        "software": seen.software if seen else "",
        "problems": list(seen.problems) if seen else [],
        "amount": cabinet.prices.amount,
        "amount_now": now.amount,
        "currency": cabinet.prices.currency,
        "decimals": money.decimals(cabinet.prices.currency),
        "bonuses": [dict(vars(bonus)) for bonus in cabinet.prices.bonuses],
        "most": cabinet.prices.most,
        "happy_hours": prices.happy_hours_json(cabinet),
        "statement": cabinet.statement,
        "hall": cabinet.hall,
        "share_percent": cabinet.share_bp / 100,
        "token_rotates_until_ms": cabinet.old_token_until_ms if cabinet.old_token_hash else 0,
    }


def _store(desk: Desk, old: Cabinet, new: Cabinet) -> None:
    """Stores what a link is made with; the old link goes off, and the cabinet is told."""
    desk.replace(old, new)
    desk.cloud.links.retire(new)
    desk.tell_offer_changed(new.machine_id)
