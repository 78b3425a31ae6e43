"""Settings that are kept in Parameter Store: how they are read, and read again."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import boto3
import pytest

from cloud import admin
from cloud.adapters.parameter_store import TRIES, ParameterStore, ParametersUnavailable
from cloud.current_cloud import READ_AGAIN_S, TRY_AGAIN_S, CurrentCloud
from cloud.parameter_path import KEPT_ELSEWHERE, parameter_path
from cloud.settings import Settings, SettingsError
from cloud.wiring import build, read_settings
from tests.cloud.test_settings import GOOD
from tests.plugins.dynamodb import CREDENTIALS, REGION

SECRETS = {name: value for name, value in GOOD.items() if name in KEPT_ELSEWHERE}


class Store:
    """The Parameter Store of moto, with a path of one test's own."""

    def __init__(self, address: str, path: str, ledger: Path) -> None:
        self.path = path
        self.environment = {
            "LEDGER": f"sqlite:///{ledger}",
            "SECRETS": f"ssm:{path}?region={REGION}&endpoint={address}",
            **CREDENTIALS,
        }
        self._client: Any = boto3.client(
            "ssm",
            region_name=REGION,
            endpoint_url=address,
            aws_access_key_id="of",
            aws_secret_access_key="tests",
        )

    def put(self, name: str, value: str) -> None:
        """Writes one as the operator does."""
        self._client.put_parameter(
            Name=f"{self.path}/{name}", Value=value, Type="SecureString", Overwrite=True
        )

    def take_away(self, name: str) -> None:
        """Deletes one."""
        self._client.delete_parameter(Name=f"{self.path}/{name}")


@pytest.fixture
def store(moto: str, tmp_path: Path, request: pytest.FixtureRequest) -> Store:
    store = Store(moto, f"/arcade-kiosk/{id(request)}", tmp_path / "ledger.db")
    for name, value in SECRETS.items():
        store.put(name, value)
    return store


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def built() -> list[Settings]:
    """The settings of each cloud that was built."""
    return []


@pytest.fixture
def current(store: Store, clock: Clock, built: list[Settings]) -> Iterator[CurrentCloud]:
    def make(settings: Settings) -> Any:
        built.append(settings)
        return build(settings)

    current = CurrentCloud(store.environment, clock, make)
    yield current
    if current._cloud:
        current._cloud.close()


def test_the_settings_come_from_the_store_and_the_environment(store: Store) -> None:
    settings = read_settings(store.environment | {"HEARTBEAT_SECONDS": "60"})
    assert settings.stripe_key == GOOD["STRIPE_KEY"]
    assert settings.mqtt_url == GOOD["MQTT_URL"]
    assert settings.public_url == GOOD["PUBLIC_URL"].rstrip("/")
    assert settings.times.heartbeat == 60
    assert settings.ledger == store.environment["LEDGER"]


def test_more_than_one_page_of_parameters_is_read(store: Store) -> None:
    for number in range(11):
        store.put(f"a{number}", "another's")
    assert read_settings(store.environment).webhook_secret == GOOD["STRIPE_WEBHOOK_SECRET"]


def test_what_the_store_has_not_to_say_is_not_taken_from_it(store: Store) -> None:
    store.put("LEDGER", "sqlite:////somewhere/else.db")
    store.put("STRIPE_API_BASE", "https://stripe.example.com")
    settings = read_settings(store.environment)
    assert settings.ledger == store.environment["LEDGER"]
    assert settings.stripe_api_base == ""


def test_what_is_missing_in_the_store_is_told_by_its_name(store: Store) -> None:
    store.take_away("PUBLIC_URL")
    with pytest.raises(SettingsError, match="PUBLIC_URL is not set"):
        read_settings(store.environment)


def test_a_cloud_that_could_not_start_starts_once_its_settings_are_there(
    store: Store, current: CurrentCloud
) -> None:
    store.take_away("STRIPE_WEBHOOK_SECRET")
    with pytest.raises(SettingsError):
        current.get()
    store.put("STRIPE_WEBHOOK_SECRET", "whsec_now")
    assert current.get().api.routes


def test_a_rotated_key_is_in_force_within_minutes_and_without_a_deployment(
    store: Store, current: CurrentCloud, clock: Clock, built: list[Settings]
) -> None:
    before = current.get()
    store.put("STRIPE_KEY", "sk_test_rotated")
    clock.now += READ_AGAIN_S - 1
    assert current.get() is before
    clock.now += 1
    assert current.get() is not before
    assert [settings.stripe_key for settings in built] == ["sk_test_secret", "sk_test_rotated"]


def test_settings_that_have_not_changed_keep_the_cloud_and_its_connections(
    current: CurrentCloud, clock: Clock, built: list[Settings]
) -> None:
    before = current.get()
    for _ in range(3):
        clock.now += READ_AGAIN_S
        assert current.get() is before
    assert len(built) == 1


def test_a_clock_that_went_back_only_reads_once_more(current: CurrentCloud, clock: Clock) -> None:
    before = current.get()
    clock.now -= 10_000
    assert current.get() is before


@pytest.mark.parametrize("name", ["STRIPE_KEY", "MQTT_URL"])
def test_settings_that_became_wrong_leave_the_cloud_as_it_was(
    store: Store,
    current: CurrentCloud,
    clock: Clock,
    built: list[Settings],
    caplog: pytest.LogCaptureFixture,
    name: str,
) -> None:
    before = current.get()
    if name == "STRIPE_KEY":
        store.take_away(name)
    else:
        store.put(name, "mqtt://cloud:hush-hush@elsewhere.example")
    clock.now += READ_AGAIN_S
    with caplog.at_level(logging.WARNING):
        assert current.get() is before
    assert "those from before are kept" in caplog.text
    assert name in caplog.text
    assert "hush-hush" not in caplog.text
    store.put(
        name, {"STRIPE_KEY": "sk_test_2", "MQTT_URL": "mqtts://cloud:new@broker.example"}[name]
    )
    clock.now += TRY_AGAIN_S
    assert current.get() is not before
    assert len(built) == 2


@contextmanager
def answering(*replies: tuple[int, bytes]) -> Iterator[tuple[str, list[dict[str, str]]]]:
    """A server in the store's place with these answers, the last one for good."""
    left = list(replies)
    asked: list[dict[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            asked.append({name.lower(): value for name, value in self.headers.items()})
            status, body = left.pop(0) if len(left) > 1 else left[0]
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def parameters(**found: str) -> bytes:
    listed = [{"Name": f"/arcade/{name}", "Value": value} for name, value in found.items()]
    return json.dumps({"Parameters": listed}).encode()


def store_at(address: str) -> ParameterStore:
    return ParameterStore(REGION, address, CREDENTIALS, sleep=lambda _s: None)


THROTTLED = (400, b'{"__type": "ThrottlingException", "message": "Rate exceeded"}')
GATEWAY = (502, b"<html>bad gateway</html>")


def test_a_rush_and_a_gateways_answer_are_waited_out() -> None:
    with answering(THROTTLED, GATEWAY, (200, parameters(A="1"))) as (address, asked):
        assert store_at(address).read("/arcade") == {"A": "1"}
    assert [call["x-amz-target"] for call in asked] == ["AmazonSSM.GetParametersByPath"] * 3
    assert all(f"/{REGION}/ssm/aws4_request" in call["authorization"] for call in asked)


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        (THROTTLED, "ThrottlingException"),
        (GATEWAY, "not AWS's"),
        ((404, b"no such page"), "not AWS's"),
        ((200, b"[]"), "not AWS's"),
    ],
)
def test_what_does_not_pass_is_told_after_a_few_tries(reply: tuple[int, bytes], says: str) -> None:
    with answering(reply) as (address, asked), pytest.raises(ParametersUnavailable, match=says):
        store_at(address).read("/arcade")
    assert len(asked) == TRIES


def test_an_answer_without_parameters_is_not_taken_for_none() -> None:
    with (
        answering((200, b"{}")) as (address, _),
        pytest.raises(ParametersUnavailable, match="not as AWS documents"),
    ):
        store_at(address).read("/arcade")


def test_a_refusal_is_told_at_once_and_not_in_aws_words() -> None:
    refusal = b'{"__type": "AccessDeniedException", "message": "the canonical string was hush"}'
    with (
        answering((400, refusal)) as (address, asked),
        pytest.raises(ParametersUnavailable, match="the role may not read") as raised,
    ):
        store_at(address).read("/arcade")
    assert "hush" not in str(raised.value)
    assert len(asked) == 1


def test_a_store_that_is_gone_leaves_the_cloud_as_it_was(
    tmp_path: Path, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    environment = {"LEDGER": f"sqlite:///{tmp_path / 'ledger.db'}", **CREDENTIALS}
    with answering((200, parameters(**SECRETS))) as (address, _):
        environment["SECRETS"] = f"ssm:/arcade?region={REGION}&endpoint={address}"
        current = CurrentCloud(environment, clock)
        before = current.get()
    try:
        clock.now += READ_AGAIN_S
        assert current.get() is before
        assert "Parameter Store cannot be used now" in caplog.text
    finally:
        before.close()


@pytest.mark.parametrize(
    "wrong",
    [
        "arcade-kiosk/test",
        "ssm:arcade-kiosk?region=eu-west-1",
        "ssm:/arcade-kiosk?region=here",
        "ssm:/arcade-kiosk?region=eu-west-1&key=1",
        "file:/arcade-kiosk?region=eu-west-1",
        "ssm:/arcade-kiosk?region=eu-west-1&endpoint=http://elsewhere.example",
    ],
)
def test_a_wrong_place_is_told(wrong: str) -> None:
    with pytest.raises(SettingsError, match="SECRETS"):
        parameter_path({"SECRETS": wrong})


def test_on_lambda_the_region_need_not_be_said() -> None:
    found = parameter_path({"SECRETS": "ssm:/arcade-kiosk/test", "AWS_REGION": "eu-west-1"})
    assert (found.path, found.region) == ("/arcade-kiosk/test", "eu-west-1")


def test_the_operators_commands_take_their_settings_from_there(
    store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in store.environment.items():
        monkeypatch.setenv(name, value)
    assert admin.main(["list"]) == 0
    monkeypatch.setenv("SECRETS", "ssm:/arcade-kiosk")
    monkeypatch.delenv("AWS_REGION", raising=False)
    assert admin.main(["list"]) == 1
    assert "SECRETS must be like" in capsys.readouterr().err
