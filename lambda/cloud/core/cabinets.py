"""A cabinet as the cloud knows it, its Payment Links, and what it last said of itself."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from cloud.core.happy_hours import HappyHour
from cloud.core.prices import PriceList
from cloud.core.stamps import Stamp

MACHINE_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True)
class Cabinet:
    """The operator's side of a cabinet. ``token_hash`` is all that is kept of its token.

    While a token is being rotated, the old one counts too until ``old_token_until_ms``. A
    ``disabled`` cabinet sells nothing. ``prices`` are those outside of its ``happy_hours``, which
    are by the clock of ``time_zone``. ``statement`` is what a card's bill shows behind the
    account's own name. ``hall`` is where the cabinet stands, and ``share_bp`` the hall's share of
    what it brings, in hundredths of a percent.
    """

    machine_id: str
    name: str
    token_hash: str
    prices: PriceList
    write_id: str
    removed: bool = False
    version: int = 1
    old_token_hash: str = field(default="", repr=False)
    old_token_until_ms: int = 0
    disabled: bool = False
    happy_hours: tuple[HappyHour, ...] = ()
    time_zone: str = ""
    statement: str = ""
    hall: str = ""
    share_bp: int = 0

    def old_token_counts(self, now_ms: int) -> bool:
        """Whether the token from before the last rotation still proves this cabinet."""
        return bool(self.old_token_hash) and now_ms < self.old_token_until_ms


@dataclass(frozen=True)
class Presence:
    """The cabinet's last heartbeat, at ``seen_at_ms``; 0 if there was none yet.

    ``due_at_ms`` is when the sweep has to look whether the cabinet's links must be switched off;
    ``None`` once they are. ``gone_at_ms`` is when the broker lost the cabinet.
    """

    machine_id: str
    seen_at_ms: int
    healthy: bool
    write_id: str
    state: str = ""
    software: str = ""
    problems: tuple[str, ...] = ()
    due_at_ms: int | None = None
    gone_at_ms: int = 0

    @property
    def is_gone(self) -> bool:
        """Whether the broker lost the cabinet after its last heartbeat. A program that does not
        know ``gone_at_ms`` leaves it as it was when a heartbeat comes."""
        return self.gone_at_ms > self.seen_at_ms


@dataclass(frozen=True)
class PaymentLink:
    """A Stripe Payment Link of a cabinet, with the price list that it sells.

    ``wanted`` is what the cloud wants of it, written before Stripe is asked: ``True`` switched on.
    ``payable`` is what Stripe confirmed last. ``due_at_ms`` is when the sweep has to ask Stripe for
    what is wanted; ``None`` once it is so. ``withdrawn`` links were switched off by somebody else,
    or are not of this Stripe account, and are not used again. ``made_with`` changes with anything
    that the link was made with; ``checked_at_ms`` is when Stripe was last asked whether it is on.
    ``statement`` is that of the cabinet at the time, for the bills of what this link sells.
    """

    link_id: str
    machine_id: str
    url: str
    price_id: str
    quantity: int
    prices: PriceList
    created_at_ms: int
    write_id: str
    wanted: bool = True
    withdrawn: bool = False
    version: int = 1
    payable: bool = True
    due_at_ms: int | None = None
    made_with: str = ""
    checked_at_ms: int = 0
    statement: str = ""

    @property
    def settled(self) -> bool:
        """Whether Stripe has confirmed what is wanted, and nothing is left to do."""
        return self.wanted == self.payable and self.due_at_ms is None


@dataclass(frozen=True)
class Incident:
    """Something that an operator should look at. The same ``incident_id`` is stored only once.

    ``amount`` is the money that it is about, ``todo`` what the operator does about it.
    """

    incident_id: str
    at_ms: int
    text: str
    write_id: str
    machine_id: str = ""
    order_id: str = ""
    amount: int = 0
    currency: str = ""
    todo: str = ""


@dataclass(frozen=True)
class HeartbeatRequest:
    """What a cabinet says of itself."""

    machine_id: str
    state: str
    software: str
    healthy: bool
    problems: tuple[str, ...]


@dataclass(frozen=True)
class Disconnect:
    """The broker says that it lost a client, at ``at_ms`` by its clock; ``reason`` is EMQX's."""

    username: str
    client_id: str
    reason: str
    at_ms: int


@dataclass(frozen=True)
class LinkRequest:
    """A cabinet asks for its Payment Link."""

    machine_id: str
    price_id: str
    quantity: int


def with_token(cabinet: Cabinet, token_hash: str, stamp: Stamp) -> Cabinet:
    """The cabinet with a new token; none from before counts any more."""
    return replace(
        _written(cabinet, stamp), token_hash=token_hash, old_token_hash="", old_token_until_ms=0
    )


def rotate_token(cabinet: Cabinet, token_hash: str, until_ms: int, stamp: Stamp) -> Cabinet:
    """The cabinet with a new token beside the one that it uses, which counts until ``until_ms``.

    Within a rotation the cabinet has not used the newest token yet: that one is replaced, and the
    one that the cabinet has stays.
    """
    within = cabinet.old_token_counts(stamp.at_ms)
    return replace(
        _written(cabinet, stamp),
        token_hash=token_hash,
        old_token_hash=cabinet.old_token_hash if within else cabinet.token_hash,
        old_token_until_ms=until_ms,
    )


def end_rotation(cabinet: Cabinet, stamp: Stamp) -> Cabinet:
    """The cabinet after it has used its new token: the old one counts no more."""
    return replace(_written(cabinet, stamp), old_token_hash="", old_token_until_ms=0)


def rename(cabinet: Cabinet, name: str, stamp: Stamp) -> Cabinet:
    """The cabinet under another name."""
    return replace(_written(cabinet, stamp), name=name)


def disable(cabinet: Cabinet, disabled: bool, stamp: Stamp) -> Cabinet:
    """The cabinet, which sells nothing from now on, or sells again."""
    return replace(_written(cabinet, stamp), disabled=disabled)


def with_statement(cabinet: Cabinet, statement: str, stamp: Stamp) -> Cabinet:
    """The cabinet with another text on the bills of its players' cards."""
    return replace(_written(cabinet, stamp), statement=statement)


def with_hall(cabinet: Cabinet, hall: str, share_bp: int, stamp: Stamp) -> Cabinet:
    """The cabinet in another hall, or with another share of it."""
    return replace(_written(cabinet, stamp), hall=hall, share_bp=share_bp)


def with_happy_hours(
    cabinet: Cabinet, hours: tuple[HappyHour, ...], time_zone: str, stamp: Stamp
) -> Cabinet:
    """The cabinet with other happy hours, by the clock of ``time_zone``."""
    return replace(_written(cabinet, stamp), happy_hours=hours, time_zone=time_zone)


def with_prices(cabinet: Cabinet, prices: PriceList, stamp: Stamp) -> Cabinet:
    """The cabinet with another price list."""
    return replace(_written(cabinet, stamp), prices=prices)


def remove(cabinet: Cabinet, stamp: Stamp) -> Cabinet:
    """The cabinet out of service."""
    return replace(_written(cabinet, stamp), removed=True)


def add_again(removed: Cabinet, new: Cabinet) -> Cabinet:
    """A new cabinet in the place of a removed one of its name."""
    return replace(new, version=removed.version + 1)


def _written(cabinet: Cabinet, stamp: Stamp) -> Cabinet:
    return replace(cabinet, version=cabinet.version + 1, write_id=stamp.write_id)


def want(link: PaymentLink, active: bool, due_at_ms: int, stamp: Stamp) -> PaymentLink:
    """The link before Stripe is asked to switch it; should the answer be lost, it is due."""
    return replace(_link_written(link, stamp), wanted=active, due_at_ms=due_at_ms)


def switched(link: PaymentLink, due_at_ms: int | None, stamp: Stamp) -> PaymentLink:
    """The link after Stripe switched it as wanted; due again if something is left to do."""
    return replace(
        _link_written(link, stamp),
        payable=link.wanted,
        due_at_ms=due_at_ms,
        checked_at_ms=stamp.at_ms,
    )


def checked(link: PaymentLink, stamp: Stamp) -> PaymentLink:
    """The link after Stripe said that it is on."""
    return replace(_link_written(link, stamp), checked_at_ms=stamp.at_ms)


def withdraw(link: PaymentLink, due_at_ms: int | None, stamp: Stamp) -> PaymentLink:
    """The link after somebody else switched it off, or Stripe did not know it."""
    return replace(
        _link_written(link, stamp),
        withdrawn=True,
        wanted=False,
        payable=False,
        due_at_ms=due_at_ms,
    )


def _link_written(link: PaymentLink, stamp: Stamp) -> PaymentLink:
    return replace(link, version=link.version + 1, write_id=stamp.write_id)


def seen(
    request: HeartbeatRequest, stamp: Stamp, silence_ms: int, change_at_ms: int | None = None
) -> Presence:
    """What a heartbeat leaves; ``change_at_ms`` is when the cabinet's prices change next."""
    return Presence(
        machine_id=request.machine_id,
        seen_at_ms=stamp.at_ms,
        healthy=request.healthy,
        write_id=stamp.write_id,
        state=request.state,
        software=request.software,
        problems=request.problems,
        due_at_ms=look_at_ms(stamp.at_ms, silence_ms, change_at_ms),
    )


def due_at(
    machine_id: str, presence: Presence | None, due_at_ms: int | None, stamp: Stamp
) -> Presence:
    """The presence with another time for the sweep, also of a cabinet that was never seen."""
    if presence is None:
        presence = Presence(machine_id, seen_at_ms=0, healthy=False, write_id=stamp.write_id)
    return replace(presence, due_at_ms=due_at_ms, write_id=stamp.write_id)


def gone(presence: Presence, at_ms: int, stamp: Stamp) -> Presence:
    """The presence of a cabinet that the broker lost; due at once, as its links must go off."""
    return replace(presence, gone_at_ms=at_ms, due_at_ms=stamp.at_ms, write_id=stamp.write_id)


def client_id(machine_id: str) -> str:
    """The MQTT client id of a cabinet's kiosk."""
    return f"cabinet-{machine_id}"


def silent_from_ms(seen_at_ms: int, silence_ms: int) -> int:
    """When a cabinet that was last seen at ``seen_at_ms`` begins to be silent."""
    return seen_at_ms + silence_ms + 1


def look_at_ms(seen_at_ms: int, silence_ms: int, change_at_ms: int | None) -> int:
    """When the sweep has to look at a cabinet: once it is silent, or its prices change."""
    silent_at_ms = silent_from_ms(seen_at_ms, silence_ms)
    return silent_at_ms if change_at_ms is None else min(silent_at_ms, change_at_ms)


def silent(presence: Presence | None, now_ms: int, silence_ms: int) -> bool:
    """Whether a cabinet has said nothing for longer than ``silence_ms``, or the broker lost it."""
    return (
        presence is None
        or presence.is_gone
        or now_ms >= silent_from_ms(presence.seen_at_ms, silence_ms)
    )
