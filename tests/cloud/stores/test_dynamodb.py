"""What only the DynamoDB store promises: one table without Scan, and what expires."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import replace

import pytest

from cloud.core.order_history import Step
from cloud.core.orders import OrderState
from cloud.core.prices import PriceList
from cloud.stores.base import DamagedRecord, LedgerUnavailable
from cloud.stores.dynamodb import YEAR_MS, DynamoDBLedger
from cloud.stores.dynamodb_client import DynamoDBClient
from cloud.stores.dynamodb_table import SHARDS, at, shard_of, up_to
from tests.cloud.stores.test_stores import (
    CABINET,
    FORGIVENESS,
    INCIDENT,
    ITEMS,
    LINK,
    ORDER,
    PRESENCE,
)
from tests.fakes.dynamodb_proxy import DynamoDBProxy
from tests.plugins.dynamodb import client_of, create_table

SETTLED = replace(ORDER, state=OrderState.SETTLED, version=2, write_id="w2")


@pytest.fixture(params=["moto", "dynalite"])
def server(request: pytest.FixtureRequest) -> Iterator[DynamoDBProxy]:
    with DynamoDBProxy(request.getfixturevalue(request.param)) as made:
        yield made


class Table:
    """A table of a test's own, and a look at what is in it."""

    def __init__(self, server: DynamoDBProxy) -> None:
        self.name = f"table-{uuid.uuid4().hex}"
        create_table(server.address, self.name)
        self.client: DynamoDBClient = client_of(server.address)
        self.ledger = DynamoDBLedger(self.client, self.name, keep_years=10)

    def raw(self, pk: str) -> dict[str, dict[str, object]]:
        request = {"TableName": self.name, "Key": {"pk": {"S": pk}}}
        found = self.client.call("GetItem", request)["Item"]
        assert isinstance(found, dict)
        return found

    def set(self, pk: str, expression: str, values: Mapping[str, object]) -> None:
        self.client.call(
            "UpdateItem",
            {
                "TableName": self.name,
                "Key": {"pk": {"S": pk}},
                "UpdateExpression": expression,
                "ExpressionAttributeValues": values,
            },
        )


@pytest.fixture
def table(server: DynamoDBProxy) -> Iterator[Table]:
    made = Table(server)
    yield made
    made.client.close()


def test_nothing_scans_and_a_write_is_one_call(server: DynamoDBProxy, table: Table) -> None:
    before = len(server.requests)
    for item in ITEMS:
        assert table.ledger.insert(item)
    assert len(server.requests) == before + len(ITEMS)
    list(table.ledger.lagging_due_order_ids(9))
    list(table.ledger.lagging_due_cabinet_ids(9))
    list(table.ledger.lagging_due_link_ids(9))
    list(table.ledger.lagging_unfinished_ids("cab001"))
    list(table.ledger.lagging_link_ids("cab001"))
    assert len(list(table.ledger.lagging_orders())) == 1
    assert len(list(table.ledger.lagging_orders("cab001"))) == 1
    assert len(list(table.ledger.lagging_cabinets())) == 1
    assert len(list(table.ledger.lagging_incidents())) == 1
    assert set(server.requests[before:]) == {"PutItem", "UpdateItem", "Query", "BatchGetItem"}


def test_what_is_due_costs_by_what_is_due(server: DynamoDBProxy, table: Table) -> None:
    for number in range(30):
        table.ledger.insert(replace(ORDER, order_id=f"old{number}", due_at_ms=None))
        table.ledger.insert(replace(PRESENCE, machine_id=f"cab{number}", due_at_ms=10**13))
    before = len(server.requests)
    assert list(table.ledger.lagging_due_order_ids(10**12)) == []
    assert list(table.ledger.lagging_due_cabinet_ids(10**12)) == []
    assert server.requests[before:] == ["Query"] * SHARDS * 2


def test_a_presence_lies_in_its_cabinets_item(table: Table) -> None:
    table.ledger.insert(CABINET)
    table.ledger.see(PRESENCE)
    item = table.raw("cabinet#cab001")
    assert item["name"] == {"S": CABINET.name}
    assert item["presence:seen_at_ms"] == {"N": "5000"}
    renamed = replace(CABINET, name="new", version=2, write_id="w2")
    assert table.ledger.replace(CABINET, renamed)
    assert (table.ledger.cabinet("cab001"), table.ledger.presence("cab001")) == (renamed, PRESENCE)


def test_a_presence_without_a_cabinet_is_no_cabinet(table: Table) -> None:
    table.ledger.see(PRESENCE)
    assert table.ledger.cabinet("cab001") is None
    assert list(table.ledger.lagging_cabinets()) == []
    assert table.ledger.insert(CABINET)
    assert table.ledger.presence("cab001") == PRESENCE


def test_what_is_over_expires_with_the_operators_years(table: Table) -> None:
    off = replace(LINK, wanted=False, payable=False, checked_at_ms=2_000)
    for item in (ORDER, CABINET, off, INCIDENT, FORGIVENESS):
        table.ledger.insert(item)
    assert "ttl" not in table.raw("order#cs_1")
    assert "ttl" not in table.raw("cabinet#cab001")
    assert table.raw("link#plink_1")["ttl"] == {"N": str((2_000 + 10 * YEAR_MS) // 1000)}
    assert table.raw("incident#cs_1:odd")["ttl"] == {"N": str((7_000 + 10 * YEAR_MS) // 1000)}
    assert table.raw("forgiveness#card:x")["ttl"] == {"N": "86409"}
    table.ledger.replace(ORDER, SETTLED)
    assert table.raw("order#cs_1")["ttl"] == {"N": str((1_000_000 + 10 * YEAR_MS) // 1000)}
    table.ledger.replace(off, replace(off, wanted=True, version=2, write_id="on"))
    assert "ttl" not in table.raw("link#plink_1")


def test_without_years_nothing_expires(table: Table) -> None:
    for item in (SETTLED, INCIDENT):
        DynamoDBLedger(table.client, table.name).insert(item)
    assert "ttl" not in table.raw("order#cs_1")
    assert "ttl" not in table.raw("incident#cs_1:odd")


def test_what_has_expired_and_is_still_there_is_read_and_written_like_all_else(
    table: Table,
) -> None:
    table.ledger.insert(SETTLED)
    table.ledger.insert(FORGIVENESS)
    assert table.raw("order#cs_1")["ttl"] == {"N": "315577000"}  # in the year 1980
    assert table.ledger.order("cs_1") == SETTLED
    assert list(table.ledger.lagging_orders()) == [SETTLED]
    assert not table.ledger.insert(replace(ORDER, write_id="again"))
    newer = replace(FORGIVENESS, expires_at_ms=10**12, version=2, write_id="newer")
    assert table.ledger.replace(FORGIVENESS, newer)
    assert table.raw("forgiveness#card:x")["ttl"] == {"N": "1000000001"}


def test_fields_of_a_newer_programs_price_list_stay(table: Table) -> None:
    table.ledger.insert(CABINET)
    table.set("cabinet#cab001", "SET prices.tax = :tax", {":tax": {"N": "19"}})
    dearer = replace(CABINET, prices=PriceList(200, "USD"), version=2, write_id="w2")
    assert table.ledger.replace(CABINET, dearer)
    assert table.ledger.cabinet("cab001") == dearer
    prices = table.raw("cabinet#cab001")["prices"]["M"]
    assert isinstance(prices, dict)
    assert prices["tax"] == {"N": "19"}


@pytest.mark.parametrize("value", [{"N": "1.5"}, {"B": "eA=="}, {"SS": ["a"]}])
def test_a_value_that_this_program_never_writes_is_a_damaged_record(
    table: Table, value: dict[str, object]
) -> None:
    table.ledger.insert(ORDER)
    table.set("order#cs_1", "SET credits = :value", {":value": value})
    with pytest.raises(DamagedRecord):
        table.ledger.order("cs_1")


def test_a_table_that_is_not_there_is_told(server: DynamoDBProxy) -> None:
    client = client_of(server.address)
    with pytest.raises(LedgerUnavailable, match="no such table"):
        DynamoDBLedger(client, "missing").order("cs_1")
    client.close()


def test_shards_are_for_ever_and_even() -> None:
    counts = [0] * SHARDS
    for number in range(10_000):
        counts[shard_of(f"cs_{number}")] += 1
    assert min(counts) > 2_300
    assert [shard_of(name) for name in ("cs_1", "cab001", "plink_1")] == [1, 3, 0]


def test_times_sort_as_texts() -> None:
    assert at(999) < at(1_000) < f"{at(1_000)}#x" < up_to(1_000) < f"{at(1_001)}#"


def test_a_usual_order_stays_below_one_unit_of_writing(table: Table) -> None:
    """Sizes as AWS counts them: names and texts in UTF-8, numbers half a byte a digit."""
    steps = tuple(Step(10**12, word, "") for word in ("paid", "stored", "claimed", "settling"))
    order = replace(
        ORDER,
        order_id=f"cs_live_{'a' * 58}",
        intent_id=f"pi_{'b' * 24}",
        card="c" * 64,
        claim_id="d" * 36,
        write_id="e" * 16,
        paid_at_ms=10**12,
        due_at_ms=10**12,
        history=steps,
    )
    table.ledger.insert(order)
    item = table.raw(f"order#{order.order_id}")
    assert sum(len(name.encode()) + size(value) for name, value in item.items()) < 1024


def size(value: Mapping[str, object]) -> int:
    """The bytes of one of DynamoDB's values."""
    [(kind, content)] = value.items()
    match kind, content:
        case "S", str():
            return len(content.encode())
        case "N", str():
            return len(content) // 2 + 2
        case "L", list():
            return 3 + sum(1 + size(one) for one in content)
        case "M", dict():
            return 3 + sum(1 + len(name.encode()) + size(one) for name, one in content.items())
    return 1
