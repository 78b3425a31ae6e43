"""``python -m cloud.serve`` as a process, with Stripe's simulator and a broker beside it."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import paho.mqtt.client as mqtt
import requests
from paho.mqtt.enums import CallbackAPIVersion
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from cloud.server.http_server import HttpServer
from demo import player
from sandbox import ports
from sandbox.broker import Account, EmbeddedBroker
from sandbox.checkout_adapter import SimulatorCheckout
from sandbox.checkout_page import create_page
from sandbox.stripe_simulator import StripeSimulator, create_app

ROOT = Path(__file__).parents[3]
WAIT = 20.0
HOST = "127.0.0.1"
STRIPE_KEY = "sk_test_0123456789abcdef"
WEBHOOK_SECRET = "whsec_fedcba9876543210"
# With signs that the address has percent-encoded.
BROKER_PASSWORD = "p/ss w@rd-of-the-broker"


class OwnMachine:
    """A machine with the cloud on it, and the world around it. Stop it at the end."""

    def __init__(self, folder: Path) -> None:
        self.ledger = folder / "ledger.db"
        self.port = ports.free(HOST)
        self.api = f"http://{HOST}:{self.port}"
        self.token = ""
        self.process: subprocess.Popen[str] | None = None
        self.log: list[str] = []
        self._readers: list[threading.Thread] = []
        self._parts = ExitStack()
        broker = EmbeddedBroker(folder, Account("cloud", BROKER_PASSWORD))
        self._parts.callback(broker.stop)
        broker.start()
        self.broker = broker
        listener = self._parts.enter_context(ports.listen(HOST, 0))
        self.stripe = f"http://{HOST}:{ports.port_of(listener)}"
        self.simulator = StripeSimulator(
            folder, STRIPE_KEY, WEBHOOK_SECRET, self.stripe, f"{self.api}/addCredit"
        )
        self._parts.callback(self.simulator.stop)
        page = create_page(SimulatorCheckout(self.simulator.checkout))
        web = DispatcherMiddleware(create_app(self.simulator), {"/pay": page})
        server = HttpServer(web, listener, 8)
        server.start()
        self._parts.callback(server.stop)
        self.simulator.start()
        self.environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT / "lambda"),
            "PYTHONWARNINGS": "error",
            "LEDGER": f"sqlite:///{self.ledger}",
            "STRIPE_KEY": STRIPE_KEY,
            "STRIPE_WEBHOOK_SECRET": WEBHOOK_SECRET,
            "STRIPE_API_BASE": self.stripe,
            "MQTT_URL": broker.url,
            "MQTT_VERSION": "3.1.1",  # the embedded broker knows no other
            "PUBLIC_URL": self.api,
        }

    def run(self, *arguments: str, module: str = "cloud.serve") -> subprocess.Popen[str]:
        """Starts a program of the cloud with this machine's settings."""
        return subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def start(self, *arguments: str) -> None:
        """Returns once the cloud listens."""
        process = self.process = self.run("--port", str(self.port), *arguments)
        assert process.stdout
        ready: queue.SimpleQueue[bool] = queue.SimpleQueue()

        def read() -> None:
            assert process.stdout
            for line in process.stdout:
                self.log.append(line)
                if '"message":"ready for' in line:
                    ready.put(True)
            ready.put(False)

        reader = threading.Thread(target=read)
        reader.start()
        self._readers.append(reader)
        if not ready.get(timeout=WAIT):
            assert process.stderr
            raise AssertionError(f"it never became ready: {process.stderr.read()}")

    def end(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """Ends the cloud; its exit status and what it wrote to its standard error."""
        process, self.process = self.process, None
        assert process
        assert process.stderr
        if process.poll() is None:
            process.send_signal(number)
        status = process.wait(WAIT)
        self._readers.pop().join(WAIT)
        told = process.stderr.read()
        process.stderr.close()
        assert process.stdout
        process.stdout.close()
        return status, told

    def stop(self) -> None:
        if self.process:
            self.end()
        self._parts.close()

    def admin(self, *arguments: str) -> str:
        process = self.run(*arguments, module="cloud.admin")
        out, told = process.communicate(timeout=WAIT)
        assert process.returncode == 0, told
        return out

    def add_cabinet(self) -> None:
        config = self.admin("add", "cab001", "--after-power-cut", "forgive")
        [line] = [line for line in config.splitlines() if line.startswith("token")]
        self.token = line.partition('"')[2].rstrip('"')

    def ask(self, path: str, **body: Any) -> requests.Response:
        """A call of the cabinet's."""
        return requests.post(
            f"{self.api}{path}",
            json={"machine_id": "cab001", **body},
            headers={"Authorization": f"Bearer {self.token}"},
            timeout=WAIT,
        )

    def pay(self, quantity: int) -> str:
        """A player pays at the cabinet's link; the order's id, once the cloud has it."""
        link = self.ask("/create-payment-link").json()["url"]
        order_id = player.pay(link, quantity).session_id
        self.until(lambda: self.lines(order=order_id, state="open"), "the order")
        return order_id

    def lines(self, **fields: object) -> list[dict[str, Any]]:
        """The log's lines with these fields."""
        read = [json.loads(line) for line in list(self.log)]
        return [line for line in read if fields.items() <= line.items()]

    def until(self, look: Any, what: str) -> Any:
        end = time.monotonic() + WAIT
        while not (found := look()):
            assert time.monotonic() < end, f"{what} did not come: {''.join(self.log)}"
            time.sleep(0.01)
        return found

    def charged(self, order_id: str) -> tuple[str, int]:
        """What Stripe has of the order's payment: its status, and what was charged."""
        session = self._stripe(f"checkout/sessions/{order_id}")
        intent = self._stripe(f"payment_intents/{session['payment_intent']}")
        return intent["status"], intent["amount_received"]

    def _stripe(self, path: str) -> dict[str, Any]:
        answer = requests.get(
            f"{self.stripe}/v1/{path}",
            headers={"Authorization": f"Bearer {STRIPE_KEY}"},
            timeout=WAIT,
        )
        return dict(answer.json())

    def fail(self, **how: object) -> None:
        """Lets a call of Stripe's API fail or take its time."""
        requests.post(
            f"{self.stripe}/_control/fail",
            json=how,
            headers={"Authorization": f"Bearer {STRIPE_KEY}"},
            timeout=WAIT,
        ).raise_for_status()


class Listener:
    """What the broker has for the cabinet."""

    def __init__(self, machine: OwnMachine) -> None:
        self.heard: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        subscribed = threading.Event()
        client = self._client = mqtt.Client(CallbackAPIVersion.VERSION2, "cabinet-cab001")
        client.username_pw_set("cloud", BROKER_PASSWORD)
        client.on_message = lambda _c, _u, message: self.heard.put(json.loads(message.payload))
        client.on_subscribe = lambda *_: subscribed.set()
        client.connect(HOST, urlsplit(machine.broker.url).port or 0)
        client.loop_start()
        client.subscribe("arcade/machine/cab001/coinpulse", qos=1)
        assert subscribed.wait(WAIT)

    def stop(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()
