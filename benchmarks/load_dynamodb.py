"""The load of 500 cabinets with the ledger in DynamoDB, that is in a stand-in on this machine.

The stand-in is dynalite, or moto without it. Both answer one request at a time and share the cores
with all else, so the rate is theirs; what counts is that nothing is lost or doubled.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

from benchmarks import load
from benchmarks.rows import Row
from cloud import wiring
from cloud.settings import Settings
from cloud.stores.dynamodb_client import DynamoDBClient
from cloud.stores.dynamodb_table import TABLE
from cloud.wiring import Cloud
from sandbox import __main__ as sandbox

SERVERS = Path(__file__).parents[1] / "tests" / "plugins"
NAME, REGION = "load", "eu-west-1"


def run() -> list[Row]:
    """Fifty cabinets, and ten times as many."""
    rows = []
    few = None
    for cabinets, payments in ((50, 400), (500, 1000)):
        with server() as (program, ledger):
            outcome = load.load(cabinets, payments, ledger=ledger)
        few = few or outcome
        rows += load.rows_of(f"{cabinets} cabinets, {program}", outcome, few)
    return rows


@contextlib.contextmanager
def server() -> Iterator[tuple[str, str]]:
    """A stand-in with an empty table: its name, and the ledger's address."""
    program, command = "moto", [sys.executable, str(SERVERS / "moto_server.py")]
    node, dynalite = shutil.which("node"), SERVERS / "dynalite"
    if node and (dynalite / "node_modules" / ".ready").exists():
        program, command = "dynalite", [node, str(dynalite / "serve.js")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        endpoint = f"http://127.0.0.1:{int(process.stdout.readline())}"
        # The sandbox's process gets them from here, as Lambda's would from AWS.
        os.environ |= {"AWS_ACCESS_KEY_ID": "of", "AWS_SECRET_ACCESS_KEY": "benchmarks"}
        _create_table(endpoint)
        yield program, f"dynamodb://{NAME}?region={REGION}&endpoint={quote(endpoint, safe='')}"
    finally:
        process.terminate()
        process.communicate(timeout=10)


def _create_table(endpoint: str) -> None:
    client = DynamoDBClient(REGION, endpoint)
    try:
        client.call("CreateTable", {"TableName": NAME, **TABLE})
        load.until(
            lambda: (
                client.call("DescribeTable", {"TableName": NAME})["Table"]["TableStatus"]
                == "ACTIVE"
            ),
            10,
            "the table",
        )
    finally:
        client.close()


def main(arguments: Sequence[str]) -> int:
    """``python -m benchmarks.load_dynamodb LEDGER …``: the sandbox with another ledger."""
    ledger, *words = arguments

    def build(settings: Settings) -> Cloud:
        return wiring.build(replace(settings, ledger=ledger))

    return sandbox.main(words, build)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
