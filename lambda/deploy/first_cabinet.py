"""The first cabinet: in the ledger, at the broker, and its config file here."""

from __future__ import annotations

import tomllib

from cloud.services import cabinet_tokens
from deploy.errors import DeployError
from deploy.site import Site


class FirstCabinet:
    """The cabinet that the operator named."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def missing(self) -> str:
        """What is not right; nothing, if all is. A cabinet that was ever heard has its file: a new
        token would stop it."""
        site = self._site
        ledger = site.ledger()
        try:
            found = ledger.cabinet(site.answers.machine_id)
            seen = ledger.presence(site.answers.machine_id)
        finally:
            ledger.close()
        if found is None or found.removed:
            return f"{site.answers.machine_id} is added"
        if seen is not None and seen.seen_at_ms:
            return ""
        if not site.config_file.exists():
            return f"{site.answers.machine_id} gets a new token and its config file"
        digest, url = self._of_file()
        public = site.parameters().get("PUBLIC_URL", "").rstrip("/")
        return (
            "" if (digest, url) == (found.token_hash, public) else "its config file is an old one"
        )

    def act(self) -> None:
        """Adds it, or gives it a new token. ``admin`` writes the file only once the broker has the
        account, so a file that is there says that all of it is."""
        site, answers = self._site, self._site.answers
        words = ["--after-power-cut", answers.after_power_cut, "--output", str(site.config_file)]
        if self._exists():
            done = site.admin("token", answers.machine_id, *words, "--overwrite")
        else:
            done = site.admin(
                "add", answers.machine_id, "--name", answers.name, "--price", answers.price,
                "--currency", answers.currency, *words, "--overwrite",
            )  # fmt: skip
        site.tell(done.strip().splitlines())

    def _exists(self) -> bool:
        ledger = self._site.ledger()
        try:
            found = ledger.cabinet(self._site.answers.machine_id)
        finally:
            ledger.close()
        return found is not None and not found.removed

    def _of_file(self) -> tuple[str, str]:
        """The hash of the token, and the API's address, of the config file."""
        try:
            config = tomllib.loads(self._site.config_file.read_text("utf-8"))
            return cabinet_tokens.digest(str(config["cloud"]["token"])), str(config["cloud"]["url"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DeployError(
                f"{self._site.config_file} cannot be read: move it away, and run this again"
            ) from error
