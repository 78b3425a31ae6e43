"""A cabinet's link: what is wanted of it happens in the end, and a shown code can be paid."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from cloud.adapters.stripe_gateway import StripeRefused, StripeUnavailable
from cloud.core import cabinets
from cloud.core.cabinets import PaymentLink
from cloud.core.prices import PriceList
from cloud.core.stamps import Stamp
from cloud.services.sweep import Swept
from cloud.stores.sqlite import SqliteLedger
from tests.fakes.arcade import SETTINGS, Arcade
from tests.fakes.stripe import FakeStripe, lost


def on_at_stripe(arcade: Arcade) -> list[str]:
    return [link_id for link_id, link in arcade.stripe.links.items() if link["active"]]


def beat(arcade: Arcade, healthy: bool = True) -> str:
    """A heartbeat; returns what it says of the link."""
    status, body = arcade.ask("/status", {"healthy": healthy})
    assert status == 200
    return str(body["link"]["state"])


def beat_and_heal(arcade: Arcade) -> str:
    """A heartbeat, after which a cabinet without its link asks for one, as the kiosk does."""
    before = arcade.links()[0].url if arcade.links() else ""
    status, body = arcade.ask("/status", {"healthy": True})
    assert status == 200
    if body["link"] == {"state": "active", "url": before}:
        return before.rpartition("/")[2]
    return arcade.link()


def reprice(arcade: Arcade, amount: int) -> None:
    """The operator's ``price``."""
    cabinet = arcade.ledger.cabinet("cab001")
    assert cabinet is not None
    stamp = arcade.cloud.clock.stamp()
    changed = cabinets.with_prices(cabinet, PriceList(amount, "USD"), stamp)
    arcade.ledger.replace(cabinet, changed)
    arcade.cloud.links.retire(changed)


# What is wanted is written before Stripe is asked


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_link_whose_switching_on_got_no_answer_goes_off_with_its_cabinet(
    arcade: Arcade, when: str
) -> None:
    arcade.link()
    arcade.now += 60
    assert arcade.cloud.sweep().switched_off == 1
    arcade.stripe.trouble = lost("switch_link", when)
    assert arcade.ask("/create-payment-link", {})[0] == 503
    # The cabinet dies: nothing is heard of it again.
    arcade.now += 60
    arcade.cloud.sweep()
    assert on_at_stripe(arcade) == []
    assert arcade.cloud.sweep() == Swept()


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_link_whose_switching_off_got_no_answer_is_off_after_the_next_sweep(
    arcade: Arcade, when: str
) -> None:
    arcade.link()
    beat(arcade)
    arcade.stripe.trouble = lost("switch_link", when)
    beat(arcade, healthy=False)
    arcade.now += 60
    assert arcade.cloud.sweep() == Swept(links=1)
    assert on_at_stripe(arcade) == []
    arcade.now += 60
    assert arcade.cloud.sweep() == Swept()


def test_an_old_price_list_goes_off_in_the_sweep_when_stripe_was_away(arcade: Arcade) -> None:
    old = arcade.link()
    arcade.stripe.trouble = lost("switch_link", "before")
    with pytest.raises(StripeUnavailable):
        reprice(arcade, 200)
    arcade.now += 41
    arcade.cloud.sweep()
    assert not arcade.stripe.links[old]["active"]


def test_a_request_that_reaches_stripe_after_the_opposite_one_does_not_win(arcade: Arcade) -> None:
    link_id = arcade.link()
    beat(arcade, healthy=False)

    def out_of_order(call: str, when: str) -> None:
        if (call, when) == ("switch_link", "before"):
            arcade.stripe.trouble = lambda _call, _when: None
            beat(arcade, healthy=False)

    arcade.stripe.trouble = out_of_order
    arcade.ask("/create-payment-link", {})
    (link,) = arcade.links()
    assert link.wanted is bool(arcade.stripe.links[link_id]["active"]) is False
    # One of the two may still be on its way: it is looked at once more.
    assert link.due_at_ms is not None
    arcade.now += 41
    arcade.cloud.sweep()
    assert on_at_stripe(arcade) == []
    assert arcade.links()[0].settled


def test_a_link_that_stripe_refuses_to_switch_is_told_once(arcade: Arcade) -> None:
    arcade.link()
    beat(arcade)

    def forbidden(call: str, when: str) -> None:
        if call == "switch_link":
            raise StripeRefused("this key may not do that", "", 403)

    arcade.stripe.trouble = forbidden
    beat(arcade, healthy=False)
    arcade.now += 60
    arcade.cloud.sweep()
    assert [i.text for i in arcade.incidents()] == [
        "Stripe refuses to switch its link: this key may not do that"
    ]


# An old tab at an old price


def test_a_checkout_page_that_was_open_before_the_price_rose_does_not_sell(arcade: Arcade) -> None:
    tab = arcade.stripe.open_tab(arcade.link())
    reprice(arcade, 200)
    assert tab not in arcade.stripe.open_sessions


def test_all_open_pages_of_a_link_that_is_off_are_ended_some_at_a_time(arcade: Arcade) -> None:
    link_id = arcade.link()
    other = arcade.stripe.open_tab(link_id)
    arcade.stripe.open_sessions[other] = "plink_of_others"
    for _ in range(50):
        arcade.stripe.open_tab(link_id)
    reprice(arcade, 200)
    left = [len(arcade.stripe.open_sessions)]
    for _ in range(3):
        arcade.cloud.sweep()
        left.append(len(arcade.stripe.open_sessions))
    assert left == [31, 11, 1, 1]
    assert list(arcade.stripe.open_sessions) == [other]
    assert arcade.cloud.sweep() == Swept()


@pytest.mark.parametrize("when", ["before", "after"])
def test_pages_whose_end_got_no_answer_are_ended_by_the_sweep(arcade: Arcade, when: str) -> None:
    arcade.stripe.open_tab(arcade.link())
    arcade.stripe.trouble = lost("expire_sessions", when)
    assert beat(arcade, healthy=False) == "off"
    assert arcade.cloud.sweep() == Swept(links=1)
    assert arcade.stripe.open_sessions == {}
    assert arcade.cloud.sweep() == Swept()


def test_pages_that_stripe_refuses_to_end_keep_no_cabinet_from_its_code(arcade: Arcade) -> None:
    """As with a restricted key that may not write Checkout Sessions."""
    arcade.stripe.open_tab(arcade.link())

    def forbidden(call: str, when: str) -> None:
        if call == "expire_sessions":
            raise StripeRefused("this key may not do that", "", 403)

    arcade.stripe.trouble = forbidden
    reprice(arcade, 200)
    link_id = arcade.link()
    assert on_at_stripe(arcade) == [link_id]
    assert "can still be paid" in arcade.incidents()[0].text
    assert len(arcade.incidents()) == 1


# Another account, another address, another ledger, a hand in the dashboard


def other_account(arcade: Arcade) -> FakeStripe:
    """Puts the key of another account in the place of the one before, which is returned."""
    before, arcade.stripe = arcade.stripe, FakeStripe()
    for number in range(9):  # so that no id is of both
        arcade.stripe.prices[f"price_of_others_{number}"] = (1, "USD")
        arcade.stripe.links[f"plink_of_others_{number}"] = {"active": False}
    arcade.use(arcade.ledger)
    return before


@pytest.mark.parametrize("healthy_before", [True, False])
def test_another_stripe_account_gets_new_links_within_a_heartbeat_and_is_told_once(
    arcade: Arcade, healthy_before: bool
) -> None:
    arcade.link()
    beat(arcade, healthy_before)
    other_account(arcade)
    arcade.now += 300
    link_id = beat_and_heal(arcade)
    assert on_at_stripe(arcade) == [link_id]
    assert arcade.links()[0].link_id == link_id
    for _ in range(3):
        arcade.now += 300
        assert beat_and_heal(arcade) == link_id
        arcade.cloud.sweep()
    (incident,) = arcade.incidents()
    assert (incident.machine_id, "another account" in incident.text) == ("cab001", True)


def test_an_old_link_of_another_account_stops_no_price_change(arcade: Arcade) -> None:
    arcade.link()
    other_account(arcade)
    reprice(arcade, 200)
    link_id = arcade.link()
    assert on_at_stripe(arcade) == [link_id]


def test_back_at_the_first_account_nothing_of_it_stays_payable_that_is_not_shown(
    arcade: Arcade,
) -> None:
    arcade.link()
    first = other_account(arcade)
    arcade.link()
    arcade.stripe = first
    arcade.use(arcade.ledger)
    arcade.now += 300
    link_id = beat_and_heal(arcade)
    arcade.cloud.sweep()
    assert on_at_stripe(arcade) == [link_id]


def test_another_public_address_makes_the_links_anew_within_a_heartbeat(arcade: Arcade) -> None:
    old = arcade.link()
    beat(arcade)
    arcade.use(arcade.ledger, replace(SETTINGS, public_url="https://moved.example"))
    link_id = beat_and_heal(arcade)
    assert "moved.example" in str(arcade.stripe.links[link_id]["receipt"])
    assert on_at_stripe(arcade) == [link_id] != [old]


def test_other_payment_methods_make_the_links_anew(arcade: Arcade) -> None:
    assert arcade.stripe.links[arcade.link()]["methods"] == ("card",)
    arcade.use(arcade.ledger, replace(SETTINGS, payment_methods=("card", "klarna")))
    link_id = beat_and_heal(arcade)
    assert arcade.stripe.links[link_id]["methods"] == ("card", "klarna")
    assert on_at_stripe(arcade) == [link_id]


def test_a_link_from_before_this_was_remembered_is_made_anew(arcade: Arcade) -> None:
    old = arcade.link()
    (link,) = arcade.links()
    stored = replace(link, made_with="", version=link.version + 1, write_id="old")
    arcade.ledger.replace(link, stored)
    arcade.stripe.answers.clear()  # the keys were others then
    link_id = beat_and_heal(arcade)
    assert on_at_stripe(arcade) == [link_id] != [old]


def test_a_cabinet_that_is_removed_and_added_with_another_name_gets_a_link(
    arcade: Arcade,
) -> None:
    old = arcade.link()
    cabinet = arcade.ledger.cabinet("cab001")
    assert cabinet is not None
    renamed = replace(cabinet, name="Another", version=cabinet.version + 1, write_id="w")
    arcade.ledger.replace(cabinet, renamed)
    link_id = arcade.link()
    assert on_at_stripe(arcade) == [link_id] != [old]


def fresh_ledger(arcade: Arcade, file: Path) -> None:
    cabinet = arcade.ledger.cabinet("cab001")
    assert cabinet is not None
    arcade.cloud.close()
    arcade.use(SqliteLedger(file))
    arcade.ledger.insert(cabinet)


def test_a_fresh_ledger_on_the_same_account_has_links_of_its_own(
    arcade: Arcade, tmp_path: Path
) -> None:
    old = arcade.link()
    arcade.cloud.links.switch_off("cab001")
    fresh_ledger(arcade, tmp_path / "fresh.db")
    link_id = arcade.link()
    assert on_at_stripe(arcade) == [link_id] != [old]


def test_a_fresh_ledger_with_another_address_is_not_refused_for_its_key(
    arcade: Arcade, tmp_path: Path
) -> None:
    arcade.link()
    fresh_ledger(arcade, tmp_path / "fresh.db")
    arcade.use(arcade.ledger, replace(SETTINGS, public_url="https://moved.example"))
    assert arcade.stripe.links[arcade.link()]["active"]


def test_a_ledger_restored_from_before_a_link_shows_none_that_was_switched_off_since(
    arcade: Arcade, tmp_path: Path
) -> None:
    """Within a day Stripe answers a repeated call with the link that it made then."""
    installation = arcade.ledger.installation("first")
    dead = arcade.link()
    arcade.stripe.links[dead]["active"] = False
    fresh_ledger(arcade, tmp_path / "restored.db")
    assert arcade.ledger.installation(installation) == installation
    shown = arcade.link()
    assert shown != dead
    assert arcade.stripe.links[shown]["active"]


def test_a_link_that_a_restored_ledger_has_as_off_is_switched_off_again(arcade: Arcade) -> None:
    link_id = arcade.link()
    links = arcade.cloud.links
    assert links.switch_off_again("cab001") == []  # it is wanted
    links.switch_off("cab001")
    assert links.switch_off_again("cab001") == []  # it is off
    arcade.stripe.links[link_id]["active"] = True
    assert links.switch_off_again("cab001") == [link_id]
    arcade.cloud.sweep()
    assert not arcade.stripe.links[link_id]["active"]
    del arcade.stripe.links[link_id]
    assert links.switch_off_again("cab001") == []  # of another account


def test_a_link_switched_off_in_the_dashboard_is_replaced_within_a_heartbeat(
    arcade: Arcade, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    dead = arcade.link()
    arcade.stripe.open_tab(dead)
    beat(arcade)
    arcade.stripe.links[dead]["active"] = False
    arcade.now += 300
    shown = beat_and_heal(arcade)
    assert on_at_stripe(arcade) == [shown] != [dead]
    arcade.cloud.sweep()
    assert arcade.stripe.open_sessions == {}
    assert "was withdrawn" in caplog.text


def test_stripe_is_asked_once_in_four_minutes_however_many_heartbeats_come(
    arcade: Arcade,
) -> None:
    arcade.link()
    arcade.stripe.calls.clear()
    for _ in range(60):
        arcade.now += 10
        beat(arcade)
    assert arcade.stripe.calls == ["link_is_active"] * 2
    arcade.stripe.calls.clear()
    for _ in range(12):
        arcade.now += 300
        beat(arcade)
    assert arcade.stripe.calls == ["link_is_active"] * 12


@pytest.mark.parametrize(
    "trouble",
    [lost("link_is_active", "before"), lost("switch_link", "before"), lost("switch_link", "after")],
)
def test_a_heartbeat_that_stripe_does_not_answer_is_stored_and_the_next_one_heals(
    arcade: Arcade, trouble: Callable[[str, str], None]
) -> None:
    link_id = arcade.link()
    beat(arcade, healthy=False)
    arcade.stripe.trouble = trouble
    arcade.now += 300
    beat(arcade)
    arcade.now += 300
    assert beat_and_heal(arcade) == link_id
    assert on_at_stripe(arcade) == [link_id]


def test_a_link_tells_what_stripe_confirmed_and_not_what_is_wanted() -> None:
    link = PaymentLink("plink_1", "cab001", "https://x", "p", 1, PriceList(100, "USD"), 1, "w")
    assert link.settled
    wanted_off = cabinets.want(link, False, 5, Stamp(2, "w2"))
    assert (wanted_off.payable, wanted_off.settled) == (True, False)
    off = cabinets.switched(wanted_off, None, Stamp(3, "w3"))
    assert (off.payable, off.settled) == (False, True)
