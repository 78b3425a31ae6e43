from __future__ import annotations

import threading
from typing import Any

import pytest
import requests
import stripe

from sandbox.stripe_simulator.failures import Failure
from tests.sandbox.stripe_simulator.bench import KEY, Bench, Clock, until

FORM = {"name": "Play"}


def make(bench: Bench, key: str, path: str = "/v1/products", **form: Any) -> requests.Response:
    headers = {"Authorization": f"Bearer {KEY}", "Idempotency-Key": key}
    return requests.post(bench.url + path, data=form or FORM, headers=headers, timeout=10)


def test_the_same_key_gets_the_same_answer_and_makes_nothing_new(bench: Bench) -> None:
    first, second = make(bench, "k"), make(bench, "k")
    assert second.content == first.content
    assert second.status_code == 200
    assert "Idempotent-Replayed" not in first.headers
    assert second.headers["Idempotent-Replayed"] == "true"
    assert second.headers["Original-Request"] == first.headers["Request-Id"]
    assert second.headers["Request-Id"] != first.headers["Request-Id"]
    assert len(bench.v1.products.list().data) == 1
    assert make(bench, "other").json()["id"] != first.json()["id"]


def test_a_repeated_capture_is_answered_as_the_first_was(bench: Bench) -> None:
    intent_id = bench.buy().payment_intent.id
    for _ in range(2):
        captured = bench.v1.payment_intents.capture(
            intent_id, {"amount_to_capture": 60}, {"idempotency_key": "order:settle"}
        )
        assert captured.amount_received == 60
    with pytest.raises(stripe.InvalidRequestError):
        bench.v1.payment_intents.capture(intent_id, {"amount_to_capture": 60})


def test_an_error_is_replayed_too(bench: Bench) -> None:
    first = make(bench, "k", "/v1/refunds", payment_intent="pi_x")
    second = make(bench, "k", "/v1/refunds", payment_intent="pi_x")
    assert (first.status_code, second.status_code) == (404, 404)
    assert second.headers["Idempotent-Replayed"] == "true"


def test_wrong_parameters_are_not_stored(bench: Bench) -> None:
    assert make(bench, "k", colour="red").status_code == 400
    again = make(bench, "k")
    assert again.status_code == 200
    assert "Idempotent-Replayed" not in again.headers


def test_other_parameters_are_refused(bench: Bench) -> None:
    make(bench, "k")
    refused = make(bench, "k", name="Other")
    assert refused.status_code == 400
    error = refused.json()["error"]
    assert error["type"] == "idempotency_error"
    assert "same parameters" in error["message"]
    assert len(bench.v1.products.list().data) == 1


def test_the_library_sees_an_idempotency_error(bench: Bench) -> None:
    bench.v1.products.create({"name": "a"}, {"idempotency_key": "k"})
    with pytest.raises(stripe.IdempotencyError):
        bench.v1.products.create({"name": "b"}, {"idempotency_key": "k"})


def test_another_address_is_refused(bench: Bench) -> None:
    make(bench, "k")
    refused = make(bench, "k", "/v1/refunds", payment_intent="pi_x")
    assert refused.status_code == 400
    assert "'/v1/refunds' vs '/v1/products'" in refused.json()["error"]["message"]


def test_the_same_key_at_the_same_time_is_in_use(bench: Bench) -> None:
    bench.simulator.failures.add(Failure("hang", "POST", "/v1/products", seconds=30))
    answers: list[requests.Response] = []
    first = threading.Thread(target=lambda: answers.append(make(bench, "k")))
    first.start()
    until(lambda: not bench.simulator.failures.pending)
    second = make(bench, "k")
    assert second.status_code == 409
    assert second.json()["error"]["code"] == "idempotency_key_in_use"
    bench.simulator.failures.stop()
    first.join()
    assert answers[0].status_code == 500
    assert make(bench, "k").status_code == 200


def test_two_at_the_same_time_make_one(bench: Bench) -> None:
    together = threading.Barrier(4)
    answers: list[requests.Response] = []

    def ask() -> None:
        together.wait(10)
        answers.append(make(bench, "k"))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {answer.status_code for answer in answers} <= {200, 409}
    assert len({answer.json()["id"] for answer in answers if answer.ok}) == 1
    assert len(bench.v1.products.list().data) == 1


def test_a_key_expires_after_a_day(bench: Bench, clock: Clock) -> None:
    first = make(bench, "k")
    clock.now += 24 * 3600
    assert make(bench, "k").json()["id"] == first.json()["id"]
    clock.now += 1
    assert make(bench, "k").json()["id"] != first.json()["id"]


def test_a_key_has_255_characters_at_most(bench: Bench) -> None:
    assert make(bench, "k" * 255).status_code == 200
    assert make(bench, "k" * 256).status_code == 400


def test_a_key_on_a_get_is_ignored(bench: Bench) -> None:
    headers = {"Authorization": f"Bearer {KEY}", "Idempotency-Key": "k"}
    before = requests.get(bench.url + "/v1/products", headers=headers, timeout=10)
    make(bench, "k")
    after = requests.get(bench.url + "/v1/products", headers=headers, timeout=10)
    assert (len(before.json()["data"]), len(after.json()["data"])) == (0, 1)
