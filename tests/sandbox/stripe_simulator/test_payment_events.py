"""The events from which the cloud makes an order, as the simulator sends them."""

from __future__ import annotations

from typing import Any

from cloud.core import holds
from cloud.core.cabinets import PaymentLink
from cloud.core.payments import Payment
from cloud.core.prices import PriceList
from cloud.core.stamps import Stamp
from cloud.services.stripe_events import EVENTS_READ
from tests.fakes import stripe_events
from tests.plugins.stripe_description import Description
from tests.sandbox.stripe_simulator.bench import Bench, Endpoint


def sent(hooked: Bench, endpoint: Endpoint) -> dict[str, dict[str, Any]]:
    """The objects of the events of one payment, in the order in which they came."""
    hooked.simulator.deliveries.subscribed = frozenset(EVENTS_READ)
    hooked.buy(3)
    hooked.deliver()
    return {hook.event["type"]: hook.event["data"]["object"] for hook in endpoint.hooks}


def known(hooked: Bench, endpoint: Endpoint) -> tuple[dict[str, Any], dict[str, Any], Payment]:
    """The charge and the session as they were sent, and what they are of."""
    events = sent(hooked, endpoint)
    charge, session = events["charge.succeeded"], events["checkout.session.completed"]
    card = charge["payment_method_details"]["card"]
    return charge, session, Payment(
        session_id=session["id"],
        link_id=session["payment_link"],
        machine_id=session["metadata"].get("machine_id", ""),
        complete=True,
        payment_status="unpaid",
        intent_id=session["payment_intent"],
        intent_status="requires_capture",
        amount=session["amount_total"],
        currency="USD",
        price_id="price_1",
        quantity=3,
        hold_until=float(card["capture_before"]),
        manual=True,
        fingerprint=card["fingerprint"],
    )  # fmt: skip


def test_the_hold_comes_before_what_it_bought(
    hooked: Bench, endpoint: Endpoint, stripe_description: Description
) -> None:
    assert list(sent(hooked, endpoint)) == [
        "payment_intent.created",
        "charge.succeeded",
        "checkout.session.completed",
    ]
    assert [stripe_description.event(hook.event) for hook in endpoint.hooks] == [[], [], []]


def test_the_cloud_makes_an_order_of_them(hooked: Bench, endpoint: Endpoint) -> None:
    charge, session, payment = known(hooked, endpoint)
    found = holds.reserved(charge)
    assert found is not None
    prices = PriceList(session["amount_subtotal"] // 3, "USD")
    link = PaymentLink(payment.link_id, "cab001", "", "price_1", 1, prices, 0, "w")
    told = holds.payment_of(session, link, holds.hold(found, "hash", Stamp(0, "w")))
    assert told is not None
    assert (told.quantity, told.amount, told.intent_id) == (3, payment.amount, payment.intent_id)
    assert told.hold_until == payment.hold_until


def test_the_tests_fakes_say_what_the_simulator_says(hooked: Bench, endpoint: Endpoint) -> None:
    charge, session, payment = known(hooked, endpoint)
    fake = stripe_events.session_completed(payment)
    metadata = session["metadata"]
    assert {name: session[name] for name in fake} == fake | {"metadata": metadata}
    fake = stripe_events.charge_succeeded(payment, charge["created"])
    card = charge["payment_method_details"]["card"]
    faked = fake.pop("payment_method_details")["card"]
    assert {name: card[name] for name in faked} == faked
    for name in ("id", "metadata"):
        fake[name] = charge[name]
    assert {name: charge[name] for name in fake} == fake


def test_a_charge_at_once_is_no_hold(hooked: Bench, endpoint: Endpoint) -> None:
    hooked.simulator.deliveries.subscribed = frozenset(EVENTS_READ)
    hooked.buy(manual=False)
    hooked.deliver()
    (charge,) = [h.event["data"]["object"] for h in endpoint.hooks if "charge." in h.event["type"]]
    assert holds.reserved(charge) is None
