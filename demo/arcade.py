"""Starts a sandbox, adds a cabinet to it, and starts the cabinet's kiosk."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
import sys
import threading
import time
import tomllib
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests

from demo import player
from demo.cable import Cable
from demo.processes import Child, ChildFailed
from sandbox import ports
from sandbox.server import LOOPBACK

MACHINE = "cab001"
NAME = "Galaxy Patrol"
PRICES = ("1.00", "2.00", "0.50")
POWER_CUT_SECONDS = 2.0
READY_SECONDS = 30.0


@dataclass(frozen=True)
class Options:
    """What the demo is started with.

    ``page`` is the address of its own page, for phones, if it has one; ``delay`` the seconds that
    the cabinet's line to the cloud takes each way.
    """

    data: Path
    page: str
    window: bool
    shots: Path | None
    verbose: bool
    delay: float = 0.0


class Arcade:
    """A running sandbox and kiosk. ``start`` once, then ``stop``."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._parts = ExitStack()
        self.record = options.data / "relay.jsonl"
        self.api = ""
        self.stripe = ""
        self.stripe_key = ""
        self.mirror = ""
        self._token = ""
        self._cables: list[Cable] = []
        self._start_kiosk: list[str] = []
        self._kiosk: Child | None = None
        self._journal = Path()
        self._price = 0
        self._power = threading.Lock()
        self.children: list[Child] = []

    def start(self) -> None:
        """Starts everything, or raises :class:`ChildFailed` and has started nothing."""
        with ExitStack() as parts:
            sandbox = self._child(
                parts,
                "sandbox",
                ["-m", "sandbox", "--data", str(self._options.data), "--port", "0",
                 *(["--public-url", self._options.page] if self._options.page else [])],
            )  # fmt: skip
            ready = json.loads(sandbox.line(READY_SECONDS))
            self.api, self.stripe = ready["api"], ready["stripe"]
            self.stripe_key = ready["stripe_key"]
            config = self._config(parts)
            self._start_kiosk = ["-m", "kiosk", "run", "--config", str(config)]
            if self._options.shots:
                self._start_kiosk += ["--shots", str(self._options.shots)]
            parts.callback(self._switch_off)
            self._switch_on()
            self._parts = parts.pop_all()

    def stop(self) -> None:
        """Stops what was started, the last first."""
        self._parts.close()

    def check(self) -> None:
        """Raises :class:`ChildFailed` if a part has ended by itself."""
        for child in self.children:
            if not child.running:
                raise child.failure()
        kiosk = self._kiosk
        if kiosk is not None and not kiosk.running and kiosk is self._kiosk:
            raise kiosk.failure()

    def state(self) -> dict[str, Any]:
        """What is on the cabinet's screen; empty while the kiosk starts."""
        try:
            answer = requests.get(f"{self.mirror}/state", timeout=5)
            return dict(answer.json())
        except requests.RequestException:
            return {}

    def game_over(self) -> None:
        """The game in the cabinet has ended: tells the cloud, as the cabinet would."""
        requests.post(
            f"{self.api}/gameover",
            json={"machine_id": MACHINE},
            headers={"Authorization": f"Bearer {self._token}"},
            timeout=5,
        ).raise_for_status()

    # What an operator does, and what may happen to a cabinet

    @property
    def facts(self) -> dict[str, object]:
        """The state of the cabinet's network and power, and its price."""
        return {
            "plugged": all(cable.plugged for cable in self._cables),
            "powered": self._kiosk is not None,
            "price": PRICES[self._price],
        }

    def pull_network(self) -> None:
        """Pulls the network cable, or plugs it in again."""
        pull = all(cable.plugged for cable in self._cables)
        for cable in self._cables:
            if pull:
                cable.unplug()
            else:
                cable.plug()

    def cut_power(self) -> None:
        """Cuts the power for a while: the kiosk ends at once, and the game loses its credits."""
        if not self._power.acquire(blocking=False):
            return
        try:
            self._switch_off(at_once=True)
            # The machine's next start is another boot, by which the kiosk knows a power cut.
            journal = sqlite3.connect(self._journal)
            with closing(journal), journal:
                journal.execute("UPDATE entries SET boot_id = 'before the power cut'")
            time.sleep(POWER_CUT_SECONDS)
            self._switch_on()
        finally:
            self._power.release()

    def decline(self) -> None:
        """A player with an empty card; :class:`ValueError` if no code is on the screen."""
        code = self.state().get("qr")
        if not code:
            raise ValueError("there is no code on the screen to scan")
        player.be_declined(code["url"])

    def next_price(self) -> None:
        """Another price, as an operator sets it."""
        self._price = (self._price + 1) % len(PRICES)
        self._admin("price", MACHINE, "--price", PRICES[self._price])

    def pulses(self) -> int:
        """How often the relay has closed, by its own record."""
        if not self.record.exists():
            return 0
        edges = [json.loads(line) for line in self.record.read_text().splitlines()]
        return sum(edge["closed"] for edge in edges)

    def charged(self, session_id: str) -> int:
        """What Stripe has charged for a Checkout Session, in the smallest unit."""
        answer = requests.get(
            f"{self.stripe}/v1/checkout/sessions/{session_id}",
            params={"expand[]": "payment_intent"},
            headers={"Authorization": f"Bearer {self.stripe_key}"},
            timeout=5,
        )
        answer.raise_for_status()
        return int(answer.json()["payment_intent"]["amount_received"])

    def _switch_on(self) -> None:
        self._kiosk = Child("kiosk", self._start_kiosk, self._options.verbose)

    def _switch_off(self, at_once: bool = False) -> None:
        kiosk, self._kiosk = self._kiosk, None
        if kiosk is None:
            return
        if at_once:
            kiosk.kill()
        else:
            kiosk.stop()

    def _cable(self, parts: ExitStack, port: int, delay: float = 0.0) -> Cable:
        cable = Cable(port, delay)
        parts.callback(cable.close)
        self._cables.append(cable)
        return cable

    def _child(self, parts: ExitStack, name: str, arguments: list[str]) -> Child:
        child = Child(name, arguments, self._options.verbose)
        parts.callback(child.stop)
        self.children.append(child)
        return child

    def _config(self, parts: ExitStack) -> Path:
        """The cabinet's config file: as ``cloud.admin`` prints it, and this run's own below it."""
        data = self._options.data
        printed = data / "cabinet.toml"
        if not printed.exists():
            config = self._admin(
                "add",
                MACHINE,
                "--name",
                NAME,
                "--price",
                "1.00",
                "--bonus",
                "5=6",
                "--after-power-cut",
                "forgive",
            )
            _write_private(printed, config)
        text = printed.read_text()
        self._token = next(
            json.loads(line.partition("=")[2])
            for line in text.splitlines()
            if line.startswith("token")
        )
        self.mirror = f"http://{LOOPBACK}:{ports.free(LOOPBACK)}"
        screen = "fullscreen = false\nwidth = 1280\nheight = 720"
        if not self._options.window:
            screen += "\nheadless = true"
        text = text.replace("fullscreen = false", screen)
        text = text.replace(
            'driver = "simulated"', f'driver = "simulated"\nrecord = {json.dumps(str(self.record))}'
        )
        # The cabinet hangs on cables that can be pulled.
        api = self._cable(parts, urlsplit(self.api).port or 80, self._options.delay)
        text = text.replace(self.api, f"http://{LOOPBACK}:{api.port}")
        port_line = re.search(r"(?m)^port = (\d+)$", text)
        if port_line is None:
            raise ChildFailed("the cabinet's config file names no broker's port")
        broker = self._cable(parts, int(port_line[1]))
        text = text.replace(port_line[0], f"port = {broker.port}")
        text += f'\n[mirror]\nlisten = "{self.mirror.removeprefix("http://")}"\n'
        self._journal = Path(tomllib.loads(text)["journal"]["path"])
        path = data / "kiosk.toml"
        _write_private(path, text)
        return path

    def _admin(self, *words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "cloud.admin", "--data", str(self._options.data), *words],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise ChildFailed(f"the cabinet could not be added: {done.stderr.strip()}")
        return done.stdout


def _write_private(path: Path, text: str) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)


def wait_until(
    arcade: Arcade, reached: Callable[[dict[str, Any]], bool], what: str, until: float
) -> dict[str, Any]:
    """Waits for a state of the cabinet; raises :class:`TimeoutError` with ``what`` was missing."""
    while True:
        arcade.check()
        state = arcade.state()
        if "screen" in state and reached(state):
            return state
        if time.monotonic() > until:
            shown = state.get("screen", "nothing")
            raise TimeoutError(f"{what} did not come: the screen shows {shown}")
        time.sleep(0.02)
