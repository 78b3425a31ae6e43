"""Messages that are of no use any more, and cabinets that are away."""

from __future__ import annotations

import pytest

from cloud.adapters.publisher import NobodyListens, PublishFailed
from cloud.services.clock import Clock
from cloud.services.time_budget import BoundedPublisher, TimeBudget
from tests.fakes.arcade import Arcade


def test_a_hint_expires_with_its_order_and_payment_news_after_a_minute(arcade: Arcade) -> None:
    arcade.pay()
    arcade.now += 50
    arcade.cloud.sweep()
    arcade.cloud.cabinet_messages.payment("cab001", "processing", arcade.now)
    arcade.cloud.cabinet_messages.game_over("cab001", "2026-01-01T00:00:00Z")
    hints = [
        (topic.rpartition("/")[2], expiry)
        for (topic, _), expiry in zip(arcade.publisher.sent, arcade.publisher.expiries, strict=True)
    ]
    assert hints == [
        ("coinpulse", 120),
        ("coinpulse", 70),
        ("payment", 60),
        ("gameover", None),
    ]


class Away:
    """A broker that some cabinets do not listen to; with ``gone`` it is gone itself."""

    def __init__(self) -> None:
        self.gone = False
        self.tried: list[str] = []

    def publish(self, topic: str, payload: bytes, expiry_s: int | None = None) -> None:
        self.tried.append(topic)
        if self.gone:
            raise PublishFailed("the broker is gone")
        if "away" in topic:
            raise NobodyListens("no cabinet listens")

    def close(self) -> None:
        self.gone = True


def test_a_cabinet_that_is_away_keeps_no_other_from_its_hint() -> None:
    broker = Away()
    budget = TimeBudget(1000, Clock(lambda: 1.0))
    bounded = BoundedPublisher(broker, budget)
    budget.begin()
    with pytest.raises(NobodyListens):
        bounded.publish("away", b"")
    bounded.publish("here", b"")
    broker.gone = True
    for _ in range(2):
        with pytest.raises(PublishFailed):
            bounded.publish("here", b"")
    assert broker.tried == ["away", "here", "here"]
