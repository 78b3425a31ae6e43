"""The stores that keep the contract: a new one is added to ``STORES`` and passes the same tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cloud.stores.base import Ledger
from cloud.stores.sqlite import SqliteLedger

STORES: dict[str, Callable[[Path, str], Ledger]] = {
    "sqlite": lambda folder, name: SqliteLedger(folder / f"{name}.db"),
}
Open = Callable[..., Ledger]


@pytest.fixture(params=STORES)
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """Opens the ledger of a name, again and again, as a restart does."""
    made: list[Ledger] = []

    def open_(name: str = "ledger") -> Ledger:
        made.append(STORES[request.param](tmp_path, name))
        return made[-1]

    yield open_
    for ledger in made:
        ledger.close()


@pytest.fixture
def ledger(opened: Open) -> Ledger:
    return opened()
