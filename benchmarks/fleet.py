"""Hundreds of cabinets in one process, which speak the contract over real MQTT and HTTP.

They have no screen, no journal and no relay: an order's first edge is the cloud's yes to its claim.
A kiosk's own share of the time is measured by ``payment_latency``.
"""

from __future__ import annotations

import json
import queue
import random
import selectors
import socket
import threading
import time
from dataclasses import dataclass, field
from functools import partial
from urllib.parse import unquote, urlsplit

import paho.mqtt.client as mqtt
import requests
from paho.mqtt.enums import CallbackAPIVersion

from kiosk.core.cabinet.rules import backoff

ASKERS = 12
TIMEOUT = 10.0


@dataclass
class Cabinet:
    """One of them. ``known`` are the orders that it has claimed or is about to."""

    machine_id: str
    token: str
    client: mqtt.Client
    known: set[str] = field(default_factory=set)
    up: bool = False
    reconnect_at: float = 0.0
    tries: int = 0


class Fleet:
    """Connects the cabinets (``machine_id`` → token), and lets them serve what is paid."""

    def __init__(self, tokens: dict[str, str], mqtt_url: str, api: str) -> None:
        self._api = api
        self._broker = urlsplit(mqtt_url)
        self._selector = selectors.DefaultSelector()
        self._work: queue.SimpleQueue[tuple[Cabinet, str, str] | None] = queue.SimpleQueue()
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self.granted: dict[str, float] = {}
        self.settled: set[str] = set()
        self.cabinets = [self._cabinet(name, token) for name, token in tokens.items()]
        self._threads = [threading.Thread(target=self._serve, name="fleet")]
        self._threads += [threading.Thread(target=self._ask_all) for _ in range(ASKERS)]

    def start(self) -> None:
        """Returns once all are connected."""
        for thread in self._threads:
            thread.start()
        self.wait_until_up()

    def wait_until_up(self, patience: float = 60.0) -> None:
        """Waits until every cabinet has its connection."""
        end = time.monotonic() + patience
        while not all(cabinet.up for cabinet in self.cabinets):
            if time.monotonic() > end:
                up = sum(cabinet.up for cabinet in self.cabinets)
                raise TimeoutError(f"{up} of {len(self.cabinets)} cabinets are connected")
            time.sleep(0.01)

    def stop(self) -> None:
        """Ends all connections and threads."""
        self._stop.set()
        for _ in range(ASKERS):
            self._work.put(None)
        for thread in self._threads:
            thread.join()
        for cabinet in self.cabinets:
            cabinet.client.disconnect()
        self._selector.close()

    def _cabinet(self, machine_id: str, token: str) -> Cabinet:
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=machine_id,
            clean_session=False,
            protocol=mqtt.MQTTv311,
        )
        client.username_pw_set(
            unquote(self._broker.username or ""), unquote(self._broker.password or "")
        )
        cabinet = Cabinet(machine_id, token, client)
        client.on_connect = partial(self._on_connect, cabinet)
        client.on_disconnect = partial(self._on_disconnect, cabinet)
        client.on_message = partial(self._on_message, cabinet)
        client.on_socket_open = partial(self._on_socket, cabinet, True)
        client.on_socket_close = partial(self._on_socket, cabinet, False)
        return cabinet

    # The connections, all in one thread

    def _serve(self) -> None:
        looked_at = 0.0
        while not self._stop.is_set():
            for key, _ in self._selector.select(0.02):
                cabinet: Cabinet = key.data
                cabinet.client.loop_read()
                if cabinet.client.want_write():
                    cabinet.client.loop_write()
            now = time.monotonic()
            if now - looked_at < 0.1:
                continue
            looked_at = now
            for cabinet in self.cabinets:
                if cabinet.client.socket() is not None:
                    cabinet.client.loop_misc()
                elif cabinet.reconnect_at <= now:
                    self._connect(cabinet)

    def _connect(self, cabinet: Cabinet) -> None:
        cabinet.tries += 1
        cabinet.reconnect_at = time.monotonic() + backoff(cabinet.tries, random.random())
        try:
            cabinet.client.connect(self._broker.hostname or "", self._broker.port or 1883)
        except OSError:
            return

    def _on_socket(
        self, cabinet: Cabinet, opened: bool, _client: object, _data: object, line: socket.socket
    ) -> None:
        if opened:
            self._selector.register(line, selectors.EVENT_READ, cabinet)
        else:
            self._selector.unregister(line)

    def _on_connect(self, cabinet: Cabinet, client: mqtt.Client, *_words: object) -> None:
        client.subscribe(f"arcade/machine/{cabinet.machine_id}/coinpulse", qos=1)
        cabinet.up, cabinet.tries = True, 0
        # Whatever was missed: the same question that a kiosk asks when it is back.
        self._work.put((cabinet, "/status", ""))

    def _on_disconnect(self, cabinet: Cabinet, *_words: object) -> None:
        cabinet.up = False
        cabinet.reconnect_at = time.monotonic() + backoff(1, random.random())

    def _on_message(
        self, cabinet: Cabinet, _client: object, _data: object, message: mqtt.MQTTMessage
    ) -> None:
        self._hint(cabinet, json.loads(message.payload)["orderId"])

    def _hint(self, cabinet: Cabinet, order_id: str) -> None:
        with self._lock:
            if order_id in cabinet.known:
                return
            cabinet.known.add(order_id)
        self._work.put((cabinet, "/claim", order_id))

    # The calls, in a few threads

    def _ask_all(self) -> None:
        web = requests.Session()
        while (job := self._work.get()) is not None:
            cabinet, path, order_id = job
            tries = 0
            while not self._stop.is_set() and not self._done(web, cabinet, path, order_id):
                tries += 1
                self._stop.wait(backoff(tries, random.random()))
        web.close()

    def _done(self, web: requests.Session, cabinet: Cabinet, path: str, order_id: str) -> bool:
        body: dict[str, object] = {"machine_id": cabinet.machine_id}
        if order_id:
            body |= {"order_id": order_id, "claim_id": f"claim-{order_id}"}
        if path == "/settle":
            body |= {"pulsed": 1, "pulses": 1}
        else:
            body |= {"healthy": True, "state": "ready", "version": "bench", "problems": []}
        try:
            answer = web.post(
                self._api + path,
                json=body,
                headers={"Authorization": f"Bearer {cabinet.token}"},
                timeout=TIMEOUT,
            )
        except requests.RequestException:
            return False
        if answer.status_code == 429 or answer.status_code >= 500:
            return False
        if path == "/status":
            for order in answer.json()["orders"]:
                self._hint(cabinet, order["order_id"])
        elif path == "/claim" and answer.ok:
            with self._lock:
                self.granted.setdefault(order_id, time.perf_counter())
            self._work.put((cabinet, "/settle", order_id))
        elif path == "/settle":
            with self._lock:
                self.settled.add(order_id)
        return True
