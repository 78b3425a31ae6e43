"""Builds the sandbox: the cloud, the Stripe stand-in, the broker and the phone's page, together.

Two HTTP servers, each with threads of its own: the cloud asks Stripe while it answers. In one
pool, enough calls at once would hold every thread and wait for one more.

    phone, cabinet ──▶ api     /            the cloud, as behind API Gateway
                               /pay         the checkout page
             cloud ──▶ stripe  /v1          the Stripe stand-in
                               /_control    its switches
          stand-in ──▶ api     /addCredit   webhooks
"""

from __future__ import annotations

import logging
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

from werkzeug.middleware.dispatcher import DispatcherMiddleware

from cloud.settings import Settings, Times
from cloud.stores.base import LedgerUnavailable
from cloud.wiring import build
from sandbox import ports, sandbox_state
from sandbox.broker import Account, EmbeddedBroker
from sandbox.checkout_adapter import StandinTill
from sandbox.checkout_page import create_page
from sandbox.gateway import lambda_app
from sandbox.http_server import HttpServer
from sandbox.stripe_simulator import StripeStandin, create_app
from sandbox.sweeper import Sweeper

log = logging.getLogger(__name__)

LOOPBACK = "127.0.0.1"
THREADS = 16


@dataclass(frozen=True)
class Options:
    """How a sandbox is to run. ``port`` 0 is the one it had before, or any free one.

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
    """Where a running sandbox is; the line that it prints."""

    api: str
    stripe: str
    mqtt: str
    webhook_secret: str
    stripe_key: str
    data: str


class Sandbox:
    """The whole cloud on one machine. ``start`` once, then ``stop``."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._parts = ExitStack()

    def start(self) -> Ready:
        """Starts everything or nothing.

        Raises :class:`~sandbox.ports.PortTaken`, :class:`~sandbox.sandbox_state.Unusable` or
        :class:`~sandbox.broker.BrokerFailed`.
        """
        with ExitStack() as parts:
            ready = self._start(parts)
            self._parts = parts.pop_all()
        return ready

    def stop(self) -> None:
        """Stops everything, the last first."""
        self._parts.close()

    def _start(self, parts: ExitStack) -> Ready:
        options = self._options
        parts.enter_context(sandbox_state.held(options.data))
        known = sandbox_state.load(options.data)
        api = parts.enter_context(_api_socket(options, known))
        stripe = parts.enter_context(ports.listen_again(LOOPBACK, known.stripe_port))
        known = replace(known, api_port=ports.port_of(api), stripe_port=ports.port_of(stripe))
        mqtt_url, known = self._broker(parts, known)
        sandbox_state.save(options.data, known)

        ready = Ready(
            api=_address(_inside(options.host), known.api_port),
            stripe=_address(LOOPBACK, known.stripe_port),
            mqtt=_host_and_port(mqtt_url),
            webhook_secret=known.webhook_secret,
            stripe_key=known.stripe_key,
            data=str(options.data),
        )
        public_url = options.public_url or _address(_outside(options.host), known.api_port)
        settings = Settings(
            ledger=f"sqlite:///{options.data / 'ledger.db'}",
            stripe_key=ready.stripe_key,
            webhook_secret=ready.webhook_secret,
            mqtt_url=mqtt_url,
            public_url=public_url,
            stripe_api_base=ready.stripe,
            times=options.times,
        )
        with _opening(options.data / "ledger.db"):
            cloud = build(settings)
        parts.callback(cloud.close)
        with _opening(options.data / "stripe.db"):
            standin = StripeStandin(
                options.data,
                ready.stripe_key,
                ready.webhook_secret,
                public_url=public_url,
                webhook_url=f"{ready.api}/addCredit",
            )
        parts.callback(standin.stop)
        page = create_page(StandinTill(standin.checkout))
        gateway = lambda_app(
            lambda event, _context: cloud.api.handle(event), routes=cloud.api.routes
        )
        everything = DispatcherMiddleware(gateway, {"/pay": page})
        for part in (
            HttpServer(create_app(standin), stripe, THREADS),
            HttpServer(everything, api, THREADS),
            Sweeper(cloud.sweep, options.sweep_seconds),
        ):
            part.start()
            parts.callback(part.stop)
        standin.start()
        _tell_admin(options.data, ready, known.api_port, mqtt_url, public_url)
        log.info("the cloud listens on %s, for phones %s", ready.api, public_url)
        return ready

    def _broker(
        self, parts: ExitStack, known: sandbox_state.Memory
    ) -> tuple[str, sandbox_state.Memory]:
        """The broker's address, and the memory with its port."""
        if self._options.mqtt_url:
            return self._options.mqtt_url, known
        account = Account(known.mqtt_username, known.mqtt_password)
        broker = EmbeddedBroker(self._options.data, account, known.mqtt_port)
        parts.callback(broker.stop)
        broker.start()
        return broker.url, replace(known, mqtt_port=broker.port)


@contextmanager
def _opening(file: Path) -> Iterator[None]:
    """A file that is no database is a sentence for whoever started the sandbox."""
    try:
        yield
    except (LedgerUnavailable, sqlite3.Error) as error:
        raise sandbox_state.Unusable(
            f"{file} cannot be opened ({error}): move it away, or choose another --data"
        ) from error


def _api_socket(options: Options, known: sandbox_state.Memory) -> socket.socket:
    """Links and the cabinets' config files name the port: it is the same one if it can be."""
    if options.port:
        return ports.listen(options.host, options.port)
    return ports.listen_again(options.host, known.api_port)


def _tell_admin(data: Path, ready: Ready, port: int, mqtt_url: str, public_url: str) -> None:
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


def _inside(host: str) -> str:
    """Where this machine reaches what listens on ``host``."""
    return {"0.0.0.0": LOOPBACK, "": LOOPBACK, "::": "::1"}.get(host, host)


def _outside(host: str) -> str:
    """Where a phone on the same network reaches it, as far as this machine can tell."""
    if host not in ("0.0.0.0", ""):
        return _inside(host)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # Nothing is sent: it only asks which of our addresses would be the sender's.
            probe.connect(("192.0.2.1", 9))
            return str(probe.getsockname()[0])
        except OSError:
            return LOOPBACK
