"""Items ⇄ documents: how every store keeps an order, a cabinet, a link, a presence, an incident.

A document is a dict of what JSON knows, with the version of its schema as ``v``. A new field with a
default leaves the version as it is: a document without it gets the default, and a program that does
not know it ignores it when it reads and, since stores only set the fields of the document that they
are given, leaves it in its place when it writes. So a roll-back and the roll-forward after it lose
nothing. A change that older programs would misread needs a higher version: they refuse it then.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any, TypeVar

from cloud.core.cabinets import Cabinet, Incident, PaymentLink, Presence
from cloud.core.forgiveness import Forgiveness, ForgivenOrder
from cloud.core.hand_refunds import HandRefund, RefundState
from cloud.core.happy_hours import HappyHour
from cloud.core.holds import Hold
from cloud.core.order_history import Step
from cloud.core.orders import Order, OrderState
from cloud.core.prices import Bonus, PriceList
from cloud.stores.base import DamagedRecord, Item

VERSION = 1

Document = dict[str, Any]
T = TypeVar("T")


def key_of(item: Item) -> str:
    """The key under which an item is stored, among its kind."""
    match item:
        case Order():
            return item.order_id
        case Cabinet() | Presence():
            return item.machine_id
        case PaymentLink():
            return item.link_id
        case Incident():
            return item.incident_id
        case Forgiveness():
            return item.subject
        case Hold():
            return item.intent_id


def to_document(item: Item) -> Document:
    """The document of an item."""
    # vars() and not asdict(), which copies all the way down and costs twenty times as much.
    document = {"v": VERSION, **vars(item)}
    for name, (encode, _) in _CONVERTED.get(type(item), {}).items():
        document[name] = encode(document[name])
    return document


def from_document(kind: type[T], document: Any) -> T:
    """The item of a document; raises :class:`DamagedRecord` if it cannot be read."""
    if not isinstance(document, Mapping):
        raise DamagedRecord("a record of the ledger is damaged: it is no document")
    version = document.get("v")
    if version != VERSION:
        raise DamagedRecord(
            f"a record of the ledger has schema version {version}, and this program reads "
            f"{VERSION}: run the version that wrote it"
        )
    known = {name: document[name] for name in _NAMES[kind] if name in document}
    try:
        for name, (_, decode) in _CONVERTED.get(kind, {}).items():
            if name in known:
                known[name] = decode(known[name])
        return kind(**known)
    except (KeyError, TypeError, ValueError) as error:
        raise DamagedRecord(f"a record of the ledger is damaged: {error}") from error


def _encode_history(history: tuple[Step, ...]) -> list[list[int | str]]:
    return [[step.at_ms, step.what, step.detail] for step in history]


def _decode_history(rows: list[list[Any]]) -> tuple[Step, ...]:
    return tuple(Step(*row[:3]) for row in rows)


def _encode_prices(prices: PriceList) -> Document:
    return {**vars(prices), "bonuses": [dict(vars(bonus)) for bonus in prices.bonuses]}


def _decode_prices(document: Mapping[str, Any]) -> PriceList:
    known = {name: document[name] for name in _NAMES[PriceList] if name in document}
    bonuses = tuple(
        Bonus(**{name: bonus[name] for name in _NAMES[Bonus]})
        for bonus in document.get("bonuses", ())
    )
    return PriceList(**{**known, "bonuses": bonuses})


def _encode_forgiven(forgiven: tuple[ForgivenOrder, ...]) -> list[Document]:
    return [dict(vars(order)) for order in forgiven]


def _decode_forgiven(documents: Sequence[Mapping[str, Any]]) -> tuple[ForgivenOrder, ...]:
    names = _NAMES[ForgivenOrder]
    return tuple(ForgivenOrder(**{name: order[name] for name in names}) for order in documents)


def _encode_refunds(refunds: tuple[HandRefund, ...]) -> list[Document]:
    return [{**vars(refund), "state": refund.state.value} for refund in refunds]


def _decode_refunds(documents: Sequence[Mapping[str, Any]]) -> tuple[HandRefund, ...]:
    read = [_known(HandRefund, document) for document in documents]
    return tuple(HandRefund(**{**known, "state": RefundState(known["state"])}) for known in read)


def _encode_happy_hours(hours: tuple[HappyHour, ...]) -> list[Document]:
    return [
        {
            **vars(hour),
            "days": list(hour.days),
            "bonuses": [dict(vars(bonus)) for bonus in hour.bonuses],
        }
        for hour in hours
    ]


def _decode_happy_hours(documents: Sequence[Mapping[str, Any]]) -> tuple[HappyHour, ...]:
    read = [_known(HappyHour, document) for document in documents]
    return tuple(
        HappyHour(
            **{
                **known,
                "days": tuple(known["days"]),
                "bonuses": tuple(Bonus(**_known(Bonus, bonus)) for bonus in known["bonuses"]),
            }
        )
        for known in read
    )


def _known(kind: type, document: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a part that this program knows."""
    return {name: document[name] for name in _NAMES[kind] if name in document}


_NAMES: dict[type, tuple[str, ...]] = {
    kind: tuple(field.name for field in fields(kind))
    for kind in (
        Order,
        Cabinet,
        PaymentLink,
        Presence,
        Incident,
        Forgiveness,
        ForgivenOrder,
        HandRefund,
        HappyHour,
        Hold,
        PriceList,
        Bonus,
    )
}
_Convert = Callable[[Any], Any]
_CONVERTED: dict[type, dict[str, tuple[_Convert, _Convert]]] = {
    Order: {
        "state": (lambda state: state.value, OrderState),
        "history": (_encode_history, _decode_history),
        "refunds": (_encode_refunds, _decode_refunds),
    },
    Cabinet: {
        "prices": (_encode_prices, _decode_prices),
        "happy_hours": (_encode_happy_hours, _decode_happy_hours),
    },
    PaymentLink: {"prices": (_encode_prices, _decode_prices)},
    Presence: {"problems": (list, tuple)},
    Forgiveness: {"orders": (_encode_forgiven, _decode_forgiven)},
}
