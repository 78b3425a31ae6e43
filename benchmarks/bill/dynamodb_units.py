"""DynamoDB's units of a call, from the sizes of items, by the rules that AWS bills by.

Reads and writes of items:
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
Writes of indexes:
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/GSI.html#GSI.ThroughputConsiderations
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cloud.stores.dynamodb_table import INDEXES, hash_key, sort_key

READ_BYTES = 4096
WRITE_BYTES = 1024
Item = Mapping[str, Mapping[str, Any]]


def size(item: Item) -> int:
    """Bytes of an item: of its attributes' names and values."""
    return sum(len(name.encode()) + _size(value) for name, value in item.items())


def _size(value: Mapping[str, Any]) -> int:
    [(kind, content)] = value.items()
    match kind:
        case "S":
            return len(str(content).encode())
        case "N":
            # Two digits a byte, one more for the exponent, one for a sign.
            number = str(content)
            digits = number.lstrip("-").strip("0") or "0"
            return (len(digits) + 1) // 2 + 1 + number.startswith("-")
        case "BOOL" | "NULL":
            return 1
        case "L":
            return 3 + sum(1 + _size(one) for one in content)
        case "M":
            return 3 + sum(1 + len(name.encode()) + _size(one) for name, one in content.items())
    raise ValueError(f"the ledger keeps no {kind}")


def _units(bytes_: int, of: int) -> int:
    return max(1, -(-bytes_ // of))


def of_consistent_read(item: Item | None) -> float:
    """Units of one consistent read, also of what is not there."""
    return _units(size(item or {}), READ_BYTES)


def of_index_query(found: list[Item]) -> float:
    """Units of a query of an index, whose items are read together and eventually consistent."""
    return _units(sum(size(item) for item in found), READ_BYTES) / 2


def of_write(before: Item | None, after: Item | None) -> int:
    """Units of a write with its indexes; a refused one, too, costs what the item would."""
    largest = max(size(before or {}), size(after or {}))
    return _units(largest, WRITE_BYTES) + sum(
        _of_index(entry(index, before), entry(index, after)) for index in INDEXES
    )


def entry(index: str, item: Item | None) -> Item:
    """What an index keeps of an item: keys only; nothing, if the item is not in it."""
    keys = (hash_key(index), sort_key(index))
    if item is None or not all(key in item for key in keys):
        return {}
    return {name: item[name] for name in ("pk", *keys)}


def _of_index(before: Item, after: Item) -> int:
    """A moved entry is deleted and put again."""
    if before == after:
        return 0
    return sum(_units(size(found), WRITE_BYTES) for found in (before, after) if found)
