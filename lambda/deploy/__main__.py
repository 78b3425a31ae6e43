"""The command: ``python -m deploy``, or that with status, upgrade, go-live or destroy."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from cloud.stores.base import LedgerUnavailable
from deploy import answers as texts
from deploy import cost, plan, questions, stack
from deploy.answers import Answers
from deploy.errors import DeployError
from deploy.going_live import go_live
from deploy.sam import ROOT
from deploy.site import Site
from deploy.steps import steps
from deploy.teardown import destroy
from deploy.terminal import RealTerminal, Terminal

HOME = ROOT / ".arcade"


def parser() -> argparse.ArgumentParser:
    """The command line."""
    command_line = argparse.ArgumentParser(
        prog="python -m deploy", description="Puts the cloud on AWS, and keeps it there."
    )
    command_line.add_argument(
        "command",
        nargs="?",
        default="deploy",
        choices=["deploy", "status", "upgrade", "go-live", "destroy"],
        help="deploy (the default) makes what is missing, and may be broken off and begun again",
    )
    command_line.add_argument(
        "--stage", default="main", help="which of several installations, main if not said"
    )
    command_line.add_argument(
        "--ledger-too", action="store_true", help="destroy: the orders as well"
    )
    command_line.add_argument("--debug", action="store_true", help="show where a failure came from")
    return command_line


def main(
    argv: Sequence[str] | None = None,
    terminal: Terminal | None = None,
    home: Path = HOME,
    sleep: Callable[[float], None] = time.sleep,
) -> int:
    """Runs one command; returns the exit status."""
    args = parser().parse_args(argv)
    terminal = terminal or RealTerminal()
    try:
        if not texts.STAGE.fullmatch(args.stage):
            raise DeployError("--stage must be a name of a-z 0-9 -, twenty letters at most")
        file = home / f"deploy-{args.stage}.json"
        if args.command == "deploy":
            deploy(args.stage, file, terminal, sleep)
        else:
            site = known_site(args.stage, file, terminal, sleep)
            commands: dict[str, Callable[[], None]] = {
                "status": lambda: status(site),
                "upgrade": lambda: upgrade(site),
                "go-live": lambda: go_live(site),
                "destroy": lambda: destroy(site, args.ledger_too),
            }
            commands[args.command]()
    except DeployError as error:
        if args.debug:
            raise
        for line in str(error).split("\n"):
            terminal.say(line)
        return 1
    except (LedgerUnavailable, OSError) as error:
        if args.debug:
            raise
        terminal.say(f"{error}: run this again")
        return 1
    except KeyboardInterrupt:
        terminal.say("broken off: begin again with the same command, it goes on from here")
        return 130
    return 0


def deploy(stage: str, file: Path, terminal: Terminal, sleep: Callable[[float], None]) -> None:
    """Asks, shows the plan, asks once whether to go on, and does what is missing."""
    found, aws = questions.region_first(terminal, texts.load(file), file)
    secrets = questions.secrets(terminal, aws, stage)
    found = questions.rest(terminal, found, file)
    site = Site(stage, found, file.parent, terminal, sleep)
    todo = steps(site, secrets)
    site.tell(_plan(site, found))
    site.tell(cost.lines())
    if terminal.ask("Go on? (yes or no)", "yes") not in ("yes", "y"):
        raise DeployError("nothing was changed")
    acted = plan.run(todo, terminal.say)
    if acted:
        terminal.say("AWS has sent an e-mail: confirm in it that alarms may come")
    else:
        terminal.say("Everything was right already: nothing was changed")
    terminal.say(f"The cabinet's config file is {site.config_file}: docs/cabinet.md has the rest")


def _plan(site: Site, found: Answers) -> list[str]:
    return [
        f"Stack {site.name} in {found.region}: API, functions, a table, alarms to {found.email}",
        f"Secrets below {site.path} in Parameter Store; one webhook endpoint at Stripe",
        f"Cabinet {found.machine_id}, {found.name}: {found.price} {found.currency} a play",
    ]


def known_site(stage: str, file: Path, terminal: Terminal, sleep: Callable[[float], None]) -> Site:
    """An installation that was deployed from here."""
    found = texts.load(file)
    if any(not getattr(found, name) for name in texts.FIELDS):
        raise DeployError(f"nothing is deployed as {stage} from this folder: run `make deploy`")
    return Site(stage, found, file.parent, terminal, sleep)


def status(site: Site) -> None:
    """Each step and whether it is right; changes nothing."""
    say = site.terminal.say
    say(f"AWS account {site.aws.account()}, {site.answers.region}, stack {site.name}")
    found = plan.table(steps(site, {}))
    for name, missing in found:
        say(f"{'no ' if missing else 'yes'}  {name}{f': {missing}' if missing else ''}")
    if any(missing for _, missing in found):
        raise DeployError("`make deploy` does what is missing")


def upgrade(site: Site) -> None:
    """Deploys the code of this folder; the version before comes back if the new one is no good."""
    if wrong := stack.api_mistake(site):
        raise DeployError(f"{wrong}: run `make deploy` first, there is nothing good to go back to")
    todo = [
        step
        for step in steps(site, {})
        if step.name in ("Package", "Stack on AWS", "The API answers")
    ]
    if not plan.run(todo, site.terminal.say):
        site.terminal.say("This version is in service already")


if __name__ == "__main__":
    sys.exit(main())
