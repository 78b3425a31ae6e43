"""A cabinet as the cloud knows it, its Payment Links, and what it last said of itself."""

from __future__ import annotations

import re
from dataclasses import dataclass

from cloud.core.prices import PriceList

MACHINE_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True)
class Cabinet:
    """The operator's side of a cabinet. ``token_hash`` is all that is kept of its token."""

    machine_id: str
    name: str
    token_hash: str
    prices: PriceList
    removed: bool = False
    version: int = 1


@dataclass(frozen=True)
class Presence:
    """The cabinet's last heartbeat, at ``seen_at`` by the cloud's clock."""

    machine_id: str
    seen_at: float
    healthy: bool
    state: str = ""
    software: str = ""
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class PaymentLink:
    """A Stripe Payment Link of a cabinet, with the price list that it sells.

    ``wanted`` is what the cloud last asked Stripe for: ``True`` switched on. ``withdrawn`` links
    were switched off by somebody else, and are not used again.
    """

    link_id: str
    machine_id: str
    url: str
    price_id: str
    quantity: int
    prices: PriceList
    wanted: bool = True
    withdrawn: bool = False
    version: int = 1


@dataclass(frozen=True)
class Incident:
    """Something that an operator should look at. The same ``incident_id`` is told only once."""

    incident_id: str
    at: float
    text: str
    machine_id: str = ""
    order_id: str = ""


def silent(presence: Presence | None, now: float, silence: float) -> bool:
    """Whether a cabinet has said nothing for ``silence`` seconds."""
    return presence is None or now - presence.seen_at > silence
