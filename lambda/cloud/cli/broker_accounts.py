"""The broker's side of a cabinet: its account is made and removed with it.

Over the API of an EMQX deployment, where that is the broker; in files where ``--broker-files``
names a folder; otherwise by hand, and told how.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from urllib.parse import unquote, urlsplit

from cloud.adapters.emqx_accounts import EmqxAccounts, ForeignRules
from cloud.adapters.emqx_api import EmqxApi, EmqxFailed
from cloud.cli import broker_files, cabinet_config
from cloud.settings import Settings


class BrokerAccountError(Exception):
    """A sentence for the operator."""


def add_arguments(command: argparse.ArgumentParser) -> None:
    """The option of the commands that make or remove an account."""
    command.add_argument(
        "--broker-files",
        type=Path,
        metavar="FOLDER",
        help="where to write the account and its rules: mosquitto's files, or tables for EMQX",
    )


def check_name(settings: Settings, machine_id: str) -> None:
    """Refuses a cabinet whose account would be another's at the broker."""
    if machine_id in {_account(settings)[0], "cloud", "monitor"}:
        raise BrokerAccountError(
            f"{machine_id} is the name of another account at the broker: give the cabinet another"
        )


def make(settings: Settings, machine_id: str, password: str, folder: Path | None) -> list[str]:
    """Makes the account, or gives it this password; returns what to tell the operator."""
    if folder is not None:
        return _write(settings, machine_id, password, folder)
    if not settings.broker_is_emqx_api:
        return [cabinet_config.account_to_make(machine_id)]
    accounts = _emqx(settings)
    try:
        try:
            made = accounts.ensure_rules()
        except ForeignRules:
            raise BrokerAccountError(
                "the deployment has rules for all users that are not these, and they are not "
                "touched: replace them in EMQX's console, under Access Control, as docs/cloud.md "
                f"says, then run `token {machine_id}`"
            ) from None
        accounts.put(machine_id, password)
    except EmqxFailed as error:
        raise BrokerAccountError(
            f"{machine_id} has no account at the broker yet: {error}; then run `token {machine_id}`"
            ", or add --broker-files FOLDER to get tables for EMQX's import"
        ) from None
    finally:
        accounts.close()
    rules = ", and the rules for all cabinets" if made else ""
    return [f"{machine_id}: its account at the broker is made{rules}"]


def remove(settings: Settings, machine_id: str, folder: Path | None) -> list[str]:
    """Takes the account away; returns what to tell the operator."""
    if settings.broker_is_emqx_api and folder is None:
        accounts = _emqx(settings)
        try:
            accounts.remove(machine_id)
        except EmqxFailed as error:
            raise BrokerAccountError(
                f"{machine_id} is removed here, but not at the broker: {error}; then delete the "
                f"account {machine_id} in EMQX's console, under Access Control"
            ) from None
        finally:
            accounts.close()
        return [f"{machine_id}: its account at the broker is deleted"]
    if settings.broker_is_emqx_api or folder is None:
        return [
            f"Delete the account {machine_id} at the broker too: whoever has the cabinet's login "
            "can still connect with it."
        ]
    file = broker_files.remove_mosquitto(folder, machine_id)
    return [
        f"{file}: {machine_id} is taken out; `systemctl reload mosquitto` ends its connection too"
    ]


def _write(settings: Settings, machine_id: str, password: str, folder: Path) -> list[str]:
    if settings.broker_is_emqx_api:
        accounts, rules = broker_files.write_emqx(folder, machine_id, password)
        return [
            f"Import {accounts} in EMQX's console under Access Control, Authentication, and "
            f"{rules} under Authorization; then delete {accounts}: it holds passwords."
        ]
    files = broker_files.write_mosquitto(folder, machine_id, password)
    name, own = _account(settings)
    if name:
        files += broker_files.write_mosquitto_cloud(folder, name, own)
    written = ", ".join(file.name for file in files)
    return [f"{folder}: {written} are written; `systemctl reload mosquitto` makes it read them"]


def _emqx(settings: Settings) -> EmqxAccounts:
    return EmqxAccounts(EmqxApi(settings.mqtt_url, settings.mqtt_ca_file, timeout=15.0))


def _account(settings: Settings) -> tuple[str, str]:
    """The cloud's own account at the broker; an API key is none."""
    if settings.broker_is_emqx_api:
        return "", ""
    address = urlsplit(settings.mqtt_url)
    return unquote(address.username or ""), unquote(address.password or "")
