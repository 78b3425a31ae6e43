"""What is told of an EMQX deployment: stopped, used up, forgotten; and what cannot be told."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cloud.adapters.emqx_api import EmqxApi
from cloud.adapters.emqx_status import EmqxStatus
from cloud.core import broker_quota
from cloud.core.broker_quota import BrokerState
from cloud.services.sweep import Swept
from cloud.wiring import Cloud, broker_status_of
from tests.fakes.arcade import SETTINGS, Arcade
from tests.fakes.emqx import Emqx, Reply


@pytest.fixture
def emqx() -> Iterator[Emqx]:
    made = Emqx(clients={"cabinet-cab001": "cab001"})
    yield made
    made.stop()


class Watched(Arcade):
    """An arcade whose broker is this deployment; its sweeps look at it."""

    def __init__(self, folder: Path, emqx: Emqx, platform: bool = True) -> None:
        super().__init__(folder)
        self.apis = [EmqxApi(emqx.url, timeout=2.0), EmqxApi(emqx.platform_url, timeout=2.0)]
        self.restart(platform)

    def restart(self, platform: bool = True) -> None:
        """Another process over the same ledger."""
        status = EmqxStatus(self.apis[0], self.apis[1] if platform else None)
        self.cloud = Cloud(
            self.ledger, self.stripe, self.publisher, SETTINGS, lambda: self.now, lambda: status
        )

    def told(self) -> list[str]:
        """Sweeps once; returns what an operator has been told so far."""
        self.cloud.sweep()
        return [incident.text for incident in self.incidents()]


@pytest.fixture
def watched(tmp_path: Path, emqx: Emqx) -> Iterator[Watched]:
    made = Watched(tmp_path, emqx)
    yield made
    made.close()


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def test_a_deployment_that_runs_is_nothing_to_tell_and_asked_every_six_hours(
    watched: Watched, emqx: Emqx
) -> None:
    assert watched.told() == []
    calls = len(emqx.calls)
    assert calls == 3
    watched.now += 6 * 3600 - 1
    watched.told()
    assert len(emqx.calls) == calls
    watched.now += 1
    assert watched.told() == []
    assert len(emqx.calls) == 2 * calls


def test_a_stopped_deployment_is_told_once_a_day(watched: Watched, emqx: Emqx) -> None:
    watched.now = at("2027-01-10 01:00")
    emqx.status = "stopped"
    assert watched.told() == [broker_quota.stopped(0).text]
    watched.restart()
    assert len(watched.told()) == 1
    watched.now += 24 * 3600
    assert len(watched.told()) == 2
    [problem, _] = watched.incidents()
    assert "start it in EMQX's console" in problem.todo


def test_three_quarters_of_the_months_minutes_are_told_once_a_month(
    watched: Watched, emqx: Emqx
) -> None:
    emqx.clients = {f"cabinet-cab{n:03}": f"cab{n:03}" for n in range(22)}
    emqx.away = {"cabinet-cab001"}  # its session counts all the same
    watched.now = at("2027-01-24 12:00")
    assert watched.told() == []
    watched.now = at("2027-01-24 18:00")
    [told] = watched.told()
    assert told.startswith("about 75% of the month's 1,000,000 session minutes are used")
    assert "22 sessions of now" in told
    assert "they last until the month's end" in told
    watched.now = at("2027-01-30 00:00")
    assert len(watched.told()) == 1
    watched.now = at("2027-02-24 18:00")
    assert len(watched.told()) == 2


@pytest.mark.parametrize(
    ("sessions", "minutes", "day", "told"),
    [
        (0, 1_000_000, 31, None),
        (22, 0, 31, None),
        (22, 10_000_000, 31, None),
        (40, 1_000_000, 14, "75% of the month's 1,000,000 session minutes"),
        (40, 1_000_000, 14, "they last until day 18 of the month"),
        (40, 1_000_000, 20, "none are left"),
    ],
)
def test_the_estimate_of_the_quota(sessions: int, minutes: int, day: int, told: str | None) -> None:
    now_ms = round(at(f"2027-01-{day} 01:00") * 1000)
    found = broker_quota.quota(BrokerState("", sessions, 0), minutes, now_ms)
    assert (found is None) == (told is None)
    if found and told:
        assert told in found.text


def test_a_deployment_that_nobody_uses_any_more_is_told_before_it_is_stopped(
    watched: Watched, emqx: Emqx
) -> None:
    emqx.away = {"cabinet-cab001"}
    assert watched.told() == []  # never seen: nothing is known
    watched.ask("/status", {"healthy": True})
    watched.now += 20 * 86_400 - 60
    assert not any("deletes it" in text for text in watched.told())
    watched.now += 86_400
    told = watched.told()
    assert [text for text in told if "none was heard for 20 days" in text]
    watched.now += 86_400
    emqx.away = set()
    assert len(watched.told()) == len(told)


@pytest.mark.parametrize(
    "reply", [(503, b"<html>"), (200, b"<html>hotel</html>"), (200, {}), (401, {"code": "BAD"})]
)
def test_what_cannot_be_told_is_told_after_three_sweeps(
    watched: Watched, emqx: Emqx, reply: Reply
) -> None:
    watched.now = at("2027-01-10 01:00")
    for _ in range(2):
        emqx.replies = [reply]
        assert watched.told() == []
        watched.now += 60
    emqx.replies = [reply]
    [told] = watched.told()
    assert told.startswith("how the broker is cannot be told: ")
    assert "secret" not in told
    watched.now += 60
    emqx.replies = [reply]
    watched.told()
    assert len(emqx.replies) == 1  # not looked at again so soon


def test_a_moment_of_trouble_is_not_told(watched: Watched, emqx: Emqx) -> None:
    for _ in range(3):
        emqx.replies = [(503, b"<html>")]
        watched.told()
        watched.now += 60
        assert watched.told() == []
        watched.now += 6 * 3600


def test_without_the_platforms_key_the_deployment_itself_is_asked(
    tmp_path: Path, emqx: Emqx
) -> None:
    watched = Watched(tmp_path, emqx, platform=False)
    assert watched.told() == []
    assert [call.path for call in emqx.calls] == ["/api/v5/clients"] * 2
    watched.close()


def test_a_sweep_that_took_long_leaves_the_broker_to_the_next(
    watched: Watched, emqx: Emqx, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow() -> Swept:
        watched.now += 31
        return Swept()

    with monkeypatch.context() as patched:
        patched.setattr(watched.cloud._sweep, "run", slow)
        watched.cloud.sweep()
    assert emqx.calls == []
    watched.cloud.sweep()
    assert len(emqx.calls) == 3


def test_a_broker_over_mqtt_tells_nothing_of_itself() -> None:
    assert broker_status_of(SETTINGS) is None
