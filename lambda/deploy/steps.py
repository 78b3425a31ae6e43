"""The steps of a deployment, in their order; :mod:`deploy.plan` runs them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable

from deploy import sam
from deploy.answers import FIELDS
from deploy.errors import DeployError
from deploy.first_cabinet import FirstCabinet
from deploy.plan import Step
from deploy.site import Site
from deploy.stack import StackStep, api_mistake, wait_for_api
from deploy.trial import Trial
from deploy.webhook import Webhook


def steps(site: Site, secrets: dict[str, str]) -> list[Step]:
    """All of them. ``secrets`` were answered just now; those that are not in it are kept."""
    cabinet, webhook, trial = FirstCabinet(site), Webhook(site), Trial(site)
    stack = StackStep(site)
    return [
        Step("Secrets in Parameter Store", *_secrets(site, secrets)),
        Step("Package", *_package(site)),
        Step("Stack on AWS", stack.missing, stack.act),
        Step("Stripe's webhook endpoint", webhook.missing, webhook.act),
        Step("The API answers", *_answers(site)),
        Step("Settings of the operator's commands", *_env_file(site)),
        Step("First cabinet", cabinet.missing, cabinet.act),
        Step("Test payment", trial.missing, trial.act),
    ]


Pair = tuple[Callable[[], str], Callable[[], None]]


def _secrets(site: Site, wanted: dict[str, str]) -> Pair:
    def differing() -> list[str]:
        kept = site.parameters()
        return sorted(name for name, value in wanted.items() if kept.get(name) != value)

    def missing() -> str:
        left = differing()
        absent = {"STRIPE_KEY", "MQTT_URL", "MQTT_CABINET_URL"} - set(site.parameters())
        left += sorted(absent - set(left))
        return f"{', '.join(left)} to be stored" if left else ""

    def act() -> None:
        for name in differing():
            site.aws.put_parameter(site.path, name, wanted[name])

    return missing, act


def _package(site: Site) -> Pair:
    mark = site.built / "package-hash"

    def missing() -> str:
        built = mark.read_text("ascii") if mark.exists() else ""
        return "" if built == sam.package_hash() else "to be built"

    def act() -> None:
        before = sam.package_hash()
        shutil.rmtree(site.built, ignore_errors=True)
        sam.build(site.built)
        mark.write_text(before, "ascii")

    return missing, act


def _answers(site: Site) -> Pair:
    return lambda: api_mistake(site), lambda: wait_for_api(site)


def _env_file(site: Site) -> Pair:
    def text() -> str:
        return "".join(f"{name}={value}\n" for name, value in sorted(site.environment().items()))

    def missing() -> str:
        there = site.env_file.read_text("utf-8") if site.env_file.exists() else ""
        return "" if there == text() else f"to be written to {site.env_file}"

    def act() -> None:
        site.env_file.write_text(text(), "utf-8")

    return missing, act


def check_answered(site: Site) -> None:
    """Raises :class:`DeployError` unless the operator was asked all."""
    if any(not getattr(site.answers, name) for name in FIELDS):
        raise DeployError(f"nothing is deployed as {site.stage} from here: run `make deploy`")
    if not os.access(site.home, os.W_OK):
        raise DeployError(f"{site.home} cannot be written")
