from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from sandbox.stripe_simulator.checkout import (
    AlreadyPaid,
    CheckoutError,
    LinkInactive,
    NotFound,
    QuantityRefused,
)
from tests.sandbox.stripe_simulator.bench import PAYS, PUBLIC, Bench


def test_each_visit_opens_a_session_of_its_own(bench: Bench) -> None:
    link = bench.link()
    first, second = (bench.checkout.open_session(link.id) for _ in range(2))
    assert first.id != second.id
    assert first.id.startswith("cs_test_")
    bench.checkout.set_quantity(first.id, 4)
    assert bench.checkout.get(first.id).amount_total == 400
    assert bench.checkout.get(second.id).amount_total == 100
    assert bench.session(first.id).url == f"{PUBLIC}/pay/session/{first.id}"


def test_a_session_has_all_that_the_page_shows(bench: Bench) -> None:
    session = bench.checkout.open_session(bench.link(amount=150, currency="eur", most=6).id)
    item = session.item
    assert (item.name, item.unit_amount, item.quantity) == ("One play, Galaxian", 150, 1)
    assert (item.adjustable, item.minimum, item.maximum) == (True, 1, 6)
    assert (session.currency, session.amount_subtotal, session.amount_total) == ("eur", 150, 150)
    assert (session.status, session.payment_status) == ("open", "unpaid")


def test_the_redirect_carries_the_sessions_id(bench: Bench) -> None:
    session_id = bench.visit()
    paid = bench.checkout.pay(session_id, PAYS)
    assert paid.status == "complete"
    assert paid.redirect_url == f"{PUBLIC}/receipt?session_id={session_id}"


def test_without_a_redirect_the_page_has_its_message(bench: Bench) -> None:
    confirmation = {
        "type": "hosted_confirmation",
        "hosted_confirmation": {"custom_message": "Have fun"},
    }
    paid = bench.checkout.pay(bench.visit(after_completion=confirmation), PAYS)
    assert (paid.redirect_url, paid.message) == (None, "Have fun")


@pytest.mark.parametrize("quantity", [-1, 0, 11])
def test_a_quantity_out_of_bounds_is_refused(bench: Bench, quantity: int) -> None:
    session_id = bench.visit(most=10)
    with pytest.raises(QuantityRefused, match="from 1 to 10"):
        bench.checkout.set_quantity(session_id, quantity)
    assert bench.checkout.get(session_id).item.quantity == 1


def test_the_only_item_does_not_go_down_to_0(bench: Bench) -> None:
    item = {
        "price": bench.price(),
        "quantity": 2,
        "adjustable_quantity": {"enabled": True, "minimum": 0, "maximum": 5},
    }
    session_id = bench.visit(line_items=[item])
    with pytest.raises(QuantityRefused, match="from 1 to 5"):
        bench.checkout.set_quantity(session_id, 0)
    assert bench.checkout.set_quantity(session_id, 5).amount_total == 500


def test_a_fixed_quantity_stays(bench: Bench) -> None:
    session_id = bench.visit(line_items=[{"price": bench.price(), "quantity": 2}])
    assert not bench.checkout.get(session_id).item.adjustable
    with pytest.raises(QuantityRefused, match="cannot be changed"):
        bench.checkout.set_quantity(session_id, 1)
    assert bench.checkout.pay(session_id, PAYS).amount_total == 200


def test_an_inactive_link_has_its_own_message(bench: Bench) -> None:
    link = bench.link(inactive_message="This cabinet sleeps.")
    before = bench.checkout.open_session(link.id)
    bench.v1.payment_links.update(link.id, {"active": False})
    with pytest.raises(LinkInactive, match=r"^This cabinet sleeps\.$"):
        bench.checkout.open_session(link.id)
    # A session opened before can still be paid, as at Stripe.
    assert bench.checkout.pay(before.id, PAYS).status == "complete"


def test_an_inactive_link_without_a_message_has_stripes(bench: Bench) -> None:
    link = bench.link()
    bench.v1.payment_links.update(link.id, {"active": False})
    with pytest.raises(LinkInactive, match="no longer active"):
        bench.checkout.open_session(link.id)


def test_a_link_that_can_be_paid_once_becomes_inactive(bench: Bench) -> None:
    link = bench.link(restrictions={"completed_sessions": {"limit": 1}})
    bench.checkout.pay(bench.checkout.open_session(link.id).id, PAYS)
    assert not bench.v1.payment_links.retrieve(link.id).active
    with pytest.raises(LinkInactive):
        bench.checkout.open_session(link.id)


def test_unknown_links_and_sessions_are_not_found(bench: Bench) -> None:
    with pytest.raises(NotFound):
        bench.checkout.open_session("plink_none")
    acts: list[Callable[[], object]] = [
        lambda: bench.checkout.get("cs_test_none"),
        lambda: bench.checkout.pay("cs_test_none", PAYS),
        lambda: bench.checkout.set_quantity("cs_test_none", 1),
        lambda: bench.checkout.expire("cs_test_none"),
    ]
    for act in acts:
        with pytest.raises(NotFound):
            act()


def test_a_paid_session_can_be_neither_paid_nor_changed_nor_expired(bench: Bench) -> None:
    session_id = bench.buy().id
    acts: list[Callable[[], object]] = [
        lambda: bench.checkout.pay(session_id, PAYS),
        lambda: bench.checkout.set_quantity(session_id, 2),
        lambda: bench.checkout.expire(session_id),
    ]
    for act in acts:
        with pytest.raises(AlreadyPaid):
            act()
    assert len(bench.v1.charges.list().data) == 1


def test_simultaneous_taps_pay_once(bench: Bench) -> None:
    session_id = bench.visit()
    together = threading.Barrier(4)
    outcomes: list[str] = []

    def tap() -> None:
        together.wait(10)
        try:
            bench.checkout.pay(session_id, PAYS)
            outcomes.append("paid")
        except CheckoutError as error:
            outcomes.append(type(error).__name__)

    taps = [threading.Thread(target=tap) for _ in range(4)]
    for one in taps:
        one.start()
    for one in taps:
        one.join()
    assert sorted(outcomes) == ["AlreadyPaid"] * 3 + ["paid"]
    assert len(bench.v1.charges.list().data) == 1


def test_the_card_number_is_not_stored(bench: Bench, tmp_path: Path) -> None:
    bench.buy()
    kept = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert b'"last4": "4242"' in kept
    assert b"4242424242424242" not in kept.replace(b" ", b"")
