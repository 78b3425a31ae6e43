"""The cloud as Lambda runs it, over DynamoDB behind a faulty network and a broker with TLS and ACL.

A real kiosk and a phone that pays; the Stripe simulator sends its events to the API.
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import sys
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from cloud import admin
from cloud.adapters.stripe_gateway import StripeGateway
from cloud.core.orders import FINISHED, Order, OrderState
from cloud.server.gateway import lambda_app
from cloud.server.http_server import HttpServer
from cloud.services.stripe_events import EVENTS_READ
from cloud.settings import from_environment
from cloud.stores.dynamodb import DynamoDBLedger
from cloud.wiring import build
from demo import player
from demo.processes import Child
from sandbox import ports
from sandbox.checkout_adapter import SimulatorCheckout
from sandbox.checkout_page import create_page
from sandbox.stripe_simulator import StripeSimulator, create_app
from tests.fakes.broker_files import MADE, AddAccount, Start, password, set_up
from tests.fakes.dynamodb_proxy import FAULTS, DynamoDBProxy
from tests.fakes.lambda_function import LambdaFunction
from tests.plugins.dynamodb import CREDENTIALS, REGION, client_of, create_table
from tests.plugins.mosquitto import Certificates
from tests.system.hall import Cabinet, until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("awslambdaric") is None, reason="Lambda's runtime is for Linux"),
]

KEY, WHSEC = "sk_test_whole_loop", "whsec_whole_loop"
PATIENCE = 60.0
LIVES = 12  # events for each machine
SEED = 1
FAULTY = 0.15  # of DynamoDB's requests
THREADS = 8


class Loop:
    """All of it, with cabinets that are off."""

    def __init__(self, folder: Path, parts: ExitStack, package: Path, moto: str) -> None:
        self.folder = folder
        self._parts = parts
        self._package = package
        self._moto = moto
        self.configs: dict[str, Path] = {}
        self.kiosks: list[Child] = []
        self._table = f"whole-loop-{uuid.uuid4().hex}"
        create_table(moto, self._table)
        self.dynamodb = parts.enter_context(DynamoDBProxy(moto))
        self.faults: Counter[str] = Counter()
        self.swept = 0

    def start(self, add_broker: Callable[[Callable[[Path, str], str]], Any]) -> None:
        """Everything but the kiosks."""
        api, stripe = (ports.listen("127.0.0.1", 0) for _ in range(2))
        for listener in (api, stripe):
            self._parts.callback(listener.close)
        self.url = f"http://127.0.0.1:{ports.port_of(api)}"
        self.stripe = f"http://127.0.0.1:{ports.port_of(stripe)}"
        broker = add_broker(self._add)
        self.environment = self._environment(self.dynamodb.address, broker.cloud) | {
            "MQTT_CA_FILE": str(broker.ca_file)
        }
        for machine_id, config in self.configs.items():
            self._finish(machine_id, config, broker.cabinets, broker.ca_file)
        self.ledger = DynamoDBLedger(client_of(self._moto), self._table)
        self._parts.callback(self.ledger.close)
        simulator = StripeSimulator(
            self.folder,
            KEY,
            WHSEC,
            self.url,
            f"{self.url}/addCredit",
            subscribed=frozenset(EVENTS_READ),
        )
        self.log = self.folder / "lambda.log"
        handler, sweep = (
            LambdaFunction(self._package, f"cloud.handler.{name}", self.environment, self.log, n)
            for name, n in (("handle", LIVES), ("sweep", 3))
        )
        self.handler = handler
        with_routes = build(from_environment(self.environment))
        routes = with_routes.api.routes
        with_routes.close()
        gateway = lambda_app(lambda event, _context: handler.invoke(event), routes=routes)
        page = create_page(SimulatorCheckout(simulator.checkout))
        self._parts.callback(handler.close)
        for served, listener in (
            (create_app(simulator), stripe),
            (DispatcherMiddleware(gateway, {"/pay": page}), api),
        ):
            server = HttpServer(served, listener, THREADS)
            server.start()
            self._parts.callback(server.stop)
        self._parts.callback(simulator.stop)
        simulator.start()
        self._sweep_each_second(sweep)

    def break_dynamodb(self, seed: int) -> None:
        """From now on, some of the requests fail in some way."""
        rng = random.Random(seed)

        def plan() -> Iterator[str]:
            while True:
                fault = rng.choice(FAULTS) if rng.random() < FAULTY else ""
                self.faults[fault] += 1
                yield fault

        self.dynamodb.plan(plan())

    def kiosk(self, cabinet: Cabinet, fail_point: str = "") -> Child:
        """Starts a cabinet's kiosk, to be killed at a point."""
        config = str(cabinet.config)
        child = Child(
            f"kiosk {cabinet.machine_id}",
            ["-m", "tests.faults.kiosk", fail_point, config]
            if fail_point
            else ["-m", "kiosk", "run", "--config", config],
            verbose=False,
        )
        self.kiosks.append(child)
        self._parts.callback(child.stop)
        return child

    def cabinet(self, machine_id: str) -> Cabinet:
        config = self.configs[machine_id]
        mirror = re.search(r'listen = "(.*)"', config.read_text())
        assert mirror
        return Cabinet(
            machine_id,
            config,
            self.folder / f"{machine_id}.jsonl",
            self.folder / f"{machine_id}.db",
            f"http://{mirror[1]}",
        )

    def pay(self, cabinet: Cabinet, quantity: int) -> str:
        """A player scans the cabinet's code and pays; returns the order's id."""
        code: Any = until(lambda: cabinet.state().get("qr"), "the code", PATIENCE)
        return player.pay(code["url"], quantity).session_id

    def finished(self, order_id: str) -> Order:
        def look() -> Order | None:
            order = self.ledger.order(order_id)
            return order if order and order.state in FINISHED else None

        found = until(look, f"the end of {order_id}", PATIENCE)
        assert found
        return found

    def charged(self, order_id: str) -> int:
        """What Stripe has charged for an order, whose money nothing holds any more."""
        stripe = StripeGateway(KEY, self.stripe)
        intent = stripe.intent(stripe.payment(order_id).intent_id)
        assert intent.over
        return intent.charged

    def _ledger(self, endpoint: str) -> str:
        return f"dynamodb://{self._table}?region={REGION}&endpoint={quote(endpoint, safe='')}"

    def _environment(self, dynamodb: str, broker_port: int) -> dict[str, str]:
        return {
            "LEDGER": self._ledger(dynamodb),
            "STRIPE_KEY": KEY,
            "STRIPE_WEBHOOK_SECRET": WHSEC,
            "STRIPE_API_BASE": self.stripe,
            "MQTT_URL": f"mqtts://cloud:{quote(password('cloud'))}@localhost:{broker_port}",
            "PUBLIC_URL": self.url,
            **CREDENTIALS,
        }

    def _add(self, folder: Path, machine_id: str) -> str:
        """`add`, over the network as the functions have it; returns the broker's password."""
        config = self.folder / f"{machine_id}.toml"
        words = ["add", machine_id, "--after-power-cut", "forgive", "--output", str(config)]
        with pytest.MonkeyPatch.context() as patch:
            for name, value in self._environment(self.dynamodb.address, 8884).items():
                patch.setenv(name, value)
            assert admin.main([*words, "--broker-files", str(folder)]) == 0
        self.configs[machine_id] = config
        made = re.search(r'(?m)^password = "(.*)"$', config.read_text())
        assert made
        return made[1]

    def _finish(self, machine_id: str, config: Path, port: int, ca_file: Path) -> None:
        """What a cabinet's config says of this machine."""
        q = json.dumps
        text, times = re.subn(
            r'(?m)^driver = "gpio"\npin = .*$',
            'driver = "simulated"\non_ms = 20\noff_ms = 50\n'
            f"record = {q(str(self.folder / f'{machine_id}.jsonl'))}",
            config.read_text(),
        )
        assert times == 1
        text = re.sub(r"(?m)^port = \d+$", f"port = {port}\nca_file = {q(str(ca_file))}", text)
        text += f"""
[journal]
path = {q(str(self.folder / f"{machine_id}.db"))}

[screen]
headless = true
width = 480
height = 320

[mirror]
listen = "127.0.0.1:{ports.free("127.0.0.1")}"
"""
        config.write_text(text)
        config.chmod(0o600)

    def _sweep_each_second(self, sweep: LambdaFunction) -> None:
        over = threading.Event()

        def work() -> None:
            while not over.wait(1.0):
                try:
                    sweep.invoke({})
                    self.swept += 1
                except RuntimeError:
                    continue  # the schedule comes again

        thread = threading.Thread(target=work)
        thread.start()

        def stop() -> None:
            over.set()
            thread.join()
            sweep.close()

        self._parts.callback(stop)


@pytest.fixture(scope="module", params=["from the source", "by sam build"])
def package(
    request: pytest.FixtureRequest, root: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The cloud as it is packaged for Lambda: with the libraries of the tests, or with its own, for
    this machine's processor and Python."""
    if request.param == "by sam build":
        build = request.getfixturevalue("sam_build")
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        return Path(build(MACHINE=os.uname().machine, VERSION=version)) / "Handler"
    made = re.search(r"(?m)^ELSEWHERE = (.*)$", (root / "lambda" / "Makefile").read_text())
    assert made
    folder = tmp_path_factory.mktemp("package")
    skipped = shutil.ignore_patterns("__pycache__", *made[1].split())
    shutil.copytree(root / "lambda" / "cloud", folder / "cloud", ignore=skipped)
    return folder


@pytest.fixture
def loop(
    root: Path,
    package: Path,
    moto: str,
    certificates: Certificates,
    add_account: AddAccount,
    start_mosquitto: Start,
    tmp_path: Path,
) -> Iterator[Loop]:
    page = (root / "docs" / "cloud.md").read_text()
    with ExitStack() as parts:
        made = Loop(tmp_path, parts, package, moto)
        parts.callback(MADE.clear)

        def broker(add: Callable[[Path, str], str]) -> Any:
            field = set_up(page, tmp_path, certificates, add_account, start_mosquitto, add=add)
            parts.callback(field.mosquitto.stop)
            return field

        made.start(broker)
        yield made


def test_a_player_is_charged_for_what_the_machine_gave(loop: Loop) -> None:
    cabinet, beside = loop.cabinet("cab001"), loop.cabinet("cab002")
    first = loop.kiosk(cabinet)
    loop.kiosk(beside)
    loop.break_dynamodb(SEED)
    given = 0
    for quantity in (1, 3, 2):
        paid = {loop.pay(beside, 2), loop.pay(cabinet, quantity)}
        orders = {order.machine_id: order for order in map(loop.finished, paid)}
        for machine_id, made in (("cab001", quantity), ("cab002", 2)):
            order = orders[machine_id]
            assert (order.state, order.made) == (OrderState.SETTLED, made)
            assert loop.charged(order.order_id) == order.charged == 100 * made
        given += quantity
        assert cabinet.closings() == given
    assert beside.closings() == 6
    first.stop()

    # The kiosk dies in the middle of the second of five pulses, which then may have counted.
    killed = loop.kiosk(cabinet, "close-after:2")
    order_id = loop.pay(cabinet, 5)
    assert killed.ended(PATIENCE) == -signal.SIGKILL
    killed.stop()
    loop.kiosk(cabinet)
    order = loop.finished(order_id)
    assert (order.state, order.pulsed, order.ambiguous) == (OrderState.SETTLED, 4, 1)
    assert cabinet.closings() - given == 5
    assert loop.charged(order_id) == order.charged == 400

    assert loop.handler.started > 1
    assert loop.swept
    assert sum(loop.faults.values()) - loop.faults[""] > 10
    told = loop.log.read_text()
    secrets = (KEY, WHSEC, password("cloud"), quote(password("cloud")), password("cab001"))
    assert order_id in told
    assert told.count("published coinpulse") >= 7  # of each order, over TLS
    assert [secret for secret in secrets if secret in told] == []
