"""A field that an order does not have, or of another type, is an error before anything runs."""

from __future__ import annotations

from pathlib import Path

from mypy import api

WRONG = """\
from dataclasses import replace
from cloud.core import orders
from cloud.core.orders import ClaimRequest, Order, Schedule, SettleRequest
from cloud.core.stamps import Stamp

def arrows(order: Order, stamp: Stamp, claim: ClaimRequest, settle: SettleRequest) -> None:
    schedule = Schedule(1, 2, 3)
    orders.claim(order, claim, stamp, schedule)
    orders.settle(order, settle, stamp)
    replace(order, charjed=1)  # wrong
    replace(order, charged="1")  # wrong
    replace(order, paid_at_ms=1.5)  # wrong
    orders.claim(order, settle, stamp, schedule)  # wrong
    orders.settled(order, 100, 1.5)  # wrong
    orders.release(order, stamp, "late")  # wrong
"""


def test_a_mistake_in_an_arrow_does_not_type_check(root: Path, tmp_path: Path) -> None:
    file = tmp_path / "wrong.py"
    file.write_text(WRONG)
    config = str(root / "pyproject.toml")
    found, _, _ = api.run(["--config-file", config, "--no-incremental", str(file)])
    reported = {int(line.split(":")[1]) for line in found.splitlines() if ": error:" in line}
    lines = WRONG.splitlines()
    assert reported == {n for n, line in enumerate(lines, 1) if line.endswith("# wrong")}, found
