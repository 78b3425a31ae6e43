"""Neither program makes what the other refuses, and both have the numbers of the contract."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from cloud.core import limits as cloud_limits
from cloud.core import orders
from cloud.core.orders import Code
from cloud.core.prices import Bonus, PriceList, credits_for, mistakes
from kiosk.config.schema import RelayConfig
from kiosk.core import limits as kiosk_limits
from kiosk.core import messages
from kiosk.core.effects import SettleCall
from kiosk.core.messages import Decision
from tests.fakes.arcade import Arcade

PROTOCOL = Path(__file__).resolve().parents[2] / "docs/protocol.md"
TRIES = 60


@pytest.fixture
def arcade(tmp_path: Path) -> Iterator[Arcade]:
    made = Arcade(tmp_path)
    yield made
    made.close()


def numbers(module: Any) -> dict[str, int]:
    return {name: value for name, value in vars(module).items() if name.isupper()}


def test_both_programs_and_the_contract_have_the_same_limits() -> None:
    assert numbers(kiosk_limits) == numbers(cloud_limits)
    rows = re.findall(r"^\| `([A-Z_]+)` \| ([\d,]+) \|", PROTOCOL.read_text(), re.MULTILINE)
    assert {name: int(value.replace(",", "")) for name, value in rows} == numbers(cloud_limits)


def test_both_programs_and_the_contract_have_the_same_decisions() -> None:
    final = {code.value for code in Code} - {Code.NOT_LOST_YET.value}
    assert {decision.value for decision in Decision} == final
    for code in Code:
        assert f"`{code.value}`" in PROTOCOL.read_text()


def a_price_list(chance: random.Random) -> PriceList:
    """Any price list that an operator might ask for, near the limits as often as not."""
    most = chance.choice([1, 10, 98, 99, chance.randint(1, 99)])
    bonuses = tuple(
        Bonus(quantity, quantity + chance.choice([1, 10, 900, 901, chance.randint(1, 990)]))
        for quantity in sorted(chance.sample(range(1, most + 1), min(most, chance.randint(0, 3))))
    )
    amount = chance.choice([50, 100, 99_999_999 // most, 99_999_999 // most + 1])
    return PriceList(amount, "USD", bonuses, most)


@pytest.mark.parametrize("seed", range(TRIES))
def test_whatever_can_be_sold_is_given_and_settled(arcade: Arcade, seed: int) -> None:
    """A price list is refused, or each order of it comes to its end: through the real answers of
    the one program and the real rules of the other."""
    chance = random.Random(seed)
    prices = a_price_list(chance)
    while mistakes(prices):
        prices = a_price_list(chance)
    each = chance.choice([1, 2, kiosk_limits.MOST_PULSES_PER_CREDIT])
    RelayConfig(driver="simulated", pulses_per_credit=each)
    arcade.add_cabinet("cab002", prices)
    quantity = chance.choice([1, prices.most, chance.randint(1, prices.most)])

    offer = messages.offer(arcade.ask("/create-payment-link", {"machine_id": "cab002"})[1])
    assert offer.amount == prices.amount
    order_id = arcade.pay(quantity, "cab002")
    topic, payload = arcade.publisher.sent[-1]
    hint = messages.read(topic, payload, "cab002")
    assert isinstance(hint, messages.OrderHint)
    arcade.claim(order_id, machine_id="cab002")
    answer = arcade.claim(order_id, machine_id="cab002")[1]
    granted = messages.claim_answer(answer, order_id, "claim-1")
    assert granted.credits == credits_for(prices, quantity)
    beat = arcade.ask("/status", {"machine_id": "cab002"})[1]
    assert len(messages.heartbeat_answer(beat).claimed) == 1
    pulses = granted.credits * each
    pulsed = chance.choice([0, pulses, chance.randint(0, pulses)])
    call = SettleCall("cab002", order_id, "claim-1", pulsed, pulses, pulsed, 0, 0)
    status, body = arcade.ask(call.path, dict(call.body))
    assert status == 200
    assert messages.settle_answer(body, order_id) == "settled"


def test_a_price_list_that_no_cabinet_could_give_is_refused_in_one_sentence() -> None:
    (sentence,) = mistakes(PriceList(100, "USD", (Bonus(5, 600),), most=10))
    assert "1200 credits" in sentence
    assert "\n" not in sentence
    assert mistakes(PriceList(100, "USD", (Bonus(5, 500),), most=10)) == []


def test_an_order_of_an_older_price_list_that_no_cabinet_could_give_goes_back(
    arcade: Arcade,
) -> None:
    arcade.add_cabinet("cab002", PriceList(100, "USD", (Bonus(5, 1001),)))
    order_id = arcade.pay(5, "cab002")
    assert arcade.claim(order_id, machine_id="cab002")[1]["code"] == "nothing_bought"
    arcade.now += 121
    arcade.cloud.sweep()
    assert arcade.order(order_id).state is orders.OrderState.RELEASED


def test_a_cabinet_cannot_be_set_to_more_pulses_than_the_contract_has() -> None:
    RelayConfig(driver="simulated", pulses_per_credit=100)
    with pytest.raises(ValidationError):
        RelayConfig(driver="simulated", pulses_per_credit=101)


def test_the_largest_answer_to_a_heartbeat_can_be_read() -> None:
    name = "x" * kiosk_limits.LONGEST_NAME
    order = {"order_id": name, "credits": 1000, "expires_at": "2026-01-01T00:00:00.000Z"}
    claimed = {"order_id": name, "credits": 1000, "age_seconds": 123456.123456}
    beat = {
        "time": "2026-01-01T00:00:00.000Z",
        "link": {"state": "active", "url": "x" * 2000},
        "orders": [order] * cloud_limits.MOST_LISTED,
        "claimed": [claimed] * cloud_limits.MOST_LISTED,
    }
    assert len(json.dumps(beat)) < kiosk_limits.LARGEST_ANSWER
