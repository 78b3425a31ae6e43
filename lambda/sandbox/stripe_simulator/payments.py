"""Checkout Sessions, PaymentIntents, charges and refunds: how money is held, taken, given back.

open session ── pay ──▶ complete, unpaid, a hold  ── capture ──▶ paid
     │                          └── cancel ──▶ unpaid, nothing charged
     │         (a link without manual capture) ─────────────────▶ paid at once
     └── expire ──▶ expired
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from cloud.core import money
from sandbox.stripe_simulator import objects
from sandbox.stripe_simulator.catalogue import merged, with_quantity
from sandbox.stripe_simulator.errors import Document, StripeError, unexpected_state
from sandbox.stripe_simulator.ids import new_id
from sandbox.stripe_simulator.parameters import LARGEST_AMOUNT, Cancel, Capture, RefundCreate
from sandbox.stripe_simulator.store import Page
from sandbox.stripe_simulator.work import Work

_CANCELABLE = (
    "requires_payment_method",
    "requires_capture",
    "requires_confirmation",
    "requires_action",
    "processing",
)


@dataclass(frozen=True)
class Decline:
    """Why a card was not charged, in Stripe's codes; ``message`` is for the player."""

    code: str
    decline_code: str | None
    message: str


# The cards of the stand-in, as in Stripe's "Testing" page. A number that is none of them never
# becomes a payment method, so no PaymentIntent hears of it.
CARDS: dict[str, Decline | None] = {
    "4242424242424242": None,
    "4000000000000002": Decline("card_declined", "generic_decline", "Your card was declined."),
    "4000000000009995": Decline(
        "card_declined", "insufficient_funds", "Your card has insufficient funds."
    ),
}
INCORRECT_NUMBER = Decline("incorrect_number", None, "Your card number is incorrect.")


def open_session(work: Work, link: Document, reference: str | None) -> Document:
    """A new Checkout Session, as each visit of a link makes one."""
    items = work.books.children(link["id"], "item")
    amount = sum(item["amount_total"] for item in items)
    session = objects.session(work.time, link, amount, reference)
    work.books.put(session)
    for item in items:
        work.books.put(item | {"id": new_id("li")}, parent=session["id"])
    return session


def set_quantity(work: Work, session: Document, item: Document, quantity: int) -> Document:
    """The open session with another quantity of one of its items."""
    price = work.find("price", item["price"], "price")
    work.books.put(with_quantity(item, price, quantity))
    amount = sum(one["amount_total"] for one in work.books.children(session["id"], "item"))
    session = session | {"amount_subtotal": amount, "amount_total": amount}
    work.books.put(session)
    return session


def pay(work: Work, session: Document, card_number: str, email: str | None) -> Decline | None:
    """Tries a card on an open session; returns why it was declined, or ``None`` if it was not."""
    digits = re.sub(r"[\s-]", "", card_number)
    refusal = amount_refused(session["amount_total"], session["currency"])
    if refusal:
        return refusal
    if digits not in CARDS:
        return INCORRECT_NUMBER
    link = work.find("payment_link", session["payment_link"], "payment_link")
    intent = _intent_of(work, session, link)
    decline = CARDS[digits]
    charge = objects.charge(work.time, intent, digits[-4:], email)
    if decline:
        _failed(work, intent, charge, decline)
    else:
        _succeeded(work, session, link, intent, charge, email)
    return decline


def expire(work: Work, session: Document) -> Document:
    """Ends an open session; a PaymentIntent that it has made is cancelled."""
    if session["status"] != "open":
        raise StripeError(
            'Only Checkout Sessions with a status in ["open"] can be expired. This Checkout '
            f"Session has a status of {session['status']}."
        )
    session = session | {"status": "expired"}
    work.books.put(session)
    work.emit("checkout.session.expired", session)
    if session["payment_intent"]:
        intent = work.find("payment_intent", session["payment_intent"], "payment_intent")
        _cancel(work, intent, "expired")
    return session


def capture(work: Work, intent_id: str, params: Capture) -> Document:
    """Charges a hold, or a part of it; the rest goes back to the card."""
    intent = work.find("payment_intent", intent_id, "intent")
    if intent["status"] != "requires_capture":
        why = (
            "it has already been captured."
            if intent["status"] == "succeeded"
            else f"it has a status of {intent['status']}. Only a PaymentIntent with one of the "
            "following statuses may be captured: requires_capture."
        )
        raise unexpected_state(f"This PaymentIntent could not be captured because {why}", intent)
    charge = work.find("charge", intent["latest_charge"], "latest_charge")
    if work.now >= charge["payment_method_details"]["card"]["capture_before"]:
        raise StripeError(
            "The charge cannot be captured: its authorization has expired.",
            code="charge_expired_for_capture",
        )
    capturable = intent["amount_capturable"]
    amount = capturable if params.amount_to_capture is None else params.amount_to_capture
    if amount > capturable:
        raise StripeError(
            f"The amount to capture ({amount}) is greater than the amount that can be captured "
            f"({capturable}).",
            code="amount_too_large",
            param="amount_to_capture",
        )
    if amount < capturable:
        _check_step(amount, intent["currency"], "amount_to_capture")
    before, charge = charge, charge | {"captured": True, "amount_captured": amount}
    _give_back(work, charge, capturable - amount)
    intent |= {
        "status": "succeeded",
        "amount_capturable": 0,
        "amount_received": amount,
        "metadata": _metadata(intent, params.metadata),
    }
    work.books.put(charge)
    work.books.put(intent)
    session = session_of(work, intent_id)
    if session:
        work.books.put(session | {"payment_status": "paid"})
    work.emit("charge.captured", charge, before)
    work.emit("payment_intent.succeeded", intent)
    return intent


def cancel(work: Work, intent_id: str, params: Cancel) -> Document:
    """Gives a hold up."""
    intent = work.find("payment_intent", intent_id, "intent")
    if intent["status"] not in _CANCELABLE:
        raise unexpected_state(
            f"You cannot cancel this PaymentIntent because it has a status of {intent['status']}. "
            "Only a PaymentIntent with one of the following statuses may be canceled: "
            f"{', '.join(_CANCELABLE)}.",
            intent,
        )
    session = session_of(work, intent_id)
    if session and session["status"] == "open":
        raise unexpected_state(
            "You cannot cancel this PaymentIntent because its Checkout Session is open: expire "
            f"the Checkout Session {session['id']} instead.",
            intent,
        )
    return _cancel(work, intent, params.cancellation_reason)


def refund(work: Work, params: RefundCreate) -> Document:
    """Gives a charge back, or a part of it."""
    charge = _charge_to_refund(work, params)
    rest = charge["amount"] - charge["amount_refunded"]
    if rest == 0:
        raise StripeError(
            f"Charge {charge['id']} has already been refunded.", code="charge_already_refunded"
        )
    amount = rest if params.amount is None else params.amount
    if amount > rest:
        currency = charge["currency"]
        raise StripeError(
            f"Refund amount ({money.text(amount, currency)}) is greater than unrefunded amount on "
            f"charge ({money.text(rest, currency)})",
            code="amount_too_large",
            param="amount",
        )
    if amount < rest:
        _check_step(amount, charge["currency"], "amount")
    before = dict(charge)
    made = _give_back(work, charge, amount, params.reason, _metadata({}, params.metadata))
    work.books.put(charge)
    work.emit("refund.created", made)
    work.emit("charge.refunded", charge, before)
    return made


def expire_overdue(work: Work) -> None:
    """Does what only time does: sessions expire after a day, holds after a week."""
    sessions, _ = work.books.select(
        "checkout.session",
        [
            ("json_extract(body, '$.status') = ?", "open"),
            ("json_extract(body, '$.expires_at') <= ?", work.time),
        ],
        Page(limit=100),
    )
    for session in sessions:
        expire(work, session)
    charges, _ = work.books.select(
        "charge",
        [
            ("NOT json_extract(body, '$.captured') AND json_extract(body, '$.status') = ?",
             "succeeded"),
            ("NOT json_extract(body, '$.refunded') AND json_extract(body, "
             "'$.payment_method_details.card.capture_before') <= ?", work.time),
        ],
        Page(limit=100),
    )  # fmt: skip
    for charge in charges:
        intent = work.find("payment_intent", charge["payment_intent"], "payment_intent")
        _cancel(work, intent, "automatic", "expired_uncaptured_charge")


def session_of(work: Work, intent_id: str) -> Document | None:
    """The Checkout Session that made a PaymentIntent."""
    where = [("json_extract(body, '$.payment_intent') = ?", intent_id)]
    found, _ = work.books.select("checkout.session", where, Page(limit=1))
    return found[0] if found else None


def amount_refused(amount: int, currency: str) -> Decline | None:
    """Stripe's refusal of an amount that cannot be charged, or ``None``."""
    code = currency.upper()
    least = money.MINIMUM.get(code, 1)
    if amount < least:
        return Decline(
            "amount_too_small", None, f"Amount must be at least {money.text(least, code)}"
        )
    if amount > LARGEST_AMOUNT:
        return Decline(
            "amount_too_large", None, f"Amount must be no more than {LARGEST_AMOUNT} {code}"
        )
    if amount % money.step(code):
        return Decline(
            "parameter_invalid_integer",
            None,
            f"Amounts in {code} must be divisible by {money.step(code)}.",
        )
    return None


def _check_step(amount: int, currency: str, param: str) -> None:
    step = money.step(currency)
    if amount % step:
        raise StripeError(
            f"Amounts in {currency.upper()} must be divisible by {step}.",
            code="parameter_invalid_integer",
            param=param,
        )


def _intent_of(work: Work, session: Document, link: Document) -> Document:
    """The session's PaymentIntent, made when the player first confirms."""
    amount = session["amount_total"]
    if session["payment_intent"]:
        intent = work.find("payment_intent", session["payment_intent"], "payment_intent")
        return intent | {"amount": amount}
    intent = objects.payment_intent(work.time, link, amount)
    work.books.put(intent)
    session["payment_intent"] = intent["id"]
    work.books.put(session)
    work.emit("payment_intent.created", intent)
    return intent


def _failed(work: Work, intent: Document, charge: Document, decline: Decline) -> None:
    charge |= {
        "paid": False,
        "status": "failed",
        "failure_code": decline.code,
        "failure_message": decline.message,
    }
    charge["payment_method_details"]["card"].pop("capture_before", None)
    charge["outcome"] |= {
        "network_status": "declined_by_network",
        "reason": decline.decline_code,
        "seller_message": "The bank did not return any further details with this decline.",
        "type": "issuer_declined",
    }
    page = decline.code.replace("_", "-")
    intent |= {
        "latest_charge": charge["id"],
        "last_payment_error": {
            "charge": charge["id"],
            "code": decline.code,
            "decline_code": decline.decline_code,
            "doc_url": f"https://stripe.com/docs/error-codes/{page}",
            "message": decline.message,
            "type": "card_error",
        },
    }
    work.books.put(charge)
    work.books.put(intent)
    work.emit("charge.failed", charge)
    work.emit("payment_intent.payment_failed", intent)


def _succeeded(
    work: Work,
    session: Document,
    link: Document,
    intent: Document,
    charge: Document,
    email: str | None,
) -> None:
    amount = intent["amount"]
    intent |= {
        "last_payment_error": None,
        "latest_charge": charge["id"],
        "payment_method": charge["payment_method"],
    }
    session |= {
        "status": "complete",
        "customer_details": {
            "address": dict(charge["billing_details"]["address"]),
            "business_name": None,
            "email": email,
            "individual_name": None,
            "name": None,
            "phone": None,
            "tax_exempt": "none",
            "tax_ids": [],
        },
    }
    if intent["capture_method"] == "manual":
        intent |= {"status": "requires_capture", "amount_capturable": amount}
        news = "payment_intent.amount_capturable_updated"
    else:
        charge |= {"captured": True, "amount_captured": amount}
        intent |= {"status": "succeeded", "amount_received": amount}
        session["payment_status"] = "paid"
        news = "payment_intent.succeeded"
    for document in (charge, intent, session):
        work.books.put(document)
    work.emit("charge.succeeded", charge)
    work.emit(news, intent)
    work.emit("checkout.session.completed", session)
    _count_completed(work, link)


def _count_completed(work: Work, link: Document) -> None:
    """Switches a link off that may be paid only so many times."""
    if not link["restrictions"]:
        return
    sessions = dict(link["restrictions"]["completed_sessions"])
    sessions["count"] += 1
    before = link
    link = link | {"restrictions": {"completed_sessions": sessions}}
    if sessions["count"] >= sessions["limit"]:
        link["active"] = False
    work.books.put(link)
    if link["active"] != before["active"]:
        work.emit("payment_link.updated", link, before)


def _cancel(
    work: Work, intent: Document, reason: str | None, refund_reason: str | None = None
) -> Document:
    held = intent["status"] == "requires_capture"
    intent |= {
        "status": "canceled",
        "amount_capturable": 0,
        "canceled_at": work.time,
        "cancellation_reason": reason,
    }
    work.books.put(intent)
    if held:
        charge = work.find("charge", intent["latest_charge"], "latest_charge")
        before = dict(charge)
        _give_back(work, charge, charge["amount"], refund_reason)
        work.books.put(charge)
        work.emit("charge.refunded", charge, before)
    work.emit("payment_intent.canceled", intent)
    return intent


def _give_back(
    work: Work,
    charge: Document,
    amount: int,
    reason: str | None = None,
    metadata: dict[str, str] | None = None,
) -> Document:
    """Books ``amount`` of a charge as given back.

    Stripe does so for what was never captured, too: ``amount_refunded`` counts the rest of a
    partial capture and a hold that was given up.
    """
    made = objects.refund(work.time, charge, amount, reason, metadata)
    if amount:
        work.books.put(made)
    charge["amount_refunded"] += amount
    charge["refunded"] = charge["amount_refunded"] == charge["amount"]
    return made


def _charge_to_refund(work: Work, params: RefundCreate) -> Document:
    if not params.charge and not params.payment_intent:
        raise StripeError(
            "One of the following params should be provided for this request: payment_intent or "
            "charge.",
            code="parameter_missing",
            param="payment_intent",
        )
    if params.charge:
        charge = work.find("charge", params.charge, "charge")
        intent = work.find("payment_intent", charge["payment_intent"], "payment_intent")
        if params.payment_intent and params.payment_intent != intent["id"]:
            raise StripeError(
                f"Charge {charge['id']} is not a charge of {params.payment_intent}.",
                param="charge",
            )
    else:
        intent = work.find("payment_intent", params.payment_intent or "", "payment_intent")
    if intent["status"] == "requires_capture":
        raise StripeError(
            f"This uncaptured Charge was created by a PaymentIntent ({intent['id']}). You must "
            "cancel the PaymentIntent to reverse the authorization instead of refunding the "
            "Charge directly."
        )
    if intent["status"] != "succeeded":
        raise StripeError(
            f"This PaymentIntent ({intent['id']}) does not have a successful charge to refund.",
            param="payment_intent",
        )
    return work.find("charge", intent["latest_charge"], "charge")


def _metadata(document: Document, change: dict[str, str] | str | None) -> dict[str, str]:
    old = document.get("metadata", {})
    return old if change is None else merged(old, change)
