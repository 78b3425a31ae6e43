"""``python -m cloud.serve``: the cloud on a machine of one's own, behind a reverse proxy.

The same handler and sweep as on Lambda, with the settings from the environment. It runs until
SIGTERM or SIGINT: then it takes no more connections, answers what has come, and ends the sweep
after the order or cabinet that it is at.
"""

from __future__ import annotations

import argparse
import logging
import os
import queue
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack

from cloud import logs, wiring
from cloud.cli import output
from cloud.http.refusals import Refusals
from cloud.server.gateway import lambda_app
from cloud.server.http_server import HttpServer, Limits
from cloud.server.instance_lock import LedgerInUse, sole_use
from cloud.server.listener import PortTaken, listen, port_of
from cloud.server.route_limits import RouteLimits
from cloud.server.sweeper import Sweeper
from cloud.settings import Settings, SettingsError, from_environment, is_loopback
from cloud.stores.base import LedgerUnavailable
from cloud.wiring import Cloud

log = logging.getLogger("cloud.serve")  # it runs as __main__

LOOPBACK = "127.0.0.1"
PORT = 8080
# A call of Stripe may hang for 23 s, and few of our calls wait for more than one of them.
STOP_SECONDS = 30.0
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")


def parser() -> argparse.ArgumentParser:
    """The command line."""
    command_line = argparse.ArgumentParser(
        prog="python -m cloud.serve",
        description="The cloud on a machine of one's own, with the settings of the environment. "
        "A reverse proxy before it speaks https.",
    )
    command_line.add_argument(
        "--host", default=LOOPBACK, help="the address to listen on (default: this machine only)"
    )
    command_line.add_argument(
        "--port", type=_port, default=PORT, help=f"0 is any free one (default {PORT})"
    )
    command_line.add_argument(
        "--sweep-seconds", type=_seconds, default=60.0, help="between two sweeps (default 60)"
    )
    command_line.add_argument(
        "--threads", type=_threads, default=16, help="calls at a time (default 16)"
    )
    return command_line


def main(
    arguments: Sequence[str] | None = None, build: Callable[[Settings], Cloud] = wiring.build
) -> int:
    """Runs until SIGTERM or SIGINT; returns the exit status. ``build`` makes the cloud."""
    options = parser().parse_args(arguments)
    # A signal may come at any time from here on: it is kept until everything runs.
    stopping: queue.SimpleQueue[int] = queue.SimpleQueue()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _frame: stopping.put(number))
    level = os.environ.get("LOG_LEVEL", "INFO")
    if level not in LEVELS:
        output.error(f"LOG_LEVEL must be one of {', '.join(LEVELS)}")
        return 1
    logs.to_stdout(level)
    # Calls that wait briefly for a thread are normal.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    with ExitStack() as parts:
        try:
            settings = from_environment(os.environ)
            parts.enter_context(sole_use(settings.ledger))
            listener = parts.enter_context(listen(options.host, options.port))
            cloud = build(settings)
        except (SettingsError, LedgerInUse, PortTaken, LedgerUnavailable) as error:
            output.error(error)
            return 1
        parts.callback(cloud.close)
        limited = RouteLimits(
            lambda event, _context: cloud.api.handle(event), Refusals(time.time), time.monotonic
        )
        sweeper = Sweeper(cloud.sweep, options.sweep_seconds)
        server = HttpServer(
            lambda_app(limited, routes=cloud.api.routes),
            listener,
            options.threads,
            # As API Gateway's for headers; bodies far above the cloud's own limit need not be read.
            Limits(
                body=1024 * 1024,
                header=10_240,
                idle_seconds=60,
                trusted_proxy="::1" if ":" in options.host else LOOPBACK,
            ),
        )
        port = port_of(listener)
        server.start()
        parts.callback(server.stop, STOP_SECONDS)
        sweeper.start()
        parts.callback(sweeper.stop)
        parts.callback(cloud.end_sweep)
        if not is_loopback(options.host):
            log.warning("others can reach port %d without https: only a proxy may", port)
        told = logs.about(host=options.host, port=port)
        log.info("ready for %s", settings.public_url, extra=told)
        stopping.get()
        log.info("stopping")
    log.info("stopped")
    return 0


def _port(text: str) -> int:
    if text.isascii() and text.isdecimal() and int(text) < 65536:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is no port: it must be 0 to 65535")


def _threads(text: str) -> int:
    if text.isascii() and text.isdecimal() and 1 <= int(text) <= 256:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is no number of threads from 1 to 256")


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if 0.1 <= seconds <= 86400:
        return seconds
    raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds from 0.1 to 86400")


if __name__ == "__main__":
    sys.exit(main())
