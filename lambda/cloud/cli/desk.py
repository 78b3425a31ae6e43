"""What every command works with: the cloud, its ledger, its settings, and who types."""

from __future__ import annotations

import getpass
import secrets
import socket
from pathlib import Path
from typing import Protocol

from cloud.core.cabinets import Cabinet
from cloud.core.orders import Order
from cloud.core.stamps import Stamp, to_ms
from cloud.core.texts import is_plain
from cloud.services.cabinet_messages import CabinetMessages
from cloud.services.clock import Clock
from cloud.services.free_credits import FreeCredits
from cloud.services.going_live import GoingLive
from cloud.services.hand_refunds import HandRefunds
from cloud.services.payment_links import PaymentLinks
from cloud.services.reconciliation import Reconciliation
from cloud.services.releases import Releases
from cloud.settings import Settings
from cloud.stores.base import Ledger

SHORTEST_REFERENCE = 6
REFERENCE_DAYS = 90


class AdminError(Exception):
    """A sentence for the operator."""


class Services(Protocol):
    """The parts of the cloud that the commands use."""

    clock: Clock
    ledger: Ledger

    @property
    def links(self) -> PaymentLinks: ...
    @property
    def releases(self) -> Releases: ...
    @property
    def reconciliation(self) -> Reconciliation: ...
    @property
    def going_live(self) -> GoingLive: ...
    @property
    def cabinet_messages(self) -> CabinetMessages: ...
    @property
    def free_credits(self) -> FreeCredits: ...
    @property
    def hand_refunds(self) -> HandRefunds: ...


class Desk:
    """``sandbox`` and ``data`` are of a sandbox, empty for a cloud in the world."""

    def __init__(
        self, cloud: Services, settings: Settings, sandbox: dict[str, str], data: Path | None
    ) -> None:
        self.cloud = cloud
        self.ledger = cloud.ledger
        self.settings = settings
        self.sandbox = sandbox
        self.data = data

    def stamp(self) -> Stamp:
        """A stamp for one write."""
        return self.cloud.clock.stamp()

    def now_ms(self) -> int:
        """Milliseconds since the epoch, by the cloud's clock."""
        return self.cloud.clock.now_ms()

    def cabinet(self, machine_id: str, removed: bool = False) -> Cabinet:
        """The cabinet of that name; a removed one only if it is asked for."""
        cabinet = self.ledger.cabinet(machine_id)
        if cabinet is None or (cabinet.removed and not removed):
            raise AdminError(f"there is no cabinet {machine_id}: `list` names those there are")
        return cabinet

    def replace(self, old: Cabinet, new: Cabinet) -> None:
        """Stores a changed cabinet, unless somebody else has changed it since it was read."""
        if not self.ledger.replace(old, new):
            raise AdminError(f"{old.machine_id} was changed by somebody else just now: try again")

    def order(self, name: str) -> Order:
        """The order with that id, or whose id ends so: a receipt shows the last eight letters."""
        order = self.ledger.order(name)
        if order is not None:
            return order
        since_ms = self.now_ms() - to_ms(REFERENCE_DAYS * 86400)
        found = [
            listed
            for listed in self.ledger.lagging_orders(since_ms=since_ms)
            if len(name) >= SHORTEST_REFERENCE and listed.order_id.endswith(name)
        ]
        if len(found) != 1:
            many = f"{len(found)} orders end with {name}" if found else f"there is no order {name}"
            raise AdminError(f"{many}: `orders` lists them with their whole ids")
        return self.ledger.order(found[0].order_id) or found[0]

    def tell_offer_changed(self, machine_id: str) -> None:
        """Lets a cabinet ask for its link again; it does so by itself within a heartbeat."""
        self.cloud.cabinet_messages.payment(machine_id, "offer_changed", self.now_ms() / 1000)


def new_request_id() -> str:
    """A name for a request that its caller has not named."""
    return secrets.token_hex(6)


def operator() -> str:
    """Who types, as ``name@machine``; for the audit of what is done by hand."""
    try:
        name = getpass.getuser()
    except (OSError, KeyError):
        name = "somebody"
    return f"{name}@{socket.gethostname()}"


def plain(option: str, text: str, most: int) -> str:
    """``text`` if it is one line that can be shown anywhere, of ``most`` characters at most."""
    if not text or not is_plain(text) or len(text) > most:
        raise AdminError(f"{option} must be one line of at most {most} letters that can be shown")
    return text
