"""``python -m sandbox``: runs the cloud on this machine until it is interrupted."""

from __future__ import annotations

import argparse
import json
import logging
import os
import queue
import re
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

from cloud import logs, wiring
from cloud.settings import Settings, SettingsError, broker_mistakes, times_of
from cloud.wiring import Cloud
from sandbox.broker import BrokerFailed
from sandbox.ports import PortTaken
from sandbox.sandbox_state import DataFolderUnusable
from sandbox.server import LOOPBACK, Options, Sandbox


def parser() -> argparse.ArgumentParser:
    """The command line."""
    command_line = argparse.ArgumentParser(
        prog="python -m sandbox",
        description="The cloud on one machine, with a Stripe simulator and an MQTT broker. "
        "Prints one line of JSON when it is ready.",
    )
    command_line.add_argument(
        "--port", type=_port, default=0, help="where the cloud listens; 0 is any free one (default)"
    )
    command_line.add_argument(
        "--host", default=LOOPBACK, help="its address (default: this machine only)"
    )
    command_line.add_argument(
        "--public-url", type=_web_url, metavar="URL", help="where phones reach it, if not there"
    )
    command_line.add_argument(
        "--data",
        type=Path,
        help="where it keeps its state (default: a temporary folder, deleted at the end)",
    )
    command_line.add_argument(
        "--mqtt",
        type=_mqtt_url,
        metavar="URL",
        help="a broker to use instead of its own: mqtts://user:password@host:port",
    )
    command_line.add_argument(
        "--sweep-seconds", type=_seconds, default=60.0, help="between two sweeps (default 60)"
    )
    command_line.add_argument("--verbose", action="store_true", help="log every detail")
    return command_line


def main(
    arguments: Sequence[str] | None = None, build: Callable[[Settings], Cloud] = wiring.build
) -> int:
    """Runs until SIGINT or SIGTERM; returns the exit status. ``build`` makes the cloud."""
    options = parser().parse_args(arguments)
    # A signal may come at any time from here on: it is kept until the sandbox is ready to stop.
    stopping: queue.SimpleQueue[int] = queue.SimpleQueue()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _frame: stopping.put(number))
    _log_to_stderr(options.verbose)
    with ExitStack() as parts:
        data = options.data or Path(
            parts.enter_context(tempfile.TemporaryDirectory(prefix="arcade-sandbox-"))
        )
        try:
            sandbox = Sandbox(
                Options(
                    data=data.absolute(),
                    host=options.host,
                    port=options.port,
                    public_url=options.public_url or "",
                    mqtt_url=options.mqtt or "",
                    sweep_seconds=options.sweep_seconds,
                    times=times_of(os.environ),
                ),
                build,
            )
            parts.callback(sandbox.stop)
            ready = sandbox.start()
        except (SettingsError, PortTaken, DataFolderUnusable, BrokerFailed) as error:
            print(error, file=sys.stderr)
            return 1
        print(json.dumps(asdict(ready)), flush=True)
        stopping.get()
        logging.getLogger(__name__).info("stopping")
    return 0


def _log_to_stderr(verbose: bool) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logs.PlainFormatter())
    logging.basicConfig(level=logging.DEBUG if verbose else logging.INFO, handlers=[handler])
    # Requests that wait briefly for a thread are normal.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    if verbose:
        # These would log addresses with keys in them, or every byte.
        logging.getLogger("urllib3").setLevel(logging.INFO)


def _port(text: str) -> int:
    if text.isascii() and text.isdecimal() and int(text) < 65536:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is no port: it must be 0 to 65535")


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if 0.1 <= seconds <= 86400:
        return seconds
    raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds from 0.1 to 86400")


def _web_url(text: str) -> str:
    if re.fullmatch(r"https?://[^/?#\s]+(/[^?#\s]*)?", text):
        return text.rstrip("/")
    raise argparse.ArgumentTypeError(f"{text!r} is no address like https://pay.example.com")


def _mqtt_url(text: str) -> str:
    for mistake in broker_mistakes("it", text):
        raise argparse.ArgumentTypeError(mistake)
    return text.rstrip("/")


if __name__ == "__main__":
    sys.exit(main())
