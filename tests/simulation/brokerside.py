"""A broker with sessions: a window of messages in flight, queues that expire, retained messages."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

from kiosk.core.events import MessageArrived, Receipt
from tests.simulation.world import World

if TYPE_CHECKING:
    from tests.simulation.cabinetside import Cabinet

SESSION_S = 2 * 3600.0  # as EMQX Serverless keeps a session of MQTT 3 without its client


class SimulatedBroker:
    """Keeps a queue for each cabinet's session; may lose, double, delay and forget.

    At most ``window`` messages of a session are in flight: while that many are not acknowledged,
    nothing more is sent over the connection, and they come again over the next one only.
    """

    def __init__(self, world: World, window: int) -> None:
        self.world = world
        self.window = window
        self.cabinets: dict[str, Cabinet] = {}
        self.queues: dict[str, dict[int, tuple[str, bytes]]] = {}
        self.retained: dict[str, tuple[str, bytes]] = {}
        self.sent: dict[str, set[int]] = {}
        self.count = 0
        self.on_ack: Callable[[Cabinet, str], None] = lambda _cabinet, _order_id: None

    def accept(self, topic: str, payload: bytes) -> None:
        """Takes a message for a cabinet."""
        faults = self.world.faults
        if faults.strike("message lost"):
            return
        for _ in range(2 if faults.strike("message twice") else 1):
            if faults.strike("message late"):
                delay = faults.size("message late", 0.1, 7200.0)
                self.world.at(delay, lambda: self._queue(topic, payload))
            else:
                self._queue(topic, payload)

    def retain(self, topic: str, payload: bytes) -> None:
        """Keeps a message, which every new subscription gets; an empty one ends that."""
        machine_id = topic.split("/")[2]
        self.retained[machine_id] = (topic, payload)
        self._queue(topic, payload)

    def connected(self, machine_id: str, away_s: float) -> None:
        """A cabinet is back after ``away_s``: what it did not acknowledge comes again."""
        forgets = self.world.faults.strike("broker forgets a session")
        if forgets or away_s > SESSION_S:
            self.queues[machine_id] = {}
        self.sent[machine_id] = set()
        retained = self.retained.get(machine_id)
        if retained and retained[1]:
            self._queue(*retained)
        self._fill(machine_id, 0.05)

    def taken_over(self, machine_id: str) -> None:
        """Another client connects with the cabinet's id: it gets, and acknowledges, the queue."""
        self.queues[machine_id] = {}
        self.sent[machine_id] = set()

    def acknowledged(self, machine_id: str, mid: int) -> None:
        """The cabinet has it."""
        message = self.queues.get(machine_id, {}).pop(mid, None)
        self.sent.setdefault(machine_id, set()).discard(mid)
        self._fill(machine_id, 0.02)
        if message and message[0].endswith("/coinpulse"):
            try:
                order_id = json.loads(message[1]).get("orderId")
            except ValueError:
                return  # no hint at all
            if isinstance(order_id, str):
                self.on_ack(self.cabinets[machine_id], order_id)

    def _queue(self, topic: str, payload: bytes) -> None:
        machine_id = topic.split("/")[2]
        self.count += 1
        self.queues.setdefault(machine_id, {})[self.count] = (topic, payload)
        self._fill(machine_id, 0.02)

    def _fill(self, machine_id: str, delay: float) -> None:
        """Sends what the window has room for."""
        cabinet = self.cabinets[machine_id]
        if not cabinet.online:
            return
        sent = self.sent.setdefault(machine_id, set())
        if len(sent) >= self.window:
            return
        for mid in self.queues.get(machine_id, {}):
            if mid not in sent:
                sent.add(mid)
                self._send(cabinet, mid, delay)
                if len(sent) >= self.window:
                    return

    def _send(self, cabinet: Cabinet, mid: int, delay: float) -> None:
        connection = cabinet.connection

        def arrive() -> None:
            message = self.queues.get(cabinet.machine_id, {}).get(mid)
            if message and cabinet.online and cabinet.connection == connection:
                receipt = Receipt(mid, 1, connection)
                cabinet.feed(MessageArrived(message[0], message[1], receipt))

        self.world.at(delay, arrive)
