"""The cloud's settings, read from its environment. Every mistake is reported at once."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit


class SettingsError(Exception):
    """The settings cannot be used; the message has one line for each thing that is wrong."""


@dataclass(frozen=True)
class Times:
    """Seconds. The reasons for the defaults are in ``docs/protocol.md``."""

    deadline: float = 120.0
    heartbeat: float = 300.0
    unsettled: float = 900.0
    abandon_before: float = 24 * 3600.0
    sweep: float = 30.0

    @property
    def silence(self) -> float:
        """A cabinet that was silent for so long takes no payments."""
        return 2 * self.heartbeat


@dataclass(frozen=True)
class Settings:
    """Where everything is, and the secrets. ``public_url`` is where phones reach the API;
    ``payment_methods`` are what the links take, by Stripe's names."""

    ledger: str
    stripe_key: str = field(repr=False)
    webhook_secret: str = field(repr=False)
    mqtt_url: str = field(repr=False)
    public_url: str
    stripe_api_base: str = ""
    times: Times = Times()
    payment_methods: tuple[str, ...] = ("card",)


# What a Payment Link can take and Stripe can hold: a player is charged after the coins dropped.
CAN_BE_HELD = (
    "affirm",
    "afterpay_clearpay",
    "alma",
    "billie",
    "card",
    "cashapp",
    "klarna",
    "link",
    "mobilepay",
    "paypal",
    "satispay",
)

_TIMES = {
    "ORDER_DEADLINE_SECONDS": "deadline",
    "HEARTBEAT_SECONDS": "heartbeat",
    "UNSETTLED_SECONDS": "unsettled",
    "GIVE_UP_BEFORE_SECONDS": "abandon_before",
    "SWEEP_SECONDS": "sweep",
}

# Lambda ends a sweep after 55 s, and a call of Stripe that has begun may take 23 s.
_MOST_SECONDS = {"SWEEP_SECONDS": 30}


def from_environment(environment: Mapping[str, str]) -> Settings:
    """Reads the settings, or raises :class:`SettingsError` with all that is wrong."""
    mistakes: list[str] = []

    def need(name: str, what: str) -> str:
        value = environment.get(name, "").strip()
        if not value:
            mistakes.append(f"{name} is not set: {what}")
        return value

    ledger = need("LEDGER", "where the orders are kept, as in sqlite:////var/lib/arcade/ledger.db")
    if ledger and not ledger.startswith("sqlite:///"):
        mistakes.append("LEDGER must begin with sqlite:///, the only store there is")
    if ledger and "AWS_LAMBDA_FUNCTION_NAME" in environment:
        mistakes.append(
            "LEDGER is a SQLite file, which would be lost with the Lambda environment it is in: "
            "run the cloud on a machine of its own"
        )
    key = need("STRIPE_KEY", "the secret or restricted key from Stripe's dashboard")
    secret = need("STRIPE_WEBHOOK_SECRET", "the signing secret of the webhook endpoint (whsec_…)")
    broker = need("MQTT_URL", "the broker, as in mqtts://cloud:password@host:8883")
    if broker and not re.match(r"mqtts?://[^/]", broker):
        mistakes.append("MQTT_URL must begin with mqtt:// or mqtts:// and name a host")
    public = need("PUBLIC_URL", "where phones reach this API, as in https://pay.example.com")
    if public and urlsplit(public).scheme not in ("http", "https"):
        mistakes.append("PUBLIC_URL must begin with https://")
    times = _times(environment, mistakes)
    methods = _payment_methods(environment, mistakes)
    if mistakes:
        raise SettingsError("\n".join(mistakes))
    return Settings(
        ledger=ledger,
        stripe_key=key,
        webhook_secret=secret,
        mqtt_url=broker,
        public_url=public.rstrip("/"),
        stripe_api_base=environment.get("STRIPE_API_BASE", ""),
        times=times,
        payment_methods=methods,
    )


def times_of(environment: Mapping[str, str]) -> Times:
    """The times alone, or :class:`SettingsError` with all that is wrong."""
    mistakes: list[str] = []
    times = _times(environment, mistakes)
    if mistakes:
        raise SettingsError("\n".join(mistakes))
    return times


def _payment_methods(environment: Mapping[str, str], mistakes: list[str]) -> tuple[str, ...]:
    words = environment.get("PAYMENT_METHODS", "card").split(",")
    methods = tuple(dict.fromkeys(word.strip().lower() for word in words if word.strip()))
    strange = [method for method in methods if method not in CAN_BE_HELD]
    if strange or not methods:
        mistakes.append(
            f"PAYMENT_METHODS must be names with commas between them, of {', '.join(CAN_BE_HELD)}"
            + (f": {', '.join(strange)} cannot be held and charged later" if strange else "")
        )
    return methods


def _times(environment: Mapping[str, str], mistakes: list[str]) -> Times:
    times: dict[str, float] = {}
    for name, attribute in _TIMES.items():
        if name in environment:
            try:
                times[attribute] = float(environment[name])
            except ValueError:
                times[attribute] = -1.0
            most = _MOST_SECONDS.get(name, 6 * 24 * 3600)
            if not 1 <= times[attribute] <= most:
                mistakes.append(f"{name} must be a number of seconds from 1 to {most}")
    return Times(**times)
