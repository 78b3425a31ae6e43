"""A whole ledger as lines of JSON, and back into an empty one: to keep, or to change the store.

Each line carries a checksum over itself and all lines before it, and the last one their number: a
line that is damaged, missing, doubled or in another place is found before anything is written.

It is no snapshot: while it is made, nobody may write to the ledger. What cards were forgiven in the
last day is found by the orders that are not over; the rest of it stays behind, which gives a card
its day's forgiveness once more.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from cloud.core.cabinets import Cabinet, Incident, PaymentLink, Presence
from cloud.core.forgiveness import Forgiveness, of_cabinet, of_card
from cloud.core.holds import Hold
from cloud.core.orders import Order
from cloud.stores import records
from cloud.stores.base import Item, Ledger, LedgerUnavailable, WriteResult

FORMAT = 1
_KINDS: dict[str, type[Any]] = {
    "cabinet": Cabinet,
    "presence": Presence,
    "link": PaymentLink,
    "order": Order,
    "incident": Incident,
    "forgiveness": Forgiveness,
    "hold": Hold,
}
_NAMES = {kind: name for name, kind in _KINDS.items()}
Lines = Callable[[], Iterable[str]]  # the file from its beginning, each time


class BackupError(Exception):
    """A sentence for the operator: what is wrong with the file, or with where it is to go."""


def write(ledger: Ledger, new_id: str) -> Iterator[str]:
    """The lines of a backup, without line ends; ``new_id`` is for a ledger without an id."""
    check, count = "", 0
    head = {"arcade_ledger": FORMAT, "installation": ledger.installation(new_id)}
    check, line = _sealed(head, check)
    yield line
    for item in _items(ledger):
        document = records.to_document(item)
        check, line = _sealed({"kind": _NAMES[type(item)], "item": document}, check)
        count += 1
        yield line
    yield _sealed({"end": count}, check)[1]


def restore(ledger: Ledger, lines: Lines) -> Counter[str]:
    """Stores a backup's items in an empty ledger and compares each with its line; returns how many
    there are of each kind.

    One that broke off may be made again: what is there already must be of the same backup.
    """
    installation = ""
    known: dict[tuple[str, str], bytes] = {}
    for head, item in _read(lines()):
        installation = head
        if item is not None:
            known[_place(item)] = _digest(item)
    if any(known.get(_place(item)) != _digest(item) for item in _all_of(ledger)):
        raise BackupError(
            "the ledger is not empty: restore into a new one; nothing of this one was changed"
        )
    if ledger.installation(installation) != installation:
        raise BackupError(
            "the ledger is of another installation: restore into a new one; nothing was changed"
        )
    for _, item in _read(lines()):
        if item is not None and ledger.insert(item) is WriteResult.LOST:
            raise BackupError(
                f"{_told(item)} is in the ledger already, and not as in the backup: somebody "
                "writes to this ledger; stop that and restore into a new one"
            )
    counts: Counter[str] = Counter()
    for _, item in _read(lines()):
        if item is None:
            continue
        if not _is_stored(ledger, item):
            raise BackupError(
                f"{_told(item)} is not in the ledger as in the backup: do not use this ledger; "
                "restore into a new one"
            )
        counts[_NAMES[type(item)]] += 1
    return counts


def _items(ledger: Ledger) -> Iterator[Item]:
    """Everything that can be listed, each item as it is now."""
    subjects: dict[str, None] = {}
    for cabinet in ledger.lagging_cabinets():
        yield cabinet
        subjects[of_cabinet(cabinet.machine_id)] = None
        if presence := ledger.presence(cabinet.machine_id):
            yield presence
        for link_id in ledger.lagging_link_ids(cabinet.machine_id):
            if link := ledger.link(link_id):
                yield link
    for order in ledger.lagging_orders():
        yield order
        if order.card:
            subjects[of_card(order.card)] = None
    yield from ledger.lagging_incidents()
    for subject in subjects:
        if forgiveness := ledger.forgiveness(subject):
            yield forgiveness


def _all_of(ledger: Ledger) -> Iterator[Item]:
    """What shows that a ledger is in use."""
    yield from ledger.lagging_cabinets()
    yield from ledger.lagging_orders()
    yield from ledger.lagging_incidents()


def _is_stored(ledger: Ledger, item: Item) -> bool:
    found: Item | None
    match item:
        case Order():
            found = ledger.order(item.order_id)
        case Cabinet():
            found = ledger.cabinet(item.machine_id)
        case Presence():
            found = ledger.presence(item.machine_id)
        case PaymentLink():
            found = ledger.link(item.link_id)
        case Forgiveness():
            # SQLite deletes what has expired; DynamoDB does so as well, in its time.
            found = ledger.forgiveness(item.subject) or item
        case Hold():
            found = ledger.hold(item.intent_id) or item
        case Incident():
            return ledger.insert(item) is WriteResult.ALREADY_WRITTEN
    return found == item


def _read(lines: Iterable[str]) -> Iterator[tuple[str, Item | None]]:
    """The installation's id with each item; raises :class:`BackupError` for any line that is not as
    it was written."""
    check, installation, count, ended = "", "", 0, False
    for number, line in enumerate(lines, 1):
        try:
            content = json.loads(line)
            said = content.pop("check")
        except (ValueError, KeyError, AttributeError) as error:
            raise BackupError(
                f"line {number} of the backup is damaged: take another one"
            ) from error
        check, _ = _sealed(content, check)
        if said != check or ended:
            raise BackupError(
                f"line {number} of the backup is damaged, or lines are missing before it: take "
                "another one"
            )
        if number == 1:
            installation = _installation(content)
            yield installation, None
        elif "end" in content:
            ended = content["end"] == count
        else:
            count += 1
            yield installation, _item(number, content)
    if not ended:
        raise BackupError("the backup ends too early: take another one")


def _installation(head: Mapping[str, Any]) -> str:
    if head.get("arcade_ledger") != FORMAT or not isinstance(head.get("installation"), str):
        raise BackupError(
            "this is no backup of a ledger, or one of another version of the cloud: run that one"
        )
    return str(head["installation"])


def _item(number: int, content: Mapping[str, Any]) -> Item:
    kind = _KINDS.get(str(content.get("kind")))
    if kind is None:
        raise BackupError(f"line {number} of the backup is of a newer version: run that one")
    try:
        item: Item = records.from_document(kind, content.get("item"))
    except LedgerUnavailable as error:
        raise BackupError(f"line {number} of the backup cannot be used: {error}") from error
    return item


def _sealed(content: Mapping[str, Any], before: str) -> tuple[str, str]:
    """The checksum of a line behind that of the line before, and the line with it."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    check = hashlib.sha256(f"{before}{text}".encode()).hexdigest()[:32]
    return check, json.dumps({**content, "check": check}, separators=(",", ":"))


def _place(item: Item) -> tuple[str, str]:
    """An item's kind and id."""
    return _NAMES[type(item)], records.key_of(item)


def _digest(item: Item) -> bytes:
    """The same for the same item only, and short: a ledger may have a million."""
    return hashlib.sha256(json.dumps(records.to_document(item)).encode()).digest()


def _told(item: Item) -> str:
    return " ".join(_place(item))
