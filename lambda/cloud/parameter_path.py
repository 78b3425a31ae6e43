"""Where the settings are that are not in the environment: a path in Parameter Store."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

from cloud.settings import REGION, SettingsError, web_mistakes


@dataclass(frozen=True)
class ParameterPath:
    """Where settings are in Parameter Store: ``ssm:/PATH?region=…``, and if need be ``endpoint``,
    another address than AWS's."""

    path: str
    region: str
    endpoint: str = ""


# What may be kept in Parameter Store, under these names: secrets, and what is known only once the
# API is there.
KEPT_ELSEWHERE = (
    "STRIPE_KEY",
    "STRIPE_WEBHOOK_SECRET",
    "MQTT_URL",
    "MQTT_CABINET_URL",
    "PRESENCE_SECRET",
    "EMQX_PLATFORM_URL",
    "PUBLIC_URL",
)


def is_kept_elsewhere(environment: Mapping[str, str]) -> bool:
    """Whether ``SECRETS`` names a place that has a part of the settings."""
    return bool(environment.get("SECRETS", "").strip())


def parameter_path(environment: Mapping[str, str]) -> ParameterPath:
    """The place that ``SECRETS`` names, or :class:`SettingsError`."""
    parts = urlsplit(environment["SECRETS"].strip())
    options = dict(parse_qsl(parts.query))
    region = options.pop("region", environment.get("AWS_REGION", ""))
    endpoint = options.pop("endpoint", "")
    path = parts.path.rstrip("/")
    if (
        options
        or parts.scheme != "ssm"
        or not re.fullmatch(r"(/[A-Za-z0-9_.-]+)+", path)
        or not REGION.fullmatch(region)
    ):
        raise SettingsError("SECRETS must be like ssm:/arcade-kiosk/test?region=eu-west-1")
    if endpoint:
        example = "https://ssm.eu-west-1.amazonaws.com"
        mistakes = list(web_mistakes("SECRETS's endpoint", endpoint, example, "the secrets"))
        if mistakes:
            raise SettingsError("\n".join(mistakes))
    return ParameterPath(path, region, endpoint)
