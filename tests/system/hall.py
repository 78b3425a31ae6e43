"""Real processes: one sandbox, and kiosks that come and go."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import requests

from cloud.core.orders import FINISHED, Order
from cloud.stores.sqlite import SqliteLedger
from demo import player
from demo.processes import Child
from sandbox import ports

PATIENCE = 20.0
FORGIVE = ("--after-power-cut", "forgive")
T = TypeVar("T")


def until(look: Callable[[], T], what: str, patience: float = PATIENCE) -> T:
    """Waits until ``look`` finds something."""
    end = time.monotonic() + patience
    while not (found := look()):
        assert time.monotonic() < end, f"{what} did not come in {patience:.0f} s"
        time.sleep(0.01)
    return found


@dataclass(frozen=True)
class Cabinet:
    """A cabinet's files, and where its mirror is."""

    machine_id: str
    config: Path
    record: Path
    journal: Path
    mirror: str

    def closings(self) -> int:
        """How often the relay has closed in all its lives."""
        if not self.record.exists():
            return 0
        lines = self.record.read_text().splitlines()
        return sum(json.loads(line)["closed"] for line in lines)

    def state(self) -> dict[str, Any]:
        """What is on its screen; empty while it is off."""
        try:
            return dict(requests.get(f"{self.mirror}/state", timeout=5).json())
        except requests.RequestException:
            return {}

    def shows(self, screen: str) -> bool:
        return self.state().get("screen") == screen


class Hall:
    """A sandbox in ``data``, that can be stopped, killed and started again."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.sandbox: Child | None = None
        self.ready: dict[str, str] = {}
        self.kiosks: list[Child] = []

    def open(self, environment: dict[str, str] | None = None, fail_point: str = "") -> None:
        """Starts the sandbox; the second time it is where it was."""
        program = ["-m", "tests.faults.cloud", fail_point] if fail_point else ["-m", "sandbox"]
        self.sandbox = Child(
            "sandbox",
            [*program, "--data", str(self.data), "--sweep-seconds", "1"],
            verbose=False,
            environment=environment,
        )
        self.ready = json.loads(self.sandbox.line(PATIENCE))

    def close(self) -> None:
        for kiosk in self.kiosks:
            kiosk.stop()
        if self.sandbox:
            self.sandbox.stop()

    def add(self, machine_id: str, more: str = "", rules: str = "") -> Cabinet:
        """A new cabinet with quick pulses and a small screen in memory; ``rules`` are lines of its
        config's [rules]."""
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "cloud.admin",
                "--data",
                str(self.data),
                "add",
                machine_id,
                *FORGIVE,
            ],
            capture_output=True,
            text=True,
            check=True,
        )
        record = self.data / f"{machine_id}.jsonl"
        mirror = f"127.0.0.1:{ports.free('127.0.0.1')}"
        text = done.stdout.replace(
            'driver = "simulated"',
            f'driver = "simulated"\non_ms = 20\noff_ms = 50\nrecord = {json.dumps(str(record))}',
        )
        text = text.replace("fullscreen = false", "headless = true\nwidth = 480\nheight = 320")
        text = text.replace("[rules]\n", f"[rules]\n{rules}")
        text += f'\n[mirror]\nlisten = "{mirror}"\n{more}'
        config = self.data / f"{machine_id}.toml"
        config.write_text(text)
        config.chmod(0o600)
        journal = self.data / f"{machine_id}.db"
        return Cabinet(machine_id, config, record, journal, f"http://{mirror}")

    def kiosk(self, cabinet: Cabinet, fail_point: str = "") -> Child:
        """Starts a cabinet's kiosk."""
        config = str(cabinet.config)
        child = Child(
            f"kiosk {cabinet.machine_id}",
            ["-m", "tests.faults.kiosk", fail_point, config]
            if fail_point
            else ["-m", "kiosk", "run", "--config", config],
            verbose=False,
        )
        self.kiosks.append(child)
        return child

    def pay(self, cabinet: Cabinet, quantity: int) -> str:
        """A player scans and pays; returns the order's id."""
        code: Any = until(lambda: cabinet.state().get("qr"), "the code")
        return self.pay_at(code["url"], quantity)

    def pay_at(self, link: str, quantity: int) -> str:
        """A player pays at a link; returns the order's id."""
        return player.pay(link, quantity).session_id

    def age_claim(self, order_id: str, seconds: int) -> None:
        """Lets an order have been claimed ``seconds`` earlier: nobody waits for that long."""
        ledger = SqliteLedger(self.data / "ledger.db")
        try:
            order = ledger.order(order_id)
            assert order is not None
            aged = replace(
                order,
                claimed_at_ms=order.claimed_at_ms - seconds * 1000,
                version=order.version + 1,
                write_id=f"aged-{order_id}",
            )
            assert ledger.replace(order, aged)
        finally:
            ledger.close()

    def link_of(self, machine_id: str) -> str:
        """The cabinet's link, as somebody has it on a photo."""
        ledger = SqliteLedger(self.data / "ledger.db")
        try:
            link = ledger.link(next(ledger.lagging_link_ids(machine_id)))
            assert link
            return link.url
        finally:
            ledger.close()

    def order(self, order_id: str) -> Order | None:
        """An order, as the ledger has it."""
        ledger = SqliteLedger(self.data / "ledger.db")
        try:
            return ledger.order(order_id)
        finally:
            ledger.close()

    def finished(self, order_id: str, patience: float = PATIENCE) -> Order:
        """The order, once it is settled or released."""

        def look() -> Order | None:
            order = self.order(order_id)
            return order if order and order.state in FINISHED else None

        found = until(look, f"the end of {order_id}", patience)
        assert found
        return found

    def charged(self, order_id: str) -> int:
        """What Stripe has charged for an order."""
        found = requests.get(
            f"{self.ready['stripe']}/v1/checkout/sessions/{order_id}",
            params={"expand[]": "payment_intent"},
            headers={"Authorization": f"Bearer {self.ready['stripe_key']}"},
            timeout=5,
        ).json()["payment_intent"]
        assert found["status"] in ("succeeded", "canceled")
        return int(found["amount_received"])
