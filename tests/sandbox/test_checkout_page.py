"""The checkout page over a fake of its port."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.wrappers import Response

from cloud.server.http_server import HttpServer
from sandbox import ports
from sandbox.checkout_page import CARDS, create_page
from sandbox.checkout_port import (
    CheckoutStatus,
    LinkInactive,
    PaymentRefused,
    Purchase,
    UnknownPurchase,
)

PAYS, DECLINED, NO_FUNDS = (card.number for card in CARDS)
OPEN = Purchase(
    session_id="cs_test_1",
    status=CheckoutStatus.OPEN,
    product="One play, Neon Racer",
    unit_amount=100,
    currency="usd",
    quantity=2,
    min_quantity=1,
    max_quantity=4,
)
RECEIPT = "/receipt?session_id=cs_test_1"


class FakeCheckout:
    """One purchase of one link."""

    def __init__(self, purchase: Purchase = OPEN) -> None:
        self.purchase = purchase
        self.paid_with: list[str] = []
        self.gate = threading.Event()
        self.gate.set()

    def open(self, link_id: str) -> str:
        if link_id == "plink_off":
            raise LinkInactive("This cabinet takes no card payment at the moment.")
        if link_id != "plink_1":
            raise UnknownPurchase
        return self.purchase.session_id

    def get(self, session_id: str) -> Purchase:
        if session_id != self.purchase.session_id:
            raise UnknownPurchase
        return self.purchase

    def set_quantity(self, session_id: str, quantity: int) -> Purchase:
        self.purchase = replace(self.get(session_id), quantity=quantity)
        return self.purchase

    def pay(self, session_id: str, card: str) -> Purchase:
        assert self.gate.wait(15)
        self.paid_with.append(card)
        if card != PAYS:
            raise PaymentRefused("Your card was declined.")
        self.purchase = replace(
            self.get(session_id), status=CheckoutStatus.COMPLETE, receipt=RECEIPT
        )
        return self.purchase


@pytest.fixture
def checkout() -> FakeCheckout:
    return FakeCheckout()


@pytest.fixture
def page(checkout: FakeCheckout) -> FlaskClient:
    return create_page(checkout).test_client()


def pay(page: FlaskClient, **form: str) -> Any:
    return page.post("/session/cs_test_1", data={"do": "pay", "card": PAYS} | form)


def ask(page: FlaskClient, **form: str) -> Any:
    """What the page's script gets for the same request."""
    return page.post(
        "/session/cs_test_1",
        data={"do": "pay", "card": PAYS} | form,
        headers={"Accept": "application/json"},
    )


def test_a_link_opens_a_session(page: FlaskClient) -> None:
    answer = page.get("/plink_1")
    assert (answer.status_code, answer.location) == (302, "/session/cs_test_1")


def test_the_page_shows_what_is_bought_and_for_how_much(page: FlaskClient) -> None:
    shown = page.get("/session/cs_test_1").text
    assert "One play, Neon Racer" in shown
    assert "$1.00 each" in shown
    assert "Pay $2.00" in shown
    assert "Sandbox: no real money" in shown
    for card in CARDS:
        assert card.spaced in shown


def test_every_total_within_the_bounds_is_on_the_page(page: FlaskClient) -> None:
    found = re.search(r'data-totals="([^"]*)"', page.get("/session/cs_test_1").text)
    assert found
    assert json.loads(unescape(found[1])) == ["$1.00", "$2.00", "$3.00", "$4.00"]


def test_the_form_has_no_personal_fields(page: FlaskClient) -> None:
    names = set(re.findall(r'name="(\w+)"', page.get("/session/cs_test_1").text))
    assert names - {"viewport", "robots", "theme"} == {"do", "card", "quantity"}


def test_nothing_is_fetched_from_elsewhere(page: FlaskClient) -> None:
    answer = page.get("/session/cs_test_1")
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert re.findall(r'(?:src|href|action)="(?!/|data:,")', answer.text) == []
    for name in ("style.css", "checkout.js"):
        static = page.get(f"/static/{name}")
        assert static.status_code == 200
        assert "http" not in static.text
        assert "@import" not in static.text
        static.close()


def test_no_page_has_the_checkout_in_a_frame_or_its_script_inline(page: FlaskClient) -> None:
    for path in ("/session/cs_test_1", "/session/nothing", "/plink_off", "/plink_1"):
        headers = page.get(path).headers
        policy = headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in policy
        assert "unsafe-inline" not in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"


def test_a_product_is_text_and_never_markup(checkout: FakeCheckout, page: FlaskClient) -> None:
    checkout.purchase = replace(OPEN, product='<script>"&')
    assert "&lt;script&gt;&#34;&amp;" in page.get("/session/cs_test_1").text


@pytest.mark.parametrize(("action", "quantity"), [("less", 1), ("more", 3)])
def test_without_a_script_each_tap_changes_the_quantity(
    checkout: FakeCheckout, page: FlaskClient, action: str, quantity: int
) -> None:
    answer = pay(page, do=action, card=DECLINED)
    assert answer.status_code == 303
    assert checkout.purchase.quantity == quantity
    shown = page.get(answer.location).text
    assert f"Pay ${quantity}.00" in shown
    assert re.search(rf'value="{DECLINED}" checked', shown)


@pytest.mark.parametrize(("action", "quantity"), [("less", 1), ("more", 4)])
def test_taps_stop_at_the_bounds(
    checkout: FakeCheckout, page: FlaskClient, action: str, quantity: int
) -> None:
    checkout.purchase = replace(OPEN, quantity=quantity)
    assert f'value="{action}"' in page.get("/session/cs_test_1").text
    assert re.search(
        rf'value="{action}"[^>]* disabled', page.get("/session/cs_test_1").text, re.DOTALL
    )
    pay(page, do=action)
    assert checkout.purchase.quantity == quantity


def test_one_fixed_quantity_has_no_buttons_to_change_it(
    checkout: FakeCheckout, page: FlaskClient
) -> None:
    checkout.purchase = replace(OPEN, quantity=1, max_quantity=1)
    assert 'class="step"' not in page.get("/session/cs_test_1").text


def test_paying_goes_on_to_the_receipt(checkout: FakeCheckout, page: FlaskClient) -> None:
    answer = pay(page, quantity="3")
    assert (answer.status_code, answer.location) == (303, RECEIPT)
    assert (checkout.purchase.quantity, checkout.paid_with) == (3, [PAYS])


def test_a_script_gets_the_address_to_go_to(page: FlaskClient) -> None:
    answer = ask(page)
    assert (answer.status_code, answer.json) == (200, {"redirect": RECEIPT})


def test_a_link_without_a_redirect_shows_that_it_was_paid(
    checkout: FakeCheckout, page: FlaskClient
) -> None:
    checkout.purchase = replace(OPEN, status=CheckoutStatus.COMPLETE)
    answer = pay(page)
    assert (answer.status_code, answer.location) == (303, "/session/cs_test_1")
    shown = page.get("/session/cs_test_1").text
    assert "Already paid" in shown
    assert "See the receipt" not in shown


@pytest.mark.parametrize("card", [DECLINED, NO_FUNDS])
def test_a_decline_is_shown_next_to_the_button(page: FlaskClient, card: str) -> None:
    answer = pay(page, card=card)
    assert answer.status_code == 402
    alert = re.search(r'role="alert">([^<]*)</p>\s*<button class="pay"', answer.text)
    assert alert
    assert alert[1] == "Your card was declined."
    assert re.search(rf'value="{card}" checked', answer.text)
    again = ask(page, card=card)
    assert (again.status_code, again.json) == (402, {"error": "Your card was declined."})


@pytest.mark.parametrize("quantity", ["0", "5", "-1", "two", "1e1", "\u0663", "9" * 40, ""])
def test_a_quantity_that_cannot_be_bought_pays_nothing(
    checkout: FakeCheckout, page: FlaskClient, quantity: str
) -> None:
    answer = ask(page, quantity=quantity)
    assert (answer.status_code, answer.json) == (402, {"error": "Choose 1 to 4."})
    assert checkout.paid_with == []


@pytest.mark.parametrize("form", [{"card": ""}, {"card": "4242x"}, {"do": "steal"}, {"do": ""}])
def test_a_form_that_is_no_payment_pays_nothing(
    checkout: FakeCheckout, page: FlaskClient, form: dict[str, str]
) -> None:
    assert ask(page, **form).json == {"error": "Choose a card, then tap Pay."}
    assert checkout.paid_with == []


def test_an_inactive_link_shows_its_message(page: FlaskClient) -> None:
    answer = page.get("/plink_off")
    assert answer.status_code == 410
    assert "This cabinet takes no card payment at the moment." in answer.text


@pytest.mark.parametrize("path", ["/plink_2", "/session/cs_test_2"])
def test_an_unknown_link_or_session_is_not_found(page: FlaskClient, path: str) -> None:
    answer = page.get(path)
    assert answer.status_code == 404
    assert "Scan the code on the cabinet again." in answer.text


def test_a_paid_session_says_so_and_leads_to_the_receipt(
    checkout: FakeCheckout, page: FlaskClient
) -> None:
    checkout.purchase = replace(OPEN, status=CheckoutStatus.COMPLETE, receipt=RECEIPT)
    shown = page.get("/session/cs_test_1").text
    assert "Already paid" in shown
    assert f'href="{RECEIPT}"' in shown


def test_a_second_payment_goes_to_the_receipt_of_the_first(
    checkout: FakeCheckout, page: FlaskClient
) -> None:
    pay(page)
    answer = pay(page)
    assert (answer.status_code, answer.location) == (303, RECEIPT)
    assert checkout.paid_with == [PAYS]


def test_the_page_of_an_expired_session_says_that_nothing_was_charged(
    checkout: FakeCheckout, page: FlaskClient
) -> None:
    checkout.purchase = replace(OPEN, status=CheckoutStatus.EXPIRED)
    assert "You were not charged." in page.get("/session/cs_test_1").text
    assert pay(page).location == "/session/cs_test_1"
    assert checkout.paid_with == []


@pytest.mark.parametrize(("quantity", "shown"), [(1, "KWD\u00a01.500"), (4, "KWD\u00a06.000")])
def test_three_decimals_are_shown(
    checkout: FakeCheckout, page: FlaskClient, quantity: int, shown: str
) -> None:
    checkout.purchase = replace(OPEN, currency="kwd", unit_amount=1500, quantity=quantity)
    assert f"Pay {shown}" in page.get("/session/cs_test_1").text


# In a browser.


@pytest.fixture
def address(checkout: FakeCheckout) -> Iterator[str]:
    """Where the page is served, under /pay as in the sandbox."""

    def receipt(environ: Any, start_response: Any) -> Any:
        return Response("<title>receipt</title><h1>Paid</h1>", mimetype="text/html")(
            environ, start_response
        )

    listener = ports.listen("127.0.0.1", 0)
    server = HttpServer(DispatcherMiddleware(receipt, {"/pay": create_page(checkout)}), listener, 4)
    server.start()
    yield f"http://127.0.0.1:{ports.port_of(listener)}"
    checkout.gate.set()
    server.stop()


def test_a_player_buys_three_plays(phone: Any, address: str, checkout: FakeCheckout) -> None:
    phone.open(f"{address}/pay/plink_1")
    assert phone.text(".pay") == "Pay $2.00"
    phone.tap(".step[value=more]")
    assert [phone.text("#count"), phone.text("#total"), phone.text(".pay")] == [
        "3",
        "$3.00",
        "Pay $3.00",
    ]
    assert checkout.purchase.quantity == 2  # nothing is asked of the server before Pay
    phone.tap(".pay")
    phone.wait(lambda phone: phone.url.endswith(RECEIPT))
    assert (checkout.purchase.quantity, checkout.paid_with) == (3, [PAYS])


def test_taps_stop_at_the_bounds_at_once(phone: Any, address: str) -> None:
    phone.open(f"{address}/pay/plink_1")
    for _ in range(2):
        phone.tap(".step[value=more]")
    assert phone.run("return document.querySelector('.step[value=more]').disabled") is True
    assert phone.text("#count") == "4"


def test_a_declined_card_can_be_changed_for_another(
    phone: Any, address: str, checkout: FakeCheckout
) -> None:
    phone.open(f"{address}/pay/plink_1")
    assert not phone.shows("#error")
    phone.tap(f".card:has([value='{DECLINED}'])")
    phone.tap(".pay")
    phone.wait(lambda phone: phone.shows("#error"))
    assert phone.text("#error") == "Your card was declined."
    assert phone.text(".pay") == "Pay $2.00"
    phone.tap(f".card:has([value='{PAYS}'])")
    assert not phone.shows("#error")
    phone.tap(".pay")
    phone.wait(lambda phone: phone.url.endswith(RECEIPT))
    assert checkout.paid_with == [DECLINED, PAYS]


def test_paying_shows_that_it_is_under_way_and_pays_once(
    phone: Any, address: str, checkout: FakeCheckout
) -> None:
    checkout.gate.clear()
    phone.open(f"{address}/pay/plink_1")
    phone.tap(".pay")
    assert phone.text(".pay") == "Paying\u2026"
    assert phone.run("return document.querySelector('.pay').ariaBusy") == "true"
    phone.tap(".pay")
    phone.tap(".step[value=more]")
    checkout.gate.set()
    phone.wait(lambda phone: phone.url.endswith(RECEIPT))
    assert (checkout.paid_with, checkout.purchase.quantity) == ([PAYS], 2)


def test_it_works_without_a_script(phone: Any, address: str, checkout: FakeCheckout) -> None:
    phone.block_scripts()
    phone.open(f"{address}/pay/plink_1")
    phone.tap(f".card:has([value='{NO_FUNDS}'])")
    phone.tap(".step[value=less]")
    phone.wait(lambda phone: "card=" in phone.url)  # it was a request of its own
    phone.wait(lambda phone: phone.text(".pay") == "Pay $1.00")
    phone.tap(".pay")
    phone.wait(lambda phone: phone.shows("#error"))
    phone.tap(f".card:has([value='{PAYS}'])")
    phone.tap(".pay")
    phone.wait(lambda phone: phone.url.endswith(RECEIPT))
    assert (checkout.purchase.quantity, checkout.paid_with) == (1, [NO_FUNDS, PAYS])


@pytest.mark.parametrize(("width", "height"), [(360, 740), (320, 568)])
def test_it_fits_a_phone(
    phone: Any, address: str, checkout: FakeCheckout, width: int, height: int
) -> None:
    checkout.purchase = replace(
        OPEN,
        product="One play, Super Galaxy Defender Championship",
        currency="kwd",
        unit_amount=1500,
    )
    phone.resize(width, height)
    phone.open(f"{address}/pay/plink_1")
    assert phone.run("return document.documentElement.scrollWidth") == width
    boxes = phone.run(
        "return [...document.querySelectorAll('.step, .card, .pay')].map(e => {"
        " const b = e.getBoundingClientRect(); return [b.left, b.right, b.width, b.height] })"
    )
    assert len(boxes) == 6
    for left, right, wide, high in boxes:
        assert 0 <= left < right <= width
        assert wide >= 48
        assert high >= 48
    bottom = phone.run("return document.querySelector('.pay').getBoundingClientRect().bottom")
    assert bottom <= height  # the button is in sight without scrolling


CONTRASTS = Path(__file__).with_name("contrasts.js")


@pytest.mark.parametrize("path", ["plink_1", "plink_off"])
def test_every_text_has_enough_contrast(phone: Any, address: str, path: str) -> None:
    phone.open(f"{address}/pay/{path}")
    phone.run("document.querySelector('[hidden]')?.removeAttribute('hidden')")
    phone.run(
        "const e = document.getElementById('error'); if (e) e.textContent = 'It was declined.'"
    )
    found = phone.run(CONTRASTS.read_text())
    assert len(found) >= 3
    assert {text: ratio for text, ratio in found if ratio < 7} == {}
