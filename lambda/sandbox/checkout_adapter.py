"""The checkout page's till over the Stripe stand-in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sandbox.checkout_port import Purchase, Refused, Stage, SwitchedOff, UnknownPurchase
from sandbox.stripe_simulator import checkout


class StandinTill:
    """A :class:`sandbox.checkout_port.Till`. No e-mail address is asked for or passed on."""

    def __init__(self, desk: checkout.Checkout) -> None:
        self._desk = desk

    def open(self, link_id: str) -> str:
        with _translated():
            return self._desk.open_session(link_id).id

    def look(self, session_id: str) -> Purchase:
        with _translated():
            return _purchase(self._desk.get(session_id))

    def choose(self, session_id: str, quantity: int) -> Purchase:
        with _translated():
            return _purchase(self._desk.set_quantity(session_id, quantity))

    def pay(self, session_id: str, card: str) -> Purchase:
        with _translated():
            return _purchase(self._desk.pay(session_id, card))


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except checkout.NotFound as error:
        raise UnknownPurchase from error
    except checkout.LinkInactive as error:
        raise SwitchedOff(str(error)) from error
    except checkout.Declined as error:
        # Without a card's own reason it is the amount, and another card is of no use.
        of_the_card = error.decline_code or error.code == "incorrect_number"
        remedy = ": choose another card." if of_the_card else "."
        raise Refused(f"{error.message.rstrip('.')}. You were not charged{remedy}") from error
    except checkout.CheckoutError as error:
        raise Refused(str(error)) from error


def _purchase(session: checkout.Session) -> Purchase:
    line = session.line
    return Purchase(
        session_id=session.id,
        stage=Stage(session.status),
        product=line.name,
        amount=line.unit_amount,
        currency=session.currency,
        quantity=line.quantity,
        least=line.minimum,
        most=line.maximum,
        receipt=session.redirect_url or "",
    )
