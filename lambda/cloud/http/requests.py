"""Reads the JSON bodies that cabinets send. Every mistake of a body is told at once."""

from __future__ import annotations

import re
from collections.abc import Mapping

from cloud.core.cabinets import MACHINE_ID, HeartbeatRequest, LinkRequest
from cloud.core.limits import (
    LONGEST_NAME,
    LONGEST_PROBLEM,
    LONGEST_WORD,
    MOST_PLAYS,
    MOST_PROBLEMS,
    MOST_PULSES,
)
from cloud.core.orders import ClaimRequest, LostRequest, SettleRequest

NAME = re.compile(rf"[A-Za-z0-9_:.-]{{1,{LONGEST_NAME}}}")


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
        return value

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


def machine_id(body: object) -> str:
    """The cabinet that a body speaks for, read before anything else of it is believed."""
    reader = _Reader(body)
    found = reader.name("machine_id", MACHINE_ID)
    reader.done()
    return found


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
        problems=tuple(problems),
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
