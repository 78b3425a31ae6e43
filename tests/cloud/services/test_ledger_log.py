"""Every write of an order is a line of the log, and every trouble a metric, whoever made it."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest

from cloud.adapters.publisher import PublishFailed
from cloud.adapters.stripe_gateway import StripeRefused
from cloud.core.metrics import NAMESPACE
from cloud.logs import JsonFormatter
from tests.cloud.core.test_metrics import assert_is_metrics
from tests.fakes.arcade import Arcade


class Log:
    """The lines of the log so far."""

    def __init__(self, stream: StringIO) -> None:
        self._stream = stream

    def lines(self, **fields: object) -> list[dict[str, Any]]:
        read = [json.loads(line) for line in self._stream.getvalue().splitlines()]
        return [line for line in read if fields.items() <= line.items()]

    def counted(self) -> list[tuple[str, int]]:
        """Each value of each metric, as CloudWatch would read it."""
        found = []
        for line in self.lines():
            if "_aws" in line:
                assert_is_metrics(line)
                [directive] = line["_aws"]["CloudWatchMetrics"]
                assert directive["Namespace"] == NAMESPACE
                found += [(m["Name"], line[m["Name"]]) for m in directive["Metrics"]]
        return found


@pytest.fixture
def log() -> Iterator[Log]:
    stream = StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    before = root.level
    root.setLevel(logging.INFO)
    root.addHandler(handler)
    yield Log(stream)
    root.removeHandler(handler)
    root.setLevel(before)


def test_a_partly_forgiven_payment_is_counted_once_however_often_it_is_told(
    arcade: Arcade, log: Log
) -> None:
    order_id = arcade.pay(quantity=2)
    arcade.now += 0.25
    for _ in range(2):
        assert arcade.claim(order_id)[0] == 200
    arcade.now += 3
    told = {"order_id": order_id, "claim_id": "claim-1", "pulsed": 1, "pulses": 2, "made": 2}
    for _ in range(2):
        assert arcade.ask("/settle", told | {"forgiven": 1, "ambiguous": 0})[0] == 200
    assert log.counted() == [
        ("paid", 200), ("claimed", 200), ("event_to_claim_ms", 250), ("claim_to_settle_ms", 3000),
        ("forgiven", 100), ("settled", 100),
    ]  # fmt: skip
    states = [line["state"] for line in log.lines(order=order_id) if "before" in line]
    assert states == ["claimed", "settling", "settled"]
    # The incident of what was forgiven is there too, with its order.
    assert [line["cabinet"] for line in log.lines(incident=f"{order_id}:forgiven")] == ["cab001"]


def test_a_late_order_is_released_by_the_sweep_with_its_id_in_each_line(
    arcade: Arcade, log: Log
) -> None:
    order_id = arcade.pay()
    arcade.now += 120
    arcade.cloud.sweep()
    assert log.counted() == [("paid", 100), ("released", 100)]
    by_sweep = log.lines(sweep=order_id)
    assert [line["state"] for line in by_sweep if "state" in line] == ["releasing", "released"]
    assert "no cabinet claimed it in time" in str(by_sweep)
    assert [line["says"] for line in by_sweep if line.get("topic") == "payment"] == ["released"]


def test_a_capture_that_stripe_refuses_is_counted_at_each_try_and_in_the_end_as_settled(
    arcade: Arcade, log: Log
) -> None:
    order_id = arcade.pay(quantity=2)
    arcade.claim(order_id)

    def refuse(call: str, when: str) -> None:
        if call == "capture" and when == "before":
            raise StripeRefused("no", "account_restricted", 400)

    arcade.stripe.trouble = refuse
    arcade.settle(order_id, 2, 2)
    arcade.now += 3600
    arcade.cloud.sweep()
    failed = [line for line in log.lines(order=order_id) if "failed" in line]
    assert [(line["failed"], line["level"]) for line in failed] == [(200, "WARNING")] * 2
    # Counted when it failed, not when the order last moved.
    stamps = [line["_aws"]["Timestamp"] for line in failed]
    assert stamps[1] - stamps[0] >= 3600 * 1000
    arcade.stripe.trouble = lambda call, when: None
    arcade.now += 3600
    arcade.cloud.sweep()
    assert log.counted()[-1] == ("settled", 200)


def test_an_order_without_a_report_is_counted_as_unfinished_once(arcade: Arcade, log: Log) -> None:
    order_id = arcade.pay()
    arcade.claim(order_id)
    for _ in range(3):
        arcade.now += 901
        arcade.cloud.sweep()
    assert [line["order"] for line in log.lines() if "unfinished" in line] == [order_id]


@pytest.mark.parametrize("healthy", [True, False])
def test_a_silence_is_counted_once_if_the_cabinet_could_sell(
    arcade: Arcade, log: Log, healthy: bool
) -> None:
    arcade.link()
    body = {"state": "ready", "version": "1", "healthy": healthy, "problems": []}
    for _ in range(2):
        assert arcade.ask("/status", body)[0] == 200
        for _ in range(3):
            arcade.now += 601
            arcade.cloud.sweep()
    silent = [line["cabinet"] for line in log.lines() if "silent" in line]
    assert silent == (["cab001", "cab001"] if healthy else [])


def test_a_hint_that_the_broker_does_not_take_is_told_with_its_order(
    arcade: Arcade, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(topic: str, payload: bytes, expiry_s: int | None = None) -> None:
        raise PublishFailed("the broker is away")

    monkeypatch.setattr(arcade.publisher, "publish", fail)
    order_id = arcade.pay()
    [line] = log.lines(topic="coinpulse")
    assert (line["order"], line["route"], line["level"]) == (
        order_id, "POST /addCredit", "WARNING"
    )  # fmt: skip


def test_refused_calls_are_counted_as_calls_and_not_as_lines(arcade: Arcade, log: Log) -> None:
    for _ in range(500):
        arcade.ask("/claim", {}, token="cab001.secret-guess")
    arcade.now += 60
    arcade.ask("/claim", {}, token="cab001.secret-guess")
    assert log.counted() == [("refused", 1), ("refused", 500)]


def test_a_claim_that_does_not_apply_is_told_with_its_code(arcade: Arcade, log: Log) -> None:
    order_id = arcade.pay()
    arcade.now += 121
    assert arcade.claim(order_id)[0] == 409
    [line] = log.lines(code="too_late")
    assert (line["order"], line["cabinet"], line["status"]) == (order_id, "cab001", 409)


def test_a_defect_is_an_error_of_its_call(
    arcade: Arcade, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_args: object) -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr(arcade.cloud.links, "get", fail)
    assert arcade.ask("/create-payment-link", {})[0] == 500
    [line] = log.lines(level="ERROR")
    assert (line["route"], line["status"], line["cabinet"]) == (
        "POST /create-payment-link", 500, "cab001"
    )  # fmt: skip
    assert "a defect" in line["exception"]
