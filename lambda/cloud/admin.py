"""What ``python -m cloud.admin`` runs: one of the operator's commands."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence

from cloud.adapters.stripe_gateway import StripeRefused, StripeUnavailable
from cloud.cli import output
from cloud.cli.admin import Admin, AdminError, parser, sandbox_of
from cloud.cli.broker_accounts import BrokerAccountError
from cloud.settings import SettingsError, from_environment
from cloud.stores.base import LedgerUnavailable
from cloud.wiring import build


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit status."""
    args = parser().parse_args(argv)
    handler = logging.StreamHandler()
    # A command says itself what it wrote; a restore writes old incidents by the thousand.
    handler.addFilter(lambda record: record.name != "cloud.services.ledger_log")
    logging.basicConfig(level=logging.WARNING, format="%(message)s", handlers=[handler])
    try:
        if args.data:
            settings, sandbox = sandbox_of(args.data.resolve())
        else:
            settings, sandbox = from_environment(os.environ), {}
        cloud = build(settings)
        try:
            admin = Admin(cloud, settings, sandbox, args.data and args.data.resolve())
            getattr(admin, args.command.replace("-", "_"))(args)
        finally:
            cloud.close()
    except (
        AdminError,
        BrokerAccountError,
        output.OutputError,
        SettingsError,
        LedgerUnavailable,
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
