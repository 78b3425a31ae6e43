"""What the checkout page needs: Stripe's hosted page without its looks."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from sandbox.stripe_simulator import payments
from sandbox.stripe_simulator.errors import Document
from sandbox.stripe_simulator.work import Work

NO_LONGER_ACTIVE = "This link is no longer active."


class CheckoutError(Exception):
    """The message is one sentence for the player."""


class NotFound(CheckoutError):
    """There is no such link or session."""


class LinkInactive(CheckoutError):
    """The link is switched off; the message is what its owner says about it."""


class AlreadyPaid(CheckoutError):
    """The session is complete."""


class SessionExpired(CheckoutError):
    """The session was open for a day, or was ended."""


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
class Line:
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
    goes on to, with its id filled in; without one, ``message`` is what the page says at the end.
    """

    id: str
    link_id: str
    status: str
    payment_status: str
    currency: str
    lines: tuple[Line, ...]
    amount_subtotal: int
    amount_total: int
    redirect_url: str | None
    message: str | None

    @property
    def line(self) -> Line:
        """The line whose quantity the player can change, or else the first."""
        return next((line for line in self.lines if line.adjustable), self.lines[0])


class Checkout:
    """Opens, shows and pays Checkout Sessions. ``work`` begins a transaction."""

    def __init__(self, work: Callable[[], AbstractContextManager[Work]]) -> None:
        self._work = work

    def open_session(self, link_id: str, client_reference_id: str | None = None) -> Session:
        """A new session of a link. Raises :class:`NotFound` or :class:`LinkInactive`."""
        with self._work() as work:
            link = work.books.get("payment_link", link_id)
            if link is None:
                raise NotFound("There is no such payment link.")
            if not link["active"]:
                raise LinkInactive(link["inactive_message"] or NO_LONGER_ACTIVE)
            session = payments.open_session(work, link, client_reference_id)
            return _view(work, session)

    def get(self, session_id: str) -> Session:
        """The session as it is now. Raises :class:`NotFound`."""
        with self._work() as work:
            return _view(work, _find(work, session_id))

    def set_quantity(self, session_id: str, quantity: int) -> Session:
        """The open session with another quantity of what can be adjusted.

        Raises :class:`NotFound`, :class:`AlreadyPaid`, :class:`SessionExpired` or
        :class:`QuantityRefused`.
        """
        with self._work() as work:
            session = _open(work, session_id)
            items = work.books.children(session_id, "item")
            item = next((one for one in items if (_range(one, items) or (1, 0))[1]), None)
            if item is None:
                raise QuantityRefused("The quantity cannot be changed.")
            least, most = _range(item, items) or (1, 1)
            if not least <= quantity <= most:
                raise QuantityRefused(f"The quantity must be from {least} to {most}.")
            return _view(work, payments.set_quantity(work, session, item, quantity))

    def pay(self, session_id: str, card_number: str, email: str | None = None) -> Session:
        """Pays an open session with a test card and returns it complete.

        Raises :class:`NotFound`, :class:`AlreadyPaid`, :class:`SessionExpired` or
        :class:`Declined`; after the last the session is still open.
        """
        with self._work() as work:
            session = _open(work, session_id)
            decline = payments.pay(work, session, card_number, email or None)
            if decline is None:
                return _view(work, _find(work, session_id))
        raise Declined(decline.code, decline.decline_code, decline.message)

    def expire(self, session_id: str) -> Session:
        """Ends an open session."""
        with self._work() as work:
            session = _open(work, session_id)
            return _view(work, payments.expire(work, session))

    def expire_overdue(self) -> None:
        """Does what only time does: sessions expire after a day, holds after a week."""
        with self._work() as work:
            payments.expire_overdue(work)


def _find(work: Work, session_id: str) -> Document:
    session = work.books.get("checkout.session", session_id)
    if session is None:
        raise NotFound("There is no such checkout session.")
    return session


def _open(work: Work, session_id: str) -> Document:
    session = _find(work, session_id)
    if session["status"] == "complete":
        raise AlreadyPaid("This has been paid already. You were not charged again.")
    if session["status"] == "expired" or session["expires_at"] <= work.now:
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


def _view(work: Work, session: Document) -> Session:
    link = work.find("payment_link", session["payment_link"], "payment_link")
    items = work.books.children(session["id"], "item")
    lines = []
    for item in items:
        price = work.find("price", item["price"], "price")
        bounds = _range(item, items)
        least, most = bounds or (item["quantity"], item["quantity"])
        lines.append(
            Line(
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
    overdue = session["status"] == "open" and session["expires_at"] <= work.now
    return Session(
        id=session["id"],
        link_id=link["id"],
        status="expired" if overdue else session["status"],
        payment_status=session["payment_status"],
        currency=session["currency"],
        lines=tuple(lines),
        amount_subtotal=session["amount_subtotal"],
        amount_total=session["amount_total"],
        redirect_url=redirect and redirect.replace("{CHECKOUT_SESSION_ID}", session["id"]),
        message=confirmation.get("custom_message"),
    )
