"""The benchmark's load in small: nothing is lost or doubled over a broker's restart."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import pytest

from benchmarks import load_dynamodb
from benchmarks.load import load
from cloud.stores.sqlite import SqliteLedger


@pytest.mark.slow
def test_many_cabinets_over_a_broker_restart_lose_and_double_nothing() -> None:
    outcome = load(cabinets=12, payments=40, old=1000, players=4)
    assert outcome.paid == 40
    assert (outcome.lost, outcome.doubled) == (0, 0)
    assert len(outcome.waits) >= 30


@pytest.mark.slow
def test_nor_do_they_with_the_ledger_in_dynamodb() -> None:
    with load_dynamodb.server() as (_, ledger):
        outcome = load(cabinets=12, payments=40, players=4, ledger=ledger)
    assert outcome.paid == 40
    assert (outcome.lost, outcome.doubled) == (0, 0)
    assert len(outcome.waits) >= 30


def plans(ledger: SqliteLedger, ask: Callable[[], object]) -> list[str]:
    """How SQLite goes about every question that ``ask`` asks."""
    asked: list[str] = []
    ledger._db.set_trace_callback(asked.append)
    ask()
    ledger._db.set_trace_callback(None)
    return [row[3] for q in asked for row in ledger._db.execute(f"EXPLAIN QUERY PLAN {q}")]


def whole(ask: Callable[..., Iterable[object]], *words: object) -> None:
    """Reads a list to its end."""
    assert list(ask(*words)) == []


def test_no_question_reads_every_old_order(tmp_path: Path) -> None:
    with contextlib.closing(SqliteLedger(tmp_path / "ledger.db")) as ledger:
        for ask, index in (
            (partial(ledger.order, "cs_1"), "PRIMARY KEY"),
            (partial(whole, ledger.lagging_due_order_ids, 1), "INDEX orders_due"),
            (partial(whole, ledger.lagging_due_cabinet_ids, 1), "INDEX presences_due"),
            (partial(whole, ledger.lagging_unfinished_ids, "cab001"), "INDEX orders_unfinished"),
            (partial(whole, ledger.lagging_orders, "cab001", 1), "INDEX orders_by_cabinet"),
            (partial(whole, ledger.lagging_orders, "", 1), "INDEX orders_by_time"),
            (partial(whole, ledger.lagging_link_ids, "cab001"), "INDEX links_by_cabinet"),
            (partial(whole, ledger.lagging_incidents, 1), "INDEX incidents_by_time"),
        ):
            steps = plans(ledger, ask)
            assert index in steps[0]
            assert not any("TEMP B-TREE" in step for step in steps)
