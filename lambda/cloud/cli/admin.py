"""The operator's commands on cabinets, prices, tokens and orders, for ``python -m cloud.admin``."""

from __future__ import annotations

import argparse
import contextlib
import csv
import json
import math
import re
import secrets
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Protocol

from cloud.adapters.stripe_gateway import StripeRefused, StripeUnavailable
from cloud.cli import broker_accounts, cabinet_config, ledger_backup, output
from cloud.core import cabinets, money, order_life, problems, reconciliation
from cloud.core.cabinets import MACHINE_ID, Cabinet
from cloud.core.orders import Order
from cloud.core.prices import Bonus, PriceList, mistakes
from cloud.core.reconciliation import Repair
from cloud.core.stamps import Stamp, to_ms
from cloud.core.texts import is_plain
from cloud.services import cabinet_tokens
from cloud.services.cabinet_messages import CabinetMessages
from cloud.services.clock import Clock
from cloud.services.going_live import GoingLive
from cloud.services.payment_links import PaymentLinks
from cloud.services.reconciliation import Reconciliation
from cloud.services.releases import Releases
from cloud.settings import Settings
from cloud.stores.base import Ledger, LedgerUnavailable

LONGEST_NAME = 100
SHORTEST_REFERENCE = 6
REFERENCE_DAYS = 90
MOST_DAYS = 3660.0


class AdminError(Exception):
    """A sentence for the operator."""


class Services(Protocol):
    """The parts of the cloud that the commands use."""

    clock: Clock
    ledger: Ledger
    links: PaymentLinks
    releases: Releases
    reconciliation: Reconciliation
    going_live: GoingLive
    cabinet_messages: CabinetMessages


class Admin:
    """One method for each command; each prints what it did."""

    def __init__(
        self,
        cloud: Services,
        settings: Settings,
        sandbox: dict[str, str],
        data: Path | None,
    ) -> None:
        self._cloud = cloud
        self._ledger = cloud.ledger
        self._settings = settings
        self._sandbox = sandbox
        self._data = data

    def add(self, args: argparse.Namespace) -> None:
        """Adds a cabinet and makes its config file."""
        if not MACHINE_ID.fullmatch(args.machine_id):
            raise AdminError(
                f"{args.machine_id!r} cannot name a cabinet: take 1 to 64 of a-z A-Z 0-9 _ -"
            )
        if not self._sandbox:
            broker_accounts.check_name(self._settings, args.machine_id)
        token, digest = cabinet_tokens.new(args.machine_id)
        name = args.name or args.machine_id
        if not is_plain(name) or len(name) > LONGEST_NAME:
            raise AdminError(
                f"--name must be one line of at most {LONGEST_NAME} letters that can be shown"
            )
        prices = _prices(PriceList(100, "USD"), args)
        cabinet = Cabinet(args.machine_id, name, digest, prices, self._stamp().write_id)
        with _config_file(args) as file:
            if not self._ledger.insert(cabinet):
                old = self._cabinet(args.machine_id, removed=True)
                if not old.removed:
                    raise AdminError(
                        f"{args.machine_id} is there already: `token {args.machine_id}` makes it a "
                        "new token, `price` another price list"
                    )
                self._replace(old, cabinets.add_again(old, cabinet))
            self._hand_out(cabinet, token, args, file)

    def token(self, args: argparse.Namespace) -> None:
        """Replaces a cabinet's token and makes its config file; the old token stops working."""
        cabinet = self._cabinet(args.machine_id)
        token, digest = cabinet_tokens.new(cabinet.machine_id)
        with _config_file(args) as file:
            self._replace(cabinet, cabinets.with_token(cabinet, digest, self._stamp()))
            self._hand_out(cabinet, token, args, file)

    def price(self, args: argparse.Namespace) -> None:
        """Changes a cabinet's price list; the old link takes no more payments."""
        cabinet = self._cabinet(args.machine_id)
        prices = _prices(cabinet.prices, args)
        changed = cabinets.with_prices(cabinet, prices, self._stamp())
        self._replace(cabinet, changed)
        self._cloud.links.retire(changed)
        self._cloud.cabinet_messages.payment(cabinet.machine_id, "offer_changed", time.time())
        output.line(f"{cabinet.machine_id}: {_price_text(changed.prices)}")

    def remove(self, args: argparse.Namespace) -> None:
        """Takes a cabinet out of service; its orders stay in the ledger."""
        cabinet = self._cabinet(args.machine_id)
        self._cloud.links.let_sweep_look_now(cabinet.machine_id)
        self._replace(cabinet, cabinets.remove(cabinet, self._stamp()))
        self._cloud.links.switch_off(cabinet.machine_id)
        output.line(f"{cabinet.machine_id} is removed: its token is void and its link is off")
        if not self._sandbox:
            done = broker_accounts.remove(self._settings, cabinet.machine_id, args.broker_files)
            for sentence in done:
                output.line(sentence)

    def backup(self, args: argparse.Namespace) -> None:
        """Writes the whole ledger to a new file; nobody may write to it meanwhile."""
        ledger_backup.backup(self._ledger, args.file, self._stamp().write_id)

    def restore(self, args: argparse.Namespace) -> None:
        """Reads a backup into an empty ledger, of this or another kind of store."""
        ledger_backup.restore(self._ledger, args.file)

    def list(self, _args: argparse.Namespace) -> None:
        """Lists the cabinets and their last heartbeats."""
        for cabinet in self._ledger.lagging_cabinets():
            if cabinet.removed:
                continue
            seen = self._ledger.presence(cabinet.machine_id)
            state = "never seen"
            if seen and seen.seen_at_ms:
                ago = time.time() - seen.seen_at_ms / 1000
                state = f"{seen.state or 'unknown'}, seen {ago:.0f} s ago"
            output.line(f"{cabinet.machine_id}  {_price_text(cabinet.prices)}  {state}")
            for problem in seen.problems if seen else ():
                output.line(f"    {problem}")

    def orders(self, args: argparse.Namespace) -> None:
        """Lists the orders of the last days."""
        since = time.time() - args.days * 86400
        for order in self._ledger.lagging_orders(args.machine_id or "", to_ms(since)):
            charged = f"{money.text(order.charged, order.currency)}{_free(order)}"
            output.line(
                f"{_time(order.paid_at_ms)}  {order.machine_id}  {order.state.value:9}  "
                f"{money.text(order.amount, order.currency):>12}  {order.pulsed}/{order.pulses} "
                f"pulses  charged {charged}  {order.order_id}  {order.reason}".rstrip()
            )

    def order(self, args: argparse.Namespace) -> None:
        """Tells one order's life, from the payment to where the money is."""
        order = self._find(args.order_id)
        output.line(f"{order.order_id}  {order.machine_id}  payment {order.intent_id}")
        for told in order_life.life(order):
            output.line(f"{_time(told.at_ms, 'milliseconds')}  {told.where:7}  {told.sentence}")
        output.line(order_life.outcome(order))
        for incident in self._ledger.lagging_incidents(order.paid_at_ms):
            if incident.order_id == order.order_id:
                output.line(f"incident at {_time(incident.at_ms)}: {incident.text}")
                if incident.todo:
                    output.line(f"    to do: {incident.todo}")

    def problems(self, args: argparse.Namespace) -> None:
        """Lists what needs an operator's attention, the most money first."""
        since_ms = to_ms(_since(args.since, time.time())) if args.since else 0
        now_ms = self._cloud.clock.now_ms()
        silence_ms = to_ms(self._settings.times.silence)
        for cabinet in self._ledger.lagging_cabinets():
            seen = self._ledger.presence(cabinet.machine_id)
            if cabinet.removed or seen is None or not seen.seen_at_ms:
                continue
            if cabinets.silent(seen, now_ms, silence_ms):
                minutes = (now_ms - seen.seen_at_ms) // 60_000
                output.line(
                    f"now  {cabinet.machine_id}  it was last heard of {minutes} minutes ago and "
                    "takes no payments: look at its power and its network"
                )
            for text in seen.problems:
                output.line(f"now  {cabinet.machine_id}  {text}")
        found = problems.heaviest_first(
            problems.problem_of(i, self._ledger.order(i.order_id) if i.order_id else None)
            for i in self._ledger.lagging_incidents(since_ms)
        )
        shown = found if args.all else found[: problems.SHOWN]
        for problem in shown:
            amount = money.text(problem.amount, problem.currency) if problem.currency else "-"
            about = f"{problem.machine_id or '-'}  {problem.order_id}".rstrip()
            output.line(f"{amount}  {_time(problem.at_ms)}  {about}")
            output.line(f"    {problem.text}")
            if problem.todo:
                output.line(f"    to do: {problem.todo}")
        if len(shown) < len(found):
            rest = problems.total(found[len(shown) :])
            output.line(f"not shown: {rest} with less money in them; --all lists them too")
        output.line(f"in all: {problems.total(found)}" if found else "no incidents")

    def release(self, args: argparse.Namespace) -> None:
        """Releases an open order now: its player is not charged."""
        order = self._ledger.order(args.order_id)
        if order is None:
            raise AdminError(f"there is no order {args.order_id}: `orders` lists them")
        done = self._cloud.releases.release(order, "released by the operator")
        output.line(f"{done.order_id} is {done.state.value}")

    def reconcile(self, args: argparse.Namespace) -> None:
        """Compares Stripe, the ledger and the cabinets' journals, and lists the differences."""
        books = self._cloud.reconciliation
        since = time.time() - args.days * 86400
        found = books.compare(since)
        for word in args.journal:
            machine_id, _, file = word.partition("=")
            machine_id = self._cabinet(machine_id, removed=True).machine_id
            rows = {row["order"]: row for row in _rows(file)}
            found = [
                reconciliation.beside_journal(finding, rows[finding.order_id])
                if finding.machine_id == machine_id and finding.order_id in rows
                else finding
                for finding in found
            ]
            found += books.compare_journal(machine_id, rows.values())
        left = 0
        for finding in found:
            amount = money.text(finding.amount, finding.currency) if finding.currency else ""
            output.line(f"{finding.order_id}  {finding.machine_id}  {amount}".rstrip())
            output.line(f"    {finding.reason}")
            # What people did in Stripe's dashboard moves no money here: it is always recorded.
            done, todo = "", finding.todo
            if args.fix or finding.repair is Repair.RECORD:
                try:
                    done = books.repair(finding)
                except (LedgerUnavailable, StripeRefused, StripeUnavailable) as error:
                    todo = f"not repaired, run this again: {error}"
            left += not done
            output.line(f"    {f'done: {done}' if done else todo}")
        for cabinet in self._ledger.lagging_cabinets() if args.fix else ():
            for link_id in self._cloud.links.switch_off_again(cabinet.machine_id):
                output.line(
                    f"{link_id}  {cabinet.machine_id}: the link is off here and was on at Stripe: "
                    "the next sweep switches it off"
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
        if left:
            raise AdminError(f"{left} of {len(found)} exceptions are left")
        repaired = f" ({len(found)} exceptions repaired)" if found else ""
        output.line(f"the books agree{repaired}")

    def go_live(self, args: argparse.Namespace) -> None:
        """Checks key and settings, and gives every cabinet a link of this Stripe account."""
        going_live = self._cloud.going_live
        mistakes = going_live.mistakes()
        if mistakes:
            raise AdminError(f"nothing was changed: {'; '.join(mistakes)}")
        if args.check:
            output.line("everything is right: `go-live` gives the cabinets their links")
            return
        failed = []
        for cabinet in going_live.cabinets():
            try:
                output.line(f"{cabinet.machine_id}  {going_live.renew(cabinet)}")
            except (LedgerUnavailable, StripeRefused, StripeUnavailable) as error:
                failed.append(f"{cabinet.machine_id}: {error}")
        if failed:
            raise AdminError(f"run this again, these have no link: {'; '.join(failed)}")
        output.line("the cabinets take payments with this account")

    def _stamp(self) -> Stamp:
        return self._cloud.clock.stamp()

    def _cabinet(self, machine_id: str, removed: bool = False) -> Cabinet:
        cabinet = self._ledger.cabinet(machine_id)
        if cabinet is None or (cabinet.removed and not removed):
            raise AdminError(f"there is no cabinet {machine_id}: `list` names those there are")
        return cabinet

    def _find(self, name: str) -> Order:
        """The order with that id, or whose id ends so: a receipt shows the last eight letters."""
        order = self._ledger.order(name)
        if order is not None:
            return order
        since_ms = to_ms(time.time() - REFERENCE_DAYS * 86400)
        found = [
            listed
            for listed in self._ledger.lagging_orders(since_ms=since_ms)
            if len(name) >= SHORTEST_REFERENCE and listed.order_id.endswith(name)
        ]
        if len(found) != 1:
            many = f"{len(found)} orders end with {name}" if found else f"there is no order {name}"
            raise AdminError(f"{many}: `orders` lists them with their whole ids")
        return self._ledger.order(found[0].order_id) or found[0]

    def _replace(self, old: Cabinet, new: Cabinet) -> None:
        if not self._ledger.replace(old, new):
            raise AdminError(f"{old.machine_id} was changed by somebody else just now: try again")

    def _hand_out(
        self,
        cabinet: Cabinet,
        token: str,
        args: argparse.Namespace,
        file: output.SecretFile | None,
    ) -> None:
        if self._sandbox:
            around = cabinet_config.at_broker(
                self._settings.mqtt_url,
                self._sandbox["api"],
                self._sandbox["mqtt_username"],
                self._sandbox["mqtt_password"],
                self._data,
            )
        else:
            password = secrets.token_urlsafe(24)
            around = cabinet_config.at_broker(
                self._settings.mqtt_cabinet_url or self._settings.mqtt_url,
                self._settings.public_url,
                cabinet.machine_id,
                password,
                ca_file=self._settings.mqtt_ca_file,
            )
            made = broker_accounts.make(
                self._settings, cabinet.machine_id, password, args.broker_files
            )
            for sentence in made:
                output.error(sentence)
        text = cabinet_config.text(
            cabinet.machine_id, cabinet.name, token, args.after_power_cut, around
        )
        if file is None:
            output.document(text)
        else:
            file.write(text)
            output.line(f"{cabinet.machine_id}: its config file is {file.path}")


@contextlib.contextmanager
def _config_file(args: argparse.Namespace) -> Iterator[output.SecretFile | None]:
    """The file for the config, if one was asked for; gone again if the command fails."""
    file = output.SecretFile(args.output, args.overwrite) if args.output else None
    try:
        yield file
    finally:
        if file:
            file.drop()


def _time(at_ms: int, timespec: str = "seconds") -> str:
    """A time in UTC, for people."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).replace(tzinfo=None).isoformat(" ", timespec)


def _since(text: str, now: float) -> float:
    """The moment that ``yesterday``, ``2d``, ``12h`` or ``2026-01-31`` (UTC) names."""
    today = datetime.fromtimestamp(now, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if text in ("today", "yesterday"):
        return (today - timedelta(days=text == "yesterday")).timestamp()
    if span := re.fullmatch(r"([0-9]{1,4})([dh])", text):
        return now - int(span[1]) * (86400 if span[2] == "d" else 3600)
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).timestamp()
    except ValueError as error:
        raise AdminError(
            f"--since {text} names no time: say today, yesterday, 2d, 12h or 2026-01-31"
        ) from error


def _days(text: str) -> float:
    days = float(text)
    if not (math.isfinite(days) and 0 <= days <= MOST_DAYS):
        raise ValueError(f"{text} days")
    return days


def _prices(before: PriceList, args: argparse.Namespace) -> PriceList:
    currency = (args.currency or before.currency).upper()
    amount = before.amount
    if args.price is not None:
        if not re.fullmatch(r"[0-9]{1,10}(\.[0-9]{1,6})?", args.price):
            raise AdminError(f"--price {args.price} is no amount, as in 1.00")
        exact = Decimal(args.price) * 10 ** money.decimals(currency)
        if exact != int(exact):
            raise AdminError(f"--price {args.price} has more decimals than {currency} has")
        amount = int(exact)
    elif currency != before.currency:
        raise AdminError("another --currency needs its --price too")
    bonuses = before.bonuses
    if args.bonus is not None:
        bonuses = tuple(_bonus(text) for text in args.bonus if text)
    most = before.most if args.most is None else args.most
    prices = PriceList(amount, currency, bonuses, most)
    wrong = mistakes(prices)
    if wrong:
        raise AdminError("\n".join(wrong))
    return prices


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


def _bonus(text: str) -> Bonus:
    bought, _, got = text.partition("=")
    if not (bought.isdecimal() and got.isdecimal()):
        raise AdminError(f"--bonus {text} must be two numbers, as in 5=6 for 'pay 5, get 6'")
    return Bonus(int(bought), int(got))


def _free(order: Order) -> str:
    """The pulses of an order that were made, or may have been, and that nobody pays for."""
    free = {"forgiven": order.forgiven, "ambiguous": order.ambiguous}
    return "".join(f", {count} {name}" for name, count in free.items() if count)


def _price_text(prices: PriceList) -> str:
    terms = f"{money.text(prices.amount, prices.currency)} a play"
    for bonus in prices.bonuses:
        terms += f", {bonus.quantity} get {bonus.credits}"
    return terms


def parser() -> argparse.ArgumentParser:
    """The command line, for ``main`` and for the test of the documentation."""
    top = argparse.ArgumentParser(
        prog="python -m cloud.admin",
        description="Manages the cloud's cabinets, their prices, tokens and orders.",
    )
    top.add_argument(
        "--data",
        type=Path,
        help="the folder of a sandbox to work on; without it, the environment says which cloud",
    )
    top.add_argument("--debug", action="store_true", help="show tracebacks")
    commands = top.add_subparsers(dest="command", required=True)

    def command(name: str, *arguments: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=str(getattr(Admin, name.replace("-", "_")).__doc__))
        for argument in arguments:
            made.add_argument(argument)
        return made

    for name in ("add", "price"):
        made = command(name, "machine_id")
        made.add_argument("--price", help="one play, as in 1.00")
        made.add_argument("--currency", help="three letters, as in USD")
        made.add_argument("--bonus", action="append", help="5=6: pay 5, get 6; '' for none")
        made.add_argument("--most", type=int, help="plays in one payment at most")
        if name == "add":
            made.add_argument("--name", help="shown on the cabinet's marquee")
            _after_power_cut(made)
            _add_output(made)
            broker_accounts.add_arguments(made)
    renewed = command("token", "machine_id")
    _after_power_cut(renewed)
    _add_output(renewed)
    broker_accounts.add_arguments(renewed)
    broker_accounts.add_arguments(command("remove", "machine_id"))
    command("list")
    listing = command("orders")
    listing.add_argument("machine_id", nargs="?")
    listing.add_argument("--days", type=_days, default=7.0)
    command("order", "order_id")
    morning = command("problems")
    morning.add_argument("--since", help="yesterday, 2d, 12h or a date; all that is known without")
    morning.add_argument("--all", action="store_true", help="also those with little money in them")
    command("release", "order_id")
    checking = command("reconcile")
    checking.add_argument("--days", type=_days, default=7.0, help="how far back (default: 7)")
    checking.add_argument("--fix", action="store_true", help="repair what has one right answer")
    checking.add_argument(
        "--journal",
        action="append",
        default=[],
        metavar="MACHINE_ID=FILE",
        help="compare a cabinet's journal too, as `kiosk ledger --csv` printed it",
    )
    command("backup").add_argument("file", type=Path)
    command("restore").add_argument("file", type=Path)
    command("go-live").add_argument(
        "--check", action="store_true", help="only look whether everything is right"
    )
    return top


def _add_output(made: argparse.ArgumentParser) -> None:
    made.add_argument("--output", type=Path, metavar="FILE", help="for its owner alone (0600)")
    made.add_argument("--overwrite", action="store_true", help="replace FILE if it is there")


def _after_power_cut(command: argparse.ArgumentParser) -> None:
    """What the operator has to decide for each cabinet: there is no default that is right."""
    command.add_argument(
        "--after-power-cut",
        choices=["forgive", "charge"],
        required=True,
        help="what a player pays for pulses made before the power went: forgive if the game "
        "forgets its credits without power, as most do; charge if it keeps them",
    )


def sandbox_of(data: Path) -> tuple[Settings, dict[str, str]]:
    """The settings of the sandbox whose folder is ``data``."""
    try:
        state: dict[str, str] = json.loads((data / "sandbox.json").read_text())
        mqtt_url = state.get("mqtt_url") or (
            f"mqtt://{state['mqtt_username']}:{state['mqtt_password']}@{state['mqtt']}"
        )
        settings = Settings(
            ledger=f"sqlite:///{data / 'ledger.db'}",
            stripe_key=state["stripe_key"],
            stripe_api_base=state["stripe"],
            webhook_secret=state["webhook_secret"],
            mqtt_url=mqtt_url,
            mqtt_version="3.1.1",
            public_url=state.get("public_url", state["api"]),
        )
    except (OSError, ValueError, KeyError) as error:
        raise AdminError(
            f"{data} is not a sandbox's folder: start `python -m sandbox --data {data}` first"
        ) from error
    return settings, state
