"""The stack on AWS: made, changed, and taken back to the version before if the new one is no good.

    keep the template in force ── deploy ── the API answers ── done
                                     │            └── it does not ── deploy what was kept
                                     └── fails ── CloudFormation takes it back itself

The template in force names the code of its version in S3, so the way back needs nothing of this
machine but a file that can be read again from AWS.
"""

from __future__ import annotations

import requests

from deploy import sam
from deploy.aws import Stack
from deploy.errors import DeployError
from deploy.site import Site

TAG = "arcade-package"
ANSWER_S = 120.0
POLL_S = 3.0


class StackStep:
    """The stack of one installation with the package that is built here."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def missing(self) -> str:
        """What is not right; nothing, if all is."""
        site = self._site
        found = site.aws.stack(site.name)
        if found is None:
            return "to be made; this takes two or three minutes"
        if not found.usable:
            return f"is {found.status}"
        if found.tags.get(TAG) != sam.package_hash():
            return "has another version of the code"
        wrong = {k for k, v in self._parameters().items() if found.parameters.get(k) != v}
        return f"has another {', '.join(sorted(wrong))}" if wrong else ""

    def act(self) -> None:
        """Makes or changes it."""
        site = self._site
        before = site.aws.settled_stack(site.name)
        if before is not None and before.status in ("ROLLBACK_COMPLETE", "REVIEW_IN_PROGRESS"):
            # A first try that failed: nothing of it is in service, and it cannot be changed.
            site.aws.delete_stack(site.name)
            before = None
        was_good = before is not None and before.usable and not api_mistake(site)
        kept = site.home / f"{site.stage}-before.yaml"
        if before is not None and was_good:
            kept.write_text(site.aws.template(site.name), "utf-8")
        sam.deploy(
            site.built / "template.yaml",
            site.name,
            site.answers.region,
            self._parameters(),
            {TAG: sam.package_hash()},
        )
        if before is not None and was_good:
            wait_for_api(site)
            if wrong := api_mistake(site):
                self._back(before, wrong)

    def _back(self, before: Stack, wrong: str) -> None:
        site = self._site
        kept = site.home / f"{site.stage}-before.yaml"
        # sam has no word for an empty value; what is not named stays as it is.
        named = {name: value for name, value in before.parameters.items() if value}
        sam.deploy(kept, site.name, site.answers.region, named, before.tags)
        wait_for_api(site)
        state = "which answers" if not api_mistake(site) else "which does not answer either"
        raise DeployError(
            f"the new version is no good ({wrong}): the one before is in service again, {state}; "
            "the log of the function Handler in AWS's console says why"
        )

    def _parameters(self) -> dict[str, str]:
        return {"Stage": self._site.stage, "AlarmEmail": self._site.answers.email}


def api_mistake(site: Site) -> str:
    """What the API says that is not what it should; nothing, if it answers as ours does."""
    address = site.api()
    try:
        answer = requests.get(f"{address}/status", timeout=20, allow_redirects=False)
        found = answer.json() if answer.status_code == 200 else None
        if not (isinstance(found, dict) and found.get("status") == "up"):
            return f"{address} answers {answer.status_code}, and not as it should"
        # This one asks the ledger: a function that may not read it starts all the same.
        page = requests.get(
            f"{address}/receipt", {"session_id": "cs_none"}, timeout=20, allow_redirects=False
        )
    except (requests.RequestException, ValueError):
        return f"{address} does not answer"
    if page.status_code == 200 and page.headers.get("Content-Type", "").startswith("text/html"):
        return ""
    return f"{address} cannot read the ledger ({page.status_code})"


def wait_for_api(site: Site) -> None:
    """Waits for two minutes at most: until an API's address is known everywhere takes a while."""
    waited = 0.0
    while api_mistake(site) and waited < ANSWER_S:
        site.sleep(POLL_S)
        waited += POLL_S
