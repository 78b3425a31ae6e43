"""The page that a phone opens for a payment link: ``/pay/<link id>``.

It asks for nothing but a quantity and a test card, and keeps nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from flask import Flask, Response, jsonify, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from sandbox import prices
from sandbox.checkout_port import Purchase, Refused, Stage, SwitchedOff, Till, UnknownPurchase

Answer = AnyResponse | tuple[str | AnyResponse, int]


@dataclass(frozen=True)
class TestCard:
    """One of Stripe's test cards, and what it is for."""

    __test__ = False  # pytest: this is no test

    number: str
    what: str

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
    "connect-src 'self'; img-src data:; base-uri 'none'",
}


def create_page(till: Till) -> Flask:
    """The page as a WSGI application, to be mounted where the links point to."""
    app = Flask("sandbox.checkout_page", template_folder="pages", static_folder="pages/static")

    @app.get("/<link_id>")
    def visit(link_id: str) -> Answer:
        return redirect(url_for("show", session_id=till.open(link_id)))

    @app.get("/session/<session_id>")
    def show(session_id: str) -> Answer:
        return _page(till.look(session_id), request.args.get("card", ""))

    @app.post("/session/<session_id>")
    def act(session_id: str) -> Answer:
        purchase = till.look(session_id)
        if purchase.stage is not Stage.OPEN:
            return _go_on(purchase)
        card, wish = request.form.get("card", ""), request.form.get("do", "")
        try:
            if wish in ("less", "more"):
                step = 1 if wish == "more" else -1
                quantity = min(max(purchase.quantity + step, purchase.least), purchase.most)
                till.choose(session_id, quantity)
                return redirect(url_for("show", session_id=session_id, card=card), 303)
            if (quantity := _quantity(purchase)) != purchase.quantity:
                purchase = till.choose(session_id, quantity)
            if wish != "pay" or not (card.isascii() and card.isdecimal()):
                raise Refused("Choose a card, then tap Pay.")
            return _go_on(till.pay(session_id, card))
        except Refused as refusal:
            return _refusal(till.look(session_id), card, str(refusal))

    @app.errorhandler(UnknownPurchase)
    def unknown(_error: UnknownPurchase) -> Answer:
        return _notice("This is not a payment", "Scan the code on the cabinet again.", status=404)

    @app.errorhandler(SwitchedOff)
    def switched_off(error: SwitchedOff) -> Answer:
        return _notice("No card payment now", str(error), status=410)

    @app.after_request
    def say_how_to_keep_it(response: Response) -> Response:
        for name, value in _HEADERS.items():
            response.headers[name] = value
        return response

    return app


def _quantity(purchase: Purchase) -> int:
    """The quantity that the form asks for; a form without one leaves it as it is."""
    wanted = request.form.get("quantity", str(purchase.quantity))
    if wanted.isascii() and wanted.isdecimal() and len(wanted) < 7:
        quantity = int(wanted)
        if purchase.least <= quantity <= purchase.most:
            return quantity
    raise Refused(f"Choose {purchase.least} to {purchase.most}.")


def _wants_json() -> bool:
    return request.accept_mimetypes.best_match(["text/html", "application/json"]) == (
        "application/json"
    )


def _go_on(purchase: Purchase) -> Answer:
    """On to the receipt, or to what the page says of a purchase that is no longer open."""
    target = purchase.receipt if purchase.stage is Stage.PAID else ""
    target = target or url_for("show", session_id=purchase.session_id)
    return jsonify(redirect=target) if _wants_json() else redirect(target, 303)


def _refusal(purchase: Purchase, card: str, sentence: str) -> Answer:
    if purchase.stage is not Stage.OPEN:
        # It was paid, or ran out, while this request was on its way.
        return _go_on(purchase)
    if _wants_json():
        return jsonify(error=sentence), 402
    return _form(purchase, card, sentence), 402


def _page(purchase: Purchase, card: str) -> Answer:
    if purchase.stage is Stage.PAID:
        return _notice(
            "Already paid",
            "This payment went through. Your plays are on the cabinet, or on their way.",
            mood="paid",
            link=purchase.receipt,
        )
    if purchase.stage is Stage.EXPIRED:
        return _notice(
            "This checkout has run out",
            "You were not charged. Scan the code on the cabinet again.",
        )
    return _form(purchase, card), 200


def _form(purchase: Purchase, card: str, error: str = "") -> str:
    known = {known.number for known in CARDS}
    totals = [
        prices.text(purchase.amount * quantity, purchase.currency)
        for quantity in range(purchase.least, purchase.most + 1)
    ]
    return render_template(
        "checkout.html",
        purchase=purchase,
        price=prices.text(purchase.amount, purchase.currency),
        total=totals[purchase.quantity - purchase.least],
        totals=totals,
        cards=CARDS,
        chosen=card if card in known else CARDS[0].number,
        error=error,
    )


def _notice(
    heading: str, sentence: str, status: int = 200, mood: str = "calm", link: str = ""
) -> Answer:
    page = render_template("notice.html", heading=heading, sentence=sentence, mood=mood, link=link)
    return page, status
