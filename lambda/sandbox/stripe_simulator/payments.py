"""Checkout Sessions, PaymentIntents, charges and refunds: holding, capturing and returning money.

open session ── pay ──▶ complete, unpaid, a hold  ── capture ──▶ paid
     │                          └── cancel ──▶ unpaid, nothing charged
     │         (a link without manual capture) ─────────────────▶ paid at once
     └── expire ──▶ expired
"""

from __future__ import annotations

import re

from sandbox.stripe_simulator import currencies, objects
from sandbox.stripe_simulator.cards import CARDS, INCORRECT_NUMBER, Decline, digits_of
from sandbox.stripe_simulator.catalogue import merged, with_quantity
from sandbox.stripe_simulator.context import Context
from sandbox.stripe_simulator.errors import Document, StripeError, unexpected_state
from sandbox.stripe_simulator.ids import new_id
from sandbox.stripe_simulator.parameters import Cancel, Capture, IntentUpdate, RefundCreate
from sandbox.stripe_simulator.store import Page

PREFIX = "ARCADE"  # what this account has before each charge's own suffix on a bill
LONGEST_DESCRIPTOR = 22

_CANCELABLE = (
    "requires_payment_method",
    "requires_capture",
    "requires_confirmation",
    "requires_action",
    "processing",
)


def open_session(context: Context, link: Document, reference: str | None) -> Document:
    """A new Checkout Session, as each visit of a link makes one."""
    items = context.transaction.children(link["id"], "item")
    amount = sum(item["amount_total"] for item in items)
    session = objects.session(context.time, link, amount, reference)
    context.transaction.put(session)
    for item in items:
        context.transaction.put(item | {"id": new_id("li")}, parent=session["id"])
    return session


def set_quantity(context: Context, session: Document, item: Document, quantity: int) -> Document:
    """The open session with another quantity of one of its items."""
    price = context.find("price", item["price"], "price")
    context.transaction.put(with_quantity(item, price, quantity))
    amount = sum(one["amount_total"] for one in context.transaction.children(session["id"], "item"))
    session = session | {"amount_subtotal": amount, "amount_total": amount}
    context.transaction.put(session)
    return session


def pay(context: Context, session: Document, card_number: str, email: str | None) -> Decline | None:
    """Pays an open session with a card; returns why it was declined, or ``None``."""
    digits = digits_of(card_number)
    refusal = amount_refused(session["amount_total"], session["currency"])
    if refusal:
        return refusal
    if digits not in CARDS:
        return INCORRECT_NUMBER
    link = context.find("payment_link", session["payment_link"], "payment_link")
    intent = _intent_of(context, session, link)
    decline = CARDS[digits]
    charge = objects.charge(context.time, intent, digits, email)
    if decline:
        _failed(context, intent, charge, decline)
    else:
        _succeeded(context, session, link, intent, charge, email)
    return decline


def expire(context: Context, session: Document) -> Document:
    """Ends an open session; a PaymentIntent that it has made is cancelled."""
    if session["status"] != "open":
        raise StripeError(
            'Only Checkout Sessions with a status in ["open"] can be expired. This Checkout '
            f"Session has a status of {session['status']}."
        )
    session = session | {"status": "expired"}
    context.transaction.put(session)
    context.emit("checkout.session.expired", session)
    if session["payment_intent"]:
        intent = context.find("payment_intent", session["payment_intent"], "payment_intent")
        _cancel(context, intent, "expired")
    return session


def update_intent(context: Context, intent_id: str, params: IntentUpdate) -> Document:
    """The PaymentIntent with other metadata; Stripe sends no event for that."""
    intent = context.find("payment_intent", intent_id, "intent")
    intent |= {"metadata": _metadata(intent, params.metadata)}
    context.transaction.put(intent)
    return intent


def capture(context: Context, intent_id: str, params: Capture) -> Document:
    """Captures a hold, or a part of it; the rest returns to the card."""
    intent = context.find("payment_intent", intent_id, "intent")
    if intent["status"] != "requires_capture":
        why = (
            "it has already been captured."
            if intent["status"] == "succeeded"
            else f"it has a status of {intent['status']}. Only a PaymentIntent with one of the "
            "following statuses may be captured: requires_capture."
        )
        raise unexpected_state(f"This PaymentIntent could not be captured because {why}", intent)
    charge = context.find("charge", intent["latest_charge"], "latest_charge")
    if context.now >= charge["payment_method_details"]["card"]["capture_before"]:
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
        _check_divisible(amount, intent["currency"], "amount_to_capture")
    suffix = params.statement_descriptor_suffix or intent["statement_descriptor_suffix"]
    _check_suffix(suffix)
    before, charge = charge, charge | {"captured": True, "amount_captured": amount}
    _add_refund(context, charge, capturable - amount)
    intent |= {
        "status": "succeeded",
        "amount_capturable": 0,
        "amount_received": amount,
        "metadata": _metadata(intent, params.metadata),
        "statement_descriptor_suffix": suffix,
    }
    if suffix:
        charge["statement_descriptor_suffix"] = suffix
        charge["calculated_statement_descriptor"] = f"{PREFIX}* {suffix.upper()}"
    context.transaction.put(charge)
    context.transaction.put(intent)
    session = session_of(context, intent_id)
    if session:
        context.transaction.put(session | {"payment_status": "paid"})
    context.emit("charge.captured", charge, before)
    context.emit("payment_intent.succeeded", intent)
    return intent


def cancel(context: Context, intent_id: str, params: Cancel) -> Document:
    """Cancels a hold."""
    intent = context.find("payment_intent", intent_id, "intent")
    if intent["status"] not in _CANCELABLE:
        raise unexpected_state(
            f"You cannot cancel this PaymentIntent because it has a status of {intent['status']}. "
            "Only a PaymentIntent with one of the following statuses may be canceled: "
            f"{', '.join(_CANCELABLE)}.",
            intent,
        )
    session = session_of(context, intent_id)
    if session and session["status"] == "open":
        raise unexpected_state(
            "You cannot cancel this PaymentIntent because its Checkout Session is open: expire "
            f"the Checkout Session {session['id']} instead.",
            intent,
        )
    return _cancel(context, intent, params.cancellation_reason)


def refund(context: Context, params: RefundCreate) -> Document:
    """Refunds a charge, or a part of it."""
    charge = _charge_to_refund(context, params)
    rest = charge["amount"] - charge["amount_refunded"]
    if rest == 0:
        raise StripeError(
            f"Charge {charge['id']} has already been refunded.", code="charge_already_refunded"
        )
    amount = rest if params.amount is None else params.amount
    if amount > rest:
        wanted, unrefunded = (
            currencies.formatted(value, charge["currency"]) for value in (amount, rest)
        )
        raise StripeError(
            f"Refund amount ({wanted}) is greater than unrefunded amount on charge ({unrefunded})",
            code="amount_too_large",
            param="amount",
        )
    if amount < rest:
        _check_divisible(amount, charge["currency"], "amount")
    before = dict(charge)
    made = _add_refund(context, charge, amount, params.reason, _metadata({}, params.metadata))
    context.transaction.put(charge)
    context.emit("refund.created", made)
    context.emit("charge.refunded", charge, before)
    return made


def expire_overdue(context: Context) -> None:
    """Expires what is due: sessions after a day, holds after a week."""
    sessions, _ = context.transaction.select(
        "checkout.session",
        [
            ("json_extract(body, '$.status') = ?", "open"),
            ("json_extract(body, '$.expires_at') <= ?", context.time),
        ],
        Page(limit=100),
    )
    for session in sessions:
        expire(context, session)
    charges, _ = context.transaction.select(
        "charge",
        [
            ("NOT json_extract(body, '$.captured') AND json_extract(body, '$.status') = ?",
             "succeeded"),
            ("NOT json_extract(body, '$.refunded') AND json_extract(body, "
             "'$.payment_method_details.card.capture_before') <= ?", context.time),
        ],
        Page(limit=100),
    )  # fmt: skip
    for charge in charges:
        intent = context.find("payment_intent", charge["payment_intent"], "payment_intent")
        _cancel(context, intent, "automatic", "expired_uncaptured_charge")


def session_of(context: Context, intent_id: str) -> Document | None:
    """The Checkout Session that made a PaymentIntent."""
    where = [("json_extract(body, '$.payment_intent') = ?", intent_id)]
    sessions, _ = context.transaction.select("checkout.session", where, Page(limit=1))
    return sessions[0] if sessions else None


def amount_refused(amount: int, currency: str) -> Decline | None:
    """Stripe's refusal of an amount that cannot be charged, or ``None``."""
    code = currency.upper()
    least, divisor = currencies.minimum_charge(currency), currencies.divisor(currency)
    if amount < least:
        message = f"Amount must be at least {currencies.formatted(least, currency)}"
        return Decline("amount_too_small", None, message)
    if amount > currencies.LARGEST_AMOUNT:
        message = f"Amount must be no more than {currencies.LARGEST_AMOUNT} {code}"
        return Decline("amount_too_large", None, message)
    if amount % divisor:
        message = f"Amounts in {code} must be divisible by {divisor}."
        return Decline("parameter_invalid_integer", None, message)
    return None


def _check_suffix(suffix: str | None) -> None:
    """Refuses what no bill shows, by the rules of Stripe's page "Statement descriptors"."""
    if suffix and (
        re.search(r"[<>\\'\"*]", suffix)
        or not re.search("[A-Za-z]", suffix)
        or not suffix.isascii()
        or len(f"{PREFIX}* {suffix}") > LONGEST_DESCRIPTOR
    ):
        raise StripeError(
            "The statement descriptor suffix is not valid: it must have at least one letter, none "
            "of < > \\ ' \" *, and fit into 22 characters with the account's prefix.",
            param="statement_descriptor_suffix",
        )


def _check_divisible(amount: int, currency: str, param: str) -> None:
    divisor = currencies.divisor(currency)
    if amount % divisor:
        raise StripeError(
            f"Amounts in {currency.upper()} must be divisible by {divisor}.",
            code="parameter_invalid_integer",
            param=param,
        )


def _intent_of(context: Context, session: Document, link: Document) -> Document:
    """The session's PaymentIntent, made when the player first confirms."""
    amount = session["amount_total"]
    if session["payment_intent"]:
        intent = context.find("payment_intent", session["payment_intent"], "payment_intent")
        return intent | {"amount": amount}
    intent = objects.payment_intent(context.time, link, amount)
    context.transaction.put(intent)
    session["payment_intent"] = intent["id"]
    context.transaction.put(session)
    context.emit("payment_intent.created", intent)
    return intent


def _failed(context: Context, intent: Document, charge: Document, decline: Decline) -> None:
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
    context.transaction.put(charge)
    context.transaction.put(intent)
    context.emit("charge.failed", charge)
    context.emit("payment_intent.payment_failed", intent)


def _succeeded(
    context: Context,
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
        type = "payment_intent.amount_capturable_updated"
    else:
        charge |= {"captured": True, "amount_captured": amount}
        intent |= {"status": "succeeded", "amount_received": amount}
        session["payment_status"] = "paid"
        type = "payment_intent.succeeded"
    for document in (charge, intent, session):
        context.transaction.put(document)
    context.emit("charge.succeeded", charge)
    context.emit(type, intent)
    context.emit("checkout.session.completed", session)
    _count_completed(context, link)


def _count_completed(context: Context, link: Document) -> None:
    """DeliverySettings a link off that may be paid only so many times."""
    if not link["restrictions"]:
        return
    sessions = dict(link["restrictions"]["completed_sessions"])
    sessions["count"] += 1
    before = link
    link = link | {"restrictions": {"completed_sessions": sessions}}
    if sessions["count"] >= sessions["limit"]:
        link["active"] = False
    context.transaction.put(link)
    if link["active"] != before["active"]:
        context.emit("payment_link.updated", link, before)


def _cancel(
    context: Context, intent: Document, reason: str | None, refund_reason: str | None = None
) -> Document:
    held = intent["status"] == "requires_capture"
    intent |= {
        "status": "canceled",
        "amount_capturable": 0,
        "canceled_at": context.time,
        "cancellation_reason": reason,
    }
    context.transaction.put(intent)
    if held:
        charge = context.find("charge", intent["latest_charge"], "latest_charge")
        before = dict(charge)
        _add_refund(context, charge, charge["amount"], refund_reason)
        context.transaction.put(charge)
        context.emit("charge.refunded", charge, before)
    context.emit("payment_intent.canceled", intent)
    return intent


def _add_refund(
    context: Context,
    charge: Document,
    amount: int,
    reason: str | None = None,
    metadata: dict[str, str] | None = None,
) -> Document:
    """Transaction ``amount`` of a charge as given back.

    Stripe does so for what was never captured, too: ``amount_refunded`` counts the rest of a
    partial capture and a hold that was given up.
    """
    made = objects.refund(context.time, charge, amount, reason, metadata)
    if amount:
        context.transaction.put(made)
    charge["amount_refunded"] += amount
    charge["refunded"] = charge["amount_refunded"] == charge["amount"]
    return made


def _charge_to_refund(context: Context, params: RefundCreate) -> Document:
    if not params.charge and not params.payment_intent:
        raise StripeError(
            "One of the following params should be provided for this request: payment_intent or "
            "charge.",
            code="parameter_missing",
            param="payment_intent",
        )
    if params.charge:
        charge = context.find("charge", params.charge, "charge")
        intent = context.find("payment_intent", charge["payment_intent"], "payment_intent")
        if params.payment_intent and params.payment_intent != intent["id"]:
            raise StripeError(
                f"Charge {charge['id']} is not a charge of {params.payment_intent}.",
                param="charge",
            )
    else:
        intent = context.find("payment_intent", params.payment_intent or "", "payment_intent")
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
    return context.find("charge", intent["latest_charge"], "charge")


def _metadata(document: Document, change: dict[str, str] | str | None) -> dict[str, str]:
    old = document.get("metadata", {})
    return old if change is None else merged(old, change)
