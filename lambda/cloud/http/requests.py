"""Reads the JSON bodies that cabinets send. Every mistake of a body is told at once."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from cloud.core.cabinets import MACHINE_ID, Disconnect, HeartbeatRequest, LinkRequest
from cloud.core.limits import (
    LONGEST_NAME,
    LONGEST_PROBLEM,
    LONGEST_WORD,
    MOST_PLAYS,
    MOST_PROBLEMS,
    MOST_PULSES,
)
from cloud.core.orders import ClaimRequest, LostRequest, SettleRequest
from cloud.core.texts import is_plain, one_line

if TYPE_CHECKING:
    from cloud.services.stripe_events import StripeEvent

TIMESTAMP = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?Z")
NAME = re.compile(rf"[A-Za-z0-9_:.-]{{1,{LONGEST_NAME}}}")
LATEST_SECOND = 10**11  # of the year 5138: what is later cannot be a date

# The texts of an event's subject that are looked up, passed on or logged. The rest may be anything:
# a name that a player's phone cut in the middle of a letter must not cost them their order.
_USED = (
    ("id",),
    ("payment_link",),
    ("payment_intent",),
    ("object",),
    ("currency",),
    ("metadata", "machine_id"),
    ("payment_method_details", "card", "fingerprint"),
)


class BadBody(Exception):
    """The body cannot be used; the message says everything that is wrong with it."""


class _Reader:
    def __init__(self, body: object) -> None:
        if not isinstance(body, Mapping):
            raise BadBody("the body must be a JSON object")
        self.body = body
        self.mistakes: list[str] = []

    def name(self, key: str, pattern: re.Pattern[str] = NAME, default: str | None = None) -> str:
        value = self.body.get(key, default)
        if value == default and default is not None:
            return default
        if not isinstance(value, str) or not pattern.fullmatch(value):
            self.mistakes.append(f"{key} must be a string like {pattern.pattern}")
            return ""
        return value

    def words(self, key: str, most: int) -> str:
        value = self.body.get(key, "")
        if not isinstance(value, str) or len(value) > most:
            self.mistakes.append(f"{key} must be a string of at most {most} characters")
            return ""
        return one_line(value)

    def whole(self, key: str, low: int, high: int, default: int | None = None) -> int:
        value = self.body.get(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            self.mistakes.append(f"{key} must be a whole number from {low} to {high}")
            return low
        return value

    def truth(self, key: str, default: bool) -> bool:
        value = self.body.get(key, default)
        if not isinstance(value, bool):
            self.mistakes.append(f"{key} must be true or false")
            return default
        return value

    def done(self) -> None:
        if self.mistakes:
            raise BadBody("; ".join(self.mistakes))


def visit(query: Mapping[str, str]) -> int:
    """How often a phone has loaded this receipt by itself; what says nothing of that is its first
    visit."""
    again = query.get("again", "")
    return int(again) if re.fullmatch("[0-9]{1,4}", again) else 0


def machine_id(body: object) -> str:
    """The cabinet that a body speaks for, read before anything else of it is believed."""
    reader = _Reader(body)
    found = reader.name("machine_id", MACHINE_ID)
    reader.done()
    return found


def order_id(body: object) -> str:
    """The order that a body is about, read before anything else of it is believed; empty if it
    names none."""
    found = body.get("order_id") if isinstance(body, Mapping) else None
    return found if isinstance(found, str) and NAME.fullmatch(found) else ""


def heartbeat(body: object) -> HeartbeatRequest:
    """Reads the body of ``POST /status``."""
    reader = _Reader(body)
    problems = reader.body.get("problems", [])
    if (
        not isinstance(problems, list)
        or len(problems) > MOST_PROBLEMS
        or not all(isinstance(p, str) and len(p) <= LONGEST_PROBLEM for p in problems)
    ):
        reader.mistakes.append(
            f"problems must be a list of at most {MOST_PROBLEMS} strings of at most "
            f"{LONGEST_PROBLEM} characters"
        )
        problems = []
    read = HeartbeatRequest(
        machine_id=reader.name("machine_id", MACHINE_ID),
        state=reader.words("state", LONGEST_WORD),
        software=reader.words("version", LONGEST_WORD),
        healthy=reader.truth("healthy", not problems),
        problems=tuple(one_line(problem) for problem in problems),
    )
    reader.done()
    return read


def link_request(body: object) -> LinkRequest:
    """Reads the body of ``POST /create-payment-link``."""
    reader = _Reader(body)
    read = LinkRequest(
        machine_id=reader.name("machine_id", MACHINE_ID),
        price_id=reader.name("price_id", default=""),
        quantity=reader.whole("quantity", 1, MOST_PLAYS, default=1),
    )
    reader.done()
    return read


def game_over(body: object) -> str:
    """Reads the body of ``POST /gameover``: when the game ended, empty if that is not said."""
    reader = _Reader(body)
    ended_at = reader.name("timestamp", TIMESTAMP, default="")
    reader.done()
    return ended_at


def disconnect(body: object) -> Disconnect:
    """Reads the body of ``POST /presence``, whose signature is still to be checked. Clients that
    are no cabinet's may be named as they like."""
    reader = _Reader(body)
    read = Disconnect(
        username=reader.words("username", LONGEST_NAME),
        client_id=reader.words("clientid", LONGEST_NAME),
        reason=reader.words("reason", LONGEST_WORD),
        at_ms=reader.whole("disconnected_at", 0, LATEST_SECOND * 1000),
    )
    reader.done()
    return read


def claim(body: object) -> ClaimRequest:
    """Reads the body of ``POST /claim``."""
    reader = _Reader(body)
    read = ClaimRequest(
        machine_id=reader.name("machine_id", MACHINE_ID),
        order_id=reader.name("order_id"),
        claim_id=reader.name("claim_id"),
    )
    reader.done()
    return read


def settle(body: object) -> SettleRequest | LostRequest:
    """Reads the body of ``POST /settle``: a report, or that there is nothing to report from."""
    reader = _Reader(body)
    if reader.truth("lost", False):
        lost = LostRequest(reader.name("machine_id", MACHINE_ID), reader.name("order_id"))
        reader.done()
        return lost
    pulsed = reader.whole("pulsed", 0, MOST_PULSES)
    read = SettleRequest(
        machine_id=reader.name("machine_id", MACHINE_ID),
        order_id=reader.name("order_id"),
        claim_id=reader.name("claim_id"),
        pulsed=pulsed,
        pulses=reader.whole("pulses", 1, MOST_PULSES),
        # Kiosks of before reported only what is charged.
        made=reader.whole("made", 0, MOST_PULSES, default=pulsed),
        forgiven=reader.whole("forgiven", 0, MOST_PULSES, default=0),
        ambiguous=reader.whole("ambiguous", 0, MOST_PULSES, default=0),
    )
    if read.pulsed > read.pulses:
        reader.mistakes.append("pulsed must not be more than pulses")
    if read.made + read.ambiguous > read.pulses:
        reader.mistakes.append("made and ambiguous together must not be more than pulses")
    if read.forgiven > read.made:
        reader.mistakes.append("forgiven must not be more than made")
    if not 0 <= read.not_charged <= read.ambiguous:
        reader.mistakes.append(
            "pulsed must be what was made without what was forgiven, and ambiguous pulses at most"
        )
    reader.done()
    return read


def stripe_event(body: object) -> StripeEvent:
    """Reads the body of ``POST /addCredit``, whose signature is known to be right."""
    from cloud.services.stripe_events import StripeEvent  # late: only a webhook needs it

    found = body if isinstance(body, Mapping) else {}
    data = found.get("data")
    subject = data.get("object") if isinstance(data, Mapping) else None
    event_id, kind, created = found.get("id"), found.get("type"), found.get("created")
    if (
        not isinstance(subject, Mapping)
        or not (isinstance(event_id, str) and NAME.fullmatch(event_id))
        or not (isinstance(kind, str) and NAME.fullmatch(kind))
        or not isinstance(created, int)
        or isinstance(created, bool)
        or not 0 <= created <= LATEST_SECOND
        or not all(is_plain(_deep(subject, path)) for path in _USED)
    ):
        raise BadBody("the body is signed, but it is not a Stripe event")
    return StripeEvent(event_id, kind, float(created), subject)


def _deep(found: object, path: tuple[str, ...]) -> str:
    """A text deep in a JSON object; empty if there is none."""
    for name in path:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found if isinstance(found, str) else ""
