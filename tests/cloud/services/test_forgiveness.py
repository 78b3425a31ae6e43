"""What a power cut gave for nothing is told to the operator, and is bounded by card and cabinet."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from kiosk.core.entries import Entry, Kind
from kiosk.core.events import Answered
from tests.fakes.arcade import Arcade
from tests.fakes.bench import Bench

DAY = 24 * 3600.0


def again(arcade: Arcade, order_id: str) -> tuple[int, bool]:
    """What the answer to a repeated claim says of today."""
    status, body = arcade.claim(order_id)
    assert status == 200
    return body["forgiven_today"], body["card_forgiven_today"]


def forgive(arcade: Arcade, order_id: str, made: int, pulses: int = 12) -> dict[str, Any]:
    """A settle that forgives all that was made."""
    told = arcade.settle(order_id, 0, pulses, made=made, forgiven=made, ambiguous=0)
    assert told[0] == 200, told
    answer: dict[str, Any] = told[1]
    return answer


def bought(arcade: Arcade, card: str) -> str:
    """An order of twelve credits, claimed."""
    order_id = arcade.pay(10, card=card)
    assert arcade.claim(order_id)[1]["credits"] == 12
    return order_id


def test_forgiven_pulses_are_an_incident_with_their_worth(arcade: Arcade) -> None:
    order_id = bought(arcade, "a")
    for _ in range(2):
        forgive(arcade, order_id, 11)
    order = arcade.order(order_id)
    assert (order.pulsed, order.made, order.forgiven, order.charged) == (0, 11, 11, 0)
    (incident,) = arcade.incidents()
    assert "11 of 12 pulses" in incident.text
    assert "9.16 USD" in incident.text


def test_an_ambiguous_pulse_that_is_not_charged_is_an_incident(arcade: Arcade) -> None:
    order_id = bought(arcade, "a")
    arcade.settle(order_id, 11, 12, made=11, forgiven=0, ambiguous=1)
    (incident,) = arcade.incidents()
    assert "1 of 12 pulses may have been made" in incident.text


@pytest.mark.parametrize(
    ("pulsed", "made", "forgiven", "ambiguous"),
    [(0, 11, 0, 0), (12, 11, 0, 0), (1, 12, 12, 0), (0, 3, 4, 0), (12, 12, 0, 1), (6, 6, 0, 7)],
)
def test_a_settle_whose_numbers_do_not_agree_is_refused(
    arcade: Arcade, pulsed: int, made: int, forgiven: int, ambiguous: int
) -> None:
    order_id = bought(arcade, "a")
    status, _ = arcade.settle(
        order_id, pulsed, 12, made=made, forgiven=forgiven, ambiguous=ambiguous
    )
    assert status == 400
    assert arcade.order(order_id).state.value == "claimed"


def test_a_claim_tells_what_was_forgiven_today(arcade: Arcade) -> None:
    first = bought(arcade, "a")
    assert again(arcade, first) == (0, False)
    forgive(arcade, first, 11)
    assert again(arcade, bought(arcade, "a")) == (11, True)
    assert again(arcade, bought(arcade, "b")) == (11, False)
    arcade.add_cabinet("cab002")
    elsewhere = arcade.pay(1, "cab002", card="a")
    arcade.claim(elsewhere, machine_id="cab002")
    body = arcade.claim(elsewhere, machine_id="cab002")[1]
    assert (body["forgiven_today"], body["card_forgiven_today"]) == (0, True)


def test_after_a_day_it_is_forgotten(arcade: Arcade) -> None:
    forgive(arcade, bought(arcade, "a"), 11)
    arcade.now += DAY - 1
    assert again(arcade, bought(arcade, "a")) == (11, True)
    arcade.now += 1
    assert again(arcade, bought(arcade, "a")) == (0, False)
    forgive(arcade, bought(arcade, "b"), 1)
    assert again(arcade, bought(arcade, "c"))[0] == 1


def test_neither_the_ledger_nor_the_log_has_a_cards_fingerprint(
    arcade: Arcade, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    order_id = bought(arcade, "fingerprint-1")
    card = arcade.order(order_id).card
    assert len(card) == 64
    assert card not in repr(arcade.order(order_id))
    forgive(arcade, order_id, 11)
    assert arcade.order(order_id).card == ""
    assert "fingerprint-1" not in json.dumps(vars(arcade.order(order_id)), default=str)
    assert "fingerprint-1" not in caplog.text
    assert card not in caplog.text


class Player:
    """Buys twelve coins for ten dollars, and pulls the plug after the eleventh."""

    def __init__(self, arcade: Arcade, away: float) -> None:
        self.arcade = arcade
        self.away = away

    def play(self, card: str) -> tuple[int, int]:
        """The coins that dropped, and what was charged, in cents. Claim and settle are those of the
        cabinet's real rules, answered by the real cloud."""
        arcade, name = self.arcade, "claim-1"
        order_id = bought(arcade, card)
        made = [
            Entry(kind, order_id, number=number)
            for number in range(1, 12)
            for kind in (Kind.PULSE_BEGINS, Kind.PULSE_OVER)
        ]
        arcade.now += self.away
        bench = Bench()
        bench.start(
            Entry(Kind.CLAIM, order_id, claim_id=name),
            Entry(Kind.CLAIMED, order_id, credits=12, pulses=12),
            *made,
            power_was_lost=True,
        )
        call = bench.call(f"claim {order_id}")
        bench.feed(Answered(call, *arcade.ask(call.path, dict(call.body))))
        bench.wait(1)
        call = bench.call(f"settle {order_id}")
        bench.feed(Answered(call, *arcade.ask(call.path, dict(call.body))))
        return 11 + len(bench.pulses), arcade.stripe.charged(order_id)


def test_the_plug_gives_twelve_coins_for_one_once_a_day(arcade: Arcade) -> None:
    player = Player(arcade, away=30)
    assert player.play("a") == (12, 83)
    assert [player.play("a") for _ in range(3)] == [(12, 1000)] * 3
    assert [player.play(card) for card in "bcd"] == [(12, 1000)] * 3
    assert len(arcade.incidents()) == 1
    arcade.now += DAY
    assert player.play("a") == (12, 83)


def test_to_stay_away_gives_eleven_coins_for_nothing_once_a_day(arcade: Arcade) -> None:
    player = Player(arcade, away=400)
    assert player.play("a") == (11, 0)
    assert [player.play("a") for _ in range(3)] == [(11, 916)] * 3
    assert [player.play(card) for card in "bcd"] == [(11, 916)] * 3
    assert len(arcade.incidents()) == 1
