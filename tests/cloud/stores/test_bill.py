"""What a payment, a heartbeat and a sweep use: fails when they get dearer than the bill says."""

from __future__ import annotations

import io
import logging
import uuid
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path

import pytest

from benchmarks.bill import counted
from benchmarks.bill.month import FLEETS, month, table
from benchmarks.bill.usage import Usage
from cloud import logs
from cloud.core.metrics import METRICS
from cloud.core.orders import OrderState
from cloud.stores.dynamodb import DynamoDBLedger
from tests.fakes.arcade import Arcade
from tests.fakes.dynamodb_meter import DynamoDBMeter
from tests.plugins.dynamodb import CREDENTIALS, PATIENCE_S, REGION, create_table

# TLS, TCP and HTTP around a message that comes in, and around it as it goes out to the cabinet.
AROUND_A_MESSAGE = 700


class Metered:
    """An arcade over DynamoDB, and what everybody would bill for."""

    def __init__(self, folder: Path, address: str) -> None:
        name = f"bill-{uuid.uuid4().hex}"
        create_table(address, name)
        self.meter = DynamoDBMeter(REGION, address, CREDENTIALS, read_s=PATIENCE_S)
        self.arcade = Arcade(folder, DynamoDBLedger(self.meter, name, keep_years=10))
        self.log = io.StringIO()

    def used(self, do: Callable[[], object], http_calls: int, sweeps: int = 0) -> Usage:
        """What ``do`` uses."""
        before = self._now()
        do()
        after = self._now()
        names = (field.name for field in fields(Usage))
        return Usage(
            **{name: getattr(after, name) - getattr(before, name) for name in names}
            | {"http_calls": http_calls, "sweeps": sweeps}
        )

    def _now(self) -> Usage:
        meter, sent = self.meter, self.arcade.publisher.sent
        bytes_ = sum(2 * len(topic) + 2 * len(said) + AROUND_A_MESSAGE for topic, said in sent)
        return Usage(
            store_calls=meter.calls,
            read_units=meter.read_units,
            write_units=meter.write_units,
            stored_bytes=meter.stored_bytes,
            stripe_calls=len(self.arcade.stripe.calls),
            messages=len(sent),
            message_bytes=bytes_,
            log_bytes=len(self.log.getvalue()),
        )


@pytest.fixture
def metered(tmp_path: Path, moto: str) -> Iterator[Metered]:
    made = Metered(tmp_path, moto)
    handler = logging.StreamHandler(made.log)
    handler.setFormatter(logs.JsonFormatter())
    log = logging.getLogger("cloud")
    level = log.level
    log.addHandler(handler)
    log.setLevel("INFO")
    yield made
    log.removeHandler(handler)
    log.setLevel(level)
    made.arcade.close()


def as_counted(found: Usage, counted: Usage) -> None:
    """Nothing may be dearer; what is cheaper by a tenth is written down anew as well."""
    for field in fields(Usage):
        now, known = getattr(found, field.name), getattr(counted, field.name)
        if field.name == "stored_bytes" and not known:
            assert now < 50, "what is kept grows by a digit now and then, and by no more"
            continue
        assert 0.9 * known <= now <= known, f"{field.name} is {now}, and counted as {known}"


def test_a_payment_uses_what_is_counted(metered: Metered) -> None:
    arcade = metered.arcade
    arcade.ask("/status", {"healthy": True})
    order_id = arcade.stripe.pay(arcade.link(), 1)

    def payment() -> None:
        assert arcade.deliver(arcade.reserved(order_id))[0] == 200
        assert arcade.deliver(arcade.completed(order_id))[0] == 200
        assert arcade.claim(order_id)[0] == 200
        for _ in range(2):
            assert arcade.http("GET", "/receipt", query={"session_id": order_id})[0] == 200
        assert arcade.settle(order_id, 1, 1)[0] == 200

    found = metered.used(payment, http_calls=6)
    assert arcade.order(order_id).state is OrderState.SETTLED
    as_counted(found, counted.PAYMENT)


def test_an_idle_hour_of_a_cabinet_uses_what_is_counted(metered: Metered) -> None:
    arcade = metered.arcade
    arcade.link()

    def hour() -> None:
        for _ in range(counted.HEARTBEATS_AN_HOUR):
            arcade.now += 3600 / counted.HEARTBEATS_AN_HOUR
            assert arcade.ask("/status", {"healthy": True})[0] == 200

    hour()
    found = metered.used(hour, http_calls=counted.HEARTBEATS_AN_HOUR)
    as_counted(found, counted.HEARTBEATS)


def test_a_sweep_uses_what_is_counted(metered: Metered) -> None:
    found = metered.used(metered.arcade.cloud.sweep, http_calls=0, sweeps=1)
    as_counted(found, counted.SWEEP)


def test_metrics_and_alarms_are_as_many_as_there_are(root: Path) -> None:
    template = (root / "lambda" / "template.yaml").read_text()
    filters = template.count("AWS::Logs::MetricFilter")
    assert len(METRICS) + filters == counted.METRICS
    assert template.count("AWS::CloudWatch::Alarm\n") == counted.ALARMS


def test_at_ten_thousand_cabinets_all_but_stripe_is_below_a_hundredth_of_the_takings() -> None:
    largest = month(FLEETS[-1])
    assert largest.dollars < largest.takings / 100


def test_twenty_two_cabinets_fit_all_that_is_free_for_ever() -> None:
    paid = {line.price.what for line in month(22).lines if line.price.free and line.dollars}
    assert paid == {"CloudWatch, metrics"}  # 13, of which 10 are free
    assert month(22).dollars < 3


def test_the_page_has_the_bill_as_it_is(root: Path) -> None:
    assert table() in (root / "docs" / "costs.md").read_text()
