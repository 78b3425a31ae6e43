"""The DynamoDB store when the network and DynamoDB itself go wrong: every write tells the truth."""

from __future__ import annotations

import itertools
import random
import threading
import uuid
from collections.abc import Iterator
from dataclasses import replace

import pytest

from cloud.core.cabinets import Presence
from cloud.core.orders import Order, OrderState
from cloud.stores.base import Ledger, LedgerUnavailable, WriteResult
from cloud.stores.dynamodb import DynamoDBLedger
from cloud.stores.dynamodb_client import TRIES
from tests.cloud.stores.test_stores import ITEMS, ORDER, PRESENCE, stored
from tests.fakes.dynamodb_proxy import FAULTS, DynamoDBProxy
from tests.plugins.dynamodb import client_of, create_table

each_fault = pytest.mark.parametrize("fault", FAULTS)
ANSWERED = {"request twice", "answer twice"}  # these end no call
# What never reaches the server: after these alone, nothing is stored.
WITHOUT_EFFECT = {"request lost", "throttled", "failed before", "gateway"}


@pytest.fixture(params=["moto", "dynalite"])
def proxy(request: pytest.FixtureRequest) -> Iterator[DynamoDBProxy]:
    with DynamoDBProxy(request.getfixturevalue(request.param)) as made:
        yield made


@pytest.fixture
def ledger(proxy: DynamoDBProxy) -> Iterator[Ledger]:
    name = f"faults-{uuid.uuid4().hex}"
    create_table(proxy.address, name)
    made = DynamoDBLedger(client_of(proxy.address), name)
    yield made
    made.close()


@each_fault
def test_one_fault_changes_no_write_and_no_read(
    proxy: DynamoDBProxy, ledger: Ledger, fault: str
) -> None:
    for item in ITEMS:
        proxy.plan(iter([fault]))
        assert ledger.insert(item)
        proxy.plan(iter([fault]))
        assert stored(ledger, item) == item
        assert ledger.insert(replace(item, write_id="another")) is WriteResult.LOST
    new = replace(ORDER, state=OrderState.CLAIMED, claim_id="a", version=2, write_id="w2")
    proxy.plan(iter([fault]))
    assert ledger.replace(ORDER, new)
    proxy.plan(iter([fault]))
    assert ledger.replace(ORDER, replace(new, write_id="w3")) is WriteResult.LOST
    proxy.plan(iter([fault]))
    assert ledger.see(replace(PRESENCE, seen_at_ms=9_000, write_id="later"))
    proxy.plan(iter([fault]))
    assert ledger.installation("one") == "one"
    proxy.plan(iter([fault]))
    assert list(ledger.lagging_unfinished_ids("cab001")) == ["cs_1"]
    assert list(ledger.lagging_orders()) == [new]


@pytest.mark.parametrize("fault", [f for f in FAULTS if f not in ANSWERED])
def test_a_fault_that_lasts_is_told_and_the_next_try_tells_the_truth(
    proxy: DynamoDBProxy, ledger: Ledger, fault: str
) -> None:
    proxy.plan(itertools.repeat(fault))
    with pytest.raises(LedgerUnavailable, match="DynamoDB cannot be used now"):
        ledger.insert(ORDER)
    with pytest.raises(LedgerUnavailable):
        ledger.order("cs_1")
    proxy.plan(iter(()))
    expected = WriteResult.WRITTEN if fault in WITHOUT_EFFECT else WriteResult.ALREADY_WRITTEN
    assert ledger.insert(ORDER) is expected
    assert ledger.order("cs_1") == ORDER


def test_tries_end(proxy: DynamoDBProxy, ledger: Ledger) -> None:
    proxy.plan(itertools.repeat("throttled"))
    before = len(proxy.requests)
    with pytest.raises(LedgerUnavailable):
        ledger.order("cs_1")
    assert len(proxy.requests) - before == TRIES


@pytest.mark.parametrize("seed", range(6))
def test_of_eight_claimants_behind_faults_exactly_one_wins(
    proxy: DynamoDBProxy, ledger: Ledger, seed: int
) -> None:
    ledger.insert(ORDER)
    rng = random.Random(seed)
    kinds = ["", "", *FAULTS]
    proxy.plan(rng.choice(kinds) for _ in range(80))
    results: dict[str, WriteResult] = {}
    start = threading.Barrier(8)

    def claim(name: str) -> None:
        new = replace(ORDER, state=OrderState.CLAIMED, claim_id=name, version=2, write_id=name)
        start.wait()
        while name not in results:
            try:
                results[name] = ledger.replace(ORDER, new)
            except LedgerUnavailable:
                continue

    threads = [threading.Thread(target=claim, args=(f"claim-{n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    proxy.plan(iter(()))
    order = ledger.order("cs_1")
    assert order is not None
    assert [name for name, result in results.items() if result] == [order.claim_id]


@pytest.mark.parametrize("seed", range(4))
def test_a_life_behind_random_faults_is_the_same_life(
    proxy: DynamoDBProxy, ledger: Ledger, seed: int
) -> None:
    rng = random.Random(seed)
    proxy.plan(rng.choice(["", *FAULTS]) for _ in range(10**6))

    def surely(old: Order | None, new: Order) -> None:
        while True:
            try:
                result = ledger.replace(old, new) if old else ledger.insert(new)
            except LedgerUnavailable:
                continue
            assert result
            return

    order = ORDER
    surely(None, order)
    for version in range(2, 12):
        new = replace(order, due_at_ms=version, version=version, write_id=f"w{version}")
        surely(order, new)
        order = new
    proxy.plan(iter(()))
    assert ledger.order("cs_1") == order
    assert list(ledger.lagging_due_order_ids(11)) == ["cs_1"]


def test_a_heartbeat_that_comes_late_over_the_network_undoes_no_newer_one(
    proxy: DynamoDBProxy, ledger: Ledger
) -> None:
    proxy.plan(itertools.repeat("request late", TRIES))
    with pytest.raises(LedgerUnavailable):
        ledger.see(Presence("cab001", 1_000, True, "first"))
    newer = Presence("cab001", 2_000, False, "second")
    assert ledger.see(newer)
    assert ledger.presence("cab001") == newer
