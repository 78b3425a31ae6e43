"""What ``python -m cloud.admin`` and ``arcade-admin`` run: one of the operator's commands."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence

from cloud.adapters.parameter_store import ParametersUnavailable
from cloud.adapters.stripe_gateway import StripeRefused, StripeUnavailable
from cloud.cli import admin, env_file, output, sandboxes
from cloud.cli.broker_accounts import BrokerAccountError
from cloud.cli.desk import AdminError, Desk
from cloud.settings import SettingsError
from cloud.stores.base import LedgerUnavailable
from cloud.wiring import build, read_settings


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit status."""
    args = admin.parser().parse_args(argv)
    handler = logging.StreamHandler()
    # A command says itself what it wrote; a restore writes old incidents by the thousand.
    handler.addFilter(lambda record: record.name != "cloud.services.ledger_log")
    logging.basicConfig(level=logging.WARNING, format="%(message)s", handlers=[handler])
    try:
        data = args.data.resolve() if args.data else None
        if data:
            settings, sandbox = sandboxes.settings_of(data)
        else:
            environment = env_file.environment(args.env_file, os.environ)
            settings, sandbox = read_settings(environment), {}
        cloud = build(settings)
        try:
            admin.run(Desk(cloud, settings, sandbox, data), args)
        finally:
            cloud.close()
    except (
        AdminError,
        BrokerAccountError,
        output.OutputError,
        SettingsError,
        LedgerUnavailable,
        ParametersUnavailable,
        StripeUnavailable,
        StripeRefused,
    ) as error:
        if args.debug:
            raise
        output.error(error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
