"""The command ``kiosk``. Each command imports what it needs when it runs: most need no screen."""

from __future__ import annotations

import argparse
import logging
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from kiosk import __version__
from kiosk.config import loader
from kiosk.config.schema import Config
from kiosk.errors import KioskError

log = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command and returns its exit status: 1 after a known failure, 2 for a wrong call."""
    arguments = _parser().parse_args(argv)
    try:
        return int(arguments.command(arguments))
    except KioskError as error:
        if arguments.debug:
            raise
        for line in str(error).splitlines():
            print(f"kiosk: {line}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="kiosk", description="Card payment for an arcade cabinet: screen, journal, coin relay."
    )
    parser.add_argument("--version", action="version", version=f"kiosk {__version__}")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--config", required=True, type=Path, metavar="FILE", help="the cabinet's config file"
    )
    common.add_argument(
        "--debug", action="store_true", help="log everything, and show where a failure came from"
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    run = commands.add_parser("run", parents=[common], help="run the kiosk until it is ended")
    run.add_argument("--windowed", action="store_true", help="in a window, whatever the file says")
    run.add_argument(
        "--shots", type=Path, metavar="DIR", help="save a picture of every screen that is shown"
    )
    run.set_defaults(command=_run)

    check = commands.add_parser(
        "check", parents=[common], help="say whether the config file is right, and what it means"
    )
    check.set_defaults(command=_check)

    open_relay = commands.add_parser(
        "open-relay", parents=[common], help="open the coin relay, after a kiosk that was killed"
    )
    open_relay.set_defaults(command=_open_relay)
    new_journal = commands.add_parser(
        "new-journal", parents=[common], help="set a damaged journal aside, and begin a new one"
    )
    new_journal.set_defaults(command=_new_journal)

    ledger = commands.add_parser(
        "ledger", parents=[common], help="show the cabinet's journal: its orders and pulses"
    )
    ledger.add_argument("--csv", action="store_true", help="as comma-separated values")
    ledger.add_argument(
        "--unsettled", action="store_true", help="only the orders that are not finished"
    )
    ledger.add_argument(
        "--year", type=int, metavar="YYYY", help="only the orders that were begun in this year"
    )
    ledger.set_defaults(command=_ledger)
    return parser


def _run(arguments: argparse.Namespace) -> int:
    settings = loader.load(arguments.config)
    if arguments.windowed:
        screen = settings.screen.model_copy(update={"fullscreen": False})
        settings = settings.model_copy(update={"screen": screen})
    _configure_logging(settings, arguments.debug)
    for warning in loader.warnings(arguments.config, settings):
        log.warning("%s", warning)
    from kiosk import app

    return app.run(settings, arguments.shots)


def _check(arguments: argparse.Namespace) -> int:
    settings = loader.load(arguments.config)
    for warning in loader.warnings(arguments.config, settings):
        print(f"warning: {warning}", file=sys.stderr)
    from kiosk.display import theme

    try:
        theme.load(settings.screen.theme)
    except theme.ThemeError as error:
        for line in str(error).splitlines():
            print(f"warning: {line}; the theme {theme.DEFAULT} is shown", file=sys.stderr)
    print("ok")
    print(loader.summary(settings))
    return 0


def _open_relay(arguments: argparse.Namespace) -> int:
    settings = loader.load(arguments.config)
    _configure_logging(settings, arguments.debug)
    from kiosk import hardware

    relay = hardware.build(settings.relay, time.monotonic)
    hardware.insist(relay.open, time.sleep)
    hardware.insist(relay.shut_down, time.sleep)
    log.info("the coin relay is open")
    return 0


def _new_journal(arguments: argparse.Namespace) -> int:
    settings = loader.load(arguments.config)
    from kiosk.journal import store

    kept = store.set_aside(settings.journal.path)
    print(f"the damaged journal is kept as {kept}; start the kiosk, it begins a new one")
    return 0


def _ledger(arguments: argparse.Namespace) -> int:
    settings = loader.load(arguments.config)
    from kiosk.core.order_book import BadEntry
    from kiosk.journal import archive, order_report, store

    path = settings.journal.path
    try:
        orders = order_report.summaries(store.read(path, arguments.year))
    except BadEntry as error:
        raise store.damaged(path, str(error)) from error
    if arguments.year is not None:
        orders = [o for o in orders if archive.year_of(o.begun_at) == arguments.year]
    if arguments.unsettled:
        orders = [order for order in orders if order.unsettled]
    print(
        order_report.as_csv(orders) if arguments.csv else order_report.table(orders),
        end="" if arguments.csv else "\n",
    )
    return 0


def _configure_logging(settings: Config, debug: bool) -> None:
    """Logs to standard error, without times: systemd's journal, where it goes, adds them."""
    logging.basicConfig(
        level=logging.DEBUG if debug else settings.log.level.upper(),
        format="%(levelname)s %(name)s: %(message)s",
    )
