"""What a stranger or a token's thief can make the cloud do is bounded."""

from __future__ import annotations

import logging
import re

import pytest

from cloud.http import receipt
from tests.fakes.arcade import Arcade


def follow(arcade: Arcade, session_id: str) -> tuple[int, float, str]:
    """Follows a receipt's reloads to their end: how many, how long they took, the last page."""
    query, visits, seconds = {"session_id": session_id}, 0, 0.0
    while True:
        status, page = arcade.http("GET", "/receipt", query=query)
        assert status == 200
        found = re.search(r'http-equiv="refresh" content="(\d+); url=\?([^"]+)"', str(page))
        if not found:
            return visits, seconds, str(page)
        visits += 1
        assert visits < 500
        seconds += int(found[1])
        assert int(found[1]) >= 2
        query = dict(pair.split("=") for pair in found[2].split("&amp;"))


def test_a_made_up_receipt_asks_less_and_less_and_ends(arcade: Arcade) -> None:
    visits, seconds, page = follow(arcade, "made-up")
    assert visits <= 40
    assert 180 <= seconds <= 600
    assert "We know of no such payment" in page


def test_a_receipt_that_nobody_closes_comes_to_an_end(arcade: Arcade) -> None:
    order_id = arcade.pay()
    arcade.claim(order_id)
    visits, seconds, page = follow(arcade, order_id)
    assert visits <= 100
    assert seconds > 3600
    assert "dropping" in page


def test_most_payments_are_seen_within_two_seconds() -> None:
    assert {receipt.pause(visit, known=True) for visit in range(10)} == {2}


@pytest.mark.parametrize("again", ["-1", "x", "1e9", "9" * 50, "٣", '"><script>', ""])
def test_a_visit_that_is_no_number_is_the_first(arcade: Arcade, again: str) -> None:
    query = {"session_id": "cs_1", "again": again}
    status, page = arcade.http("GET", "/receipt", query=query)
    assert status == 200
    assert "again=1" in page
    assert "<script" not in page


def test_asking_for_the_link_without_end_asks_stripe_a_few_times(arcade: Arcade) -> None:
    arcade.link()
    arcade.stripe.calls.clear()
    for _ in range(552):
        arcade.link()
        arcade.now += 0.01
    assert len(arcade.stripe.calls) <= 3
    arcade.now += 60
    arcade.link()
    assert arcade.stripe.calls.count("link_is_active") >= 1


def test_every_quantity_and_a_wrong_price_ask_stripe_a_bounded_number_of_times(
    arcade: Arcade,
) -> None:
    for number in range(552):
        body = {"quantity": number % 99 + 1, "price_id": "price_none" if number % 2 else ""}
        assert arcade.ask("/create-payment-link", body)[0] in (200, 404)
    # Ten plays are the most that this cabinet sells at once: ten links, each with its price.
    assert len(arcade.stripe.links) == 10
    assert len(arcade.stripe.calls) <= 40


def test_a_link_that_was_switched_off_by_hand_is_replaced_within_a_minute(arcade: Arcade) -> None:
    first = arcade.link()
    arcade.now += 59
    arcade.stripe.links[first]["active"] = False
    arcade.now += 1
    assert arcade.link() != first


def refused(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.getMessage().startswith("refused ")]


def test_refused_calls_are_logged_once_a_minute_with_their_number(
    arcade: Arcade, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    for _ in range(500):
        arcade.ask("/claim", {}, token="cab001.secret-guess")
        arcade.ask("/settle", {"machine_id": "cab002"}, token=arcade.tokens["cab001"])
        arcade.http("POST", "/addCredit", b"{}", {"Stripe-Signature": "t=1,v1=é"})
    assert refused(caplog) == [
        'refused status=401 route="POST /claim" cause="wrong token" count=1',
        'refused status=403 route="POST /settle" cause="other cabinet" count=1',
        'refused status=400 route="POST /addCredit" cause="wrong signature" count=1',
    ]
    caplog.clear()
    arcade.now += 60
    arcade.ask("/claim", {}, token="cab001.secret-guess")
    assert refused(caplog) == [
        'refused status=401 route="POST /claim" cause="wrong token" count=500'
    ]
    assert "guess" not in caplog.text
    assert arcade.tokens["cab001"] not in caplog.text


@pytest.mark.parametrize(
    ("token", "cause"),
    [("nobody.x", "unknown cabinet"), ("", "unknown cabinet"), ("cab001.x", "wrong token")],
)
def test_the_cause_of_a_refusal_is_named(
    arcade: Arcade, token: str, cause: str, caplog: pytest.LogCaptureFixture
) -> None:
    arcade.ask("/claim", {}, token=token)
    assert f'cause="{cause}"' in refused(caplog)[0]
