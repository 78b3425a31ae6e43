"""The checker that the other tests use: what is right passes it, and what is wrong does not."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from tests.plugins.stripe_description import Described, Description
from tests.sandbox.stripe_simulator.bench import Bench

PRICES = ("POST", "/v1/prices")
LINKS = ("POST", "/v1/payment_links")


@pytest.mark.parametrize(
    ("call", "form"),
    [
        (PRICES, "currency=usd&unit_amount=100&product_data[name]=x&active=true"),
        (LINKS, "line_items[0][price]=p&line_items[0][quantity]=1&metadata[a]=b"),
        (("POST", "/v1/payment_links/plink_1"), "inactive_message=&restrictions="),
        (("POST", "/v1/payment_intents/pi_1/capture"), "amount_to_capture=5"),
    ],
)
def test_a_right_request_passes(
    stripe_description: Description, call: tuple[str, str], form: str
) -> None:
    assert stripe_description.request(*call, "", form) == []


@pytest.mark.parametrize(
    ("call", "query", "form", "words"),
    [
        (PRICES, "", "unit_amount=100", "'currency' is a required property"),
        (PRICES, "", "currency=usd&unit_amount=1.5", "is not of type 'integer'"),
        (PRICES, "", "currency=usd&active=maybe", "is not of type 'boolean'"),
        (PRICES, "", "currency=usd&colour=red", "'colour' was unexpected"),
        (PRICES, "", "currency=usd&product_data[name]=x&product_data[a]=b", "'a' was unexpected"),
        (PRICES, "a=b", "currency=usd", "'a' was unexpected"),
        (LINKS, "", "line_items[0][price]=p", "'quantity' is a required property"),
        (("GET", "/v1/events"), "delivery_success=no", "", "is not of type 'boolean'"),
        (("GET", "/v1/events"), "created[gte]=now", "", "created"),
        (("POST", "/v1/payment_intents/pi_1/release"), "", "", "no such call"),
    ],
)
def test_a_wrong_request_is_caught(
    stripe_description: Description, call: tuple[str, str], query: str, form: str, words: str
) -> None:
    wrong = stripe_description.request(*call, query, form)
    assert len(wrong) == 1
    assert words in wrong[0]


def test_a_wrong_response_is_caught(stripe_description: Description, bench: Bench) -> None:
    session = json.loads(bench.buy().last_response.body)
    place = ("GET", "/v1/checkout/sessions/cs_1", 200)

    def wrong(change: dict[str, Any]) -> list[str]:
        return stripe_description.response(*place, {**session, **change})

    assert wrong({}) == []
    assert wrong({"status": "done"})
    assert wrong({"colour": "red"})
    assert wrong({"amount_total": "300"})
    assert wrong({"payment_status": None})
    assert wrong({"payment_intent": {**session["payment_intent"], "amount": None}})
    assert stripe_description.response(*place, {**session, "livemode": 0})
    missing = {key: value for key, value in session.items() if key != "expires_at"}
    assert stripe_description.response(*place, missing)


def test_a_wrong_error_is_caught(stripe_description: Description) -> None:
    place = ("POST", "/v1/prices", 400)
    right = {"error": {"type": "invalid_request_error", "message": "x", "param": "y"}}
    assert stripe_description.response(*place, right) == []
    assert stripe_description.response(*place, {"error": "x"})
    assert stripe_description.response(*place, {"error": {"type": "sad", "message": "x"}})


def test_a_wrong_event_is_caught(stripe_description: Description, bench: Bench) -> None:
    bench.buy()
    found: Any = bench.v1.events.list({"type": "charge.succeeded"})
    event = json.loads(found.last_response.body)["data"][0]
    assert stripe_description.event(event) == []
    assert stripe_description.event({**event, "type": "charge.vanished"})
    event["data"]["object"]["amount"] = "1"
    assert stripe_description.event(event)
    listed = {"object": "list", "data": [event], "has_more": False, "url": "/v1/events"}
    assert stripe_description.response("GET", "/v1/events", 200, listed)


@pytest.mark.parametrize(
    ("status", "answered", "form", "caught"),
    [
        ("200 OK", {}, "currency=usd", 1),
        ("200 OK", {}, "colour=red", 2),
        ("400 BAD", {"error": {"type": "api_error"}}, "colour=red", 0),
        ("500 BAD", {"error": "x"}, "currency=usd", 1),
    ],
)
def test_requests_and_responses_of_an_application_are_checked(
    stripe_description: Description, status: str, answered: object, form: str, caught: int
) -> None:
    read: list[bytes] = []

    def app(environ: Any, start: Any) -> list[bytes]:
        read.append(environ["wsgi.input"].read())
        start(status, [])
        return [json.dumps(answered).encode()]

    watch = Described(stripe_description)
    body = form.encode()
    environ: Any = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/v1/prices",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
    }
    assert list(watch(app)(environ, lambda *_: lambda _: None)) == [json.dumps(answered).encode()]
    assert read == [body]
    assert len(watch.breaches) == caught
    assert watch.calls == 1
