from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
import requests
import stripe
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.test import Client

from sandbox.stripe_simulator import create_app
from sandbox.stripe_simulator.objects import API_VERSION
from tests.sandbox.stripe_simulator.bench import KEY, Bench, Clock


def call(bench: Bench, method: str, path: str, **more: Any) -> requests.Response:
    headers = {"Authorization": f"Bearer {KEY}", **more.pop("headers", {})}
    return requests.request(method, bench.url + path, headers=headers, timeout=10, **more)


def error(answer: requests.Response) -> dict[str, Any]:
    found: dict[str, Any] = answer.json()["error"]
    return found


# Authentication


@pytest.mark.parametrize("header", ["", "Bearer ", "Basic c2tfdGVzdDo=", "Bearer sk_test_other"])
def test_a_request_without_the_key_is_refused(bench: Bench, header: str) -> None:
    link = bench.link()
    answer = call(bench, "GET", f"/v1/payment_links/{link.id}", headers={"Authorization": header})
    assert answer.status_code == 401
    assert error(answer)["type"] == "invalid_request_error"
    assert "sk_test" not in answer.text


def test_the_library_sees_an_authentication_error(bench: Bench) -> None:
    with pytest.raises(stripe.AuthenticationError):
        bench.client("sk_test_other").v1.prices.list()


def test_the_key_is_never_logged(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    bench.buy()
    with pytest.raises(stripe.AuthenticationError):
        bench.client("sk_test_other").v1.prices.list()
    ours = [record for record in caplog.records if record.name.startswith("sandbox")]
    assert ours
    for record in ours:
        assert "sk_test" not in record.getMessage()
        assert "player@example.com" not in record.getMessage()


def test_every_answer_names_its_request_and_version(bench: Bench) -> None:
    first, second = (call(bench, "GET", "/v1/prices") for _ in range(2))
    assert first.headers["Request-Id"].startswith("req_")
    assert first.headers["Request-Id"] != second.headers["Request-Id"]
    assert first.headers["Stripe-Version"] == API_VERSION == stripe.api_version


# Errors


@pytest.mark.parametrize(
    ("act", "param"),
    [
        (lambda v1: v1.prices.retrieve("price_x"), "price"),
        (lambda v1: v1.products.retrieve("prod_x"), "id"),
        (lambda v1: v1.payment_links.retrieve("plink_x"), "payment_link"),
        (lambda v1: v1.payment_links.update("plink_x", {"active": False}), "payment_link"),
        (lambda v1: v1.payment_links.line_items.list("plink_x"), "payment_link"),
        (lambda v1: v1.checkout.sessions.retrieve("cs_x"), "session"),
        (lambda v1: v1.payment_intents.retrieve("pi_x"), "intent"),
        (lambda v1: v1.payment_intents.capture("pi_x"), "intent"),
        (lambda v1: v1.refunds.create({"payment_intent": "pi_x"}), "payment_intent"),
        (lambda v1: v1.events.retrieve("evt_x"), "id"),
        (lambda v1: v1.events.list({"starting_after": "evt_x"}), "starting_after"),
    ],
)
def test_an_unknown_id_is_a_404(bench: Bench, act: Callable[[Any], object], param: str) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="No such") as refused:
        act(bench.v1)
    assert (refused.value.http_status, refused.value.code) == (404, "resource_missing")
    assert refused.value.param == param


PRICE = "currency=usd&product_data[name]=x&unit_amount=100"


@pytest.mark.parametrize(
    ("path", "form", "code", "param", "words"),
    [
        ("prices", f"{PRICE}&colour=red", "parameter_unknown", "colour", "unknown parameter: col"),
        ("prices", f"{PRICE}&a=1&b=2", "parameter_unknown", "a", "unknown parameters: a, b"),
        (
            "prices",
            f"{PRICE}&product_data[colour]=red",
            "parameter_unknown",
            "product_data[colour]",
            "product_data[colour]",
        ),
        ("prices", "unit_amount=1", "parameter_missing", "currency", "required param: currency."),
        ("prices", "currency=usd&unit_amount=1", "parameter_missing", "product", "product"),
        ("prices", f"{PRICE}&product=prod_1", "parameters_exclusive", "product", "only specify"),
        ("prices", PRICE.replace("100", "1.5"), "parameter_invalid_integer", "unit_amount", "1.5"),
        ("prices", PRICE.replace("100", "-1"), "parameter_invalid_integer", "unit_amount", "equal"),
        (
            "prices",
            PRICE.replace("100", "100000000"),
            "parameter_invalid_integer",
            "unit_amount",
            "less than",
        ),
        ("prices", PRICE.replace("usd", "dollars"), None, "currency", "Invalid currency: dollars"),
        ("prices", f"{PRICE}&active=maybe", None, "active", "Invalid boolean: maybe"),
        ("prices", f"{PRICE}&tax_behavior=x", None, "tax_behavior", "must be one of"),
        ("prices", f"{PRICE}&nickname={'x' * 5001}", None, "nickname", "at most 5000"),
        ("prices", f"{PRICE}&metadata[{'k' * 41}]=v", None, "metadata", "at most 40"),
        ("prices", f"{PRICE}&metadata=v", None, "metadata", "Invalid object"),
        ("prices", f"{PRICE}&nickname[a]=v", None, "nickname", "Invalid string"),
        (
            "prices",
            "currency=usd&unit_amount=1&product_data[name]=",
            "parameter_invalid_empty",
            "product_data[name]",
            "empty string",
        ),
        ("payment_links", "", "parameter_missing", "line_items", "line_items"),
        (
            "payment_links",
            "line_items[0][price]=price_1",
            "parameter_missing",
            "line_items[0][quantity]",
            "line_items[0][quantity]",
        ),
        ("payment_links", "line_items=x", None, "line_items", "Invalid array"),
        ("refunds", "", "parameter_missing", "payment_intent", "payment_intent or charge"),
        ("refunds", "payment_intent=pi_x&amount=0", "parameter_invalid_integer", "amount", "equal"),
    ],
)
def test_wrong_parameters_are_named(
    bench: Bench, path: str, form: str, code: str | None, param: str, words: str
) -> None:
    answer = call(bench, "POST", f"/v1/{path}", data=form)
    assert answer.status_code == 400
    wrong = error(answer)
    assert wrong["type"] == "invalid_request_error"
    assert (wrong.get("code"), wrong["param"]) == (code, param)
    assert words in wrong["message"]
    assert bench.events() == []


def test_a_redirect_must_be_a_web_address(bench: Bench) -> None:
    redirect = {"type": "redirect", "redirect": {"url": "javascript:alert(1)"}}
    with pytest.raises(stripe.InvalidRequestError, match="Not a valid URL") as refused:
        bench.link(after_completion=redirect)
    assert refused.value.param == "after_completion[redirect][url]"


@pytest.mark.parametrize("path", ["/v1/customers", "/v1/payment_intents/pi_1/confirm", "/v2/x"])
def test_an_unknown_url_is_a_404_that_names_the_simulator(bench: Bench, path: str) -> None:
    answer = call(bench, "POST", path)
    assert answer.status_code == 404
    assert "this simulator does not" in error(answer)["message"]


def test_an_unexpected_error_is_stripes_500(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench.simulator.store, "transaction", None)
    with pytest.raises(stripe.APIError) as broken:
        bench.price()
    assert broken.value.http_status == 500


# Expanding and listing


def test_expanding_goes_through_lists_and_references(bench: Bench) -> None:
    session = bench.buy()
    paths = [
        "data.payment_intent.latest_charge",
        "data.payment_link",
        "data.line_items.data.price.product",
    ]
    with pytest.raises(stripe.InvalidRequestError, match="more than 4 levels"):
        bench.v1.checkout.sessions.list({"expand": paths})
    found: Any = bench.v1.checkout.sessions.list({"expand": paths[:2]}).data[0]
    assert found.id == session.id
    assert found.payment_intent.latest_charge.amount == 100
    assert found.payment_link.id == session.payment_link
    charge: Any = bench.v1.charges.retrieve(
        session.payment_intent.latest_charge.id, {"expand": ["payment_intent", "refunds"]}
    )
    assert charge.payment_intent.id == session.payment_intent.id
    assert charge.refunds.data == []


def test_what_cannot_be_expanded_is_refused(bench: Bench) -> None:
    price = bench.price()
    with pytest.raises(stripe.InvalidRequestError, match=r"cannot be expanded \(colour\)"):
        bench.v1.prices.retrieve(price, {"expand": ["colour"]})


def test_a_refused_expansion_makes_nothing(bench: Bench) -> None:
    with pytest.raises(stripe.InvalidRequestError):
        bench.v1.products.create({"name": "x", "expand": ["colour"]})
    assert bench.v1.products.list().data == []


def test_lists_come_newest_first_in_pages(bench: Bench) -> None:
    made = [bench.v1.products.create({"name": str(number)}).id for number in range(5)]
    newest = made[::-1]

    def page(**wanted: Any) -> tuple[list[str], bool]:
        found = bench.v1.products.list(wanted)  # type: ignore[arg-type]
        return [one.id for one in found.data], found.has_more

    assert page(limit=2) == (newest[:2], True)
    assert page(limit=2, starting_after=newest[1]) == (newest[2:4], True)
    assert page(limit=2, starting_after=newest[3]) == (newest[4:], False)
    assert page(limit=2, ending_before=newest[4]) == (newest[2:4], True)
    assert page(limit=2, ending_before=newest[1]) == (newest[:1], False)
    assert [one.id for one in bench.v1.products.list({"limit": 2}).auto_paging_iter()] == newest


@pytest.mark.parametrize("limit", [0, 101])
def test_a_page_has_1_to_100_objects(bench: Bench, limit: int) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        bench.v1.products.list({"limit": limit})
    assert refused.value.param == "limit"


def test_line_items_come_in_pages(bench: Bench) -> None:
    price = bench.price()
    link = bench.link(line_items=[{"price": price, "quantity": n} for n in (1, 2, 3)])
    items = bench.v1.payment_links.line_items
    first = items.list(link.id, {"limit": 2})
    assert ([one.quantity for one in first], first.has_more) == ([1, 2], True)
    last = items.list(link.id, {"starting_after": first.data[1].id})
    assert ([one.quantity for one in last], last.has_more) == ([3], False)
    before = items.list(link.id, {"ending_before": last.data[0].id})
    assert [one.quantity for one in before] == [1, 2]
    session = bench.checkout.open_session(link.id)
    bought = bench.v1.checkout.sessions.line_items.list(session.id)
    assert [one.quantity for one in bought] == [1, 2, 3]


def test_sessions_are_found_by_intent_by_link_and_by_status(bench: Bench) -> None:
    paid, opened = bench.buy(), bench.visit()
    sessions = bench.v1.checkout.sessions
    by_intent = sessions.list({"payment_intent": paid.payment_intent.id})
    assert [one.id for one in by_intent] == [paid.id]
    by_link = sessions.list({"payment_link": paid.payment_link})
    assert [one.id for one in by_link] == [paid.id]
    assert [one.id for one in sessions.list({"status": "open"})] == [opened]
    assert [one.id for one in sessions.list()] == [opened, paid.id]


def test_lists_can_be_cut_by_time(bench: Bench, clock: Clock) -> None:
    times = []
    for _ in range(3):
        bench.buy()
        times.append(int(clock.now))
        clock.now += 10

    def count(created: Any) -> int:
        return len(bench.v1.payment_intents.list({"created": created}).data)

    assert count({"gte": times[1]}) == 2
    assert count({"gt": times[1]}) == 1
    assert count({"gt": times[0], "lt": times[2]}) == 1
    assert count({"lte": times[0]}) == 1
    assert count(times[1]) == 1


def test_events_are_found_by_type(bench: Bench) -> None:
    bench.buy(manual=False)
    assert bench.events(type="charge.succeeded") == ["charge.succeeded"]
    assert bench.events(type="charge.*") == ["charge.succeeded"]
    assert bench.events(types=["charge.succeeded", "price.created"]) == [
        "price.created",
        "charge.succeeded",
    ]
    event = bench.v1.events.list({"type": "charge.succeeded"}).data[0]
    assert bench.v1.events.retrieve(event.id).type == "charge.succeeded"


def test_it_may_be_mounted_at_its_prefix(bench: Bench) -> None:
    mounted = DispatcherMiddleware(
        lambda _environ, _start: [], {"/v1": create_app(bench.simulator)}
    )
    answer = Client(mounted).get("/v1/prices", headers={"Authorization": f"Bearer {KEY}"})
    assert answer.status_code == 200
    assert answer.get_json()["url"] == "/v1/prices"
