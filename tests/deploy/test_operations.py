"""What is done with an installation later: another version, live mode, and taking it away."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
import requests

from cloud.core.orders import Order, OrderState
from cloud.stores.base import Ledger
from cloud.wiring import open_ledger
from deploy import sam
from deploy.going_live import WAIT_S
from deploy.site import Site
from deploy.stripe_account import StripeAccount
from tests.deploy.cuts import Cuts, PowerCut
from tests.deploy.world import LIVE_KEY, TEST_KEY, World
from tests.plugins.dynamodb import REGION

pytestmark = pytest.mark.slow


@pytest.fixture
def deployed(world: World) -> World:
    world.tried()
    assert world.run() == 0, world.operator.text
    world.operator.lines.clear()
    return world


@pytest.fixture
def version(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Sets what the package of this folder is."""

    def set(hash: str) -> None:
        monkeypatch.setattr(sam, "package_hash", lambda: hash)

    return set


def ledger_of(world: World) -> Ledger:
    return open_ledger(f"dynamodb://{world.table}?region={REGION}&endpoint={world.moto}")


def open_order(world: World) -> None:
    """An order that is under way."""
    ledger = ledger_of(world)
    try:
        ledger.insert(
            Order(
                order_id="cs_1", machine_id="cab001", state=OrderState.OPEN, quantity=1, credits=1,
                amount=100, currency="USD", intent_id="pi_1", held=True, paid_at_ms=10**12,
                deadline_ms=4 * 10**12, hold_until_ms=4 * 10**12, write_id="w1",
            )
        )  # fmt: skip
    finally:
        ledger.close()


def test_an_upgrade_deploys_what_is_in_the_folder(deployed: World, version: Any) -> None:
    version("two")
    assert deployed.run("upgrade") == 0, deployed.operator.text
    assert deployed.stack.tags == {"arcade-package": "two"}
    assert deployed.run("upgrade") == 0
    assert "in service already" in deployed.operator.text


def test_a_version_that_does_not_answer_is_taken_back(deployed: World, version: Any) -> None:
    before = (deployed.stack.template, deployed.stack.tags, deployed.stack.parameters)
    deployed.stack.template = "the template of the version before"
    version("two")
    deployed.broken.add("two")
    assert deployed.run("upgrade") == 1
    assert "the one before is in service again, which answers" in deployed.operator.text
    assert deployed.stack.template == "the template of the version before"
    assert (deployed.stack.tags, deployed.stack.parameters) == before[1:]
    deployed.broken.clear()
    assert deployed.run("upgrade") == 0, deployed.operator.text


def test_a_version_that_cannot_read_the_ledger_is_taken_back(deployed: World, version: Any) -> None:
    version("two")
    deployed.blind.add("two")
    assert deployed.run("upgrade") == 1
    assert "cannot read the ledger" in deployed.operator.text
    assert "the one before is in service again" in deployed.operator.text


def test_a_change_that_aws_takes_back_leaves_the_version_before(
    deployed: World, version: Any
) -> None:
    version("two")
    deployed.formation.fails = ["UPDATE_ROLLBACK_COMPLETE"]
    assert deployed.run("upgrade") == 1
    assert "sam deploy failed" in deployed.operator.text
    assert deployed.run("upgrade") == 0, deployed.operator.text


def test_what_does_not_answer_is_not_upgraded(deployed: World, version: Any) -> None:
    deployed.broken.add(deployed.stack.tags["arcade-package"])
    version("two")
    assert deployed.run("upgrade") == 1
    assert "nothing good to go back to" in deployed.operator.text


class Admin:
    """Stands for `cloud.admin go-live`, which refuses addresses on loopback; it has tests of its
    own. What it finds in Parameter Store then is kept."""

    def __init__(self, world: World, patch: pytest.MonkeyPatch) -> None:
        self.world = world
        self.found: list[dict[str, tuple[str, str]]] = []
        patch.setattr(Site, "admin", lambda _site, *words: self.run(*words))

    def run(self, *words: str) -> str:
        assert words == ("go-live",)
        self.found.append(self.world.parameters())
        return "cab001  plink_1"


def check_live(world: World) -> None:
    """Everything is of the live account, and nothing of the test mode is left."""
    parameters = world.parameters()
    [endpoint] = world.endpoints(LIVE_KEY)
    assert parameters["STRIPE_KEY"] == (LIVE_KEY, "SecureString")
    assert parameters["STRIPE_WEBHOOK_SECRET"][0] == world.accounts.secrets[endpoint["id"]]
    assert world.endpoints(TEST_KEY) == []
    assert "STRIPE_KEY_BEFORE" not in parameters


def test_going_live_changes_key_endpoint_and_links(
    deployed: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin, before = Admin(deployed, monkeypatch), deployed.clock
    assert deployed.run("go-live") == 0, deployed.operator.text
    check_live(deployed)
    assert len(admin.found) == 1
    assert deployed.clock - before >= WAIT_S
    assert LIVE_KEY not in deployed.operator.text
    # Everything is right, also for the command that began it all.
    assert deployed.run() == 0, deployed.operator.text
    assert "nothing was changed" in deployed.operator.text


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("number", range(1, 10))
def test_going_live_may_be_broken_off_at_every_change(
    deployed: World, monkeypatch: pytest.MonkeyPatch, number: int, after: bool
) -> None:
    admin, before = Admin(deployed, monkeypatch), deployed.clock
    cuts = Cuts(monkeypatch)
    cuts.at, cuts.after = number, after
    try:
        assert deployed.run("go-live") == 0
        assert number == 9, "every change is cut at"
    except PowerCut:
        cuts.at = 0
        assert deployed.run("go-live") == 0, deployed.operator.text
    check_live(deployed)
    # No link is made before every function has both, key and secret.
    for found in admin.found:
        assert found["STRIPE_KEY"][0] == LIVE_KEY
        assert found["STRIPE_WEBHOOK_SECRET"] == deployed.parameters()["STRIPE_WEBHOOK_SECRET"]
    assert deployed.clock - before >= WAIT_S


def test_nobody_goes_live_while_orders_are_under_way(deployed: World) -> None:
    open_order(deployed)
    assert deployed.run("go-live") == 1
    assert "1 orders are under way" in deployed.operator.text
    assert deployed.parameters()["STRIPE_KEY"][0] == TEST_KEY


def test_going_live_is_asked_for(deployed: World) -> None:
    deployed.operator.answers["Real cards"] = "yes"
    assert deployed.run("go-live") == 1
    assert deployed.parameters()["STRIPE_KEY"][0] == TEST_KEY


def test_no_test_key_is_taken_for_live(deployed: World) -> None:
    deployed.operator.answers["Stripe's live key"] = TEST_KEY
    assert deployed.run("go-live") == 1
    assert "must begin with sk_live_" in deployed.operator.text


def tables(world: World) -> set[str]:
    pages = world.client("dynamodb").get_paginator("list_tables").paginate()
    return {name for page in pages for name in page["TableNames"]}


def test_destroy_leaves_nothing_but_the_ledger(deployed: World) -> None:
    assert deployed.run("destroy") == 0, deployed.operator.text
    assert deployed.formation.stacks == {}
    assert deployed.endpoints() == []
    assert deployed.parameters() == {}
    assert deployed.emqx.users == {}
    assert deployed.table in tables(deployed)
    assert f"The ledger stays, in the table {deployed.table}" in deployed.operator.lines


def test_only_who_says_it_twice_loses_the_ledger(deployed: World) -> None:
    assert deployed.run("destroy", "--ledger-too") == 1
    assert "nothing was changed" in deployed.operator.text
    assert deployed.formation.stacks
    deployed.operator.answers = {f"Type {deployed.table}": deployed.table} | (
        deployed.operator.answers
    )
    assert deployed.run("destroy", "--ledger-too") == 0, deployed.operator.text
    assert deployed.table not in tables(deployed)


def test_nothing_is_destroyed_while_orders_are_under_way(deployed: World) -> None:
    open_order(deployed)
    assert deployed.run("destroy") == 1
    assert "orders are under way" in deployed.operator.text
    assert deployed.formation.stacks


def test_destroy_waits_until_no_link_can_be_paid(deployed: World) -> None:
    link = link_of(deployed)
    assert link["active"]
    assert deployed.run("destroy") == 0, deployed.operator.text
    assert not link_now(deployed, link["id"])["active"]
    assert "No link can be paid any more" in deployed.operator.lines


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("number", range(1, 13))
def test_destroy_may_be_broken_off_at_every_change(
    deployed: World, monkeypatch: pytest.MonkeyPatch, number: int, after: bool
) -> None:
    link = link_of(deployed)
    cuts = Cuts(monkeypatch)
    cuts.at, cuts.after = number, after
    try:
        assert deployed.run("destroy") == 0
        assert number == 12, "every change is cut at"
    except PowerCut:
        cuts.at = 0
        assert deployed.run("destroy") == 0, deployed.operator.text
    assert deployed.formation.stacks == {}
    assert (deployed.endpoints(), deployed.parameters(), deployed.emqx.users) == ([], {}, {})
    assert not link_now(deployed, link["id"])["active"]
    assert deployed.table in tables(deployed)


def test_links_go_off_too_where_an_update_failed_half_way(deployed: World) -> None:
    link = link_of(deployed)
    deployed.stack.status = "UPDATE_ROLLBACK_FAILED"
    assert deployed.run("destroy") == 0, deployed.operator.text
    assert not link_now(deployed, link["id"])["active"]


def test_a_ledger_that_cannot_be_read_is_one_sentence(
    deployed: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployed.stack.outputs["Ledger"] = f"dynamodb://not-there?region={REGION}"
    assert deployed.run("destroy") == 1
    assert "there is no such table in this region" in deployed.operator.lines[-1]


def test_destroy_that_was_broken_off_goes_on(
    deployed: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(StripeAccount, "delete", cut)
        assert deployed.run("destroy") == 130
    assert "begin again with the same command" in deployed.operator.text
    assert deployed.run("destroy") == 0, deployed.operator.text
    assert deployed.parameters() == {}
    # And once more, where there is nothing left.
    assert deployed.run("destroy") == 0, deployed.operator.text


def link_of(world: World) -> dict[str, Any]:
    """The link that the cabinet asked for, as Stripe has it."""
    token = tomllib.loads((world.home / f"cab001-{world.stage}.toml").read_text())["cloud"]["token"]
    headers = {"Authorization": f"Bearer {token}"}
    for path, body in (
        ("status", {"state": "ready", "version": "1", "healthy": True}),
        ("create-payment-link", {"quantity": 1}),
    ):
        answer = requests.post(
            f"{world.api}/{path}",
            json={"machine_id": "cab001", **body},
            headers=headers,
            timeout=10,
        )
        assert answer.status_code == 200, answer.text
    ledger = ledger_of(world)
    try:
        [link_id] = ledger.lagging_link_ids("cab001")
    finally:
        ledger.close()
    return link_now(world, link_id)


def link_now(world: World, link_id: str) -> dict[str, Any]:
    """A link as Stripe has it."""
    with world.simulator.store.read() as transaction:
        found = transaction.get("payment_link", link_id)
    assert found
    return dict(found)
