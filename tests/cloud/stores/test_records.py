"""Items ⇄ documents, over many items of every kind."""

from __future__ import annotations

import json
import random
from dataclasses import MISSING, fields, replace
from typing import Any

import pytest

from cloud.core.cabinets import Cabinet, Incident, PaymentLink, Presence
from cloud.core.forgiveness import Forgiveness, ForgivenOrder
from cloud.core.hand_refunds import HandRefund, RefundState
from cloud.core.happy_hours import HappyHour
from cloud.core.holds import Hold
from cloud.core.order_history import Step
from cloud.core.orders import Order, OrderState
from cloud.core.prices import Bonus, PriceList
from cloud.stores import records
from cloud.stores.base import Item, LedgerUnavailable
from cloud.stores.records import from_document, to_document

KINDS: tuple[type[Any], ...] = (Order, Cabinet, PaymentLink, Presence, Incident, Forgiveness, Hold)
TEXTS = ("", "cab001", "Zoë ☂", '"quoted"', "a\nb", "\x00", "{}", "x" * 300)
each_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)


def anything(annotation: str, rng: random.Random) -> Any:
    """A value for a field of this type."""
    match annotation:
        case "str":
            return rng.choice(TEXTS)
        case "int":
            return rng.choice((0, 1, -1, 100, 1_800_000_000_123, 2**53 - 1))
        case "int | None":
            return rng.choice((None, 0, 1_800_000_000_123))
        case "bool":
            return rng.random() < 0.5
        case "OrderState":
            return rng.choice(list(OrderState))
        case "tuple[str, ...]":
            return tuple(rng.choice(TEXTS) for _ in range(rng.randrange(4)))
        case "tuple[Step, ...]":
            return tuple(
                Step(rng.randrange(10**13), rng.choice(TEXTS), rng.choice(TEXTS))
                for _ in range(rng.randrange(4))
            )
        case "tuple[ForgivenOrder, ...]":
            count = rng.randrange(4)
            return tuple(ForgivenOrder(rng.choice(TEXTS), n, n + 1) for n in range(count))
        case "tuple[HandRefund, ...]":
            return tuple(
                HandRefund(f"r{n}", n, rng.choice(TEXTS), "me", 5, rng.choice(list(RefundState)))
                for n in range(rng.randrange(4))
            )
        case "tuple[HappyHour, ...]":
            return tuple(
                HappyHour((n, n + 1), 60, 120, 50, (Bonus(5, 7),)) for n in range(rng.randrange(4))
            )
        case "PriceList":
            bonuses = tuple(Bonus(n, n + 1) for n in range(1, rng.randrange(1, 4)))
            return PriceList(rng.randrange(1, 10**8), "USD", bonuses, rng.randrange(1, 99))
    raise AssertionError(f"no values of type {annotation}: teach this test to make some")


def items(kind: type[Any], count: int = 200) -> list[Any]:
    rng = random.Random(kind.__name__)
    return [
        kind(**{f.name: anything(str(f.type), rng) for f in fields(kind)}) for _ in range(count)
    ]


def as_stored(item: Item) -> dict[str, Any]:
    """A document after it was written as JSON and read."""
    document = json.loads(json.dumps(to_document(item)))
    assert isinstance(document, dict)
    return document


@each_kind
def test_every_item_comes_back_as_it_was(kind: type[Any]) -> None:
    for item in items(kind):
        assert from_document(kind, as_stored(item)) == item


@each_kind
def test_a_document_says_its_schemas_version_and_holds_no_fractions(kind: type[Any]) -> None:
    for item in items(kind):
        document = to_document(item)
        assert document["v"] == 1
        assert not any(isinstance(value, float) for value in document.values())


@each_kind
def test_an_unknown_field_stops_nobody(kind: type[Any]) -> None:
    for item in items(kind, 20):
        document = as_stored(item) | {"new": {"of": ["a", "newer", "program"]}, "another": None}
        if "prices" in document:
            document["prices"]["tax"] = 19
            for bonus in document["prices"]["bonuses"]:
                bonus["days"] = ["monday"]
        assert from_document(kind, document) == item


@each_kind
def test_a_missing_field_gets_its_default(kind: type[Any]) -> None:
    for item in items(kind, 20):
        for field in fields(kind):
            if field.default is MISSING:
                continue
            document = as_stored(item)
            del document[field.name]
            read = from_document(kind, document)
            assert read == replace(item, **{field.name: field.default})


@each_kind
def test_a_document_that_lacks_what_has_no_default_is_refused(kind: type[Any]) -> None:
    document = as_stored(items(kind, 1)[0])
    for field in fields(kind):
        if field.default is MISSING:
            partial = {name: v for name, v in document.items() if name != field.name}
            with pytest.raises(LedgerUnavailable, match="damaged"):
                from_document(kind, partial)


@each_kind
def test_a_document_that_would_be_misread_is_refused(kind: type[Any]) -> None:
    document = as_stored(items(kind, 1)[0])
    for version in (records.VERSION + 1, 0, "1", None):
        with pytest.raises(LedgerUnavailable, match="schema version"):
            from_document(kind, document | {"v": version})


def test_a_state_that_does_not_exist_is_refused() -> None:
    document = as_stored(items(Order, 1)[0])
    with pytest.raises(LedgerUnavailable, match="damaged"):
        from_document(Order, document | {"state": "lost"})
