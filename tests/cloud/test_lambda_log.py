"""The log as Lambda's own runtime writes it: JSON lines that CloudWatch takes for metrics."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from benchmarks.runtime_api import RuntimeApi
from cloud.core.cabinets import Cabinet
from cloud.core.prices import PriceList
from cloud.services import cabinet_tokens
from cloud.stores.sqlite import SqliteLedger
from tests.cloud.core.test_metrics import assert_is_metrics
from tests.cloud.test_settings import GOOD
from tests.cloud.test_start import ORDER

WAIT = 20.0


@pytest.mark.skipif(find_spec("awslambdaric") is None, reason="Lambda's runtime is for Linux only")
def test_a_claims_lines_are_json_with_lambdas_request(tmp_path: Path, root: Path) -> None:
    token, digest = cabinet_tokens.new("cab001")
    ledger = SqliteLedger(tmp_path / "ledger.db")
    ledger.insert(Cabinet("cab001", "cab001", digest, PriceList(100, "USD"), "w3"))
    ledger.insert(ORDER)
    ledger.close()
    body = {"machine_id": "cab001", "order_id": "cs_1", "claim_id": "c"}
    event = {
        "version": "2.0",
        "routeKey": "POST /claim",
        "headers": {"authorization": f"Bearer {token}"},
        "body": json.dumps(body),
    }
    with RuntimeApi(event) as runtime:
        process = subprocess.Popen(
            [sys.executable, "-m", "awslambdaric", "cloud.handler.handle"],
            env=GOOD
            | {
                "LEDGER": f"sqlite:///{tmp_path}/ledger.db",
                "PATH": os.environ["PATH"],
                "PYTHONPATH": str(root / "lambda"),
                "AWS_LAMBDA_RUNTIME_API": runtime.address,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        try:
            assert runtime.answer()["statusCode"] == 200
        finally:
            process.kill()
            out, _ = process.communicate(timeout=WAIT)
    lines = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
    assert [line["message"] for line in lines] == [
        "order stored as claimed",
        "the claim is granted",
    ]
    for line in lines:
        assert (line["request"], line["route"], line["order"]) == ("one", "POST /claim", "cs_1")
    assert_is_metrics(lines[0])
    assert lines[0]["claimed"] == 100
    assert token not in out
