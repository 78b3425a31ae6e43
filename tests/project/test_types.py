"""What strict mypy must refuse: a state, an order or a call with a misspelt or mistyped field."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import pytest
from mypy import api

KIOSK = """
from dataclasses import replace
from kiosk.core.cabinet.state import RelayState, State
from kiosk.core.effects import ClaimCall, Report, SettleCall
from kiosk.core.order_book import OrderBook, OrderProgress

state = State(started_at=0.0)
relay = state.relay
order = OrderProgress("cs_1", "claim")
"""

CLOUD = """
from dataclasses import replace
from cloud.core import orders
from cloud.core.orders import ClaimRequest, Order, OrderState, Schedule, SettleRequest
from cloud.core.stamps import Stamp

stamp = Stamp(1, "write")
schedule = Schedule(1, 2, 3)
claim = ClaimRequest("cab001", "cs_1", "claim")
settle = SettleRequest("cab001", "cs_1", "claim", 1, 1)
order = Order("cs_1", "cab001", OrderState.OPEN, 1, 1, 100, "USD", "pi_1", True, 1, 2, 3, "write")
"""

# Each is one statement after its beginning; the first of them shows that those pass.
GOOD = {
    "the kiosk's state and orders": (
        KIOSK,
        "replace(state, relay=replace(relay, ready=True, problem=''))\nreplace(order, begun=1)",
    ),
    "the cloud's orders": (
        CLOUD,
        "orders.claim(order, claim, stamp, schedule)\norders.settle(order, settle, stamp)",
    ),
}
BAD = {
    "a misspelt field of a part": (KIOSK, "replace(relay, redy=True)"),
    "a mistyped field of a part": (KIOSK, "replace(relay, problem=7)"),
    "a misspelt part": (KIOSK, "replace(state, relais=relay)"),
    "one part in the place of another": (KIOSK, "replace(state, broker=relay)"),
    "a misspelt field within a part": (KIOSK, "replace(state, relay=replace(relay, redy=True))"),
    "a misspelt field of an order": (KIOSK, "replace(order, charjed=1)"),
    "a mistyped field of an order": (KIOSK, "replace(order, begun='1')"),
    "an order book of something else": (KIOSK, "OrderBook(unfinished={'cs_1': relay})"),
    "a change of a frozen state": (KIOSK, "state.relay = relay"),
    "a call without its claim id": (KIOSK, "ClaimCall('cab001', 'cs_1')"),
    "a settle of a text": (KIOSK, "SettleCall('cab001', 'cs_1', 'c1', '3', 3, 3, 0, 0)"),
    "a level that no log has": (KIOSK, "Report('loud', 'hello')"),
    "a misspelt field of the cloud's order": (CLOUD, "replace(order, charjed=1)"),
    "a mistyped field of the cloud's order": (CLOUD, "replace(order, charged='1')"),
    "a time that is not whole milliseconds": (CLOUD, "replace(order, paid_at_ms=1.5)"),
    "a claim that is a settle": (CLOUD, "orders.claim(order, settle, stamp, schedule)"),
    "an arrow without its stamp": (CLOUD, "orders.settled(order, 100, 1.5)"),
    "a reason that is no text": (CLOUD, "orders.release(order, 7, stamp)"),
}

# Where `replace(order, **changes)` is not written: mypy checks fields by their names only.
TYPED = ("kiosk", "lambda/cloud")


@pytest.fixture(scope="module")
def errors(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, list[str]]:
    """What mypy says of each snippet, all of them in one run."""
    folder = tmp_path_factory.mktemp("snippets")
    files = {}
    for number, (name, (begin, statement)) in enumerate((GOOD | BAD).items()):
        file = folder / f"snippet_{number}.py"
        file.write_text(begin + statement + "\n")
        files[file.name] = name
    arguments = [f"--config-file={root / 'pyproject.toml'}", f"--cache-dir={folder / 'cache'}"]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        output, trouble, _ = api.run([*arguments, *map(str, sorted(folder.glob("*.py")))])
    assert not trouble
    found = defaultdict(list)
    for line in output.splitlines():
        if match := re.search(r"(snippet_\d+\.py):\d+: error: (.*)", line):
            found[files[match[1]]].append(match[2])
        else:
            assert "error:" not in line, line
    return found


@pytest.mark.parametrize("name", GOOD)
def test_what_is_right_passes(errors: Mapping[str, list[str]], name: str) -> None:
    assert errors.get(name, []) == []


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_does_not_type_check(errors: Mapping[str, list[str]], name: str) -> None:
    assert len(errors.get(name, [])) == 1


def unchecked(tree: ast.AST) -> list[int]:
    """The lines on which a dataclass is changed by fields that no type checker can see."""
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) in ("replace", "dataclasses.replace", "copy.replace")
        and any(keyword.arg is None for keyword in node.keywords)
    ]


def test_no_dataclass_is_changed_unchecked(root: Path) -> None:
    found = [
        f"{path.relative_to(root)}:{line}"
        for folder in TYPED
        for path in sorted((root / folder).rglob("*.py"))
        for line in unchecked(ast.parse(path.read_text()))
    ]
    assert found == []


def test_an_unchecked_change_is_found() -> None:
    assert unchecked(
        ast.parse("def to(order, **changes: object): return replace(order, **changes)")
    )
    assert not unchecked(ast.parse("replace(order, state=state)"))
