from __future__ import annotations

import threading
from pathlib import Path

import pytest
import stripe

from sandbox.stripe_simulator.checkout import Declined
from sandbox.stripe_simulator.webhooks import JITTER, LONGEST_RETRY_SECONDS, RETRY_FOR_SECONDS
from tests.plugins.stripe_description import Described, Description
from tests.sandbox.stripe_simulator.bench import (
    DECLINED,
    PAYS,
    WHSEC,
    Bench,
    Clock,
    Endpoint,
    opened,
    until,
)

PAID = ["payment_intent.created", "checkout.session.completed"]


def test_the_events_of_a_payment_are_delivered_in_order(hooked: Bench, endpoint: Endpoint) -> None:
    hooked.buy()
    assert hooked.undelivered() == PAID
    assert hooked.deliver() is None
    assert endpoint.types == PAID
    assert hooked.undelivered() == []
    assert set(PAID) <= set(hooked.events(delivery_success=True))


def test_a_webhook_is_the_event_as_described(
    hooked: Bench, endpoint: Endpoint, stripe_description: Description
) -> None:
    session_id = hooked.visit()
    with pytest.raises(Declined):
        hooked.checkout.pay(session_id, DECLINED)
    hooked.checkout.pay(session_id, PAYS)
    hooked.v1.payment_intents.cancel(hooked.session(session_id).payment_intent.id)
    hooked.checkout.expire(hooked.visit())
    hooked.deliver()
    assert endpoint.types == [
        "payment_intent.created",
        "payment_intent.payment_failed",
        "checkout.session.completed",
        "charge.refunded",
        "payment_intent.canceled",
        "checkout.session.expired",
    ]
    for hook in endpoint.hooks:
        assert stripe_description.event(hook.event) == []
        assert hook.event["livemode"] is False
        assert hook.event["pending_webhooks"] == 1
        kept = hooked.v1.events.retrieve(hook.event["id"]).to_dict()
        assert kept["data"] == hook.event["data"]


def test_a_webhook_is_signed_with_the_endpoints_secret(hooked: Bench, endpoint: Endpoint) -> None:
    hooked.buy()
    hooked.deliver()
    hook = endpoint.hooks[0]
    assert stripe.WebhookSignature.verify_header(hook.body, hook.signature, WHSEC)
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.WebhookSignature.verify_header(hook.body + b" ", hook.signature, WHSEC)
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.WebhookSignature.verify_header(hook.body, hook.signature, "whsec_other")


def test_every_attempt_has_a_signature_of_its_own(
    hooked: Bench, endpoint: Endpoint, clock: Clock
) -> None:
    endpoint.answers.extend([500, 200])
    hooked.checkout.expire(hooked.visit())
    first_at = int(clock.now)
    hooked.deliver()
    hooked.deliver(after=100)
    first, second = endpoint.hooks
    assert first.body == second.body
    assert first.signature.startswith(f"t={first_at},v1=")
    assert second.signature.startswith(f"t={first_at + 100},v1=")
    assert stripe.WebhookSignature.verify_header(second.body, second.signature, WHSEC)


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_any_2xx_is_delivered(hooked: Bench, endpoint: Endpoint, status: int) -> None:
    endpoint.answers.append(status)
    hooked.checkout.expire(hooked.visit())
    assert hooked.deliver() is None
    assert hooked.undelivered() == []


@pytest.mark.parametrize("status", [301, 400, 404, 409, 500, 503])
def test_anything_else_is_tried_again(hooked: Bench, endpoint: Endpoint, status: int) -> None:
    endpoint.answers.append(status)
    hooked.checkout.expire(hooked.visit())
    pause = hooked.deliver()
    assert pause is not None
    assert 1 - JITTER <= pause <= 1 + JITTER
    assert hooked.undelivered() == ["checkout.session.expired"]
    assert hooked.deliver(after=pause - 0.01) is not None
    assert len(endpoint.hooks) == 1
    assert hooked.deliver(after=0.02) is None
    assert len(endpoint.hooks) == 2
    assert hooked.undelivered() == []


def test_an_endpoint_that_is_not_there_is_tried_again(
    hooked: Bench, endpoint: Endpoint, nobody: str, caplog: pytest.LogCaptureFixture
) -> None:
    hooked.simulator.webhook_url = nobody
    hooked.checkout.expire(hooked.visit())
    pause = hooked.deliver()
    assert pause is not None
    assert "the endpoint does not answer" in caplog.text
    assert WHSEC not in caplog.text
    hooked.simulator.webhook_url = endpoint.url
    assert hooked.deliver(after=pause) is None
    assert endpoint.types == ["checkout.session.expired"]


def test_the_pauses_double_until_the_event_has_failed(hooked: Bench, endpoint: Endpoint) -> None:
    endpoint.answers.extend([500] * 100)
    hooked.checkout.expire(hooked.visit())
    began = hooked.clock.now
    pauses: list[float] = []
    pause = hooked.deliver()
    while pause is not None:
        pauses.append(pause)
        pause = hooked.deliver(after=pause)
    for place, waited in enumerate(pauses):
        expected = min(2.0**place, LONGEST_RETRY_SECONDS)
        assert expected * (1 - JITTER) <= waited <= expected * (1 + JITTER)
    assert len({waited / 2.0**place for place, waited in enumerate(pauses[:8])}) > 1
    longest = LONGEST_RETRY_SECONDS * (1 + JITTER)
    assert RETRY_FOR_SECONDS - longest < hooked.clock.now - began <= RETRY_FOR_SECONDS
    assert len(endpoint.hooks) == len(pauses) + 1
    assert hooked.undelivered() == ["checkout.session.expired"]
    event = hooked.v1.events.list({"type": "checkout.session.expired"}).data[0]
    assert event.pending_webhooks == 0


def test_a_failed_delivery_does_not_delay_the_next(hooked: Bench, endpoint: Endpoint) -> None:
    endpoint.answers.append(500)
    hooked.buy()
    pause = hooked.deliver()
    assert pause is not None
    assert endpoint.types == PAID
    assert hooked.undelivered() == PAID[:1]
    hooked.deliver(after=pause)
    assert endpoint.types == [*PAID, PAID[0]]


def test_without_an_endpoint_events_are_queued(bench: Bench, endpoint: Endpoint) -> None:
    bench.buy()
    assert bench.deliver() is None
    assert bench.undelivered() == PAID
    bench.simulator.webhook_url = endpoint.url
    bench.deliver()
    assert endpoint.types == PAID


def test_what_is_undelivered_survives_a_restart(
    tmp_path: Path, clock: Clock, described: Described, endpoint: Endpoint
) -> None:
    endpoint.answers.extend([500, 500])
    with opened(tmp_path, clock, described, endpoint.url) as before:
        session = before.buy()
        before.v1.payment_intents.capture(session.payment_intent.id, {"amount_to_capture": 70})
        before.deliver()
        key = {"idempotency_key": "k"}
        product = before.v1.products.create({"name": "x"}, key)  # type: ignore[arg-type]
    clock.now += 60
    with opened(tmp_path, clock, described, endpoint.url) as after:
        assert after.undelivered() == PAID
        after.deliver()
        assert sorted(endpoint.types[2:]) == sorted(PAID)
        assert after.undelivered() == []
        kept = after.session(session.id)
        assert (kept.payment_status, kept.payment_intent.amount_received) == ("paid", 70)
        again = after.v1.products.create({"name": "x"}, key)  # type: ignore[arg-type]
        assert again.id == product.id


def test_the_thread_delivers_by_itself(hooked: Bench, endpoint: Endpoint) -> None:
    endpoint.together = threading.Barrier(2)
    hooked.simulator.start()
    hooked.checkout.expire(hooked.visit())  # returns before the endpoint has answered
    assert endpoint.hooks == []
    endpoint.together.wait(10)


def test_the_thread_resumes_the_deliveries(hooked: Bench, endpoint: Endpoint) -> None:
    hooked.checkout.expire(hooked.visit())
    endpoint.together = threading.Barrier(2)
    hooked.simulator.start()
    endpoint.together.wait(10)


def test_a_new_endpoint_wakes_the_thread(bench: Bench, endpoint: Endpoint) -> None:
    bench.checkout.expire(bench.visit())
    bench.simulator.start()
    until(lambda: not bench.simulator.deliveries.wake.is_set())
    endpoint.together = threading.Barrier(2)
    bench.simulator.webhook_url = endpoint.url
    endpoint.together.wait(10)


def test_a_stop_does_not_wait_for_the_next_attempt(hooked: Bench, nobody: str) -> None:
    hooked.simulator.webhook_url = nobody
    hooked.simulator.start()
    hooked.checkout.expire(hooked.visit())
    hooked.simulator.stop()
    assert not [thread for thread in threading.enumerate() if thread.name == "stripe-simulator"]


def test_only_what_is_subscribed_is_sent(
    tmp_path: Path, clock: Clock, described: Described, endpoint: Endpoint
) -> None:
    with opened(tmp_path, clock, described, endpoint.url) as bench:
        bench.simulator.deliveries.subscribed = frozenset({"charge.succeeded"})
        bench.buy()
        bench.deliver()
        assert endpoint.types == ["charge.succeeded"]
        assert bench.undelivered() == []
