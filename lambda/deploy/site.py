"""One installation: its names, what is known of it, and the ways to its three services."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path

from cloud.adapters.parameter_store import ParametersUnavailable
from cloud.settings import Settings, SettingsError
from cloud.stores.base import Ledger
from cloud.wiring import open_ledger, read_settings
from deploy.answers import Answers
from deploy.aws import Aws, Stack
from deploy.errors import DeployError
from deploy.sam import ROOT
from deploy.stripe_account import StripeAccount
from deploy.terminal import Terminal

PATH = "/arcade-kiosk"


class Site:
    """The installation ``stage``. ``home`` is where its files are: answers, package, config files
    of cabinets."""

    def __init__(
        self,
        stage: str,
        answers: Answers,
        home: Path,
        terminal: Terminal,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.stage = stage
        self.answers = answers
        self.home = home
        self.terminal = terminal
        self.sleep = sleep

    @property
    def name(self) -> str:
        """The stack's."""
        return f"arcade-kiosk-{self.stage}"

    @property
    def path(self) -> str:
        """Where its secrets are in Parameter Store."""
        return f"{PATH}/{self.stage}"

    @property
    def built(self) -> Path:
        """Where the package is built."""
        return self.home / f"{self.stage}-package"

    @property
    def config_file(self) -> Path:
        """The first cabinet's config file."""
        return self.home / f"{self.answers.machine_id}-{self.stage}.toml"

    @property
    def env_file(self) -> Path:
        """The settings of ``cloud.admin``; without secrets."""
        return self.home / f"{self.stage}.env"

    @cached_property
    def aws(self) -> Aws:
        """The account in the region."""
        return Aws(self.answers.region, self.sleep)

    def parameters(self) -> dict[str, str]:
        """What Parameter Store has."""
        return self.aws.parameters(self.path)

    def stripe(self, key: str = "") -> StripeAccount:
        """The Stripe account of ``key``, or of the key in Parameter Store."""
        key = key or self.parameters().get("STRIPE_KEY", "")
        if not key:
            raise DeployError("there is no Stripe key yet: run `make deploy`")
        return StripeAccount(key, os.environ.get("STRIPE_API_BASE", ""))

    def stack(self) -> Stack:
        """The stack; raises :class:`DeployError` if there is none."""
        found = self.aws.stack(self.name)
        if found is None:
            raise DeployError(
                f"there is no stack {self.name} in {self.answers.region}: run `make deploy`"
            )
        return found

    def api(self) -> str:
        """Where the API answers."""
        address = self.stack().outputs.get("ApiUrl", "")
        if not address:
            raise DeployError(f"the stack {self.name} is not whole: run `make deploy`")
        return address.rstrip("/")

    def environment(self) -> dict[str, str]:
        """The settings of commands that are run here; without secrets."""
        outputs = self.stack().outputs
        missing = [name for name in ("Secrets", "Ledger") if name not in outputs]
        if missing:
            raise DeployError(f"the stack {self.name} is not whole: run `make deploy`")
        endpoint = os.environ.get("AWS_ENDPOINT_URL", "")
        beside = f"&endpoint={endpoint}" if endpoint else ""
        return {
            "SECRETS": outputs["Secrets"] + beside,
            "LEDGER": outputs["Ledger"] + beside,
            "PAYMENT_METHODS": self.stack().parameters.get("PaymentMethods") or "card",
        }

    def settings(self) -> Settings:
        """The cloud's settings as they are now."""
        self.aws.export_credentials()
        try:
            return read_settings({**os.environ, **self.environment()})
        except (ParametersUnavailable, SettingsError) as error:
            raise DeployError(str(error)) from None

    def ledger(self) -> Ledger:
        """The ledger, to be closed."""
        self.aws.export_credentials()
        return open_ledger(self.environment()["LEDGER"])

    def admin(self, *words: str) -> str:
        """Runs one of the operator's commands; what it printed."""
        self.aws.export_credentials()
        done = subprocess.run(
            [sys.executable, "-m", "cloud.admin", *words],
            capture_output=True,
            text=True,
            check=False,
            cwd=ROOT,
            env={**os.environ, **self.environment(), "PYTHONPATH": str(ROOT / "lambda")},
        )
        if done.returncode:
            raise DeployError(done.stderr.strip() or f"`admin {words[0]}` failed")
        return done.stdout + done.stderr

    def tell(self, lines: Sequence[str]) -> None:
        """Prints lines."""
        for line in lines:
            self.terminal.say(line)
