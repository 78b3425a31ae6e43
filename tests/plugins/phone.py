"""A phone to tap on pages with: chromium, driven over the W3C WebDriver protocol."""

from __future__ import annotations

import base64
import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
WAIT = 15.0


class Gone(AssertionError):
    """The element is not on the page, or no longer."""


class Phone:
    """One browser window of 360 by 740 with a finger. Selectors are CSS's."""

    def __init__(self, session: str, web: requests.Session) -> None:
        self._session = session
        self._web = web

    def start(self) -> None:
        """To be called once, first."""
        self._devtools("Network.enable", {})
        self._devtools("Emulation.setTouchEmulationEnabled", {"enabled": True})

    def reset(self) -> None:
        """Back to the state of a new phone."""
        self.resize(360, 740)
        self._block([])
        self.open("about:blank")

    def resize(self, width: int, height: int) -> None:
        """Another phone's screen, in CSS pixels."""
        self._devtools(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 2, "mobile": True},
        )

    def block_scripts(self) -> None:
        """Loads no script file from now on."""
        self._block(["*.js"])

    def open(self, url: str) -> None:
        self._ask("POST", "url", {"url": url})

    @property
    def url(self) -> str:
        return str(self._ask("GET", "url"))

    def tap(self, selector: str) -> None:
        # Scrolled to the middle first, so that nothing at the page's edges covers it.
        found = self._find(selector)
        self._ask(
            "POST",
            "execute/sync",
            {
                "script": "arguments[0].scrollIntoView({block: 'center'})",
                "args": [{ELEMENT: found}],
            },
        )
        self._ask("POST", f"element/{found}/click", {})

    def text(self, selector: str) -> str:
        return str(self._ask("GET", f"element/{self._find(selector)}/text"))

    def shows(self, selector: str) -> bool:
        return bool(self._ask("GET", f"element/{self._find(selector)}/displayed"))

    def run(self, script: str) -> Any:
        """What ``script`` returns in the page."""
        return self._ask("POST", "execute/sync", {"script": script, "args": []})

    def wait(self, until: Callable[[Phone], bool]) -> None:
        """Returns once ``until`` is true; fails the test if that does not happen in time."""
        deadline = time.monotonic() + WAIT
        while True:
            # Between one page and the next, an element may be gone.
            with contextlib.suppress(Gone):
                if until(self):
                    return
            assert time.monotonic() < deadline, f"it did not happen in time, at {self.url}"
            time.sleep(0.02)

    def picture(self, file: Path) -> None:
        """A PNG of what the phone shows."""
        file.write_bytes(base64.b64decode(self._ask("GET", "screenshot")))

    def close(self) -> None:
        self._web.delete(self._session, timeout=WAIT)

    def _block(self, patterns: list[str]) -> None:
        self._devtools("Network.setBlockedURLs", {"urls": patterns})

    def _devtools(self, command: str, parameters: dict[str, Any]) -> None:
        self._ask("POST", "goog/cdp/execute", {"cmd": command, "params": parameters})

    def _find(self, selector: str) -> str:
        found = self._ask("POST", "element", {"using": "css selector", "value": selector})
        return str(found[ELEMENT])

    def _ask(self, method: str, path: str, body: object = None) -> Any:
        answer = self._web.request(method, f"{self._session}/{path}", json=body, timeout=WAIT)
        value = answer.json()["value"]
        # There are two errors for a page that is replaced during a request.
        if answer.status_code == 404 or "does not belong to the document" in str(value):
            raise Gone(f"{method} {path}: {value}")
        assert answer.ok, f"{method} {path}: {value}"
        return value


def _program(*names: str) -> str:
    for name in names:
        if found := shutil.which(name):
            return found
    if os.environ.get("CI"):
        pytest.fail(f"{names[0]} is missing: install the packages chromium and chromium-driver")
    pytest.skip(f"{names[0]} is not installed: the page is not tried in a browser")


@pytest.fixture(scope="session")
def webdriver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a running chromedriver."""
    driver = _program("chromedriver")
    log = tmp_path_factory.mktemp("chromedriver") / "log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [driver, "--port=0"],
            stdout=output,
            stderr=output,
            env={**os.environ, "TZ": "UTC"},
        )
    try:
        deadline, marker = time.monotonic() + WAIT, "started successfully on port "
        while marker not in (output_so_far := log.read_text()):
            assert process.poll() is None, output_so_far
            assert time.monotonic() < deadline, output_so_far
            time.sleep(0.02)
        port = output_so_far.partition(marker)[2].partition(".")[0]
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(WAIT)


@pytest.fixture(scope="session")
def browser(webdriver: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Phone]:
    """One chromium for all tests."""
    options = {
        "binary": _program("chromium", "chromium-browser", "google-chrome", "chrome"),
        "args": [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--no-first-run",
            "--force-prefers-reduced-motion",
            f"--user-data-dir={tmp_path_factory.mktemp('chromium')}",
        ],
    }
    with requests.Session() as web:
        made = web.post(
            f"{webdriver}/session",
            json={"capabilities": {"alwaysMatch": {"goog:chromeOptions": options}}},
            timeout=60,
        ).json()["value"]
        assert "sessionId" in made, made
        phone = Phone(f"{webdriver}/session/{made['sessionId']}", web)
        phone.start()
        yield phone
        phone.close()


@pytest.fixture
def phone(browser: Phone) -> Phone:
    """A phone in the state of a new one."""
    browser.reset()
    return browser
