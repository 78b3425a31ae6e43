"""One command from three accounts to a cloud in service, broken off anywhere and begun again."""

from __future__ import annotations

import os
import stat
import tomllib
from pathlib import Path
from typing import Any

import pytest
import requests
import stripe

from cloud.services.stripe_events import EVENTS_READ
from tests.deploy.cuts import Cuts, PowerCut
from tests.deploy.world import TEST_KEY, World, world_of
from tests.fakes.emqx import KEY


def test_one_command_does_it_all(world: World) -> None:
    world.tried()
    assert world.run() == 0, world.operator.text
    assert world.stack.parameters == {"Stage": world.stage, "AlarmEmail": "me@example.com"}
    [endpoint] = world.endpoints()
    assert endpoint["url"] == f"{world.api}/addCredit"
    assert sorted(endpoint["enabled_events"]) == sorted(EVENTS_READ)
    parameters = world.parameters()
    assert parameters["STRIPE_KEY"] == (TEST_KEY, "SecureString")
    assert parameters["STRIPE_WEBHOOK_SECRET"] == (
        world.accounts.secrets[endpoint["id"]],
        "SecureString",
    )
    assert parameters["MQTT_URL"] == (world.emqx.url, "SecureString")
    config = tomllib.loads((world.home / f"cab001-{world.stage}.toml").read_text())
    assert config["cloud"]["url"] == world.api
    assert world.emqx.users == {"cab001": config["broker"]["password"]}
    assert world.emqx.rules[-1]["permission"] == "deny"
    assert [call[0] for call in world.sam_calls()] == ["build", "deploy"]


@pytest.fixture
def deployed(world: World) -> World:
    world.tried()
    assert world.run() == 0, world.operator.text
    world.operator.lines.clear()
    world.operator.asked.clear()
    return world


def test_the_second_time_changes_nothing_and_asks_nothing_but_to_go_on(deployed: World) -> None:
    file = deployed.home / f"cab001-{deployed.stage}.toml"
    before = (deployed.parameters(), deployed.endpoints()[0].copy(), file.read_bytes())
    calls = deployed.sam_calls()
    assert deployed.run() == 0
    assert "nothing was changed" in deployed.operator.text
    assert deployed.operator.asked == ["Go on? (yes or no)"]
    assert (deployed.parameters(), deployed.endpoints()[0], file.read_bytes()) == before
    assert deployed.sam_calls() == calls


def test_no_secret_is_in_output_files_or_what_sam_is_told(deployed: World) -> None:
    assert deployed.run("status") == 0
    deployed.operator.answers["Stripe's test key"] = "sk_test_wrong"
    secrets = [TEST_KEY, KEY[1], *deployed.accounts.secrets.values()]
    told = deployed.operator.text + deployed.sam_log.read_text()
    for file in deployed.home.rglob("*"):
        if file.is_file() and file.suffix != ".toml":
            told += file.read_text()
    for secret in secrets:
        assert secret not in told
    for file in (*deployed.home.glob("*.toml"), deployed.home / f"deploy-{deployed.stage}.json"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    told = str(deployed.stack.parameters) + str(deployed.stack.tags) + str(deployed.stack.outputs)
    assert not [secret for secret in secrets if secret in told]


def check_in_service(world: World) -> None:
    """All is there, once, and fits together."""
    [endpoint] = world.endpoints()
    parameters = world.parameters()
    assert parameters["STRIPE_WEBHOOK_SECRET"][0] == world.accounts.secrets[endpoint["id"]]
    config = tomllib.loads((world.home / f"cab001-{world.stage}.toml").read_text())
    assert world.emqx.users["cab001"] == config["broker"]["password"]
    answer = requests.post(
        f"{world.api}/status",
        json={"machine_id": "cab001", "state": "ready", "version": "1", "healthy": False},
        headers={"Authorization": f"Bearer {config['cloud']['token']}"},
        timeout=10,
    )
    assert answer.status_code == 200, answer.text


@pytest.mark.slow
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_it_may_be_broken_off_at_every_change_and_begun_again(
    moto: str, tmp_path: Path, after: bool
) -> None:
    number = 0
    while True:
        number += 1
        folder = tmp_path / str(number)
        folder.mkdir()
        stage = f"b{os.getpid() % 100_000}-{number}-{int(after)}"
        with pytest.MonkeyPatch.context() as patch, world_of(stage, folder, moto, patch) as world:
            world.tried()
            cuts = Cuts(patch)
            cuts.at, cuts.after = number, after
            try:
                assert world.run() == 0, world.operator.text
                cut = False
            except PowerCut:
                cut = True
                world.restart()
                cuts.at = 0
                assert world.run() == 0, (number, world.operator.text)
            check_in_service(world)
            assert world.stack.status.endswith("_COMPLETE")
        if not cut:
            break
    assert number > 12


@pytest.mark.slow
def test_a_key_and_an_account_that_their_services_refuse_are_asked_for_again(
    world: World,
) -> None:
    world.tried()
    keys = iter(["pk_test_publishable", "sk_test_of_somebody_else", TEST_KEY])
    secrets = iter(["wrong", KEY[1]])
    world.operator.secret = lambda question: next(keys if "Stripe" in question else secrets)
    assert world.run() == 0, world.operator.text
    assert "take the secret one" in world.operator.text
    assert "Stripe does not take the key" in world.operator.text
    assert "does not take the API key" in world.operator.text
    assert "somebody_else" not in world.operator.text


def test_no_is_no(world: World) -> None:
    world.operator.answers["Go on?"] = "no"
    assert world.run() == 1
    assert world.parameters() == {}
    assert world.formation.stacks == {}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "makes_anew"),
    [
        ({"enabled_events": ["charge.refunded"]}, False),
        ({"status": "disabled"}, False),
        ({"api_version": "2020-08-27"}, True),
    ],
    ids=["events", "disabled", "version"],
)
def test_an_endpoint_that_was_changed_is_mended_or_made_anew(
    deployed: World, change: dict[str, Any], makes_anew: bool
) -> None:
    [endpoint] = deployed.endpoints()
    endpoint.update(change)
    assert deployed.run("status") == 1
    assert deployed.run() == 0, deployed.operator.text
    [now] = deployed.endpoints()
    assert (now["id"] != endpoint["id"]) == makes_anew
    assert sorted(now["enabled_events"]) == sorted(EVENTS_READ)
    assert (now["status"], now["api_version"]) == ("enabled", stripe.api_version)
    assert deployed.parameters()["STRIPE_WEBHOOK_SECRET"][0] == deployed.accounts.secrets[now["id"]]


@pytest.mark.slow
def test_endpoints_of_others_are_left_alone(deployed: World) -> None:
    other = deployed.endpoints()[0] | {"id": "we_other", "url": "https://shop.example.com/hook"}
    deployed.endpoints().append(other)
    deployed.endpoints()[0]["api_version"] = None
    assert deployed.run() == 0
    assert other in deployed.endpoints()
    assert len(deployed.endpoints()) == 2


@pytest.mark.slow
def test_a_first_stack_that_failed_is_made_anew(world: World) -> None:
    world.tried()
    world.formation.fails = ["ROLLBACK_COMPLETE"]
    assert world.run() == 1
    assert "sam deploy failed" in world.operator.text
    assert world.run() == 0, world.operator.text
    assert world.stack.status == "CREATE_COMPLETE"


@pytest.mark.slow
def test_a_stack_at_which_aws_still_works_is_waited_for(deployed: World) -> None:
    deployed.stack.seen = ["UPDATE_IN_PROGRESS"] * 3
    assert deployed.run() == 0, deployed.operator.text


@pytest.mark.slow
def test_a_cabinet_that_was_ever_heard_keeps_its_token(deployed: World) -> None:
    file = deployed.home / f"cab001-{deployed.stage}.toml"
    token = tomllib.loads(file.read_text())["cloud"]["token"]
    check_in_service(deployed)  # a heartbeat
    file.unlink()
    assert deployed.run() == 0
    assert not file.exists()
    answer = requests.post(
        f"{deployed.api}/status",
        json={"machine_id": "cab001", "state": "ready", "version": "1", "healthy": False},
        headers={"Authorization": f"Bearer {token}"},
        timeout=10,
    )
    assert answer.status_code == 200


@pytest.mark.slow
def test_status_changes_nothing_and_names_what_is_missing(deployed: World) -> None:
    assert deployed.run("status") == 0
    deployed.endpoints().clear()
    before = deployed.parameters()
    assert deployed.run("status") == 1
    assert "no   Stripe's webhook endpoint" in deployed.operator.text
    assert deployed.parameters() == before


def test_without_a_deployment_the_other_commands_say_so(world: World) -> None:
    for command in ("status", "upgrade", "go-live", "destroy"):
        assert world.run(command) == 1
        assert "run `make deploy`" in world.operator.lines[-1]


def test_a_state_file_that_cannot_be_read_is_told(world: World) -> None:
    world.home.mkdir()
    (world.home / f"deploy-{world.stage}.json").write_text("{")
    assert world.run() == 1
    assert "move it away" in world.operator.text


def test_aws_without_credentials_is_one_sentence(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    assert world.run() == 1
    assert world.operator.lines == ["there are no AWS credentials: run `aws configure`, or log in"]


@pytest.mark.slow
def test_a_key_that_stripe_no_longer_takes_is_asked_for_anew(deployed: World) -> None:
    new = "sk_test_" + "n" * 24
    deployed.accounts.keys = {new: "acct_1"}
    deployed.accounts.endpoints[new] = deployed.accounts.endpoints.pop(TEST_KEY)
    deployed.operator.answers["Stripe's test key"] = new
    assert deployed.run() == 0, deployed.operator.text
    assert deployed.parameters()["STRIPE_KEY"] == (new, "SecureString")
    assert len(deployed.endpoints(new)) == 1


@pytest.mark.slow
def test_a_broker_that_no_longer_takes_the_account_is_asked_for_anew(deployed: World) -> None:
    deployed.put("MQTT_URL", f"http://old:key@127.0.0.1:{deployed.emqx.port}/api/v5")
    assert deployed.run() == 0, deployed.operator.text
    assert deployed.parameters()["MQTT_URL"] == (deployed.emqx.url, "SecureString")


@pytest.mark.slow
def test_an_unreachable_stripe_asks_for_no_other_key(
    deployed: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRIPE_API_BASE", "http://127.0.0.1:9")
    assert deployed.run() == 1
    assert "Stripe cannot be reached" in deployed.operator.text
    assert deployed.operator.asked == []
