"""Our requests to Stripe, by its own library, against the simulator and Stripe's description."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cloud.adapters.stripe_gateway import StripeGateway, StripeRefused, StripeUnavailable
from cloud.core.payments import Money, money_of
from sandbox.stripe_simulator import StripeSimulator, create_app
from sandbox.stripe_simulator.checkout import SessionExpired
from sandbox.stripe_simulator.failures import Failure
from tests.plugins.stripe_description import Described
from tests.sandbox.stripe_simulator.bench import KEY, served

RECEIPT = "https://pay.example/receipt?session_id={CHECKOUT_SESSION_ID}"


class Shop:
    """A gateway to a served simulator, and a link to pay."""

    def __init__(self, simulator: StripeSimulator, url: str) -> None:
        self.simulator = simulator
        self.gateway = StripeGateway(KEY, url)
        self.price = self.gateway.create_price("One play, cab001", 100, "USD", "price-key")
        self.link, self.url = self.gateway.create_link(
            "cab001", self.price, 1, 10, RECEIPT, ["card"], "link-key"
        )

    def pay(self, quantity: int = 3) -> str:
        session = self.simulator.checkout.open_session(self.link)
        self.simulator.checkout.set_quantity(session.id, quantity)
        return self.simulator.checkout.pay(session.id, "4242424242424242").id


@pytest.fixture
def shop(tmp_path: Path, described: Described) -> Iterator[Shop]:
    simulator = StripeSimulator(tmp_path, KEY, "whsec_x", "https://pay.example", None)
    with served(described(create_app(simulator))) as url:
        yield Shop(simulator, url)
    simulator.stop()


def test_a_link_holds_the_money_and_names_its_cabinet_in_both_places(shop: Shop) -> None:
    assert shop.gateway.link_is_active(shop.link)
    payment = shop.gateway.payment(shop.pay())
    assert (payment.link_id, payment.price_id, payment.quantity) == (shop.link, shop.price, 3)
    assert (payment.amount, payment.currency, payment.machine_id) == (300, "USD", "cab001")
    assert payment.payment_status == "unpaid"
    assert money_of(payment) is Money.HELD
    assert payment.hold_until > payment.paid_at > 0


def test_the_same_key_makes_the_same_link(shop: Shop) -> None:
    again = shop.gateway.create_link("cab001", shop.price, 1, 10, RECEIPT, ["card"], "link-key")
    assert again == (shop.link, shop.url)


def test_a_link_is_switched_off_and_on(shop: Shop) -> None:
    shop.gateway.switch_link(shop.link, active=False)
    assert not shop.gateway.link_is_active(shop.link)
    shop.gateway.switch_link(shop.link, active=True)
    assert shop.gateway.link_is_active(shop.link)


def test_the_open_sessions_of_a_link_end_and_nobody_pays_them(shop: Shop) -> None:
    open_, paid = shop.simulator.checkout.open_session(shop.link), shop.pay()
    for _ in range(4):
        shop.simulator.checkout.open_session(shop.link)
    shop.gateway.switch_link(shop.link, active=False)
    assert shop.gateway.expire_sessions(shop.link, 3)
    assert not shop.gateway.expire_sessions(shop.link, 3)
    assert not shop.gateway.expire_sessions(shop.link, 3)
    with pytest.raises(SessionExpired):
        shop.simulator.checkout.pay(open_.id, "4242424242424242")
    assert money_of(shop.gateway.payment(paid)) is Money.HELD


def test_a_session_that_is_paid_while_it_is_to_end_stops_no_other(shop: Shop) -> None:
    open_ = [shop.simulator.checkout.open_session(shop.link).id for _ in range(3)]
    expire = shop.gateway._client.v1.checkout.sessions.expire

    def too_late(session_id: str) -> object:
        if session_id == open_[1]:
            shop.simulator.checkout.pay(session_id, "4242424242424242")
        return expire(session_id)

    shop.gateway._client.v1.checkout.sessions.expire = too_late  # type: ignore[method-assign,assignment]
    assert not shop.gateway.expire_sessions(shop.link, 10)
    ended = [shop.simulator.checkout.get(session_id).status for session_id in open_]
    assert ended == ["expired", "complete", "expired"]


def test_objects_of_another_account_are_refused_with_404(shop: Shop) -> None:
    for ask in (
        lambda: shop.gateway.link_is_active("plink_of_others"),
        lambda: shop.gateway.switch_link("plink_of_others", active=False),
        lambda: shop.gateway.intent("pi_of_others"),
    ):
        with pytest.raises(StripeRefused) as refusal:
            ask()
        assert refusal.value.status == 404


@pytest.mark.parametrize("amount", [300, 200])
def test_a_capture_charges_its_amount_once(shop: Shop, amount: int) -> None:
    intent_id = shop.gateway.payment(shop.pay()).intent_id
    for _ in range(2):
        shop.gateway.capture(intent_id, amount, 2, 3, "order:settle")
    intent = shop.gateway.intent(intent_id)
    assert (intent.status, intent.charged, intent.over) == ("succeeded", amount, True)


def test_a_cancel_charges_nothing(shop: Shop) -> None:
    intent_id = shop.gateway.payment(shop.pay()).intent_id
    shop.gateway.cancel(intent_id, "order:release")
    intent = shop.gateway.intent(intent_id)
    assert (intent.status, intent.charged, intent.over) == ("canceled", 0, True)
    with pytest.raises(StripeRefused) as refusal:
        shop.gateway.capture(intent_id, 300, 3, 3, "order:settle")
    assert refusal.value.code == "payment_intent_unexpected_state"


def test_a_refund_gives_back_once(shop: Shop) -> None:
    intent_id = shop.gateway.payment(shop.pay()).intent_id
    shop.gateway.capture(intent_id, 300, 3, 3, "a")
    for _ in range(2):
        shop.gateway.refund(intent_id, 100, "b")
    assert shop.gateway.intent(intent_id).charged == 200


def test_a_session_that_is_not_there_is_refused_with_404(shop: Shop) -> None:
    with pytest.raises(StripeRefused) as refusal:
        shop.gateway.payment("cs_test_nobody")
    assert refusal.value.status == 404


def test_a_broken_stripe_is_unavailable_and_not_refused(shop: Shop) -> None:
    intent_id = shop.gateway.payment(shop.pay()).intent_id
    shop.simulator.failures.add(Failure("error", "POST", "/v1/payment_intents", 5))
    with pytest.raises(StripeUnavailable):
        shop.gateway.capture(intent_id, 300, 3, 3, "order:settle")
    assert not shop.gateway.intent(intent_id).over


def test_a_stripe_that_is_not_there_is_unavailable_and_the_key_is_not_told() -> None:
    gateway = StripeGateway(KEY, "http://127.0.0.1:9")
    with pytest.raises(StripeUnavailable) as error:
        gateway.intent("pi_1")
    assert KEY not in str(error.value)


def test_completed_sessions_and_undelivered_events_are_listed(shop: Shop) -> None:
    shop.simulator.webhook_url = "http://127.0.0.1:9/nobody"
    paid = [shop.pay() for _ in range(3)]
    shop.simulator.checkout.open_session(shop.link)  # not completed
    listed = shop.gateway.completed(0.0, 4e9)
    assert {found.session_id for found in listed} == set(paid)
    assert {found.link_id for found in listed} == {shop.link}
    assert shop.gateway.completed(0.0, 1.0) == []
    types = [event.type for event in shop.gateway.undelivered(0.0, 4e9)]
    assert types.count("checkout.session.completed") == 3
    assert shop.gateway.undelivered(0.0, 1.0) == []
    intent_id = shop.gateway.payment(paid[0]).intent_id
    assert not shop.gateway.intent(intent_id).disputed
    assert shop.gateway.session_of(intent_id) == paid[0]
    assert shop.gateway.session_of("pi_of_nobody") == ""


def test_intents_are_listed_by_pages_of_a_hundred_as_they_are(
    tmp_path: Path, described: Described
) -> None:
    simulator = StripeSimulator(tmp_path, KEY, "whsec_x", "https://pay.example", None)
    app = create_app(simulator)
    asked: list[str] = []

    def counted(environ: Any, start: Any) -> Any:
        asked.append(environ["PATH_INFO"])
        return app.wsgi_app(environ, start)

    with served(described(counted)) as url:
        shop = Shop(simulator, url)
        ids = [shop.gateway.payment(shop.pay(1)).intent_id for _ in range(201)]
        shop.gateway.cancel(ids[0], "cancel")
        shop.gateway.capture(ids[1], 100, 1, 1, "capture")
        shop.gateway.refund(ids[1], 40, "refund")
        asked.clear()
        listed = {intent.intent_id: intent for intent in shop.gateway.intents(0.0, 4e9)}
        assert asked == ["/v1/payment_intents"] * 3
        assert sorted(listed) == sorted(ids)
        for intent_id in ids[:3]:
            assert listed[intent_id] == shop.gateway.intent(intent_id)
        assert (listed[ids[1]].charged, listed[ids[1]].pulsed) == (60, 1)
        assert shop.gateway.intents(0.0, 1.0) == []
        asked.clear()
        simulator.failures.add(Failure("error", path="/v1/payment_intents", count=2))
        with pytest.raises(StripeUnavailable):
            shop.gateway.intents(0.0, 4e9)
    simulator.stop()


def test_what_a_charge_was_for_is_written_beside_it_at_stripe(shop: Shop) -> None:
    session_id = shop.pay()
    before = shop.gateway.payment(session_id)
    assert (before.manual, before.pulsed, before.pulses) == (True, 0, 0)
    shop.gateway.note_pulses(before.intent_id, 1, 3)
    shop.gateway.capture(before.intent_id, 200, 2, 3, "a")
    after, intent = shop.gateway.payment(session_id), shop.gateway.intent(before.intent_id)
    assert (after.pulsed, after.pulses) == (intent.pulsed, intent.pulses) == (2, 3)
    assert after.machine_id == "cab001"
    assert money_of(after) is Money.CAPTURED


def test_a_capture_that_the_bank_refuses_is_refused_again_for_its_key_and_not_for_another(
    shop: Shop,
) -> None:
    intent_id = shop.gateway.payment(shop.pay()).intent_id
    capture = f"/v1/payment_intents/{intent_id}/capture"
    shop.simulator.failures.add(Failure("decline", "POST", capture))
    for _ in range(2):
        with pytest.raises(StripeRefused) as refusal:
            shop.gateway.capture(intent_id, 300, 3, 3, "order:settle")
        assert (refusal.value.code, refusal.value.status) == ("card_declined", 402)
        assert not shop.gateway.intent(intent_id).over
    shop.gateway.capture(intent_id, 300, 3, 3, "order:settle:1")
    assert shop.gateway.intent(intent_id).charged == 300


def held(shop: Shop) -> str:
    """A hold of 3.00 USD."""
    return shop.gateway.payment(shop.pay()).intent_id


def test_a_refund_is_found_again_by_its_request(shop: Shop) -> None:
    intent_id = held(shop)
    shop.gateway.capture(intent_id, 200, 2, 3, "k1")
    assert not shop.gateway.has_refund(intent_id, "r1"), "what a capture leaves is none of ours"
    shop.gateway.refund(intent_id, 50, "k2", "r1")
    shop.gateway.refund(intent_id, 50, "k3")
    assert shop.gateway.has_refund(intent_id, "r1")
    assert not shop.gateway.has_refund(intent_id, "r2")
    assert shop.gateway.intent(intent_id).charged == 100


def test_the_bill_shows_the_statement_of_the_capture(shop: Shop) -> None:
    intent_id = held(shop)
    shop.gateway.capture(intent_id, 300, 3, 3, "k1", "GALAXY")
    intents = shop.gateway._client.v1.payment_intents
    found = intents.retrieve(intent_id, {"expand": ["latest_charge"]})
    assert "ARCADE* GALAXY" in str(found.latest_charge)


@pytest.mark.parametrize("statement", ["12345", "a*b", "it's", "x" * 15])
def test_a_statement_that_no_bill_shows_is_refused_by_its_name(shop: Shop, statement: str) -> None:
    intent_id = held(shop)
    with pytest.raises(StripeRefused) as refused:
        shop.gateway.capture(intent_id, 300, 3, 3, "k1", statement)
    assert refused.value.param == "statement_descriptor_suffix"
    assert shop.gateway.intent(intent_id).status == "requires_capture"
