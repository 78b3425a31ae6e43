"""The config file of a cabinet, as ``cloud.admin add`` prints it: ready for ``kiosk run``."""

from __future__ import annotations

import re
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
    broker_ca_file: str = ""
    journal_dir: Path | None = None


def at_broker(
    mqtt_url: str,
    api_url: str,
    username: str,
    password: str,
    journal_dir: Path | None = None,
    ca_file: str = "",
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
        broker_ca_file=ca_file if tls else "",
        journal_dir=journal_dir,
    )


def account_to_make(machine_id: str) -> str:
    """What the operator must do at the broker, as the table of rights in docs/protocol.md says."""
    own = f"arcade/machine/{machine_id}"
    return (
        f"Make the account {machine_id} at the broker, or give it the new password: the one of "
        f"[broker] below. It may subscribe to {own}/coinpulse, {own}/payment and {own}/gameover, "
        f"publish to {own}/status, and nothing else; its client id must be tied to it. "
        "docs/cloud.md has the broker's files."
    )


def text(machine_id: str, name: str, token: str, after_power_cut: str, around: Surroundings) -> str:
    """The file's text, in ASCII: it may go through any terminal."""
    q = _string
    if around.journal_dir is None:
        relay = 'driver = "gpio"\npin = 17            # BCM number: 9 or above, see docs/cabinet.md'
        journal, screen = "", ""
    else:
        relay = 'driver = "simulated"'
        journal = f"\n[journal]\npath = {q(str(around.journal_dir / f'{machine_id}.db'))}\n"
        screen = "\n[screen]\nfullscreen = false\n"
    ca_file = ""
    if around.broker_ca_file:
        ca_file = f"ca_file = {q(around.broker_ca_file)}  # copy the cloud's file to the cabinet\n"
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
tls = {str(around.broker_tls).lower()}
username = {q(around.broker_username)}
password = {q(around.broker_password)}
{ca_file}
[relay]
{relay}
pulses_per_credit = 1

[rules]
after_power_cut = {q(after_power_cut)}
{journal}{screen}"""


def _string(text: str) -> str:
    """A basic string of TOML. Not JSON's: that writes one letter as two halves, and leaves DEL."""

    def escaped(match: re.Match[str]) -> str:
        letter = match.group()
        if letter in '"\\':
            return f"\\{letter}"
        return f"\\u{ord(letter):04x}" if letter < "\U00010000" else f"\\U{ord(letter):08x}"

    return '"' + re.sub(r"[^ !#-\[\]-~]", escaped, text) + '"'
