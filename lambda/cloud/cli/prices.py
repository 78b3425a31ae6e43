"""Commands: what a cabinet sells, and when it sells it for less."""

from __future__ import annotations

import argparse
import re
from dataclasses import replace
from decimal import Decimal

from cloud.cli import listing, output, times
from cloud.cli.commands import Commands
from cloud.cli.desk import AdminError, Desk
from cloud.core import cabinets, happy_hours, money
from cloud.core.cabinets import Cabinet
from cloud.core.prices import Bonus, PriceList, mistakes


def add_commands(commands: Commands) -> None:
    """``price`` and ``happy-hours``."""
    changed = commands.add("price", price)
    changed.add_argument("machine_id")
    add_options(changed)
    happy = commands.add("happy-hours", change_happy_hours)
    happy.add_argument("machine_id")
    happy.add_argument("--days", help="when they begin, as in fri,sat or mon-thu")
    happy.add_argument("--from", dest="begins", metavar="HH:MM", help="by the clock on the wall")
    happy.add_argument("--to", dest="ends", metavar="HH:MM", help="of the next day, if it is less")
    happy.add_argument("--price", help="one play, as in 0.50")
    happy.add_argument("--bonus", action="append", help="5=7: pay 5, get 7")
    happy.add_argument("--zone", help="where the wall is, as in Europe/Berlin")
    happy.add_argument("--clear", action="store_true", help="take all happy hours away")
    listing.add_json(happy)


def add_options(command: argparse.ArgumentParser) -> None:
    """What makes a price list."""
    command.add_argument("--price", help="one play, as in 1.00")
    command.add_argument("--currency", help="three letters, as in USD")
    command.add_argument("--bonus", action="append", help="5=6: pay 5, get 6; '' for none")
    command.add_argument("--most", type=int, help="plays in one payment at most")


def price(desk: Desk, args: argparse.Namespace) -> None:
    """Changes a cabinet's price list; the old link takes no more payments."""
    cabinet = desk.cabinet(args.machine_id)
    prices = read(cabinet.prices, args)
    if cabinet.happy_hours:
        if prices.currency != cabinet.prices.currency:
            raise AdminError(
                f"{cabinet.machine_id} has happy hours in {cabinet.prices.currency}: take them "
                f"away first, `happy-hours {cabinet.machine_id} --clear`"
            )
        _raise_mistakes(happy_hours.wrong(prices, cabinet.happy_hours))
    changed = cabinets.with_prices(cabinet, prices, desk.stamp())
    _store(desk, cabinet, changed)
    output.line(f"{cabinet.machine_id}: {text(changed.prices)}")


def change_happy_hours(desk: Desk, args: argparse.Namespace) -> None:
    """Shows a cabinet's happy hours; adds one, or takes all away."""
    cabinet = desk.cabinet(args.machine_id)
    needed = {
        "--days": args.days, "--from": args.begins, "--to": args.ends, "--price": args.price
    }  # fmt: skip
    given = [name for name, value in needed.items() if value is not None]
    if args.clear and given:
        raise AdminError("--clear takes all away: say either that or a happy hour to add")
    if args.clear:
        cleared = cabinets.with_happy_hours(cabinet, (), cabinet.time_zone, desk.stamp())
        _store(desk, cabinet, cleared)
        cabinet = cleared
    elif given:
        if missing := [name for name, value in needed.items() if value is None]:
            raise AdminError(f"a happy hour needs {', '.join(missing)} too")
        added = _with_happy_hour(cabinet, args, desk)
        _store(desk, cabinet, added)
        cabinet = added
    elif args.zone is not None:
        times.zone(args.zone)
        moved = cabinets.with_happy_hours(cabinet, cabinet.happy_hours, args.zone, desk.stamp())
        _store(desk, cabinet, moved)
        cabinet = moved
    _show(cabinet, args.json)


def _with_happy_hour(cabinet: Cabinet, args: argparse.Namespace, desk: Desk) -> Cabinet:
    zone = args.zone or cabinet.time_zone
    if not zone:
        raise AdminError("a happy hour needs a --zone too, as in Europe/Berlin")
    times.zone(zone)
    prices = read(cabinet.prices, argparse.Namespace(**vars(args), currency=None, most=None))
    bonuses = prices.bonuses if args.bonus is not None else ()
    try:
        hour = happy_hours.parse(args.days, args.begins, args.ends, prices.amount, bonuses)
    except ValueError as error:
        raise AdminError(str(error)) from error
    hours = (*cabinet.happy_hours, hour)
    _raise_mistakes(happy_hours.wrong(cabinet.prices, hours))
    return cabinets.with_happy_hours(cabinet, hours, zone, desk.stamp())


def _show(cabinet: Cabinet, as_json: bool) -> None:
    if as_json:
        listing.document(happy_hours_json(cabinet))
        return
    for sentence in happy_hours_text(cabinet) or ["no happy hours"]:
        output.line(f"{cabinet.machine_id}: {sentence}")


def happy_hours_text(cabinet: Cabinet) -> list[str]:
    """A line for each happy hour."""
    return [
        f"{happy_hours.text(hour)} {cabinet.time_zone}: "
        + text(replace(cabinet.prices, amount=hour.amount, bonuses=hour.bonuses))
        for hour in cabinet.happy_hours
    ]


def happy_hours_json(cabinet: Cabinet) -> list[dict[str, object]]:
    """The same for programs."""
    return [
        {
            "when": happy_hours.text(hour),
            "time_zone": cabinet.time_zone,
            "amount": hour.amount,
            "currency": cabinet.prices.currency,
            "bonuses": [dict(vars(bonus)) for bonus in hour.bonuses],
        }
        for hour in cabinet.happy_hours
    ]


def _store(desk: Desk, old: Cabinet, new: Cabinet) -> None:
    """Stores other prices; the links of the ones before go off, and the cabinet is told."""
    desk.replace(old, new)
    desk.cloud.links.retire(new)
    desk.tell_offer_changed(new.machine_id)


def amount(option: str, word: str, currency: str) -> int:
    """An amount as people write it, in the currency's smallest unit."""
    if not re.fullmatch(r"[0-9]{1,10}(\.[0-9]{1,6})?", word):
        raise AdminError(f"{option} {word} is no amount, as in 1.00")
    exact = Decimal(word) * 10 ** money.decimals(currency)
    if exact != int(exact):
        raise AdminError(f"{option} {word} has more decimals than {currency} has")
    return int(exact)


def read(before: PriceList, args: argparse.Namespace) -> PriceList:
    """The price list of before with what the options change of it."""
    currency = (args.currency or before.currency).upper()
    play = before.amount
    if args.price is not None:
        play = amount("--price", args.price, currency)
    elif currency != before.currency:
        raise AdminError("another --currency needs its --price too")
    bonuses = before.bonuses
    if args.bonus is not None:
        bonuses = tuple(_bonus(word) for word in args.bonus if word)
    most = before.most if args.most is None else args.most
    prices = PriceList(play, currency, bonuses, most)
    _raise_mistakes(mistakes(prices))
    return prices


def text(prices: PriceList) -> str:
    """A price list for people."""
    terms = f"{money.text(prices.amount, prices.currency)} a play"
    for bonus in prices.bonuses:
        terms += f", {bonus.quantity} get {bonus.credits}"
    return terms


def _raise_mistakes(found: list[str]) -> None:
    if found:
        raise AdminError("\n".join(found))


def _bonus(word: str) -> Bonus:
    bought, _, got = word.partition("=")
    if not (bought.isdecimal() and got.isdecimal()):
        raise AdminError(f"--bonus {word} must be two numbers, as in 5=6 for 'pay 5, get 6'")
    return Bonus(int(bought), int(got))
