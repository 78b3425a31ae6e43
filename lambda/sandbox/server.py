"""Builds the sandbox: the cloud, the Stripe simulator, the broker and the checkout page.

Two HTTP servers, each with threads of its own: the cloud calls Stripe while it handles a request.
In one pool, enough requests at once would occupy every thread and each wait for one more.

    phone, cabinet ──▶ api     /            the cloud, as behind API Gateway
                               /pay         the checkout page
             cloud ──▶ stripe  /v1          the Stripe simulator
                               /_control    delivery settings and failures, for tests
         simulator ──▶ api     /addCredit   webhooks
"""

from __future__ import annotations

import logging
import socket
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

from werkzeug.middleware.dispatcher import DispatcherMiddleware

from cloud import wiring
from cloud.server.gateway import lambda_app
from cloud.server.http_server import HttpServer
from cloud.server.sweeper import Sweeper
from cloud.services.stripe_events import EVENTS_READ
from cloud.settings import Settings, Times
from cloud.stores.base import LedgerUnavailable
from cloud.wiring import Cloud
from sandbox import ports, sandbox_state
from sandbox.broker import Account, EmbeddedBroker
from sandbox.checkout_adapter import SimulatorCheckout
from sandbox.checkout_page import create_page
from sandbox.stripe_simulator import StripeSimulator, create_app

log = logging.getLogger(__name__)

LOOPBACK = "127.0.0.1"
THREADS = 16


@dataclass(frozen=True)
class Options:
    """How a sandbox is to run. ``port`` 0 is the port of its last run, or any free one.

    ``public_url`` is where phones reach it, if that is not where it listens; ``mqtt_url`` names a
    broker to use instead of the embedded one, ``mqtt://user:password@host:port`` or ``mqtts://…``.
    """

    data: Path
    host: str = LOOPBACK
    port: int = 0
    public_url: str = ""
    mqtt_url: str = ""
    sweep_seconds: float = 60.0
    times: Times = field(default_factory=Times)


@dataclass(frozen=True)
class Ready:
    """The addresses and secrets of a running sandbox: the line that it prints."""

    api: str
    stripe: str
    mqtt: str
    webhook_secret: str
    stripe_key: str
    data: str


class Sandbox:
    """The whole cloud on one machine. ``start`` once, then ``stop``. ``build`` makes the cloud."""

    def __init__(self, options: Options, build: Callable[[Settings], Cloud] = wiring.build) -> None:
        self._options = options
        self._build = build
        self._parts = ExitStack()

    def start(self) -> Ready:
        """Starts everything or nothing.

        Raises :class:`~sandbox.ports.PortTaken`,
        :class:`~sandbox.sandbox_state.DataFolderUnusable` or :class:`~sandbox.broker.BrokerFailed`.
        """
        with ExitStack() as parts:
            ready = self._start(parts)
            self._parts = parts.pop_all()
        return ready

    def stop(self) -> None:
        """Stops everything, in reverse order."""
        self._parts.close()

    def _start(self, parts: ExitStack) -> Ready:
        options = self._options
        parts.enter_context(sandbox_state.locked(options.data))
        state = sandbox_state.load(options.data)
        api = parts.enter_context(_api_socket(options, state))
        stripe = parts.enter_context(ports.listen_again(LOOPBACK, state.stripe_port))
        state = replace(state, api_port=ports.port_of(api), stripe_port=ports.port_of(stripe))
        mqtt_url, state = self._broker(parts, state)
        sandbox_state.save(options.data, state)

        ready = Ready(
            api=_address(_host_here(options.host), state.api_port),
            stripe=_address(LOOPBACK, state.stripe_port),
            mqtt=_host_and_port(mqtt_url),
            webhook_secret=state.webhook_secret,
            stripe_key=state.stripe_key,
            data=str(options.data),
        )
        public_url = options.public_url or _address(_host_for_phones(options.host), state.api_port)
        settings = Settings(
            ledger=f"sqlite:///{options.data / 'ledger.db'}",
            stripe_key=ready.stripe_key,
            webhook_secret=ready.webhook_secret,
            mqtt_url=mqtt_url,
            mqtt_version="3.1.1",
            public_url=public_url,
            stripe_api_base=ready.stripe,
            times=options.times,
        )
        with _named_on_failure(options.data / "ledger.db"):
            cloud = self._build(settings)
        parts.callback(cloud.close)
        with _named_on_failure(options.data / "stripe.db"):
            simulator = StripeSimulator(
                options.data,
                ready.stripe_key,
                ready.webhook_secret,
                public_url=public_url,
                webhook_url=f"{ready.api}/addCredit",
                subscribed=frozenset(EVENTS_READ),
            )
        parts.callback(simulator.stop)
        page = create_page(SimulatorCheckout(simulator.checkout))
        gateway = lambda_app(
            lambda event, _context: cloud.api.handle(event), routes=cloud.api.routes
        )
        web = DispatcherMiddleware(gateway, {"/pay": page})
        for part in (
            HttpServer(create_app(simulator), stripe, THREADS),
            HttpServer(web, api, THREADS),
            Sweeper(cloud.sweep, options.sweep_seconds),
        ):
            part.start()
            parts.callback(part.stop)
        simulator.start()
        _write_admin_file(options.data, ready, state.api_port, mqtt_url, public_url)
        log.info("the cloud listens on %s, for phones %s", ready.api, public_url)
        return ready

    def _broker(
        self, parts: ExitStack, state: sandbox_state.SandboxState
    ) -> tuple[str, sandbox_state.SandboxState]:
        """The broker's address, and the state with its port."""
        if self._options.mqtt_url:
            return self._options.mqtt_url, state
        account = Account(state.mqtt_username, state.mqtt_password)
        broker = EmbeddedBroker(self._options.data, account, state.mqtt_port)
        parts.callback(broker.stop)
        broker.start()
        return broker.url, replace(state, mqtt_port=broker.port)


@contextmanager
def _named_on_failure(file: Path) -> Iterator[None]:
    """Turns the error about a file that is no database into a message that names the file."""
    try:
        yield
    except (LedgerUnavailable, sqlite3.Error) as error:
        raise sandbox_state.DataFolderUnusable(
            f"{file} cannot be opened ({error}): move it away, or choose another --data"
        ) from error


def _api_socket(options: Options, state: sandbox_state.SandboxState) -> socket.socket:
    """Links and the cabinets' config files name the port, so it stays the same where it can."""
    if options.port:
        return ports.listen(options.host, options.port)
    return ports.listen_again(options.host, state.api_port)


def _write_admin_file(data: Path, ready: Ready, port: int, mqtt_url: str, public_url: str) -> None:
    """Writes ``sandbox.json``, from which ``cloud.admin`` makes the cabinets' config files."""
    broker = urlsplit(mqtt_url)
    sandbox_state.write_private(
        data / "sandbox.json",
        asdict(ready)
        | {
            "port": port,
            "public_url": public_url,
            "mqtt_url": mqtt_url,
            "mqtt_username": unquote(broker.username or ""),
            "mqtt_password": unquote(broker.password or ""),
        },
    )


def _host_and_port(mqtt_url: str) -> str:
    broker = urlsplit(mqtt_url)
    return f"{broker.hostname}:{broker.port or (8883 if broker.scheme == 'mqtts' else 1883)}"


def _address(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _host_here(host: str) -> str:
    """Where this machine reaches what listens on ``host``."""
    return {"0.0.0.0": LOOPBACK, "": LOOPBACK, "::": "::1"}.get(host, host)


def _host_for_phones(host: str) -> str:
    """Where a phone on the same network reaches it, as far as this machine can tell."""
    if host not in ("0.0.0.0", ""):
        return _host_here(host)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # Nothing is sent: connecting only selects which of our addresses would be the sender.
            probe.connect(("192.0.2.1", 9))
            return str(probe.getsockname()[0])
        except OSError:
            return LOOPBACK
