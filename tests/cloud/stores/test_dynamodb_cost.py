"""What a payment and a heartbeat ask of DynamoDB, call by call; fails when they get dearer."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloud.core.orders import OrderState
from cloud.stores.dynamodb import DynamoDBLedger
from cloud.stores.dynamodb_table import SHARDS
from tests.fakes.arcade import Arcade
from tests.fakes.dynamodb_proxy import DynamoDBProxy
from tests.plugins.dynamodb import client_of, create_table

WRITES = {"PutItem", "UpdateItem"}


class Meter:
    """Counts the calls since it was last read."""

    def __init__(self, server: DynamoDBProxy) -> None:
        self._requests = server.requests
        self._read = len(self._requests)

    def cost(self, status: int = 200) -> dict[str, int]:
        assert status == 200
        new = self._requests[self._read :]
        self._read = len(self._requests)
        return dict(Counter(new))

    def reads_and_writes(self) -> tuple[int, int]:
        calls = self.cost()
        writes = sum(count for call, count in calls.items() if call in WRITES)
        return sum(calls.values()) - writes, writes


@pytest.fixture(params=["moto", "dynalite"])
def server(request: pytest.FixtureRequest) -> Iterator[DynamoDBProxy]:
    with DynamoDBProxy(request.getfixturevalue(request.param)) as made:
        yield made


@pytest.fixture
def arcade(tmp_path: Path, server: DynamoDBProxy) -> Iterator[Arcade]:
    name = f"cost-{uuid.uuid4().hex}"
    create_table(server.address, name)
    made = Arcade(tmp_path, DynamoDBLedger(client_of(server.address), name))
    yield made
    made.close()


def test_a_payment_is_at_most_five_reads_and_five_writes(
    arcade: Arcade, server: DynamoDBProxy
) -> None:
    session_id = arcade.stripe.pay(arcade.link(), 3)
    meter = Meter(server)
    assert meter.cost(arcade.deliver(arcade.reserved(session_id))[0]) == {"PutItem": 1}
    assert arcade.deliver(arcade.completed(session_id))[0] == 200
    webhook = meter.reads_and_writes()
    assert meter.cost(arcade.claim(session_id)[0]) == {"BatchGetItem": 1, "UpdateItem": 1}
    assert meter.cost(arcade.settle(session_id, 3, 3)[0]) == {"BatchGetItem": 1, "UpdateItem": 2}
    assert arcade.order(session_id).state is OrderState.SETTLED
    assert webhook[0] + 2 <= 5
    assert webhook[1] == 1


def test_a_heartbeat_is_two_reads_and_one_write_however_many_orders_there_were(
    arcade: Arcade, server: DynamoDBProxy
) -> None:
    for _ in range(4):
        order_id = arcade.pay()
        arcade.claim(order_id)
        arcade.settle(order_id, 1, 1)
    arcade.ask("/status", {"healthy": True})
    meter = Meter(server)
    heartbeat = {"Query": 1, "BatchGetItem": 1, "UpdateItem": 1}
    assert meter.cost(arcade.ask("/status", {"healthy": True})[0]) == heartbeat
    arcade.pay()
    meter.cost()
    assert meter.cost(arcade.ask("/status", {"healthy": True})[0]) == heartbeat


def test_a_sweep_with_nothing_due_asks_each_shard_once(
    arcade: Arcade, server: DynamoDBProxy
) -> None:
    for _ in range(3):
        order_id = arcade.pay()
        arcade.claim(order_id)
        arcade.settle(order_id, 1, 1)
    arcade.ask("/status", {"healthy": True})
    meter = Meter(server)
    arcade.cloud.sweep()
    assert meter.cost() == {"Query": 3 * SHARDS}
