from __future__ import annotations

from typing import Any

import pytest
import stripe

from tests.sandbox.stripe_simulator.bench import PUBLIC, Bench


def test_a_price_makes_its_product(bench: Bench) -> None:
    price = bench.v1.prices.retrieve(bench.price(150), {"expand": ["product"]})
    product: Any = price.product
    assert (price.unit_amount, price.currency, price.type) == (150, "usd", "one_time")
    assert product.name == "One play, Galaxian"
    assert bench.v1.products.retrieve(product.id).name == "One play, Galaxian"


def test_a_price_can_be_of_a_product_made_before(bench: Bench) -> None:
    product = bench.v1.products.create({"name": "Play", "metadata": {"a": "b"}})
    price = bench.v1.prices.create({"currency": "EUR", "unit_amount": 90, "product": product.id})
    assert (price.product, price.currency) == (product.id, "eur")
    assert [one.id for one in bench.v1.prices.list({"product": product.id})] == [price.id]
    assert [one.id for one in bench.v1.products.list()] == [product.id]


def test_a_link_is_made_as_requested(bench: Bench) -> None:
    link = bench.link(amount=150, most=7, inactive_message="Closed.")
    again = bench.v1.payment_links.retrieve(link.id, {"expand": ["line_items"]})
    assert again.url == f"{PUBLIC}/pay/{link.id}"
    assert again.active
    assert again.inactive_message == "Closed."
    assert again.metadata["machine_id"] == "cab001"
    assert again.payment_intent_data is not None
    assert again.payment_intent_data.capture_method == "manual"
    assert again.payment_intent_data.metadata["machine_id"] == "cab001"
    items: Any = again.line_items
    item = items.data[0]
    assert (item.price.unit_amount, item.quantity, item.amount_total) == (150, 1, 150)
    assert (item.adjustable_quantity.minimum, item.adjustable_quantity.maximum) == (1, 7)
    assert [one.id for one in bench.v1.payment_links.line_items.list(link.id)] == [item.id]


def test_the_address_of_a_link_follows_the_public_address(bench: Bench) -> None:
    link = bench.link()
    bench.simulator.public_url = "http://192.168.1.5:8000/"
    assert bench.v1.payment_links.retrieve(link.id).url == f"http://192.168.1.5:8000/pay/{link.id}"


def test_quantities_are_adjustable_from_0_to_99_by_default(bench: Bench) -> None:
    link = bench.link(
        line_items=[
            {"price": bench.price(), "quantity": 1, "adjustable_quantity": {"enabled": True}}
        ]
    )
    item: Any = bench.v1.payment_links.line_items.list(link.id).data[0]
    assert (item.adjustable_quantity.minimum, item.adjustable_quantity.maximum) == (0, 99)


def test_a_link_can_be_made_inactive_and_active(bench: Bench) -> None:
    link = bench.link()
    other = bench.link()
    assert not bench.v1.payment_links.update(link.id, {"active": False}).active
    off = bench.v1.payment_links.list({"active": False})
    assert [one.id for one in off] == [link.id]
    assert bench.v1.payment_links.update(link.id, {"active": True}).active
    assert [one.id for one in bench.v1.payment_links.list({"active": True})] == [other.id, link.id]


def test_the_event_of_an_update_has_the_previous_values(bench: Bench) -> None:
    link = bench.link()
    bench.v1.payment_links.update(link.id, {"active": False})
    event: Any = bench.v1.events.list({"type": "payment_link.updated"}).data[0]
    assert event.data.previous_attributes.to_dict() == {"active": True}
    assert event.data.object.active is False
    assert event.request.idempotency_key  # the library makes one for each call


def test_an_update_changes_only_what_it_names(bench: Bench) -> None:
    link = bench.link(inactive_message="Closed.")
    item = bench.v1.payment_links.line_items.list(link.id).data[0]
    changed = bench.v1.payment_links.update(
        link.id,
        {
            "metadata": {"machine_id": "", "site": "pier"},
            "inactive_message": "",
            "payment_intent_data": {"metadata": {"site": "pier"}},
            "line_items": [{"id": item.id, "quantity": 3}],
            "after_completion": {
                "type": "hosted_confirmation",
                "hosted_confirmation": {"custom_message": "Have fun"},
            },
            "restrictions": {"completed_sessions": {"limit": 5}},
            "expand": ["line_items"],
        },
    )
    assert changed.metadata.to_dict() == {"site": "pier"}
    assert changed.inactive_message is None
    assert changed.active
    assert changed.payment_intent_data is not None
    assert changed.payment_intent_data.capture_method == "manual"
    assert changed.payment_intent_data.metadata.to_dict() == {
        "machine_id": "cab001",
        "site": "pier",
    }
    assert changed.after_completion.type == "hosted_confirmation"
    assert changed.restrictions is not None
    assert changed.restrictions.completed_sessions.limit == 5
    items: Any = changed.line_items
    assert (items.data[0].quantity, items.data[0].amount_total) == (3, 300)


def test_a_link_of_two_currencies_is_refused(bench: Bench) -> None:
    items = [
        {"price": bench.price(currency="usd"), "quantity": 1},
        {"price": bench.price(currency="eur"), "quantity": 1},
    ]
    with pytest.raises(stripe.InvalidRequestError, match="same currency") as refused:
        bench.link(line_items=items)
    assert refused.value.param == "line_items"


def test_an_inactive_price_is_refused(bench: Bench) -> None:
    price = bench.v1.prices.create(
        {"currency": "usd", "unit_amount": 1, "product_data": {"name": "x"}, "active": False}
    )
    with pytest.raises(stripe.InvalidRequestError, match="inactive") as refused:
        bench.link(line_items=[{"price": price.id, "quantity": 1}])
    assert refused.value.param == "line_items[0][price]"


def test_a_quantity_outside_of_its_own_bounds_is_refused(bench: Bench) -> None:
    item = {
        "price": bench.price(),
        "quantity": 9,
        "adjustable_quantity": {"enabled": True, "minimum": 1, "maximum": 5},
    }
    with pytest.raises(stripe.InvalidRequestError, match="between the minimum"):
        bench.link(line_items=[item])
