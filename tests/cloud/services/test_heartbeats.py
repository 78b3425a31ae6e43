"""Heartbeats that come late, and what a heartbeat and a payment cost the store."""

from __future__ import annotations

from pathlib import Path

import pytest

from cloud.core.cabinets import HeartbeatRequest
from cloud.services.heartbeats import Heartbeats
from cloud.stores.sqlite import SqliteLedger
from tests.fakes.arcade import Arcade
from tests.fakes.ledgers import CountingLedger


def test_a_heartbeat_that_comes_late_changes_nothing(arcade: Arcade) -> None:
    link_id = arcade.link()
    arcade.ask("/status", {"healthy": True})
    before = arcade.ledger.presence("cab001")
    arcade.now -= 1
    late = HeartbeatRequest("cab001", "out of order", "1", False, ("no relay",))
    heartbeats = Heartbeats(arcade.ledger, arcade.cloud.links, 600_000, arcade.cloud.clock)
    link = heartbeats.handle(arcade.ledger.cabinet_items("cab001"), late)
    assert link is not None
    assert (link.link_id, link.wanted) == (link_id, True)
    assert arcade.ledger.presence("cab001") == before
    assert arcade.stripe.links[link_id]["active"]


@pytest.fixture
def counting(tmp_path: Path) -> CountingLedger:
    return CountingLedger(SqliteLedger(tmp_path / "ledger.db"))


def test_a_heartbeat_and_a_payment_read_and_write_little(
    tmp_path: Path, counting: CountingLedger
) -> None:
    arcade = Arcade(tmp_path, counting)
    session_id = arcade.stripe.pay(arcade.link())
    arcade.ask("/status", {"healthy": True})

    def cost(status: int) -> dict[str, int]:
        assert status == 200
        spent = dict(counting.counts)
        counting.counts.clear()
        return spent

    counting.counts.clear()
    arcade_cost = cost(arcade.ask("/status", {"healthy": True})[0])
    # Which links and orders the cabinet has; all of them, with the cabinet's token.
    assert arcade_cost == {"writes": 1, "lists": 1, "reads": 1}
    assert cost(arcade.deliver(arcade.reserved(session_id))[0]) == {"writes": 1}
    # The link, the hold, the cabinet.
    assert cost(arcade.deliver(arcade.completed(session_id))[0]) == {"writes": 1, "reads": 3}
    # The cabinet's token and the order, together.
    assert cost(arcade.claim(session_id)[0]) == {"writes": 1, "reads": 1}
    assert cost(arcade.settle(session_id, 1, 1)[0]) == {"writes": 2, "reads": 1}
    arcade.close()
