"""``python -m demo``: an arcade on this machine, to look at and to pay."""

from __future__ import annotations

import argparse
import os
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from cloud.server.http_server import HttpServer
from demo import once
from demo.arcade import Arcade, Options
from demo.page import create_page
from demo.processes import ChildFailed
from sandbox import ports
from sandbox.server import LOOPBACK

FAILURES = (ChildFailed, ports.PortTaken, once.PurchaseFailed, TimeoutError, ValueError, OSError)
THREADS = 24  # each open page holds two, for the screen and for the events


def parser() -> argparse.ArgumentParser:
    """The command line."""
    result = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    result.add_argument(
        "--once", action="store_true", help="play one purchase of three credits and check it"
    )
    result.add_argument(
        "--shots", type=Path, metavar="DIR", help="save a picture of every screen that is passed"
    )
    result.add_argument("--data", type=Path, metavar="DIR", help="where to keep everything")
    result.add_argument("--port", type=int, default=0, help="the page's; 0 is any free one")
    result.add_argument("--no-window", action="store_true", help="the cabinet on the page only")
    result.add_argument("--verbose", action="store_true", help="show what the parts log")
    return result


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs until Ctrl-C, or through one purchase; returns the exit status."""
    chosen = parser().parse_args(arguments)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        with ExitStack() as parts:
            arcade, page = _build(parts, chosen)
            if stop.is_set():
                return 0
            if chosen.once:
                return _once(arcade, parts, chosen.shots)
            print(f"\n  The arcade is open: {page}\n\n  Ctrl-C closes it.\n", flush=True)
            while not stop.wait(0.5):
                arcade.check()
    except FAILURES as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    return 0


def _build(parts: ExitStack, chosen: argparse.Namespace) -> tuple[Arcade, str]:
    """Starts everything; what was started ends with ``parts``."""
    data = chosen.data
    if data is None:
        data = Path(parts.enter_context(tempfile.TemporaryDirectory(prefix="arcade-demo-")))
    data.mkdir(parents=True, exist_ok=True)
    listener = parts.enter_context(_listener(data, chosen.port))
    page = f"http://{LOOPBACK}:{ports.port_of(listener)}"
    options = Options(
        data=data.resolve(),
        page=page,
        window=_has_display() and not chosen.no_window and not chosen.once,
        shots=chosen.shots.resolve() if chosen.shots else None,
        verbose=chosen.verbose,
    )
    arcade = Arcade(options)
    server = HttpServer(create_page(arcade), listener, THREADS)
    server.start()
    parts.callback(server.stop)
    arcade.start()
    parts.callback(arcade.stop)
    return arcade, page


def _listener(data: Path, port: int) -> socket.socket:
    """The page's socket; the port that the links of this folder name, if it is free."""
    saved = data / "demo-port"
    if port:
        listener = ports.listen(LOOPBACK, port)
    else:
        last = saved.read_text() if saved.exists() else "0"
        listener = ports.listen_again(LOOPBACK, int(last))
    saved.write_text(str(ports.port_of(listener)))
    return listener


def _once(arcade: Arcade, parts: ExitStack, shots: Path | None) -> int:
    summary = once.play(arcade)
    parts.close()
    print("\n".join(summary))
    if shots:
        print("pictures: " + ", ".join(once.check_pictures(shots)))
    return 0


def _has_display() -> bool:
    if sys.platform == "darwin":
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


if __name__ == "__main__":
    sys.exit(main())
