"""A cabinet's link follows its happy hours, and old checkout pages do not sell."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from cloud.cli.desk import AdminError
from cloud.core.orders import OrderState
from tests.fakes.arcade import Arcade
from tests.fakes.stripe import lost

HEALTHY = {"state": "ready", "version": "1", "healthy": True}
ADD = (
    "happy-hours", "cab001", "--days", "fri", "--from", "17:00", "--to", "19:00",
    "--price", "0.50", "--zone", "Europe/Berlin",
)  # fmt: skip


@pytest.fixture
def friday(arcade: Arcade) -> Arcade:
    """A cabinet with a happy hour, whose link is on, a minute before it begins."""
    at(arcade, "2027-01-22T16:59:00")
    arcade.type(*ADD)
    beat(arcade)
    arcade.link()
    beat(arcade)
    arcade.publisher.sent.clear()
    return arcade


def at(arcade: Arcade, wall: str) -> None:
    arcade.now = datetime.fromisoformat(wall).replace(tzinfo=ZoneInfo("Europe/Berlin")).timestamp()


def beat(arcade: Arcade) -> dict[str, str]:
    status, answer = arcade.ask("/status", HEALTHY)
    assert status == 200
    return dict(answer["link"])


def sold(arcade: Arcade) -> list[int]:
    """The prices at which the links that are on sell."""
    return [
        arcade.stripe.prices[str(link["price_id"])][0]
        for link in arcade.stripe.links.values()
        if link["active"]
    ]


def offered(arcade: Arcade) -> int:
    status, answer = arcade.ask("/create-payment-link", {})
    assert status == 200
    return int(answer["amount"])


def test_the_link_changes_at_both_ends_by_the_sweep(friday: Arcade) -> None:
    assert sold(friday) == [100]
    for wall, amount in (("2027-01-22T17:00:30", 50), ("2027-01-22T19:00:30", 100)):
        beat(friday)
        at(friday, wall)
        if amount == 100:
            friday.now -= 60
            beat(friday)
            friday.now += 60
        friday.publisher.sent.clear()
        friday.cloud.sweep()
        assert sold(friday) == []
        assert [m["status"] for m in friday.publisher.of("payment")] == ["offer_changed"]
        assert offered(friday) == amount
        assert sold(friday) == [amount]


def test_the_same_two_links_are_used_every_week(friday: Arcade) -> None:
    for day in ("22", "29"):
        for hour, amount in ((18, 50), (20, 100)):
            at(friday, f"2027-01-{day}T{hour}:00:00")
            beat(friday)
            assert offered(friday) == amount
    assert len(friday.stripe.links) == 2


def test_a_heartbeat_alone_changes_it_where_no_sweep_runs(friday: Arcade) -> None:
    at(friday, "2027-01-22T17:02:00")
    assert beat(friday)["state"] == "none", "the cabinet asks for its link"
    assert offered(friday) == 50
    assert sold(friday) == [50]


def test_the_sweep_looks_at_no_cabinet_before_its_time(friday: Arcade) -> None:
    friday.now += 30
    friday.cloud.sweep()
    assert friday.publisher.sent == []
    assert sold(friday) == [100]


def test_open_checkout_pages_of_the_other_price_are_ended(friday: Arcade) -> None:
    friday.stripe.open_tab(next(iter(friday.stripe.links)))
    at(friday, "2027-01-22T17:00:30")
    friday.cloud.sweep()
    assert friday.stripe.open_sessions == {}


def test_who_paid_before_the_boundary_gets_what_the_link_promised(friday: Arcade) -> None:
    session = friday.stripe.pay(friday.link(), quantity=5)
    at(friday, "2027-01-22T17:00:30")
    friday.cloud.sweep()
    assert friday.deliver(friday.completed(session))[0] == 200
    order = friday.order(session)
    assert (order.state, order.amount, order.credits) == (OrderState.OPEN, 500, 6)


def test_stripe_being_away_at_the_boundary_is_made_good_by_the_next_sweep(friday: Arcade) -> None:
    at(friday, "2027-01-22T17:00:30")
    friday.stripe.trouble = lost("switch_link", "before")
    friday.cloud.sweep()
    assert sold(friday) == [100]
    friday.now += 60
    friday.cloud.sweep()
    assert sold(friday) == []


def test_a_disabled_cabinet_has_no_happy_hour(friday: Arcade) -> None:
    friday.type("disable", "cab001")
    at(friday, "2027-01-22T17:00:30")
    friday.cloud.sweep()
    assert beat(friday)["state"] != "active"
    assert sold(friday) == []


def test_a_cabinet_whose_zone_is_gone_sells_at_its_usual_price(
    friday: Arcade, monkeypatch: pytest.MonkeyPatch
) -> None:
    at(friday, "2027-01-22T17:30:00")
    monkeypatch.setattr("zoneinfo.ZoneInfo", lambda name: (_ for _ in ()).throw(KeyError(name)))
    assert beat(friday)["state"] == "active"
    assert offered(friday) == 100


def test_they_are_listed_and_taken_away(friday: Arcade, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    friday.type("happy-hours", "cab001")
    assert capsys.readouterr().out == ("cab001: fri 17:00-19:00 Europe/Berlin: 0.50 USD a play\n")
    at(friday, "2027-01-22T17:30:00")
    friday.type("happy-hours", "cab001", "--clear")
    assert capsys.readouterr().out == "cab001: no happy hours\n"
    assert offered(friday) == 100


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (ADD, "same time"),
        ((*ADD[:-1], "Mars/Olympus"), "no time zone"),
        ((*ADD[:-1], "../../etc/passwd"), "no time zone"),
        (("happy-hours", "cab001", "--days", "mon"), "needs --from, --to, --price too"),
        ((*ADD, "--clear"), "either that or"),
        (("price", "cab001", "--currency", "EUR", "--price", "1.00"), "has happy hours in USD"),
        (("price", "cab001", "--most", "100"), "at most 100 plays"),
    ],
)
def test_what_cannot_be_is_a_sentence(
    friday: Arcade, words: tuple[str, ...], sentence: str
) -> None:
    before = friday.cabinet()
    with pytest.raises(AdminError, match=sentence):
        friday.type(*words)
    assert friday.cabinet() == before


def test_the_first_happy_hour_needs_a_zone(arcade: Arcade) -> None:
    with pytest.raises(AdminError, match="needs a --zone"):
        arcade.type(*ADD[:-2])
