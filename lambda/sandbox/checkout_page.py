"""The page that a phone opens for a payment link: ``/pay/<link id>``.

It asks for a quantity and a test card only, and stores nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from flask import Flask, Response, jsonify, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from sandbox import prices
from sandbox.checkout_port import (
    CheckoutPort,
    CheckoutStatus,
    LinkInactive,
    PaymentRefused,
    Purchase,
    UnknownPurchase,
)

PageResponse = BaseResponse | tuple[str | BaseResponse, int]


@dataclass(frozen=True)
class TestCard:
    """One of Stripe's test cards, and the result of paying with it."""

    __test__ = False  # pytest: this is no test

    number: str
    result: str

    @property
    def spaced(self) -> str:
        """The number as it is printed on a card."""
        return " ".join(self.number[i : i + 4] for i in range(0, len(self.number), 4))


# Source: Stripe, "Test card numbers".
CARDS = (
    TestCard("4242424242424242", "Pays"),
    TestCard("4000000000000002", "Declined"),
    TestCard("4000000000009995", "No funds"),
)

_HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; "
    "connect-src 'self'; img-src data:; base-uri 'none'; frame-ancestors 'none'",
}


def create_page(checkout: CheckoutPort) -> Flask:
    """The page as a WSGI application, to be mounted where the links point to."""
    app = Flask("sandbox.checkout_page", template_folder="pages", static_folder="pages/static")

    @app.get("/<link_id>")
    def open_link(link_id: str) -> PageResponse:
        return redirect(url_for("show", session_id=checkout.open(link_id)))

    @app.get("/session/<session_id>")
    def show(session_id: str) -> PageResponse:
        return _page(checkout.get(session_id), request.args.get("card", ""))

    @app.post("/session/<session_id>")
    def submit(session_id: str) -> PageResponse:
        purchase = checkout.get(session_id)
        if purchase.status is not CheckoutStatus.OPEN:
            return _continue(purchase)
        card, action = request.form.get("card", ""), request.form.get("do", "")
        try:
            if action in ("less", "more"):
                step = 1 if action == "more" else -1
                quantity = max(purchase.quantity + step, purchase.min_quantity)
                checkout.set_quantity(session_id, min(quantity, purchase.max_quantity))
                return redirect(url_for("show", session_id=session_id, card=card), 303)
            if (quantity := _quantity(purchase)) != purchase.quantity:
                purchase = checkout.set_quantity(session_id, quantity)
            if action != "pay" or not (card.isascii() and card.isdecimal()):
                raise PaymentRefused("Choose a card, then tap Pay.")
            return _continue(checkout.pay(session_id, card))
        except PaymentRefused as refusal:
            return _refused(checkout.get(session_id), card, str(refusal))

    @app.errorhandler(UnknownPurchase)
    def unknown(_error: UnknownPurchase) -> PageResponse:
        return _notice("This is not a payment", "Scan the code on the cabinet again.", status=404)

    @app.errorhandler(LinkInactive)
    def link_inactive(error: LinkInactive) -> PageResponse:
        return _notice("No card payment now", str(error), status=410)

    @app.after_request
    def add_headers(response: Response) -> Response:
        for name, value in _HEADERS.items():
            response.headers[name] = value
        return response

    return app


def _quantity(purchase: Purchase) -> int:
    """The form's quantity; without one, the purchase's."""
    wanted = request.form.get("quantity", str(purchase.quantity))
    if wanted.isascii() and wanted.isdecimal() and len(wanted) < 7:
        quantity = int(wanted)
        if purchase.min_quantity <= quantity <= purchase.max_quantity:
            return quantity
    raise PaymentRefused(f"Choose {purchase.min_quantity} to {purchase.max_quantity}.")


def _wants_json() -> bool:
    return request.accept_mimetypes.best_match(["text/html", "application/json"]) == (
        "application/json"
    )


def _continue(purchase: Purchase) -> PageResponse:
    """Leads to the receipt, or to the page about a purchase that is no longer open."""
    target = purchase.receipt if purchase.status is CheckoutStatus.COMPLETE else ""
    target = target or url_for("show", session_id=purchase.session_id)
    return jsonify(redirect=target) if _wants_json() else redirect(target, 303)


def _refused(purchase: Purchase, card: str, message: str) -> PageResponse:
    if purchase.status is not CheckoutStatus.OPEN:
        # It was paid, or ran out, while this request was on its way.
        return _continue(purchase)
    if _wants_json():
        return jsonify(error=message), 402
    return _form(purchase, card, message), 402


def _page(purchase: Purchase, card: str) -> PageResponse:
    if purchase.status is CheckoutStatus.COMPLETE:
        return _notice(
            "Already paid",
            "This payment went through. Your plays are on the cabinet, or on their way.",
            tone="paid",
            link=purchase.receipt,
        )
    if purchase.status is CheckoutStatus.EXPIRED:
        return _notice(
            "This checkout has run out",
            "You were not charged. Scan the code on the cabinet again.",
        )
    return _form(purchase, card), 200


def _form(purchase: Purchase, card: str, error: str = "") -> str:
    numbers = {card.number for card in CARDS}
    totals = [
        prices.text(purchase.unit_amount * quantity, purchase.currency)
        for quantity in range(purchase.min_quantity, purchase.max_quantity + 1)
    ]
    return render_template(
        "checkout.html",
        purchase=purchase,
        price=prices.text(purchase.unit_amount, purchase.currency),
        total=totals[purchase.quantity - purchase.min_quantity],
        totals=totals,
        cards=CARDS,
        chosen=card if card in numbers else CARDS[0].number,
        error=error,
    )


def _notice(
    heading: str, message: str, status: int = 200, tone: str = "neutral", link: str = ""
) -> PageResponse:
    page = render_template("notice.html", heading=heading, message=message, tone=tone, link=link)
    return page, status
