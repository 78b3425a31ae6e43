"""Two independent DynamoDBs over HTTP: moto's, and dynalite; one of each for a whole run."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cloud.stores.dynamodb_client import DynamoDBClient
from cloud.stores.dynamodb_table import TABLE

FOLDER = Path(__file__).parent
REGION = "eu-west-1"
PATIENCE_S = 30.0  # a stand-in may be slow where many tests run at once
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "of", "AWS_SECRET_ACCESS_KEY": "tests"}


def client_of(endpoint: str) -> DynamoDBClient:
    """A client with credentials that only a stand-in takes."""
    return DynamoDBClient(
        REGION, endpoint, CREDENTIALS, sleep=lambda _seconds: None, read_s=PATIENCE_S
    )


def table_names(client: DynamoDBClient) -> set[str]:
    """All tables; a stand-in that many tests share lists them by hundreds."""
    found: set[str] = set()
    page = client.call("ListTables", {})
    while True:
        found.update(page["TableNames"])
        last = page.get("LastEvaluatedTableName")
        if not last:
            return found
        page = client.call("ListTables", {"ExclusiveStartTableName": last})


def create_table(endpoint: str, name: str) -> None:
    """Makes the ledger's table, if it is not there."""
    client = client_of(endpoint)
    try:
        if name not in table_names(client):
            client.call("CreateTable", {"TableName": name, **TABLE})
            for _ in range(100):  # dynalite makes it in the background, within two answers
                made = client.call("DescribeTable", {"TableName": name})
                if made["Table"]["TableStatus"] == "ACTIVE":
                    return
            raise AssertionError(f"{endpoint} does not make the table {name}")
    finally:
        client.close()


@contextmanager
def _served(*command: str) -> Iterator[str]:
    """The address of a server that prints its port."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.terminate()
        process.communicate(timeout=10)


@pytest.fixture(scope="session")
def moto() -> Iterator[str]:
    """The address of moto's DynamoDB."""
    with _served(sys.executable, str(FOLDER / "moto_server.py")) as address:
        yield address


@pytest.fixture(scope="session")
def dynalite(need: Callable[..., str]) -> Iterator[str]:
    """The address of dynalite's DynamoDB."""
    node = need("node", package="it (Debian: nodejs, npm), then `make dynalite`")
    folder = FOLDER / "dynalite"
    if not (folder / "node_modules" / ".ready").exists():
        sentence = "dynalite is not installed: `make dynalite`"
        if os.environ.get("CI"):
            pytest.fail(sentence)
        pytest.skip(sentence)
    with _served(node, str(folder / "serve.js")) as address:
        yield address
