"""docs/deploy.md, walked: its commands are run and its payment is paid, against stand-ins."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import paho.mqtt.publish
import pytest

from cloud.core.orders import OrderState
from cloud.wiring import open_ledger
from demo import player
from sandbox import ports
from tests.deploy.world import World
from tests.fakes.emqx import PUBLISHED, Call, Emqx, Reply
from tests.plugins.dynamodb import REGION
from tests.plugins.mosquitto import Mosquitto

MOST = 12


@dataclass(frozen=True)
class Stop:
    """One row of the road: a command, or a click."""

    number: int
    command: str
    click: str


@pytest.fixture
def road(root: Path) -> list[Stop]:
    text = (root / "docs" / "deploy.md").read_text()
    text = text[text.index("## The road") : text.index("`make deploy` asks")]
    return [
        Stop(
            int(number),
            (re.findall(r"`([^`]+)`", what) or [""])[0],
            " ".join(re.findall(r"\*\*([^*]+)\*\*", what)),
        )
        for number, what in re.findall(r"^\| (\d+) \| [^|]+ \| ([^|]+) \|$", text, re.MULTILINE)
    ]


def test_it_is_at_most_twelve_commands_and_clicks(road: list[Stop]) -> None:
    assert [stop.number for stop in road] == list(range(1, len(road) + 1))
    assert 5 < len(road) <= MOST
    for stop in road:
        assert bool(stop.command) != bool(stop.click), "each row is one command or one click"


@pytest.fixture
def broker(start_mosquitto: Callable[..., Mosquitto], tmp_path: Path) -> int:
    """The port of a broker that the cabinet can reach."""
    with ports.listen_again("127.0.0.1", 0) as free:
        port = ports.port_of(free)
    config = tmp_path / "mosquitto.conf"
    start_mosquitto(config, f"listener {port} 127.0.0.1\nallow_anonymous true\n", (port,))
    return port


@pytest.mark.slow
def test_the_road_leads_to_a_paid_game(
    road: list[Stop], world: World, broker: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def publish(call: Call) -> Reply:
        """EMQX hands what is published over its API to who subscribes."""
        body = call.body
        paho.mqtt.publish.single(body["topic"], body["payload"], qos=1, port=broker)
        return PUBLISHED

    answer = Emqx.answer
    monkeypatch.setattr(
        Emqx,
        "answer",
        lambda self, call: publish(call) if call.path == "/api/v5/publish" else answer(self, call),
    )
    world.operator.answers["Where cabinets"] = f"mqtt://127.0.0.1:{broker}"
    world.really_sleep = True
    paid: list[player.Receipt] = []
    payers: list[threading.Thread] = []

    def read(line: str) -> None:
        if line.startswith("Pay here"):
            link = line.rpartition(" ")[2]
            payer = threading.Thread(target=lambda: paid.append(player.pay(link, 1)))
            payer.start()
            payers.append(payer)

    world.operator.on_line = read
    elsewhere = {"git clone https://github.com/OWNER/arcade-kiosk", "aws login"}
    for stop in road:
        if stop.command == "make deploy":
            status = world.run()
            for payer in payers:
                payer.join()
            assert status == 0, world.operator.text
        else:
            assert stop.click or stop.command in elsewhere
    assert len(paid) == 1
    text = world.operator.text
    for hop in ("Stripe", "cloud", "cabinet"):
        assert re.search(rf"^  \d\d:\d\d:\d\d\.\d\d\d  {hop} ", text, re.MULTILINE), text
    assert "The player has paid 1.00 USD of 1.00 USD." in text
    ledger = open_ledger(f"dynamodb://{world.table}?region={REGION}&endpoint={world.moto}")
    try:
        order = ledger.order(paid[0].session_id)
    finally:
        ledger.close()
    assert order
    assert (order.state, order.pulsed, order.charged) == (OrderState.SETTLED, 1, 100)
    # Once paid, it is right: nobody pays twice for it.
    world.operator.lines.clear()
    assert world.run() == 0
    assert "nothing was changed" in world.operator.text
