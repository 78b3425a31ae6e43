"""The one table of the ledger in DynamoDB: its keys, its indexes, and how they are spread.

``TABLE`` is what CreateTable takes but for the name; ``lambda/template.yaml`` says the same, which
``tests/project/test_template.py`` holds. Every item has a key ``pk`` of its kind and id. An index
holds keys only: to move an item through its life then costs an index nothing, and what is acted on
is read again anyway. Each index is sparse: an item is in it only while it has its two attributes.

=============  ==================================  ===========================================
index          hash key                            sort key
=============  ==================================  ===========================================
``due``        kind and one of ``SHARDS`` shards   when the sweep looks at it, and its id
``current``    cabinet                             links: when made; unfinished orders: when paid
``cabinet``    cabinet                             orders: when paid, and the id
``all``        kind and shard; cabinets: kind      when it was paid or happened; cabinets: the id
=============  ==================================  ===========================================

Why four shards: at 10,000 cabinets, 52 payments a second (fifty a day each, on an evening three
times as dense as eight even hours) move six times through ``due``, 312 writes a second, and
heartbeats every five minutes 67 more for their own kind. A partition takes 1,000.
"""

from __future__ import annotations

import zlib
from typing import Any

SHARDS = 4
DUE, CURRENT, CABINET, ALL = INDEXES = ("due", "current", "cabinet", "all")
TTL = "ttl"  # seconds since the epoch; DynamoDB deletes the item some days after that


def hash_key(index: str) -> str:
    """The attribute that an index is spread by."""
    return f"{index}_hash"


def sort_key(index: str) -> str:
    """The attribute that an index is sorted by."""
    return f"{index}_sort"


def shard_of(key: str) -> int:
    """The shard of an id, the same in every program and for ever."""
    return zlib.crc32(key.encode()) % SHARDS


def at(time_ms: int) -> str:
    """Milliseconds since the epoch as a text that sorts as they do; it sorts before every
    ``at(time_ms)#…``."""
    return f"{time_ms:015d}"


def at_with(time_ms: int, key: str) -> str:
    """The time with the end of an id, for an order among those of one millisecond. Not the whole
    id, which may have 66 letters: it is in the item's key, and an order must stay below one unit
    of writing, 1,024 bytes."""
    return f"{at(time_ms)}#{key[-12:]}"


def up_to(time_ms: int) -> str:
    """What sorts behind everything at ``time_ms`` or before."""
    return f"{at(time_ms)}$"  # the sign behind "#"


_KEYS = ["pk", *(name(index) for index in INDEXES for name in (hash_key, sort_key))]

TABLE: dict[str, Any] = {
    "BillingMode": "PAY_PER_REQUEST",
    "AttributeDefinitions": [{"AttributeName": name, "AttributeType": "S"} for name in _KEYS],
    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
    "GlobalSecondaryIndexes": [
        {
            "IndexName": index,
            "KeySchema": [
                {"AttributeName": hash_key(index), "KeyType": "HASH"},
                {"AttributeName": sort_key(index), "KeyType": "RANGE"},
            ],
            "Projection": {"ProjectionType": "KEYS_ONLY"},
        }
        for index in INDEXES
    ],
}
