"""The config file of a cabinet, as ``cloud.admin add`` prints it: ready for ``kiosk run``."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit


@dataclass(frozen=True)
class Surroundings:
    """Where a cabinet finds the cloud and the broker.

    ``journal_dir`` is set for a cabinet on this machine, whose relay is simulated and whose screen
    is a window; otherwise the cabinet is a Pi.
    """

    api_url: str
    broker_host: str
    broker_port: int
    broker_tls: bool
    broker_username: str
    broker_password: str
    journal_dir: Path | None = None


def at_broker(
    mqtt_url: str,
    api_url: str,
    username: str,
    password: str,
    journal_dir: Path | None = None,
) -> Surroundings:
    """Surroundings with the broker of ``mqtt_url``, which may carry an account of its own."""
    address = urlsplit(mqtt_url)
    tls = address.scheme == "mqtts"
    return Surroundings(
        api_url=api_url,
        broker_host=address.hostname or "",
        broker_port=address.port or (8883 if tls else 1883),
        broker_tls=tls,
        broker_username=username or unquote(address.username or ""),
        broker_password=password or unquote(address.password or ""),
        journal_dir=journal_dir,
    )


def text(machine_id: str, name: str, token: str, after_power_cut: str, around: Surroundings) -> str:
    """The file's text. JSON strings and booleans are TOML's too."""
    q = json.dumps
    if around.journal_dir is None:
        relay = 'driver = "gpio"\npin = 17            # BCM number: 9 or above, see docs/cabinet.md'
        journal, screen = "", ""
    else:
        relay = 'driver = "simulated"'
        journal = f"\n[journal]\npath = {q(str(around.journal_dir / f'{machine_id}.db'))}\n"
        screen = "\n[screen]\nfullscreen = false\n"
    return f"""\
# The cabinet {machine_id}. Every other setting has a default: see docs/cabinet.md.
# This file holds secrets: chmod 600.

[cabinet]
machine_id = {q(machine_id)}
name = {q(name)}

[cloud]
url = {q(around.api_url)}
token = {q(token)}

[broker]
host = {q(around.broker_host)}
port = {around.broker_port}
tls = {q(around.broker_tls)}
username = {q(around.broker_username)}
password = {q(around.broker_password)}

[relay]
{relay}
pulses_per_credit = 1

[rules]
after_power_cut = {q(after_power_cut)}
{journal}{screen}"""
