"""What is counted, and that CloudWatch takes it for metrics."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from cloud.core import metrics, orders
from cloud.core.metrics import METRICS, document, of_incident, of_order
from cloud.core.order_history import begun
from cloud.core.orders import ClaimRequest, Order, OrderState, Schedule, SettleRequest
from cloud.core.stamps import Stamp

# The rules of "Specification: Embedded metric format" in CloudWatch's user guide. Units as
# MetricDatum has them, as far as they are used here.
SPECIFICATION = {
    "type": "object",
    "required": ["_aws"],
    "properties": {
        "_aws": {
            "type": "object",
            "required": ["Timestamp", "CloudWatchMetrics"],
            "additionalProperties": False,
            "properties": {
                "Timestamp": {"type": "integer", "minimum": 10**12},
                "CloudWatchMetrics": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["Namespace", "Dimensions", "Metrics"],
                        "additionalProperties": False,
                        "properties": {
                            "Namespace": {"type": "string", "minLength": 1, "maxLength": 255},
                            "Dimensions": {
                                "type": "array",
                                "minItems": 1,
                                "items": {"type": "array", "maxItems": 9},
                            },
                            "Metrics": {
                                "type": "array",
                                "minItems": 1,
                                "maxItems": 100,
                                "items": {
                                    "type": "object",
                                    "required": ["Name"],
                                    "additionalProperties": False,
                                    "properties": {
                                        "Name": {
                                            "type": "string", "minLength": 1, "maxLength": 255
                                        },
                                        "Unit": {"enum": ["None", "Count", "Milliseconds"]},
                                    },
                                },
                            },
                        },
                    },
                },
            },
        }
    },
}  # fmt: skip
LARGEST_LINE = 256 * 1024


def assert_is_metrics(line: dict[str, Any]) -> None:
    """Holds a line of the log against the specification."""
    assert len(json.dumps(line)) < LARGEST_LINE
    jsonschema.validate(line, SPECIFICATION)
    for directive in line["_aws"]["CloudWatchMetrics"]:
        names = [metric["Name"] for metric in directive["Metrics"]]
        assert len(set(names)) == len(names)
        # A target is a member of the root: a number for a metric, a text for a dimension.
        for name in names:
            assert isinstance(line[name], int | float)
            assert not isinstance(line[name], bool)
        for key in (key for keys in directive["Dimensions"] for key in keys):
            assert isinstance(line[key], str)


@pytest.mark.parametrize("name", METRICS)
def test_each_metric_is_one_for_cloudwatch(name: str) -> None:
    assert_is_metrics({"message": "m", "order": "cs_1"} | document(1_764_000_000_000, {name: 5}))


@pytest.mark.parametrize(
    "broken",
    [
        {"paid": 5},
        {"_aws": document(10**12, {"paid": 5})["_aws"]},
        document(10**12, {"paid": 5}) | {"paid": "5"},
        document(1, {"paid": 5}),
    ],
)
def test_what_is_none_would_be_found(broken: dict[str, Any]) -> None:
    with pytest.raises((AssertionError, KeyError, jsonschema.ValidationError)):
        assert_is_metrics(broken)


def test_without_values_a_line_stays_a_line() -> None:
    assert document(10**12, {}) == {}


def test_an_unknown_name_is_a_defect() -> None:
    with pytest.raises(KeyError):
        document(10**12, {"payed": 5})


def test_those_of_every_day_are_within_the_ten_that_cost_nothing() -> None:
    """CloudWatch bills a metric for the hours in which it has a value."""
    everyday = [name for name in METRICS if name not in {"failed", "unfinished", "silent"}]
    assert len(everyday) <= 10


PAID_MS = 1_764_000_000_000
STORED_MS = PAID_MS + 700
SCHEDULE = Schedule(120_000, 900_000, 86_400_000)
PAID = Order(
    order_id="cs_1", machine_id="cab001", state=OrderState.OPEN, quantity=2, credits=2, amount=200,
    currency="USD", intent_id="pi_1", held=True, paid_at_ms=PAID_MS,
    deadline_ms=PAID_MS + 120_000, hold_until_ms=PAID_MS + 10**9, write_id="w0",
    history=begun(PAID_MS, STORED_MS), changed_at_ms=STORED_MS,
)  # fmt: skip


def at(ms: int) -> Stamp:
    return Stamp(STORED_MS + ms, f"w{ms}")


def order(found: object) -> Order:
    assert isinstance(found, Order)
    return found


CLAIMED = order(orders.claim(PAID, ClaimRequest("cab001", "cs_1", "c"), at(150), SCHEDULE))
SETTLE = SettleRequest("cab001", "cs_1", "c", 1, 2, made=2, forgiven=1)
SETTLING = order(orders.settle(CLAIMED, SETTLE, at(3150)))
RELEASING = order(orders.release(PAID, "nobody came", at(120_000)))


def test_a_payment_is_counted_once_at_each_of_its_steps() -> None:
    assert of_order(None, PAID) == {"paid": 200}
    assert of_order(PAID, CLAIMED) == {"claimed": 200, "event_to_claim_ms": 150}
    assert of_order(CLAIMED, SETTLING) == {"claim_to_settle_ms": 3000, "forgiven": 100}
    settled = order(orders.settled(SETTLING, 100, at(3200)))
    assert of_order(SETTLING, settled) == {"settled": 100}
    assert of_order(settled, order(orders.record_refund(settled, 50, False, at(4000)))) == {}


def test_what_goes_back_is_counted_as_what_went_back() -> None:
    assert of_order(PAID, RELEASING) == {}
    assert of_order(RELEASING, order(orders.released(RELEASING, 0, at(121_000)))) == {
        "released": 200
    }
    assert of_order(RELEASING, order(orders.released(RELEASING, 50, at(121_000)))) == {
        "released": 150
    }
    abandoned = order(orders.abandon(CLAIMED, "its cabinet is gone", at(10**8)))
    assert of_order(CLAIMED, abandoned) == {}


def test_each_refusal_is_counted_with_what_could_not_be_moved() -> None:
    refused = order(orders.refused(SETTLING, at(3200)))
    assert of_order(SETTLING, refused) == {"failed": 100}
    assert of_order(refused, order(orders.postpone(refused, at(3300)))) == {}
    assert of_order(RELEASING, order(orders.refused(RELEASING, at(121_000)))) == {"failed": 200}


def test_an_order_that_is_rebuilt_was_counted_before() -> None:
    rebuilt = replace(SETTLING, state=OrderState.SETTLED, rebuilt=True)
    assert of_order(None, rebuilt) == {}
    assert of_order(RELEASING, rebuilt) == {}


def test_a_lost_order_is_settled_with_nothing() -> None:
    lost = order(orders.settle_lost(CLAIMED, at(400_000)))
    assert set(of_order(CLAIMED, lost)) == {"claim_to_settle_ms"}
    assert of_order(lost, order(orders.settled(lost, 0, at(400_100)))) == {"settled": 0}


@pytest.mark.parametrize(
    ("incident_id", "counts"),
    [
        ("cs_1:stuck", {"unfinished": 200}),
        ("cs_1:unsettled", {"unfinished": 200}),
        ("cs_1:unreadable", {"unfinished": 200}),
        ("cab001:link-stays-on:1764000000000", {"unfinished": 200}),
        ("cs_1:forgiven", {}),
        ("cs_1:claim-claimed_by_other", {}),
        ("stuck:disputed", {}),
    ],
)
def test_an_incident_of_an_order_that_does_not_end_is_counted(
    incident_id: str, counts: dict[str, int]
) -> None:
    assert of_incident(incident_id, 200) == counts


def test_the_incidents_that_are_counted_are_those_that_the_sweep_tells(root: Path) -> None:
    sweep = (root / "lambda" / "cloud" / "services" / "sweep.py").read_text()
    for kind in metrics._UNFINISHED:
        assert f":{kind}" in sweep
