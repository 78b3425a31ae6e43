from __future__ import annotations

import threading
from typing import Any

import pytest
import requests
import stripe

from sandbox.stripe_simulator import create_app
from sandbox.stripe_simulator.failures import Failure
from sandbox.stripe_simulator.webhooks import DeliverySettings
from tests.sandbox.stripe_simulator.bench import KEY, PAYS, Bench, Endpoint

PAID = ["payment_intent.created", "checkout.session.completed"]


def control(bench: Bench, name: str, body: Any, key: str = KEY) -> requests.Response:
    headers = {"Authorization": f"Bearer {key}"}
    return requests.post(f"{bench.url}/_control/{name}", json=body, headers=headers, timeout=10)


# Deliveries


def test_a_delay(hooked: Bench, endpoint: Endpoint) -> None:
    hooked.simulator.deliveries.configure(DeliverySettings(delay_seconds=30))
    hooked.buy()
    assert hooked.deliver() == 30
    assert hooked.deliver(after=29) == 1
    assert endpoint.hooks == []
    assert hooked.undelivered() == PAID
    assert hooked.deliver(after=1) is None
    assert endpoint.types == PAID


def test_duplicates_are_sent_at_the_same_time(hooked: Bench, endpoint: Endpoint) -> None:
    hooked.simulator.deliveries.configure(DeliverySettings(duplicate=True))
    endpoint.together = threading.Barrier(2)  # each copy waits until the other is there, too
    hooked.buy()
    hooked.deliver()
    assert endpoint.types == [PAID[0], PAID[0], PAID[1], PAID[1]]
    assert endpoint.hooks[2].body == endpoint.hooks[3].body
    assert hooked.undelivered() == []


def test_an_event_is_delivered_when_both_copies_are(hooked: Bench, endpoint: Endpoint) -> None:
    hooked.simulator.deliveries.configure(DeliverySettings(duplicate=True))
    endpoint.answers.extend([200, 500])
    hooked.checkout.expire(hooked.visit())
    pause = hooked.deliver()
    assert pause is not None
    assert hooked.undelivered() == ["checkout.session.expired"]
    hooked.deliver(after=pause)
    assert len(endpoint.hooks) == 3
    assert hooked.undelivered() == []


def test_out_of_order(hooked: Bench, endpoint: Endpoint) -> None:
    hooked.simulator.deliveries.configure(DeliverySettings(out_of_order=True))
    session_id = hooked.visit()
    hooked.checkout.pay(session_id, PAYS)
    hooked.deliver()
    assert endpoint.types == PAID[::-1]
    hooked.buy()
    hooked.deliver()
    assert endpoint.types == PAID[::-1] * 2


def test_out_of_order_the_first_is_held_until_the_second_is_delivered(
    hooked: Bench, endpoint: Endpoint
) -> None:
    hooked.simulator.deliveries.configure(DeliverySettings(out_of_order=True))
    endpoint.answers.append(500)
    hooked.buy()
    pause = hooked.deliver()
    assert pause is not None
    assert endpoint.types == PAID[1:]
    hooked.deliver(after=pause)
    assert endpoint.types == [PAID[1], PAID[1], PAID[0]]


def test_a_held_event_is_sent_when_the_setting_ends(hooked: Bench, endpoint: Endpoint) -> None:
    hooked.simulator.deliveries.configure(DeliverySettings(out_of_order=True))
    hooked.checkout.expire(hooked.visit())
    assert hooked.deliver() is None
    assert endpoint.hooks == []
    hooked.simulator.deliveries.configure(DeliverySettings())
    hooked.deliver()
    assert endpoint.types == ["checkout.session.expired"]


def test_dropped_events_stay_undelivered(hooked: Bench, endpoint: Endpoint) -> None:
    hooked.simulator.deliveries.configure(DeliverySettings(drop=True))
    hooked.buy()
    assert hooked.deliver(after=1e6) is None
    hooked.simulator.deliveries.configure(DeliverySettings())
    assert hooked.deliver(after=1e6) is None
    assert endpoint.hooks == []
    assert hooked.undelivered() == PAID
    hooked.checkout.expire(hooked.visit())
    hooked.deliver()
    assert endpoint.types == ["checkout.session.expired"]


def test_events_are_sent_concurrently(hooked: Bench, endpoint: Endpoint) -> None:
    hooked.simulator.deliveries.configure(DeliverySettings(concurrency=4))
    endpoint.together = threading.Barrier(4)
    hooked.buy()
    hooked.buy()
    hooked.deliver()
    assert sorted(endpoint.types) == sorted(PAID * 2)


def test_the_delivery_settings_over_http(hooked: Bench, endpoint: Endpoint) -> None:
    assert control(hooked, "delivery", {"delay_seconds": 5, "duplicate": True}).json() == {
        "delay_seconds": 5.0,
        "duplicate": True,
        "out_of_order": False,
        "drop": False,
        "concurrency": 1,
    }
    hooked.checkout.expire(hooked.visit())
    assert hooked.deliver() == 5
    hooked.deliver(after=5)
    assert len(endpoint.hooks) == 2
    assert control(hooked, "delivery", {}).json()["duplicate"] is False
    headers = {"Authorization": f"Bearer {KEY}"}
    now = requests.get(f"{hooked.url}/_control/delivery", headers=headers, timeout=10)
    assert now.json()["delay_seconds"] == 0.0


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("delivery", {"delay_seconds": -1}),
        ("delivery", {"sideways": True}),
        ("delivery", []),
        ("fail", {"kind": "explode"}),
        ("fail", {}),
        ("fail", {"kind": "error", "count": 0}),
    ],
)
def test_a_wrong_setting_is_refused(bench: Bench, name: str, body: object) -> None:
    answer = control(bench, name, body)
    assert answer.status_code == 400
    assert answer.json()["error"]["message"]
    assert bench.simulator.deliveries.settings == DeliverySettings()


@pytest.mark.parametrize("name", ["delivery", "fail"])
def test_the_control_routes_need_the_key(bench: Bench, name: str) -> None:
    assert control(bench, name, {}, key="sk_test_other").status_code == 401


@pytest.mark.parametrize("name", ["delivery", "fail"])
def test_the_control_routes_work_from_this_machine_only(bench: Bench, name: str) -> None:
    answer = (
        create_app(bench.simulator)
        .test_client()
        .post(
            f"/_control/{name}",
            json={"kind": "error"},
            headers={"Authorization": f"Bearer {KEY}"},
            environ_base={"REMOTE_ADDR": "192.168.1.7"},
        )
    )
    assert answer.status_code == 403
    assert bench.price()


# Failures of the API


def test_an_error_has_no_effect(bench: Bench) -> None:
    intent_id = bench.buy().payment_intent.id
    bench.simulator.failures.add(Failure("error", "POST", "/v1/payment_intents", count=2))
    for _ in range(2):
        with pytest.raises(stripe.APIError) as failed:
            bench.v1.payment_intents.capture(intent_id, {}, {"idempotency_key": "k"})
        assert failed.value.http_status == 500
        assert bench.intent(intent_id).status == "requires_capture"
    captured = bench.v1.payment_intents.capture(intent_id, {}, {"idempotency_key": "k"})
    assert captured.status == "succeeded"


def test_a_timeout_comes_after_the_effect(bench: Bench) -> None:
    intent_id = bench.buy().payment_intent.id
    bench.simulator.failures.add(Failure("timeout", "POST", "/v1/payment_intents", seconds=30))
    impatient = bench.client(timeout=0.3)
    with pytest.raises(stripe.APIConnectionError):
        impatient.v1.payment_intents.capture(
            intent_id, {"amount_to_capture": 70}, {"idempotency_key": "k"}
        )
    assert bench.intent(intent_id).amount_received == 70
    again = bench.v1.payment_intents.capture(
        intent_id, {"amount_to_capture": 70}, {"idempotency_key": "k"}
    )
    assert again.amount_received == 70
    bench.simulator.failures.stop()


def test_a_hang_has_no_effect(bench: Bench) -> None:
    intent_id = bench.buy().payment_intent.id
    bench.simulator.failures.add(Failure("hang", path="/v1/payment_intents", seconds=30))
    with pytest.raises(stripe.APIConnectionError):
        bench.client(timeout=0.3).v1.payment_intents.cancel(intent_id)
    assert bench.intent(intent_id).status == "requires_capture"
    bench.simulator.failures.stop()
    bench.simulator.failures.add(Failure("hang", path="/v1/payment_intents"))
    with pytest.raises(stripe.APIError) as failed:
        bench.v1.payment_intents.cancel(intent_id)
    assert failed.value.http_status == 500
    assert bench.intent(intent_id).status == "requires_capture"


def test_failures_happen_in_order_and_only_where_they_match(bench: Bench) -> None:
    bench.simulator.failures.add(Failure("error", "GET", "/v1/prices"))
    bench.simulator.failures.add(Failure("error", "POST"))
    assert bench.v1.products.list().data == []
    with pytest.raises(stripe.APIError):
        bench.price()
    with pytest.raises(stripe.APIError):
        bench.v1.prices.list()
    assert bench.v1.prices.list().data == []


def test_failures_over_http(bench: Bench) -> None:
    body = {"kind": "error", "method": "POST", "path": "/v1/prices", "count": 2}
    assert control(bench, "fail", body).json() == body | {"seconds": 60.0}
    with pytest.raises(stripe.APIError):
        bench.price()
    assert control(bench, "fail", {"kind": "none"}).status_code == 200
    assert bench.price()
