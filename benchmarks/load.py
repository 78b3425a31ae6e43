"""One cloud process under load: hundreds of cabinets, a broker that restarts, a million old orders.

Twelve players pay one after the other as fast as the coins come, which keeps both cores busy. A
payment's time goes from the moment its player taps "pay" to the cloud's yes to the claim, so it
holds the checkout page, the Stripe simulator and its webhook too: all of them share the two cores,
and the simulator shares the cloud's process.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import random
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import requests

from benchmarks.fleet import Fleet
from benchmarks.rows import Row, spread
from cloud.core.cabinets import Cabinet
from cloud.core.orders import FINISHED, Order, OrderState
from cloud.core.prices import PriceList
from cloud.services import cabinet_tokens
from cloud.wiring import open_ledger
from demo import player
from demo.processes import Child
from sandbox.broker import Account, EmbeddedBroker

PLAYERS = 12
OLD = 1_000_000


@dataclass(frozen=True)
class Outcome:
    """What one load did. Times in seconds, memory in bytes."""

    cabinets: int
    paid: int
    seconds: float
    waits: list[float]
    back_after: float
    lost: int
    doubled: int
    memory_before: int
    memory_after: int

    @property
    def rate(self) -> float:
        return self.paid / self.seconds


def run() -> list[Row]:
    """Fewer cabinets, many, and many old orders."""
    few = load(cabinets=50, payments=400)
    many = load(cabinets=500, payments=1000)
    old = load(cabinets=50, payments=400, old=OLD)
    rows = []
    for what, outcome in (
        ("50 cabinets", few),
        ("500 cabinets", many),
        (f"50 cabinets, {OLD:,} old orders", old),
    ):
        rows += rows_of(what, outcome, few)
    return rows


def rows_of(what: str, outcome: Outcome, first: Outcome) -> list[Row]:
    """What one load did, beside the first one."""
    each = (outcome.memory_after - outcome.memory_before) / outcome.cabinets
    return [
        Row(
            f"{what}: payments a second",
            f"{outcome.rate:.1f}",
            f"{outcome.rate / first.rate:.2f} × the first",
            f"{outcome.paid} paid, {outcome.lost} lost, {outcome.doubled} doubled",
        ),
        Row("  tap → claimed, p50/p95/p99", spread(outcome.waits)),
        Row(
            "  all back after a broker restart",
            f"{outcome.back_after:.1f} s",
            "",
            "in the middle of the payments",
        ),
        Row(
            "  memory of the cloud's process",
            f"{outcome.memory_after / 1e6:.0f} MB",
            "",
            f"{each / 1e3:.0f} KB for each cabinet and what it sold",
        ),
    ]


def load(
    cabinets: int, payments: int, old: int = 0, players: int = PLAYERS, ledger: str = ""
) -> Outcome:
    """Pays at all cabinets, with a broker restart in the middle, and checks every order.

    ``ledger`` is the address of another one than the sandbox's own; ``old`` orders are for that.
    """
    with (
        tempfile.TemporaryDirectory(prefix="arcade-load-") as folder,
        _hall(Path(folder), ledger) as hall,
    ):
        known = hall.add_cabinets(cabinets)
        if old:
            hall.add_old_orders(old)
        before = _memory(hall.sandbox.pid)
        fleet = Fleet(known, hall.broker.url, hall.api)
        fleet.start()
        try:
            crowd = _Crowd(hall.links(known), payments, players, fleet.granted)
            begun = time.perf_counter()
            crowd.start()
            crowd.wait_for(payments // 2)
            hall.broker.stop()
            stopped = time.monotonic()
            hall.broker.start()
            # Each of them has to notice first that its connection is gone.
            until(lambda: not all(c.up for c in fleet.cabinets), 10, "the cabinets' loss")
            fleet.wait_until_up()
            back_after = time.monotonic() - stopped
            crowd.join()
            hall.wait_until_finished(list(crowd.paid))
            until(lambda: set(fleet.granted) <= fleet.settled, 60, "the settles' answers")
            seconds = time.perf_counter() - begun
            lost, doubled = hall.wrong(list(crowd.paid), fleet)
            waits = [fleet.granted[o] - at for o, at in crowd.paid.items() if o in fleet.granted]
            after = _memory(hall.sandbox.pid)
        finally:
            fleet.stop()
        return Outcome(
            cabinets, len(crowd.paid), seconds, waits, back_after, lost, doubled, before, after
        )


class _Hall:
    """The sandbox as a process of its own, and the broker beside it."""

    def __init__(self, data: Path, broker: EmbeddedBroker, ledger: str) -> None:
        self.data = data
        self.broker = broker
        self._ledger = ledger or f"sqlite:///{data / 'ledger.db'}"
        program = ["benchmarks.load_dynamodb", ledger] if ledger else ["sandbox"]
        words = ["--data", str(data), "--mqtt", broker.url, "--sweep-seconds", "2"]
        self.sandbox = Child("sandbox", ["-m", *program, *words], verbose=False)
        self.ready: dict[str, str] = json.loads(self.sandbox.line(30))
        self.api = self.ready["api"]

    def add_cabinets(self, count: int) -> dict[str, str]:
        """Adds cabinets to the ledger; returns their tokens."""
        known = {}
        with contextlib.closing(open_ledger(self._ledger)) as ledger:
            for number in range(1, count + 1):
                machine_id = f"cab{number:04}"
                known[machine_id], digest = cabinet_tokens.new(machine_id)
                ledger.insert(
                    Cabinet(machine_id, machine_id, digest, PriceList(100, "USD"), digest)
                )
        return known

    def add_old_orders(self, count: int) -> None:
        """What a few years leave behind, spread over the cabinets."""
        template = Order(
            order_id="cs_old", machine_id="cab0001", state=OrderState.SETTLED, quantity=1,
            credits=1, amount=100, currency="USD", intent_id="pi_old", held=True,
            paid_at_ms=1_600_000_000_000, deadline_ms=1_600_000_000_000,
            hold_until_ms=1_600_000_000_000, write_id="old", claim_id="c", pulsed=1, pulses=1,
            charged=100,
        )  # fmt: skip
        with contextlib.closing(open_ledger(self._ledger)) as ledger:
            ledger.insert(template)
        # In SQL, as a million inserts of one order each would take longer than the measurement.
        with contextlib.closing(sqlite3.connect(self.data / "ledger.db", timeout=60)) as db, db:
            db.execute(
                """INSERT INTO orders
                WITH RECURSIVE numbers (n) AS (
                    SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?)
                SELECT id || n, printf('cab%04d', n % 50 + 1), state, paid_at_ms + n, due_at_ms,
                    version, json_set(body, '$.order_id', id || n, '$.paid_at_ms', paid_at_ms + n,
                        '$.machine_id', printf('cab%04d', n % 50 + 1))
                FROM orders, numbers WHERE id = ?""",
                (count, template.order_id),
            )

    def links(self, known: dict[str, str]) -> list[str]:
        """Each cabinet's code."""
        with requests.Session() as web:
            return [
                str(
                    web.post(
                        f"{self.api}/create-payment-link",
                        json={"machine_id": machine_id},
                        headers={"Authorization": f"Bearer {token}"},
                        timeout=30,
                    ).json()["url"]
                )
                for machine_id, token in known.items()
            ]

    def wait_until_finished(self, order_ids: list[str]) -> None:
        """Waits until the ledger has come to an end with every order."""
        left = list(order_ids)
        with contextlib.closing(open_ledger(self._ledger)) as ledger:

            def finished() -> bool:
                while left:
                    order = ledger.order(left[-1])
                    if order is None or order.state not in FINISHED:
                        return False
                    left.pop()
                return True

            until(finished, 200, "the end of all orders")

    def wrong(self, order_ids: list[str], fleet: Fleet) -> tuple[int, int]:
        """How many paid orders did not come to the end that their cabinet saw, and how many were
        not charged exactly what their cabinet gave."""
        lost = doubled = 0
        with contextlib.closing(open_ledger(self._ledger)) as ledger:
            for order_id in order_ids:
                order = ledger.order(order_id)
                served = order_id in fleet.settled
                if order is None or (order.state is OrderState.SETTLED) != served:
                    lost += 1
                elif order.charged != (100 if served else 0):
                    doubled += 1
        return lost, doubled


@contextlib.contextmanager
def _hall(data: Path, ledger: str) -> Iterator[_Hall]:
    broker = EmbeddedBroker(data, Account("load", "load-password"))
    broker.start()
    try:
        hall = _Hall(data, broker, ledger)
        try:
            yield hall
        finally:
            hall.sandbox.stop()
    finally:
        broker.stop()


class _Crowd:
    """Players who pay one after the other at any cabinet, until ``payments`` are made."""

    def __init__(
        self, links: list[str], payments: int, players: int, served: Container[str]
    ) -> None:
        self._served = served
        self.paid: dict[str, float] = {}
        self._links = links
        self._payments = payments
        self._numbers = itertools.count()
        self._failures: list[BaseException] = []
        self._threads = [threading.Thread(target=self._play, args=(n,)) for n in range(players)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def wait_for(self, count: int) -> None:
        until(lambda: len(self.paid) >= count or bool(self._failures), 300, "the payments")

    def join(self) -> None:
        for thread in self._threads:
            thread.join()
        if self._failures:
            raise self._failures[0]

    def _play(self, seed: int) -> None:
        rng = random.Random(seed)
        try:
            while next(self._numbers) < self._payments:
                tapped = time.perf_counter()
                receipt = player.pay(rng.choice(self._links), 1)
                self.paid[receipt.session_id] = tapped
                # Like a player: nobody pays again before the coins have dropped.
                until(partial(self._served.__contains__, receipt.session_id), 150, "the coins")
        except BaseException as error:  # noqa: BLE001 – raised again by join
            self._failures.append(error)


def _memory(pid: int) -> int:
    """The process's resident memory; 0 where the system does not say."""
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        return 0
    line = next(x for x in status.read_text().splitlines() if x.startswith("VmRSS:"))
    return int(line.split()[1]) * 1024


def until(condition: Callable[[], bool], patience: float, what: str) -> None:
    """Waits until ``condition()`` is true."""
    end = time.monotonic() + patience
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"{what} did not come within {patience:.0f} s")
        time.sleep(0.02)
