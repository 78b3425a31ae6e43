"""One command from three accounts to a cloud in service, broken off anywhere and begun again."""

from __future__ import annotations

import tomllib

from cloud.services.stripe_events import EVENTS_READ
from tests.deploy.world import TEST_KEY, World


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
