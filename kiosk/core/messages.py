"""Reads the broker's messages and the cloud's answers, and checks the form of each."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from kiosk.core.limits import LARGEST_AMOUNT, LONGEST_NAME, MOST_CREDITS, MOST_PLAYS, MOST_PULSES
from kiosk.core.view import Bonus, Offer

LARGEST_PAYLOAD = 16 * 1024
_NAME = re.compile(rf"[A-Za-z0-9_:.-]{{1,{LONGEST_NAME}}}")
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{5,20}Z")


class BadMessage(Exception):
    """The message cannot be used; the text says why, for the operator's log."""


class Decision(Enum):
    """The cloud's words for what it has decided about an order: the same call again is answered
    with the same word. Its other words are no decisions (``not_lost_yet``)."""

    ORDER_UNKNOWN = "order_unknown"
    TOO_LATE = "too_late"
    NOTHING_BOUGHT = "nothing_bought"
    RELEASED = "released"
    CLAIMED_BY_OTHER = "claimed_by_other"
    NOT_CLAIMED = "not_claimed"
    SETTLED_OTHERWISE = "settled_otherwise"
    PULSES_DO_NOT_FIT = "pulses_do_not_fit"


@dataclass(frozen=True)
class OrderHint:
    """The ``coinpulse`` message: an order of this cabinet is open.

    ``payment_id`` is what messages about its payment name, empty from an older cloud.
    """

    order_id: str
    payment_id: str = ""


@dataclass(frozen=True)
class GameOver:
    """A game ended. ``timestamp`` tells a repeat from the next one."""

    timestamp: str


@dataclass(frozen=True)
class PaymentStatus:
    """What a player's payment is doing."""

    status: str
    payment_id: str = ""
    sent_at: float | None = None  # seconds since the epoch by the cloud's clock, if it was told


@dataclass(frozen=True)
class ClaimAnswer:
    """The cloud granted a claim; ``age`` is the seconds since it first did.

    ``forgiven_today`` is how many pulses this cabinet was forgiven in the last day,
    ``card_forgiven_today`` whether the player's card was.
    """

    credits: int
    state: str
    age: float
    forgiven_today: int = 0
    card_forgiven_today: bool = False


@dataclass(frozen=True)
class ClaimedOrder:
    """An order that the cloud gave to this cabinet and that is not settled; ``age`` as above."""

    order_id: str
    credits: int
    age: float


@dataclass(frozen=True)
class HeartbeatAnswer:
    """The cloud's answer to a heartbeat; ``time`` as :attr:`PaymentStatus.sent_at`."""

    link_active: bool
    link_url: str
    open_orders: tuple[OrderHint, ...]
    claimed: tuple[ClaimedOrder, ...]
    time: float | None = None


Message = OrderHint | GameOver | PaymentStatus


def read(topic: str, payload: bytes, machine_id: str) -> Message:
    """A message on one of the cabinet's own topics."""
    if len(payload) > LARGEST_PAYLOAD:
        raise BadMessage(f"a message of {len(payload)} bytes on {topic} is too large")
    try:
        body = json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise BadMessage(f"a message on {topic} is not JSON") from error
    if not isinstance(body, dict):
        raise BadMessage(f"a message on {topic} is not a JSON object")
    if _text(body, "machineId") != machine_id:
        raise BadMessage(f"a message on {topic} is for another cabinet")
    kind = topic.rpartition("/")[2]
    if topic != f"arcade/machine/{machine_id}/{kind}":
        raise BadMessage(f"a message on {topic}, which is not this cabinet's")
    match kind:
        case "coinpulse":
            _whole(body, "credits", 1, MOST_CREDITS)
            return OrderHint(_name(body, "orderId"), _words(body, "paymentId"))
        case "gameover":
            if _text(body, "status") != "game_over":
                raise BadMessage(f"a message on {topic} has a status that is not game_over")
            return GameOver(_text(body, "timestamp"))
        case "payment":
            return PaymentStatus(
                _text(body, "status"),
                payment_id=_words(body, "paymentId"),
                sent_at=_time(body.get("timestamp")),
            )
        case _:
            raise BadMessage(f"a message on {topic}, which this kiosk does not know")


def claim_answer(body: Mapping[str, object], order_id: str, claim_id: str) -> ClaimAnswer:
    """The answer to a claim."""
    if body.get("order_id") != order_id or body.get("claim_id") != claim_id:
        raise BadMessage("the cloud answered a claim with another order")
    card = body.get("card_forgiven_today", False)
    if not isinstance(card, bool):
        raise BadMessage("card_forgiven_today is neither true nor false")
    return ClaimAnswer(
        credits=_whole(body, "credits", 1, MOST_CREDITS),
        state=_text(body, "state"),
        age=_age(body),
        # A cloud of before knows nothing of this.
        forgiven_today=_whole(
            {"forgiven_today": 0, **body}, "forgiven_today", 0, MOST_PULSES * 1000
        ),
        card_forgiven_today=card,
    )


def heartbeat_answer(body: Mapping[str, object]) -> HeartbeatAnswer:
    """The answer to a heartbeat."""
    link = body.get("link")
    if not isinstance(link, Mapping):
        raise BadMessage("the cloud answered a heartbeat without a link")
    url = link.get("url")
    return HeartbeatAnswer(
        link_active=link.get("state") == "active",
        link_url=url if isinstance(url, str) else "",
        open_orders=tuple(
            OrderHint(_name(order, "order_id"), _words(order, "payment_id"))
            for order in _objects(body, "orders")
        ),
        claimed=tuple(
            ClaimedOrder(
                _name(order, "order_id"),
                _whole(order, "credits", 1, MOST_CREDITS),
                _age(order),
            )
            for order in _objects(body, "claimed")
        ),
        time=_time(body.get("time")),
    )


def settle_answer(body: Mapping[str, object], order_id: str) -> str:
    """The state of the order after a settle."""
    if body.get("order_id") != order_id:
        raise BadMessage("the cloud answered a settle with another order")
    return _text(body, "state")


def decision(body: Mapping[str, object]) -> Decision | None:
    """What the cloud has decided about an order, if this is an error answer of its own.

    Whatever stands between cabinet and cloud may answer with any status and body; it does not know
    these words.
    """
    try:
        return Decision(body.get("code"))
    except ValueError:
        return None


def is_disabled(body: Mapping[str, object]) -> bool:
    """Whether the cloud's answer to ``/create-payment-link`` says that this cabinet is disabled."""
    return body.get("code") == "disabled"


def offer(body: Mapping[str, object]) -> Offer:
    """The answer to ``/create-payment-link``."""
    url = _text(body, "url")
    if not url.startswith(("https://", "http://")) or len(url) > 2000:
        raise BadMessage("the cloud's payment link is not an address")
    return Offer(
        url=url,
        amount=_whole(body, "amount", 1, LARGEST_AMOUNT),
        currency=_text(body, "currency"),
        decimals=_whole(body, "decimals", 0, 3),
        bonuses=tuple(
            Bonus(
                _whole(bonus, "quantity", 1, MOST_PLAYS),
                _whole(bonus, "credits", 1, MOST_CREDITS),
            )
            for bonus in _objects(body, "bonuses")
        ),
    )


def _objects(body: Mapping[str, object], key: str) -> Sequence[Mapping[str, object]]:
    value = body.get(key)
    if not isinstance(value, list) or not all(isinstance(item, Mapping) for item in value):
        raise BadMessage(f"{key} is missing or no list of objects")
    return value


def _age(body: Mapping[str, object]) -> float:
    age = body.get("age_seconds")
    if not isinstance(age, int | float) or isinstance(age, bool) or not age >= 0:
        raise BadMessage("age_seconds is missing or no number of seconds")
    return float(age)


def _text(body: Mapping[str, object], key: str) -> str:
    value = body.get(key)
    if not isinstance(value, str) or not value:
        raise BadMessage(f"{key} is missing or no text")
    return value


def _words(body: Mapping[str, object], key: str) -> str:
    """A text that an older cloud does not send."""
    value = body.get(key)
    return value[:255] if isinstance(value, str) else ""


def _time(value: object) -> float | None:
    """An ISO 8601 time with its zone in seconds since the epoch; nothing if it is none."""
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        return None
    try:
        return datetime.fromisoformat(value).timestamp()
    except ValueError:
        return None


def _name(body: Mapping[str, object], key: str) -> str:
    value = _text(body, key)
    if not _NAME.fullmatch(value):
        raise BadMessage(f"{key} is no name of an order")
    return value


def _whole(body: Mapping[str, object], key: str, low: int, high: int) -> int:
    value = body.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise BadMessage(f"{key} is not a whole number from {low} to {high}")
    return value
