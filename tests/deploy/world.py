"""The three services of a deployment on loopback, and an operator who types answers.

AWS is moto (identity, parameters, the table) and a CloudFormation of ours; ``sam`` is a program
that records what it is told; Stripe is the simulator with an account before it; the broker is the
stand-in of EMQX's API. What "Lambda" runs is the handler's own code, over HTTP.
"""

from __future__ import annotations

import json
import os
import stat
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from cloud.adapters.parameter_store import ParametersUnavailable
from cloud.current_cloud import CurrentCloud
from cloud.server.gateway import lambda_app
from cloud.server.http_server import HttpServer
from cloud.settings import SettingsError
from deploy.__main__ import main
from sandbox import ports
from sandbox.checkout_adapter import SimulatorCheckout
from sandbox.checkout_page import create_page
from sandbox.stripe_simulator.api import create_app
from sandbox.stripe_simulator.simulator import StripeSimulator
from tests.fakes.cloudformation import CloudFormation, Stack
from tests.fakes.emqx import KEY, Emqx
from tests.fakes.stripe_account import StripeAccounts
from tests.plugins.dynamodb import REGION, create_table

TEST_KEY = "sk_test_" + "t" * 24
LIVE_KEY = "sk_live_" + "l" * 24
ROUTES = [
    "GET /status",
    "POST /status",
    "POST /create-payment-link",
    "POST /addCredit",
    "POST /claim",
    "POST /settle",
    "POST /gameover",
    "GET /receipt",
]

SAM = """#!{python}
import json, os, pathlib, sys, urllib.error, urllib.request
words = sys.argv[1:]
with open({log!r}, "a") as log:
    log.write(json.dumps(words) + "\\n")
def after(name):
    return words[words.index(name) + 1]
def pairs(name):
    if name not in words:
        return {{}}
    found = {{}}
    for word in words[words.index(name) + 1:]:
        if word.startswith("--"):
            break
        key, _, value = word.partition("=")
        found[key] = value
    return found
if words[0] == "build":
    folder = pathlib.Path(after("--build-dir"))
    folder.mkdir(parents=True)
    (folder / "template.yaml").write_text("template")
else:
    template = pathlib.Path(after("--template-file")).read_text()
    asked = {{"name": after("--stack-name"), "template": template,
             "parameters": pairs("--parameter-overrides"), "tags": pairs("--tags")}}
    try:
        urllib.request.urlopen({url!r} + "/deploy", json.dumps(asked).encode(), timeout=20)
    except urllib.error.HTTPError as error:
        print(error.read().decode())
        sys.exit(1)
"""


class Operator:
    """A terminal at which somebody types ``answers``, by the beginning of each question."""

    def __init__(self, answers: dict[str, str]) -> None:
        self.answers = answers
        self.lines: list[str] = []
        self.asked: list[str] = []
        self.on_line: Callable[[str], None] = lambda _line: None
        self.secret: Callable[[str], str] = self.ask

    def say(self, text: str = "") -> None:
        self.lines.append(text)
        self.on_line(text)

    def ask(self, question: str, default: str = "") -> str:
        self.asked.append(question)
        for beginning, answer in self.answers.items():
            if question.startswith(beginning):
                return answer
        return default

    def ask_secret(self, question: str) -> str:
        return self.secret(question)

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


class World:
    """All of it for one installation, ``stage``."""

    def __init__(
        self, stage: str, folder: Path, moto: str, parts: ExitStack, patch: pytest.MonkeyPatch
    ) -> None:
        self.stage = stage
        self.moto = moto
        self.home = folder / "home"
        self.table = f"arcade-{stage}"
        self.broken: set[str] = set()  # packages whose function does not answer
        self.blind: set[str] = set()  # packages whose function cannot read the ledger
        self.clock = 0.0
        self.really_sleep = False  # for a kiosk that runs beside
        self._parts = parts
        self._lock = threading.Lock()
        self._cloud: CurrentCloud | None = None
        self.formation = CloudFormation(self._make, self._unmake)
        parts.callback(self.formation.stop)
        api = parts.enter_context(ports.listen_again("127.0.0.1", 0))
        stripe = parts.enter_context(ports.listen_again("127.0.0.1", 0))
        self.api = f"http://127.0.0.1:{ports.port_of(api)}"
        simulator = StripeSimulator(folder, TEST_KEY, "whsec_none", self.api, None)
        parts.callback(simulator.stop)
        self.accounts = StripeAccounts(
            simulator, create_app(simulator), {TEST_KEY: "acct_1", LIVE_KEY: "acct_1"}
        )
        gateway = lambda_app(self._handle, routes=ROUTES)
        page = create_page(SimulatorCheckout(simulator.checkout))
        for server in (
            HttpServer(self.accounts, stripe, 8),
            HttpServer(DispatcherMiddleware(gateway, {"/pay": page}), api, 8),
        ):
            server.start()
            parts.callback(server.stop)
        simulator.start()
        self.simulator = simulator
        self.emqx = Emqx()
        parts.callback(self.emqx.stop)
        parts.callback(self._close)
        self.sam_log = folder / "sam.log"
        self._sam(folder / "bin")
        for name, value in {
            "AWS_ACCESS_KEY_ID": "of",
            "AWS_SECRET_ACCESS_KEY": "tests",
            "AWS_ENDPOINT_URL": moto,
            "AWS_ENDPOINT_URL_CLOUDFORMATION": self.formation.url,
            "AWS_EC2_METADATA_DISABLED": "true",
            "STRIPE_API_BASE": f"http://127.0.0.1:{ports.port_of(stripe)}",
            "ARCADE_SAM_PATH": str(folder / "bin"),
        }.items():
            patch.setenv(name, value)
        self.operator = Operator(
            {
                "AWS region": REGION,
                "Stripe's test key": TEST_KEY,
                "Stripe's live key": LIVE_KEY,
                "Address of EMQX": f"http://127.0.0.1:{self.emqx.port}/api/v5",
                "App ID": KEY[0],
                "App Secret": KEY[1],
                "Where cabinets": "mqtt://127.0.0.1:1883",
                "E-mail": "me@example.com",
                "Real cards": "live",
                f"Type {stage}": stage,
            }
        )

    def run(self, *words: str) -> int:
        """The command, as the operator runs it."""
        return main([*words, "--stage", self.stage], self.operator, self.home, self._sleep)

    def tried(self) -> None:
        """The test payment counts as made."""
        self.put("TRIED", "cs_test_1", "String")

    def put(self, name: str, value: str, kind: str = "SecureString") -> None:
        """Writes a parameter beside the command."""
        self.client("ssm").put_parameter(
            Name=f"/arcade-kiosk/{self.stage}/{name}", Value=value, Type=kind, Overwrite=True
        )

    def client(self, service: str) -> Any:
        """moto's."""
        return boto3.client(service, region_name=REGION, endpoint_url=self.moto)

    def parameters(self) -> dict[str, tuple[str, str]]:
        """What is in Parameter Store, with its type."""
        found = self.client("ssm").get_parameters_by_path(
            Path=f"/arcade-kiosk/{self.stage}", WithDecryption=True, MaxResults=10
        )
        return {
            one["Name"].rpartition("/")[2]: (one["Value"], one["Type"])
            for one in found["Parameters"]
        }

    def endpoints(self, key: str = TEST_KEY) -> list[dict[str, Any]]:
        """The webhook endpoints of an account."""
        return self.accounts.endpoints.get(key, [])

    def sam_calls(self) -> list[list[str]]:
        """What ``sam`` was told."""
        if not self.sam_log.exists():
            return []
        return [json.loads(line) for line in self.sam_log.read_text().splitlines()]

    @property
    def stack(self) -> Stack:
        return self.formation.stacks[f"arcade-kiosk-{self.stage}"]

    def restart(self) -> None:
        """New Lambda environments, which read the settings anew."""
        self._close()

    def _sleep(self, seconds: float) -> None:
        self.clock += seconds
        if self.really_sleep:
            time.sleep(min(seconds, 0.1))

    def _sam(self, folder: Path) -> None:
        folder.mkdir()
        program = folder / "sam"
        program.write_text(
            SAM.format(python=sys.executable, log=str(self.sam_log), url=self.formation.url)
        )
        program.chmod(program.stat().st_mode | stat.S_IXUSR)

    def _make(self, _stack: Stack) -> dict[str, str]:
        create_table(self.moto, self.table)
        self.put("PUBLIC_URL", self.api, "String")
        return {
            "ApiUrl": self.api,
            "Secrets": f"ssm:/arcade-kiosk/{self.stage}?region={REGION}",
            "Ledger": f"dynamodb://{self.table}?region={REGION}&keep_years=10",
        }

    def _unmake(self, _stack: Stack) -> None:
        self.client("ssm").delete_parameters(Names=[f"/arcade-kiosk/{self.stage}/PUBLIC_URL"])
        self._close()

    def _handle(self, event: dict[str, Any], _context: Any) -> dict[str, Any]:
        stack = self.formation.stacks.get(f"arcade-kiosk-{self.stage}")
        if stack is None or stack.tags.get("arcade-package") in self.broken:
            return {"statusCode": 500, "body": '{"message":"Internal Server Error"}'}
        if stack.tags["arcade-package"] in self.blind and event["routeKey"] != "GET /status":
            return {"statusCode": 503, "body": '{"error":"the ledger cannot be read now"}'}
        try:
            with self._lock:
                cloud = self._current(stack).get()
        except (ParametersUnavailable, SettingsError):
            return {"statusCode": 500, "body": '{"message":"Internal Server Error"}'}
        return cloud.api.handle(event)

    def _current(self, stack: Stack) -> CurrentCloud:
        if self._cloud is None:
            endpoint = f"&endpoint={self.moto}"
            self._cloud = CurrentCloud(
                {
                    **os.environ,
                    "SECRETS": stack.outputs["Secrets"] + endpoint,
                    "LEDGER": stack.outputs["Ledger"] + endpoint,
                },
                lambda: 1_000_000.0 + self.clock,
            )
        return self._cloud

    def _close(self) -> None:
        if self._cloud is not None and self._cloud._cloud is not None:
            self._cloud._cloud.close()
        self._cloud = None


@contextmanager
def world_of(stage: str, folder: Path, moto: str, patch: pytest.MonkeyPatch) -> Iterator[World]:
    """A world for the length of a block."""
    with ExitStack() as parts:
        yield World(stage, folder, moto, parts, patch)
