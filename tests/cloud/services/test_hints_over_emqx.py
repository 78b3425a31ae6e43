"""A payment's hint over EMQX's API, through the whole cloud: with the cabinet there, and away."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cloud.core.orders import OrderState
from cloud.wiring import Cloud, publisher_of
from tests.fakes.arcade import SETTINGS, Arcade
from tests.fakes.emqx import Emqx

COIN_PULSE = "arcade/machine/cab001/coinpulse"


@pytest.fixture
def emqx() -> Iterator[Emqx]:
    made = Emqx()
    yield made
    made.stop()


@pytest.fixture
def arcade(tmp_path: Path, emqx: Emqx) -> Iterator[Arcade]:
    """An arcade whose broker is this deployment."""
    made = Arcade(tmp_path)
    settings = replace(SETTINGS, mqtt_url=emqx.url)
    made.cloud = Cloud(made.ledger, made.stripe, publisher_of(settings), settings, lambda: made.now)
    yield made
    made.close()


def test_a_hint_reaches_the_cabinet_that_is_there(arcade: Arcade, emqx: Emqx) -> None:
    emqx.subscribed = {COIN_PULSE}
    arcade.pay()
    [hint] = [body for body in emqx.published() if body["topic"] == COIN_PULSE]
    assert hint["properties"] == {"message_expiry_interval": 120}
    assert hint["qos"] == 1


def test_a_hint_that_nobody_hears_loses_no_order_and_is_sent_again(
    arcade: Arcade, emqx: Emqx, caplog: pytest.LogCaptureFixture
) -> None:
    order_id = arcade.pay()
    assert f"no cabinet listens to {COIN_PULSE}" in caplog.text
    assert arcade.order(order_id).state is OrderState.OPEN
    arcade.now += 60
    assert arcade.cloud.sweep().published == 0
    emqx.subscribed = {COIN_PULSE}
    arcade.now += 30
    assert arcade.cloud.sweep().published == 1
    assert arcade.claim(order_id)[0] == 200


def test_with_emqx_gone_the_order_is_stored_and_the_player_gets_the_money_back(
    arcade: Arcade, emqx: Emqx
) -> None:
    emqx.replies = [(404, b"<html>no such deployment</html>")]
    order_id = arcade.pay()
    assert arcade.order(order_id).state is OrderState.OPEN
    arcade.now += 121
    emqx.replies = [(404, b"<html>no such deployment</html>")]
    arcade.cloud.sweep()
    assert arcade.order(order_id).state is OrderState.RELEASED
    assert not arcade.stripe.holds(order_id)
