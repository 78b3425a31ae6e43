"""What the checkout page does with a session: Stripe's hosted page, without its HTML."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from sandbox.stripe_simulator import payments
from sandbox.stripe_simulator.context import Context
from sandbox.stripe_simulator.errors import Document

NO_LONGER_ACTIVE = "This link is no longer active."


class CheckoutError(Exception):
    """The message is one sentence for the player."""


class NotFound(CheckoutError):
    """There is no such link or session."""


class LinkInactive(CheckoutError):
    """The link is inactive; the message is its owner's ``inactive_message``, or Stripe's."""


class AlreadyPaid(CheckoutError):
    """The session is complete."""


class SessionExpired(CheckoutError):
    """The session was open for a day, or was expired by a call."""


class QuantityRefused(CheckoutError):
    """The quantity cannot be changed, or not to that."""


class Declined(CheckoutError):
    """The card was not charged, or the amount cannot be. Codes are Stripe's."""

    def __init__(self, code: str, decline_code: str | None, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.decline_code = decline_code
        self.message = message


@dataclass(frozen=True)
class LineItem:
    """One thing that is bought. Amounts in the currency's smallest unit."""

    name: str
    unit_amount: int
    quantity: int
    amount: int
    adjustable: bool
    minimum: int
    maximum: int


@dataclass(frozen=True)
class Session:
    """A Checkout Session for the page. Amounts in the currency's smallest unit.

    ``status``: ``open``, ``complete`` or ``expired``. ``redirect_url`` is where a complete session
    leads, with its id filled in; without one, the page shows ``message`` at the end.
    """

    id: str
    link_id: str
    status: str
    payment_status: str
    currency: str
    line_items: tuple[LineItem, ...]
    amount_subtotal: int
    amount_total: int
    redirect_url: str | None
    message: str | None

    @property
    def item(self) -> LineItem:
        """The line item whose quantity the player can change, or else the first."""
        return next((item for item in self.line_items if item.adjustable), self.line_items[0])


class Checkout:
    """Opens, reads and pays Checkout Sessions; ``begin`` begins a transaction for each call."""

    def __init__(self, begin: Callable[[], AbstractContextManager[Context]]) -> None:
        self._begin = begin

    def open_session(self, link_id: str, client_reference_id: str | None = None) -> Session:
        """A new session of a link. Raises :class:`NotFound` or :class:`LinkInactive`."""
        with self._begin() as context:
            link = context.transaction.get("payment_link", link_id)
            if link is None:
                raise NotFound("There is no such payment link.")
            if not link["active"]:
                raise LinkInactive(link["inactive_message"] or NO_LONGER_ACTIVE)
            session = payments.open_session(context, link, client_reference_id)
            return _view(context, session)

    def get(self, session_id: str) -> Session:
        """The session as it is now. Raises :class:`NotFound`."""
        with self._begin() as context:
            return _view(context, _find(context, session_id))

    def set_quantity(self, session_id: str, quantity: int) -> Session:
        """The open session with another quantity of what can be adjusted.

        Raises :class:`NotFound`, :class:`AlreadyPaid`, :class:`SessionExpired` or
        :class:`QuantityRefused`.
        """
        with self._begin() as context:
            session = _open(context, session_id)
            items = context.transaction.children(session_id, "item")
            for item in items:
                if bounds := _range(item, items):
                    least, most = bounds
                    if not least <= quantity <= most:
                        raise QuantityRefused(f"The quantity must be from {least} to {most}.")
                    return _view(context, payments.set_quantity(context, session, item, quantity))
        raise QuantityRefused("The quantity cannot be changed.")

    def pay(self, session_id: str, card_number: str, email: str | None = None) -> Session:
        """Pays an open session with a test card and returns it complete.

        Raises :class:`NotFound`, :class:`AlreadyPaid`, :class:`SessionExpired` or
        :class:`Declined`; after the last the session is still open.
        """
        with self._begin() as context:
            session = _open(context, session_id)
            decline = payments.pay(context, session, card_number, email or None)
            if decline is None:
                return _view(context, _find(context, session_id))
        raise Declined(decline.code, decline.decline_code, decline.message)

    def expire(self, session_id: str) -> Session:
        """Expires an open session."""
        with self._begin() as context:
            session = _open(context, session_id)
            return _view(context, payments.expire(context, session))

    def expire_overdue(self) -> None:
        """Expires what is due: sessions after a day, holds after a week."""
        with self._begin() as context:
            payments.expire_overdue(context)


def _find(context: Context, session_id: str) -> Document:
    session = context.transaction.get("checkout.session", session_id)
    if session is None:
        raise NotFound("There is no such checkout session.")
    return session


def _open(context: Context, session_id: str) -> Document:
    session = _find(context, session_id)
    if session["status"] == "complete":
        raise AlreadyPaid("This has been paid already. You were not charged again.")
    if session["status"] == "expired" or session["expires_at"] <= context.now:
        raise SessionExpired("This checkout has expired. Scan the code again to start a new one.")
    return session


def _range(item: Document, items: list[Document]) -> tuple[int, int] | None:
    """The smallest and the largest quantity, or ``None`` if it is fixed."""
    adjustable = item["adjustable_quantity"]
    if not adjustable or not adjustable["enabled"]:
        return None
    # The only item of a checkout does not go down to 0.
    least = max(adjustable["minimum"], 1 if len(items) == 1 else 0)
    return least, adjustable["maximum"]


def _view(context: Context, session: Document) -> Session:
    link = context.find("payment_link", session["payment_link"], "payment_link")
    items = context.transaction.children(session["id"], "item")
    line_items = []
    for item in items:
        price = context.find("price", item["price"], "price")
        bounds = _range(item, items)
        least, most = bounds or (item["quantity"], item["quantity"])
        line_items.append(
            LineItem(
                name=item["description"],
                unit_amount=price["unit_amount"],
                quantity=item["quantity"],
                amount=item["amount_total"],
                adjustable=bounds is not None,
                minimum=least,
                maximum=most,
            )
        )
    redirect = session["success_url"]
    confirmation = link["after_completion"].get("hosted_confirmation") or {}
    overdue = session["status"] == "open" and session["expires_at"] <= context.now
    return Session(
        id=session["id"],
        link_id=link["id"],
        status="expired" if overdue else session["status"],
        payment_status=session["payment_status"],
        currency=session["currency"],
        line_items=tuple(line_items),
        amount_subtotal=session["amount_subtotal"],
        amount_total=session["amount_total"],
        redirect_url=redirect and redirect.replace("{CHECKOUT_SESSION_ID}", session["id"]),
        message=confirmation.get("custom_message"),
    )
