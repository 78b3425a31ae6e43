"""The ledger in one DynamoDB table: for a cloud on Lambda.

Each field of an item's document is an attribute, so that an update leaves those alone that this
program does not know. A cabinet's presence lies in the cabinet's item, its attributes behind
``presence:``. The table and its indexes: :mod:`cloud.stores.dynamodb_table`.

Every write is one conditional PutItem or UpdateItem that stores the ``write_id``. Nothing scans.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, TypeVar

from cloud.core.cabinets import Cabinet, Incident, PaymentLink, Presence
from cloud.core.forgiveness import Forgiveness
from cloud.core.holds import Hold
from cloud.core.orders import FINISHED, UNFINISHED, Order
from cloud.stores import dynamodb_table as table
from cloud.stores import records
from cloud.stores.base import CabinetItems, Item, LedgerUnavailable, Replaceable, WriteResult
from cloud.stores.dynamodb_client import ConditionFailed, DynamoDBClient
from cloud.stores.dynamodb_values import Change, from_value, to_value

PAGE = 200  # keys that a list reads at a time
BATCH = 100  # items that DynamoDB gives at once, at most
BATCH_TRIES = 20  # for what DynamoDB leaves out of a batch
YEAR_MS = 31_557_600_000

_KINDS: dict[type, str] = {
    Order: "order",
    Cabinet: "cabinet",
    Presence: "cabinet",
    PaymentLink: "link",
    Incident: "incident",
    Forgiveness: "forgiveness",
    Hold: "hold",
}
_INSTALLATION = {"pk": {"S": "installation"}}
_PRESENCE = "presence:"
T = TypeVar("T", bound=Item)
Attributes = Mapping[str, Any]


class DynamoDBLedger:
    """A :class:`cloud.stores.base.Ledger` in the table ``name``, which is there already.

    What is over expires after ``keep_years``: finished orders, incidents, and links that are off;
    0 keeps everything. DynamoDB deletes some days later, and what has expired is read like all else
    until then.
    """

    def __init__(self, client: DynamoDBClient, name: str, keep_years: int = 0) -> None:
        self._client = client
        self._name = name
        self._keep_ms = keep_years * YEAR_MS

    def insert(self, item: Item) -> WriteResult:
        document, places = _document(item), self._places(item)
        if not isinstance(item, Cabinet | Presence):
            attributes = {**document, **{n: v for n, v in places.items() if v is not None}}
            put = {
                "Item": {**_pk(type(item), records.key_of(item)), **to_value(attributes)["M"]},
                "ConditionExpression": "attribute_not_exists(pk)",
            }
            return self._write("PutItem", put, item)
        change = Change()
        change.if_missing(f"{_prefix(type(item))}v")
        change.set_difference({}, document)
        change.set_or_remove({}, places)
        return self._update(item, change)

    def replace(self, old: Replaceable, new: Replaceable) -> WriteResult:
        if type(old) is not type(new):
            raise TypeError(f"{type(old).__name__} cannot be replaced by {type(new).__name__}")
        if old.write_id == new.write_id:
            raise ValueError(
                f"a write of {records.key_of(new)} carries the write_id of the one before"
            )
        change, prefix = Change(), _prefix(type(new))
        if isinstance(old, Presence):
            change.if_equal(f"{prefix}write_id", old.write_id)
        else:
            change.if_equal("version", old.version)
        if isinstance(old, Order):
            change.if_equal("state", old.state.value)
        change.set_difference(_document(old), _document(new))
        change.set_or_remove(self._places(old), self._places(new))
        return self._update(new, change)

    def see(self, presence: Presence) -> WriteResult:
        change = Change()
        change.if_missing_or_at_most(f"{_PRESENCE}seen_at_ms", presence.seen_at_ms)
        change.set_difference({}, _document(presence))
        change.set_or_remove({}, self._places(presence))
        return self._update(presence, change)

    def installation(self, new_id: str) -> str:
        answer = self._client.call(
            "UpdateItem",
            {
                "TableName": self._name,
                "Key": _INSTALLATION,
                "UpdateExpression": "SET installation_id = if_not_exists(installation_id, :new)",
                "ExpressionAttributeValues": {":new": {"S": new_id}},
                "ReturnValues": "ALL_NEW",
            },
        )
        return str(from_value(answer["Attributes"]["installation_id"]))

    def order(self, order_id: str) -> Order | None:
        return self._item(Order, order_id)

    def cabinet(self, machine_id: str) -> Cabinet | None:
        return self._item(Cabinet, machine_id)

    def cabinet_and_order(
        self, machine_id: str, order_id: str
    ) -> tuple[Cabinet | None, Order | None]:
        cabinet, order = self._get(f"cabinet#{machine_id}", f"order#{order_id}")
        return _read(Cabinet, cabinet), _read(Order, order)

    def cabinet_items(self, machine_id: str) -> CabinetItems:
        # Two calls: links and unfinished orders are in one partition of an index.
        listed = [pk for _, pk in self._keys(table.CURRENT, machine_id)]
        cabinet, *others = self._get(f"cabinet#{machine_id}", *listed)
        items = list(zip(listed, others, strict=True))
        links = (_read(PaymentLink, item) for pk, item in items if pk.startswith("link#"))
        orders = (_read(Order, item) for pk, item in items if pk.startswith("order#"))
        return CabinetItems(
            _read(Cabinet, cabinet),
            tuple(link for link in links if link)[::-1],
            tuple(order for order in orders if order and order.state in UNFINISHED),
        )

    def presence(self, machine_id: str) -> Presence | None:
        return self._item(Presence, machine_id)

    def link(self, link_id: str) -> PaymentLink | None:
        return self._item(PaymentLink, link_id)

    def forgiveness(self, subject: str) -> Forgiveness | None:
        return self._item(Forgiveness, subject)

    def hold(self, intent_id: str) -> Hold | None:
        return self._item(Hold, intent_id)

    def lagging_due_order_ids(self, now_ms: int) -> Iterator[str]:
        return self._due(Order, now_ms)

    def lagging_due_cabinet_ids(self, now_ms: int) -> Iterator[str]:
        return self._due(Presence, now_ms)

    def lagging_due_link_ids(self, now_ms: int) -> Iterator[str]:
        return self._due(PaymentLink, now_ms)

    def lagging_unfinished_ids(self, machine_id: str) -> Iterator[str]:
        return _ids(self._keys(table.CURRENT, machine_id, begin="order#"))

    def lagging_link_ids(self, machine_id: str) -> Iterator[str]:
        return _ids(self._keys(table.CURRENT, machine_id, begin="link#", newest_first=True))

    def lagging_orders(self, machine_id: str = "", since_ms: int = 0) -> Iterator[Order]:
        since = table.at(since_ms)
        if machine_id:
            keys = self._keys(table.CABINET, machine_id, since=since)
        else:
            keys = self._sharded(table.ALL, "order", since=since)
        return self._items(Order, keys)

    def lagging_cabinets(self) -> Iterator[Cabinet]:
        return self._items(Cabinet, self._keys(table.ALL, "cabinet"))

    def lagging_incidents(self, since_ms: int = 0) -> Iterator[Incident]:
        keys = self._sharded(table.ALL, "incident", since=table.at(since_ms))
        return self._items(Incident, keys)

    def close(self) -> None:
        self._client.close()

    def _places(self, item: Item) -> dict[str, str | int | None]:
        return _index_attributes(item, self._keep_ms)

    def _update(self, item: Item, change: Change) -> WriteResult:
        request = {"Key": _pk(type(item), records.key_of(item)), **change.request()}
        return self._write("UpdateItem", request, item)

    def _write(self, operation: str, request: Mapping[str, Any], item: Item) -> WriteResult:
        try:
            self._client.call(
                operation,
                {
                    "TableName": self._name,
                    **request,
                    "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
                },
            )
        except ConditionFailed as failed:
            # An earlier try of the same write, here or by the caller, may have broken it.
            found = failed.item or self._attributes(type(item), records.key_of(item)) or {}
            write_id = found.get(f"{_prefix(type(item))}write_id")
            own = write_id == {"S": item.write_id}
            return WriteResult.ALREADY_WRITTEN if own else WriteResult.LOST
        return WriteResult.WRITTEN

    def _attributes(self, kind: type, key: str) -> Attributes | None:
        answer = self._client.call(
            "GetItem", {"TableName": self._name, "Key": _pk(kind, key), "ConsistentRead": True}
        )
        found = answer.get("Item")
        return found if isinstance(found, Mapping) else None

    def _item(self, kind: type[T], key: str) -> T | None:
        return _read(kind, self._attributes(kind, key))

    def _items(self, kind: type[T], keys: Iterator[tuple[str, str]]) -> Iterator[T]:
        """The items of an index's keys, as they are now; those that are gone are left out."""
        while batch := [pk for _, pk in islice(keys, BATCH)]:
            for attributes in self._get(*batch):
                item = _read(kind, attributes)
                if item is not None:
                    yield item

    def _get(self, *pks: str) -> list[Attributes | None]:
        """The items of these keys, each as it is now."""
        found: dict[str, Attributes] = {}
        for first in range(0, len(pks), BATCH):
            found |= self._batch(pks[first : first + BATCH])
        return [found.get(pk) for pk in pks]

    def _batch(self, pks: Sequence[str]) -> dict[str, Attributes]:
        found: dict[str, Attributes] = {}
        keys = [{"pk": {"S": pk}} for pk in pks]
        asked: Mapping[str, Any] = {self._name: {"Keys": keys, "ConsistentRead": True}}
        for _ in range(BATCH_TRIES):
            answer = self._client.call("BatchGetItem", {"RequestItems": asked})
            for item in answer.get("Responses", {}).get(self._name, ()):
                found[item["pk"]["S"]] = item
            asked = answer.get("UnprocessedKeys") or {}
            if not asked:
                return found
        raise LedgerUnavailable("DynamoDB gives too few of the items at once: try again")

    def _due(self, kind: type, now_ms: int) -> Iterator[str]:
        return _ids(self._sharded(table.DUE, _KINDS[kind], until=table.up_to(now_ms)))

    def _sharded(
        self, index: str, kind: str, since: str = "", until: str = ""
    ) -> Iterator[tuple[str, str]]:
        """The sort keys and keys of all shards, in the order of the sort key."""
        return heapq.merge(
            *(self._keys(index, f"{kind}#{shard}", since, until) for shard in range(table.SHARDS))
        )

    def _keys(
        self,
        index: str,
        hash_: str,
        since: str = "",
        until: str = "",
        begin: str = "",
        newest_first: bool = False,
    ) -> Iterator[tuple[str, str]]:
        """Sort keys and keys of items in an index, page by page: from ``since``, or up to
        ``until``, or those that begin with ``begin``."""
        sort = table.sort_key(index)
        names, values = {"#hash": table.hash_key(index)}, {":hash": {"S": hash_}}
        condition = "#hash = :hash"
        if since or until or begin:
            names["#sort"], values[":sort"] = sort, {"S": since or until or begin}
            compared = (
                "begins_with(#sort, :sort)" if begin else f"#sort {'>=' if since else '<='} :sort"
            )
            condition += f" AND {compared}"
        request: dict[str, Any] = {
            "TableName": self._name,
            "IndexName": index,
            "KeyConditionExpression": condition,
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": values,
            "ScanIndexForward": not newest_first,
            "Limit": PAGE,
        }
        while True:
            page = self._client.call("Query", request)
            for found in page.get("Items", ()):
                yield found[sort]["S"], found["pk"]["S"]
            if "LastEvaluatedKey" not in page:
                return
            request["ExclusiveStartKey"] = page["LastEvaluatedKey"]


def _ids(keys: Iterator[tuple[str, str]]) -> Iterator[str]:
    return (pk.partition("#")[2] for _, pk in keys)


def _prefix(kind: type) -> str:
    return _PRESENCE if kind is Presence else ""


def _pk(kind: type, key: str) -> dict[str, dict[str, str]]:
    return {"pk": {"S": f"{_KINDS[kind]}#{key}"}}


def _document(item: Item) -> dict[str, Any]:
    """The document with its attributes' names."""
    prefix = _prefix(type(item))
    return {prefix + name: value for name, value in records.to_document(item).items()}


def _read(kind: type[T], attributes: Attributes | None) -> T | None:
    """The item in these attributes; a cabinet's may hold a presence and no cabinet, or no
    presence."""
    prefix = _prefix(kind)
    if attributes is None or f"{prefix}v" not in attributes:
        return None
    document = {
        name.removeprefix(prefix): from_value(value)
        for name, value in attributes.items()
        if name.startswith(prefix) and (prefix or not name.startswith(_PRESENCE))
    }
    return records.from_document(kind, document)


def _index_attributes(item: Item, keep_ms: int) -> dict[str, str | int | None]:
    """What puts an item into its indexes and lets it expire; ``None`` for where it is not."""
    key = records.key_of(item)
    match item:
        case Order():
            over = item.state in FINISHED
            paid = table.at_with(item.paid_at_ms, key)
            return {
                **_due(item, item.due_at_ms),
                **_in(table.CURRENT, None if over else item.machine_id, f"order#{paid}"),
                **_in(table.CABINET, item.machine_id, paid),
                **_in(table.ALL, f"order#{table.shard_of(key)}", paid),
                **_expiry(max(item.paid_at_ms, item.changed_at_ms) if over else None, keep_ms),
            }
        case Cabinet():
            return _in(table.ALL, "cabinet", key)
        case Presence():
            return _due(item, item.due_at_ms)
        case PaymentLink():
            off = item.settled and not item.wanted
            last_ms = max(item.created_at_ms, item.checked_at_ms)
            made = table.at_with(item.created_at_ms, key)
            return {
                **_due(item, item.due_at_ms),
                **_in(table.CURRENT, item.machine_id, f"link#{made}"),
                **_expiry(last_ms if off else None, keep_ms),
            }
        case Incident():
            happened = table.at_with(item.at_ms, key)
            return {
                **_in(table.ALL, f"incident#{table.shard_of(key)}", happened),
                **_expiry(item.at_ms, keep_ms),
            }
        case Forgiveness() | Hold():
            return {table.TTL: item.expires_at_ms // 1000 + 1}


def _due(item: Item, due_at_ms: int | None) -> dict[str, str | int | None]:
    key = records.key_of(item)
    hash_ = None if due_at_ms is None else f"{_KINDS[type(item)]}#{table.shard_of(key)}"
    return _in(table.DUE, hash_, table.at_with(due_at_ms or 0, key))


def _in(index: str, hash_: str | None, sort: str) -> dict[str, str | int | None]:
    return {
        table.hash_key(index): hash_,
        table.sort_key(index): None if hash_ is None else sort,
    }


def _expiry(over_at_ms: int | None, keep_ms: int) -> dict[str, str | int | None]:
    expires = bool(over_at_ms is not None and keep_ms)
    return {table.TTL: ((over_at_ms or 0) + keep_ms) // 1000 if expires else None}
