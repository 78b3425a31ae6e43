"""From test to live mode, or to another Stripe account, as the operator types it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from cloud import admin
from cloud.settings import Settings
from tests.fakes.arcade import SETTINGS, Arcade
from tests.fakes.stripe import FakeStripe, lost

LIVE = replace(SETTINGS, stripe_key="sk_live_x")
Command = Callable[..., int]


@pytest.fixture
def run(arcade: Arcade, monkeypatch: pytest.MonkeyPatch) -> Command:
    """The command over this arcade, with another Stripe account than the one so far."""
    arcade.add_cabinet("cab002")
    for machine_id in ("cab001", "cab002"):
        arcade.link(machine_id)
        arcade.ask("/status", {"machine_id": machine_id, "healthy": True})

    def run_(*words: str, settings: Settings = LIVE) -> int:
        arcade.use(arcade.ledger, settings)
        monkeypatch.setattr(arcade.cloud, "close", lambda: None)
        monkeypatch.setattr(admin, "read_settings", lambda _env: settings)
        monkeypatch.setattr(admin, "build", lambda _settings: arcade.cloud)
        return admin.main(["go-live", *words])

    return run_


def new_account(arcade: Arcade) -> None:
    arcade.now += 300
    arcade.stripe = FakeStripe()
    for number in range(9):  # so that no id is of both
        arcade.stripe.prices[f"price_of_others_{number}"] = (1, "USD")
        arcade.stripe.links[f"plink_of_others_{number}"] = {"active": False}


def test_each_cabinet_gets_a_link_of_the_new_account_and_is_told(
    arcade: Arcade, run: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    new_account(arcade)
    assert run() == 0
    shown = {m: arcade.links(m)[0].link_id for m in ("cab001", "cab002")}
    assert [i for i, link in arcade.stripe.links.items() if link["active"]] == list(shown.values())
    out = capsys.readouterr().out
    assert all(f"{machine_id}  {link_id}" in out for machine_id, link_id in shown.items())
    told = [m["machineId"] for m in arcade.publisher.of("payment")]
    assert told == ["cab001", "cab002"]
    assert all(m["status"] == "offer_changed" for m in arcade.publisher.of("payment"))
    old = [link for m in shown for link in arcade.links(m)[1:]]
    assert [(link.withdrawn, link.wanted) for link in old] == [(True, False)] * 2
    assert len(arcade.incidents()) == 2
    assert run() == 0  # a second time changes nothing
    assert {m: arcade.links(m)[0].link_id for m in shown} == shown


def test_what_is_wrong_is_told_in_one_sentence_and_nothing_is_changed(
    arcade: Arcade, run: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    before = arcade.links()
    wrong = replace(
        SETTINGS,
        webhook_secret="secret",
        public_url="http://127.0.0.1:1",
        stripe_api_base="http://127.0.0.1:2",
    )
    assert run(settings=wrong) == 1
    told = capsys.readouterr().err
    assert len(told.splitlines()) == 1
    for name in ("STRIPE_KEY", "STRIPE_WEBHOOK_SECRET", "STRIPE_API_BASE", "PUBLIC_URL"):
        assert name in told
    assert arcade.links() == before
    assert arcade.publisher.of("payment") == []
    assert "sk_test_x" not in told


def test_a_key_that_stripe_does_not_take_is_told(
    arcade: Arcade, run: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    arcade.stripe.trouble = lost("completed", "before")
    assert run() == 1
    assert "Stripe does not take STRIPE_KEY" in capsys.readouterr().err


def test_orders_of_the_account_before_must_be_finished_first(
    arcade: Arcade, run: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    order_id = arcade.pay()
    arcade.claim(order_id)
    new_account(arcade)
    before = arcade.links()
    assert run() == 1
    assert f"order {order_id} of cab001 is claimed" in capsys.readouterr().err
    assert arcade.links() == before


def test_check_only_looks(arcade: Arcade, run: Command, capsys: pytest.CaptureFixture[str]) -> None:
    new_account(arcade)
    before = arcade.links()
    assert run("--check") == 0
    assert "everything is right" in capsys.readouterr().out
    assert arcade.links() == before
    assert arcade.stripe.calls == ["completed"]


def test_one_cabinet_that_fails_keeps_no_other_from_its_link(
    arcade: Arcade, run: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    new_account(arcade)
    arcade.stripe.trouble = lost("create_price", "before")
    assert run() == 1
    assert "run this again, these have no link: cab001" in capsys.readouterr().err
    assert arcade.stripe.links[arcade.links("cab002")[0].link_id]["active"]
    assert run() == 0
    assert arcade.stripe.links[arcade.links("cab001")[0].link_id]["active"]
