"""What the environment must say, and that Lambda gets no ledger that it would lose."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest

from cloud import handler
from cloud.settings import CAN_BE_HELD, SettingsError, from_environment
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
            }
        )
    for name in ("LEDGER", "STRIPE_KEY", "MQTT_URL", "PUBLIC_URL", "HEARTBEAT_SECONDS"):
        assert name in str(told.value)


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
    handler._cloud.cache_clear()
    with pytest.raises(SettingsError):
        handler.handle({}, None)


def test_the_handler_answers_and_sweeps(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    for name, value in (GOOD | {"LEDGER": f"sqlite:///{tmp_path}/ledger.db"}).items():
        monkeypatch.setenv(name, value)
    handler._cloud.cache_clear()
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
        handler._cloud().close()
        handler._cloud.cache_clear()
