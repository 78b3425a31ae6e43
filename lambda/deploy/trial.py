"""The first paid game: the real kiosk with a relay that only records, and a test card.

It runs on this machine with the first cabinet's own config file, so token, broker account and rules
are tried too. Its journal is its own.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from cloud.core.orders import OrderState
from cloud.stores.base import Ledger
from deploy import progress
from deploy.errors import DeployError
from deploy.sam import ROOT
from deploy.site import Site

POLL_S = 0.5
START_S = 90.0
PAY_S = 900.0
MARK = "TRIED"


class Trial:
    """A test payment that goes through every hop. It is asked for once."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def missing(self) -> str:
        """Whether the payment is still to be made."""
        site = self._site
        if site.parameters().get(MARK) or site.stripe().live:
            return ""
        ledger = site.ledger()
        try:
            orders = ledger.lagging_orders(site.answers.machine_id)
            if any(order.state is OrderState.SETTLED for order in orders):
                return ""
        finally:
            ledger.close()
        return "a test game is paid"

    def act(self) -> None:
        """Starts the kiosk, prints the link, and shows the payment as it passes."""
        site, say = self._site, self._site.terminal.say
        since_ms = int(time.time() * 1000) - 5000
        ledger = site.ledger()
        try:
            with self._kiosk() as kiosk:
                url = self._link(ledger, kiosk)
                say(f"Pay here, with card 4242 4242 4242 4242, any date to come and any CVC: {url}")
                order = progress.watch(
                    ledger, site.answers.machine_id, since_ms, say, site.sleep, PAY_S
                )
        finally:
            ledger.close()
        if order is None:
            raise DeployError("no payment came in a quarter of an hour: run this again to go on")
        if order.state is not OrderState.SETTLED:
            raise DeployError(
                f"the payment is {order.state.value}: {order.reason or 'look at the alarms'}; run "
                "this again to try another"
            )
        site.aws.put_parameter(site.path, MARK, order.order_id, secret=False)

    def _link(self, ledger: Ledger, kiosk: subprocess.Popen[bytes]) -> str:
        """The cabinet's link, once the cabinet has asked for it and it can be paid."""
        waited = 0.0
        while waited < START_S:
            if kiosk.poll() is not None:
                raise DeployError(f"the kiosk did not start: {self._log().read_text()[-500:]}")
            for link_id in ledger.lagging_link_ids(self._site.answers.machine_id):
                link = ledger.link(link_id)
                if link and link.wanted and link.payable and not link.withdrawn:
                    return link.url
            self._site.sleep(POLL_S)
            waited += POLL_S
        raise DeployError(
            f"the cabinet got no link in {START_S:.0f} s: `python -m deploy status` says what is "
            f"wrong, and {self._log()} what the kiosk says"
        )

    def _log(self) -> Path:
        return self._folder() / "kiosk.log"

    def _folder(self) -> Path:
        return self._site.home / f"{self._site.stage}-trial"

    @contextlib.contextmanager
    def _kiosk(self) -> Iterator[subprocess.Popen[bytes]]:
        """The kiosk, for as long as the block runs."""
        folder = self._folder()
        folder.mkdir(mode=0o700, exist_ok=True)
        config = folder / "kiosk.toml"
        text = simulated(self._site.config_file.read_text("utf-8"), folder / "journal.db")
        config.unlink(missing_ok=True)
        config.touch(mode=0o600)
        config.write_text(text, "utf-8")
        environment = {**os.environ, "SDL_VIDEODRIVER": "dummy", "SDL_AUDIODRIVER": "dummy"}
        with self._log().open("wb") as log:
            kiosk = subprocess.Popen(
                [sys.executable, "-m", "kiosk", "run", "--config", str(config)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=ROOT,
                env=environment,
            )
        try:
            yield kiosk
        finally:
            kiosk.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                kiosk.wait(10)
            if kiosk.poll() is None:
                kiosk.kill()
                kiosk.wait()
            config.unlink(missing_ok=True)


def simulated(config: str, journal: Path) -> str:
    """A cabinet's config file for this machine: its relay only records, its journal is here."""
    relay = re.sub(r'driver = "gpio"\npin = [^\n]*', 'driver = "simulated"', config)
    return f'{relay}\n[journal]\npath = "{journal}"\n\n[screen]\nfullscreen = false\n'
