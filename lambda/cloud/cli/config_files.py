"""Hands a cabinet's config file out: with its token, which is shown once and never again."""

from __future__ import annotations

import argparse
import contextlib
import secrets
from collections.abc import Iterator
from pathlib import Path

from cloud.cli import broker_accounts, cabinet_config, output
from cloud.cli.desk import Desk
from cloud.core.cabinets import Cabinet


def add_output(command: argparse.ArgumentParser) -> None:
    """``--output`` and ``--overwrite``."""
    command.add_argument("--output", type=Path, metavar="FILE", help="for its owner alone (0600)")
    command.add_argument("--overwrite", action="store_true", help="replace FILE if it is there")


def add_after_power_cut(command: argparse.ArgumentParser) -> None:
    """What the operator has to decide for each cabinet: there is no default that is right."""
    command.add_argument(
        "--after-power-cut",
        choices=["forgive", "charge"],
        required=True,
        help="what a player pays for pulses made before the power went: forgive if the game "
        "forgets its credits without power, as most do; charge if it keeps them",
    )


@contextlib.contextmanager
def opened(args: argparse.Namespace) -> Iterator[output.SecretFile | None]:
    """The file that was asked for, if one was; gone again if the command fails."""
    file = output.SecretFile(args.output, args.overwrite) if args.output else None
    try:
        yield file
    finally:
        if file:
            file.drop()


def hand_out(
    desk: Desk,
    cabinet: Cabinet,
    token: str,
    args: argparse.Namespace,
    file: output.SecretFile | None,
) -> None:
    """Writes or prints the config file of a cabinet with a new token."""
    settings = desk.settings
    if desk.sandbox:
        around = cabinet_config.at_broker(
            settings.mqtt_url,
            desk.sandbox["api"],
            desk.sandbox["mqtt_username"],
            desk.sandbox["mqtt_password"],
            desk.data,
        )
    else:
        password = secrets.token_urlsafe(24)
        around = cabinet_config.at_broker(
            settings.mqtt_cabinet_url or settings.mqtt_url,
            settings.public_url,
            cabinet.machine_id,
            password,
            ca_file=settings.mqtt_ca_file,
        )
        made = broker_accounts.make(settings, cabinet.machine_id, password, args.broker_files)
        for sentence in made:
            output.error(sentence)
    text = cabinet_config.text(
        cabinet.machine_id, cabinet.name, token, args.after_power_cut, around
    )
    if file is None:
        output.document(text)
    else:
        file.write(text)
        output.line(f"{cabinet.machine_id}: its config file is {file.path}")
