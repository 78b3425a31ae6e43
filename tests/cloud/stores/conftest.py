"""The stores that keep the contract: a new one is added to ``STORES`` and passes the same tests."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cloud.stores.base import Ledger
from cloud.stores.dynamodb import DynamoDBLedger
from cloud.stores.sqlite import SqliteLedger
from tests.plugins.dynamodb import client_of, create_table

Open = Callable[..., Ledger]


def _sqlite(_request: pytest.FixtureRequest, folder: Path) -> Open:
    return lambda name: SqliteLedger(folder / f"{name}.db")


def _dynamodb(server: str) -> Callable[[pytest.FixtureRequest, Path], Open]:
    def make(request: pytest.FixtureRequest, _folder: Path) -> Open:
        endpoint: str = request.getfixturevalue(server)
        test = uuid.uuid4().hex

        def open_(name: str) -> Ledger:
            create_table(endpoint, f"{test}-{name}")
            return DynamoDBLedger(client_of(endpoint), f"{test}-{name}")

        return open_

    return make


# What opens the ledger of a name, made for one test and its folder.
STORES: dict[str, Callable[[pytest.FixtureRequest, Path], Open]] = {
    "sqlite": _sqlite,
    "moto": _dynamodb("moto"),
    "dynalite": _dynamodb("dynalite"),
}


# Moto looks through the whole table at each write.
SLOW = {
    "test_a_long_list_comes_whole_and_in_order_while_it_is_written_to[moto]",
    "test_many_due_links_come_whole_and_in_order[moto]",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leaves to `make test-all` what takes more than some seconds."""
    for item in items:
        if item.name in SLOW:
            item.add_marker(pytest.mark.slow)


@pytest.fixture(params=STORES)
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """Opens the ledger of a name, again and again, as a restart does."""
    made: list[Ledger] = []
    store = STORES[request.param](request, tmp_path)

    def open_(name: str = "ledger") -> Ledger:
        made.append(store(name))
        return made[-1]

    yield open_
    for ledger in made:
        ledger.close()


@pytest.fixture
def ledger(opened: Open) -> Ledger:
    return opened()
