"""What the environment must say, and that Lambda gets no ledger that it would lose."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest

from cloud import handler
from cloud.adapters.emqx_publisher import EmqxPublisher
from cloud.adapters.mqtt_publisher import MqttPublisher
from cloud.settings import CAN_BE_HELD, SettingsError, Table, from_environment, table_of
from cloud.wiring import publisher_of
from tests.plugins.mosquitto import Certificates
from tests.plugins.stripe_description import Description

GOOD = {
    "LEDGER": "sqlite:////tmp/ledger.db",
    "STRIPE_KEY": "sk_test_secret",
    "STRIPE_WEBHOOK_SECRET": "whsec_secret",
    "MQTT_URL": "mqtts://cloud:hush@broker.example:8883",
    "PUBLIC_URL": "https://pay.example.com/",
}


def test_a_good_environment_is_read() -> None:
    settings = from_environment(GOOD | {"HEARTBEAT_SECONDS": "60"})
    assert settings.public_url == "https://pay.example.com"
    assert settings.times.silence == 120
    assert settings.times.deadline == 120


def test_no_secret_is_in_what_is_printed() -> None:
    told = repr(from_environment(GOOD))
    for secret in ("sk_test_secret", "whsec_secret", "hush"):
        assert secret not in told


@pytest.mark.parametrize("missing", GOOD)
def test_without_any_of_them_the_cloud_does_not_start(missing: str) -> None:
    with pytest.raises(SettingsError, match=missing):
        from_environment({k: v for k, v in GOOD.items() if k != missing})


def test_an_empty_signing_secret_is_a_missing_one() -> None:
    with pytest.raises(SettingsError, match="STRIPE_WEBHOOK_SECRET"):
        from_environment(GOOD | {"STRIPE_WEBHOOK_SECRET": "  "})


def test_everything_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(SettingsError) as told:
        from_environment(
            {
                "LEDGER": "mysql://x",
                "MQTT_URL": "http://broker",
                "PUBLIC_URL": "pay.example.com",
                "HEARTBEAT_SECONDS": "often",
                "SWEEP_SECONDS": "31",
            }
        )
    for name in (
        "LEDGER",
        "STRIPE_KEY",
        "MQTT_URL",
        "PUBLIC_URL",
        "HEARTBEAT_SECONDS",
        "SWEEP_SECONDS",
    ):
        assert name in str(told.value)


@pytest.mark.parametrize(
    "address",
    [
        "dynamodb://arcade",
        "dynamodb://?region=eu-west-1",
        "dynamodb://a/b?region=eu-west-1",
        "dynamodb://arcade?region=Frankfurt",
        "dynamodb://arcade?region=eu-west-1&keep_years=ten",
        "dynamodb://arcade?region=eu-west-1&keep_years=101",
        "dynamodb://arcade?region=eu-west-1&table=other",
        "dynamodb://arcade?region",
    ],
)
def test_a_table_that_cannot_be_found_is_told_with_an_example(address: str) -> None:
    with pytest.raises(SettingsError, match=r"LEDGER must be like dynamodb://TABLE\?region=eu-w"):
        from_environment(GOOD | {"LEDGER": address})


def test_orders_do_not_travel_in_the_clear_to_another_endpoint() -> None:
    address = "dynamodb://arcade?region=eu-west-1&endpoint=http://db.example"
    with pytest.raises(SettingsError, match=r"LEDGER's endpoint must begin with https://"):
        from_environment(GOOD | {"LEDGER": address})


def test_a_table_is_taken_on_lambda_too() -> None:
    address = "dynamodb://arcade?region=us-gov-west-1&keep_years=0&endpoint=http://localhost:8000"
    on_lambda = {"LEDGER": address, "AWS_LAMBDA_FUNCTION_NAME": "Handler"}
    assert from_environment(GOOD | on_lambda).ledger == address
    assert table_of(address) == Table("arcade", "us-gov-west-1", "http://localhost:8000", 0)
    assert table_of("dynamodb://arcade?region=eu-west-1") == Table("arcade", "eu-west-1")


CLEAR = "must not travel in the clear"


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("MQTT_URL", "mqtt://cloud:hush@broker.example", f"the password {CLEAR}"),
        ("MQTT_URL", "mqtt://cloud:hush@192.168.1.5", f"the password {CLEAR}"),
        ("MQTT_URL", "mqtt://cloud:hush@localhost.example.com", f"the password {CLEAR}"),
        ("MQTT_URL", "mqtt://cloud:hush@0.0.0.0", f"the password {CLEAR}"),
        ("MQTT_URL", "mqtts://broker.example", "names no account with a password"),
        ("MQTT_URL", "mqtts://cloud@broker.example", "names no account with a password"),
        ("MQTT_URL", "mqtts://cloud:@broker.example", "names no account with a password"),
        ("MQTT_URL", "mqtts://:hush@broker.example", "names no account with a password"),
        ("MQTT_URL", "mqtt://cloud:@127.0.0.1", "names no account with a password"),
        ("MQTT_URL", "ftp://cloud:hush@broker.example", "must be like mqtts://user:password@"),
        ("MQTT_VERSION", "3", "must be 5 or 3.1.1"),
        ("PRESENCE_SECRET", "short", "must be 32 or more of"),
        ("PRESENCE_SECRET", "it's a secret with a quote in it: '", "must be 32 or more of"),
        ("EMQX_SESSION_MINUTES", "many", "must be a whole number"),
        ("EMQX_PLATFORM_URL", "https://key:hush@emqx.example", "must be like https://KEY:SECRET@"),
        ("EMQX_PLATFORM_URL", "http://key:hush@emqx.example/x", f"the API key {CLEAR}"),
        ("MQTT_URL", "mqtts://cloud:hush@", "must be like mqtts://user:password@"),
        ("MQTT_URL", "mqtts://cloud:hush@broker:70000", "must be like mqtts://user:password@"),
        ("MQTT_URL", "mqtts://cloud:hu#sh@broker", "percent-encoded"),
        ("MQTT_CABINET_URL", "broker.example", "must be like mqtts://host:8883"),
        ("MQTT_CABINET_URL", "mqtt://broker.example", f"the cabinets' passwords {CLEAR}"),
        ("MQTT_CABINET_URL", "mqtts://cab001:hush@broker.example", "without an account"),
        ("MQTT_CA_FILE", "/not/there.pem", "names /not/there.pem, which is no certificate"),
        ("MQTT_CA_FILE", "/", "names /, which is no certificate"),
        ("MQTT_CA_FILE", __file__, "which is no certificate"),
        ("PUBLIC_URL", "pay.example.com", "must be like https://pay.example.com"),
        ("PUBLIC_URL", "ftp://pay.example.com", "must be like https://pay.example.com"),
        ("PUBLIC_URL", "https://[::1", "must be like https://pay.example.com"),
        ("PUBLIC_URL", "https:///receipt", "must be like https://pay.example.com"),
        ("PUBLIC_URL", "http://pay.example.com", f"receipts {CLEAR}"),
        ("PUBLIC_URL", "https://pay.example.com/?x=1", "must be without an account, ? or #"),
        ("STRIPE_API_BASE", "http://api.stripe.com", f"the secret key {CLEAR}"),
        ("STRIPE_API_BASE", "api.stripe.com", "must be like https://api.stripe.com"),
    ],
)
def test_what_would_show_a_secret_on_the_way_is_refused_in_one_sentence(
    name: str, value: str, told: str
) -> None:
    with pytest.raises(SettingsError) as raised:
        from_environment(GOOD | {name: value})
    sentence = str(raised.value)
    assert sentence.startswith(name)
    assert told in sentence
    assert "\n" not in sentence
    assert "hush" not in sentence


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "127.0.0.1", "127.8.9.10", "[::1]"])
def test_on_this_machine_nothing_needs_tls(host: str) -> None:
    local = {
        "MQTT_URL": f"mqtt://cloud:hush@{host}:1883",
        "MQTT_CABINET_URL": f"mqtt://{host}",
        "PUBLIC_URL": f"http://{host}:8000",
        "STRIPE_API_BASE": f"http://{host}:1",
    }
    settings = from_environment(GOOD | local)
    assert settings.mqtt_url == local["MQTT_URL"]
    assert settings.mqtt_cabinet_url == local["MQTT_CABINET_URL"]
    assert settings.public_url == local["PUBLIC_URL"]
    assert settings.stripe_api_base == local["STRIPE_API_BASE"]


def test_a_ca_file_without_tls_has_no_use() -> None:
    with pytest.raises(SettingsError, match="MQTT_CA_FILE has no use"):
        from_environment(GOOD | {"MQTT_URL": "mqtt://c:hush@localhost", "MQTT_CA_FILE": __file__})


def test_a_ca_file_with_a_certificate_is_taken(certificates: Certificates) -> None:
    settings = from_environment(GOOD | {"MQTT_CA_FILE": str(certificates.ca_file)})
    assert settings.mqtt_ca_file == str(certificates.ca_file)


def test_all_that_would_show_a_secret_is_told_at_once() -> None:
    with pytest.raises(SettingsError) as raised:
        from_environment(
            GOOD
            | {
                "MQTT_URL": "mqtt://cloud:@broker.example",
                "MQTT_CABINET_URL": "mqtt://cab:hush@broker.example",
                "PUBLIC_URL": "http://pay.example.com",
                "STRIPE_API_BASE": "http://api.stripe.com",
            }
        )
    assert [line.partition(" ")[0] for line in str(raised.value).splitlines()] == [
        "MQTT_URL", "MQTT_URL", "MQTT_CABINET_URL", "MQTT_CABINET_URL", "PUBLIC_URL",
        "STRIPE_API_BASE",
    ]  # fmt: skip


def test_links_take_cards_unless_the_operator_says_what() -> None:
    assert from_environment(GOOD).payment_methods == ("card",)
    settings = from_environment(GOOD | {"PAYMENT_METHODS": " card, Klarna,card,"})
    assert settings.payment_methods == ("card", "klarna")


@pytest.mark.parametrize("methods", ["", " , ", "card,fpx", "cards", "card klarna"])
def test_a_payment_method_that_cannot_be_held_is_refused(methods: str) -> None:
    with pytest.raises(SettingsError, match="PAYMENT_METHODS must be names"):
        from_environment(GOOD | {"PAYMENT_METHODS": methods})


def test_every_payment_method_is_one_that_stripe_can_hold_on_a_link(
    stripe_description: Description,
) -> None:
    form = {
        "payment_method_types[0]": "",
        "line_items[0][price]": "p",
        "line_items[0][quantity]": 1,
    }
    for method in CAN_BE_HELD:
        body = urlencode(form | {"payment_method_types[0]": method})
        assert stripe_description.request("POST", "/v1/payment_links", "", body) == []


def test_lambda_gets_no_ledger_on_its_own_disk() -> None:
    with pytest.raises(SettingsError, match="Lambda"):
        from_environment(GOOD | {"AWS_LAMBDA_FUNCTION_NAME": "arcade"})


def test_the_handler_refuses_to_start_without_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in GOOD:
        monkeypatch.delenv(name, raising=False)
    handler._current.cache_clear()
    with pytest.raises(SettingsError):
        handler.handle({}, None)


def test_the_handler_answers_and_sweeps(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    for name, value in (GOOD | {"LEDGER": f"sqlite:///{tmp_path}/ledger.db"}).items():
        monkeypatch.setenv(name, value)
    handler._current.cache_clear()
    try:
        event = {
            "version": "2.0",
            "routeKey": "GET /status",
            "rawPath": "/status",
            "requestContext": {"http": {"method": "GET", "path": "/status"}, "stage": "$default"},
            "headers": {},
        }
        assert handler.handle(event, None)["statusCode"] == 200
        assert handler.sweep({}, None)["released"] == 0
    finally:
        handler._current().get().close()
        handler._current.cache_clear()


EMQX = {
    "MQTT_URL": "https://app-id:hush@emqx.example:8443/api/v5",
    "MQTT_CABINET_URL": "mqtts://emqx.example:8883",
}


def test_the_brokers_address_says_how_messages_are_published() -> None:
    over_mqtt = publisher_of(from_environment(GOOD))
    over_http = publisher_of(from_environment(GOOD | EMQX))
    assert isinstance(over_mqtt, MqttPublisher)
    assert isinstance(over_http, EmqxPublisher)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"MQTT_CABINET_URL": ""}, "MQTT_CABINET_URL is not set: where cabinets reach"),
        ({"MQTT_URL": "https://app-id:hush@emqx.example"}, "MQTT_URL must be like https://APP-ID"),
        ({"MQTT_URL": "https://emqx.example/api/v5"}, "MQTT_URL names no API key"),
        ({"MQTT_URL": "https://a:hush@emqx.example/api/v5?x=1"}, "MQTT_URL must be like"),
        ({"MQTT_URL": "http://a:hush@emqx.example/api/v5"}, f"the API key {CLEAR}"),
    ],
)
def test_what_is_wrong_with_the_address_of_emqx_is_told(changed: dict[str, str], told: str) -> None:
    with pytest.raises(SettingsError) as raised:
        from_environment(GOOD | EMQX | changed)
    assert told in str(raised.value)
    assert "\n" not in str(raised.value)
    assert "hush" not in str(raised.value)
