"""The checkout page's port, implemented by the Stripe simulator."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sandbox.checkout_port import (
    CheckoutStatus,
    LinkInactive,
    PaymentRefused,
    Purchase,
    UnknownPurchase,
)
from sandbox.stripe_simulator import checkout


class SimulatorCheckout:
    """A :class:`sandbox.checkout_port.CheckoutPort`. It asks for no e-mail address."""

    def __init__(self, simulated: checkout.Checkout) -> None:
        self._checkout = simulated

    def open(self, link_id: str) -> str:
        with _translated_errors():
            return self._checkout.open_session(link_id).id

    def get(self, session_id: str) -> Purchase:
        with _translated_errors():
            return _purchase(self._checkout.get(session_id))

    def set_quantity(self, session_id: str, quantity: int) -> Purchase:
        with _translated_errors():
            return _purchase(self._checkout.set_quantity(session_id, quantity))

    def pay(self, session_id: str, card: str) -> Purchase:
        with _translated_errors():
            return _purchase(self._checkout.pay(session_id, card))


@contextmanager
def _translated_errors() -> Iterator[None]:
    try:
        yield
    except checkout.NotFound as error:
        raise UnknownPurchase from error
    except checkout.LinkInactive as error:
        raise LinkInactive(str(error)) from error
    except checkout.Declined as error:
        # Only what was declined because of the card can be paid with another one.
        because_of_card = error.decline_code or error.code == "incorrect_number"
        remedy = ": choose another card." if because_of_card else "."
        message = f"{error.message.rstrip('.')}. You were not charged{remedy}"
        raise PaymentRefused(message) from error
    except checkout.CheckoutError as error:
        raise PaymentRefused(str(error)) from error


def _purchase(session: checkout.Session) -> Purchase:
    item = session.item
    return Purchase(
        session_id=session.id,
        status=CheckoutStatus(session.status),
        product=item.name,
        unit_amount=item.unit_amount,
        currency=session.currency,
        quantity=item.quantity,
        min_quantity=item.minimum,
        max_quantity=item.maximum,
        receipt=session.redirect_url or "",
    )
