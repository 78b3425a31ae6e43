"""All that the cloud asks of Stripe.

The ``stripe`` library takes longer to import than a claim takes, so it is imported when Stripe is
first asked: most calls never do.

Every call that moves money carries an idempotency key from its caller, so a repeat is harmless.
Errors come out as two kinds: :class:`StripeUnavailable` (nobody knows whether it took effect; ask
again with the same key) and :class:`StripeRefused` (no effect, and asking again is in vain).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

from cloud.core.payments import Completed, Intent, Payment, Undelivered

if TYPE_CHECKING:
    from stripe import StripeClient

# Lambda gives up after 29 s and Stripe's webhook wants its answer within seconds.
TIMEOUT_SECONDS = (3.05, 8.0)


class StripeUnavailable(Exception):
    """Stripe did not answer, or answered 5xx, 409 or 429: the effect is unknown."""


class StripeRefused(Exception):
    """Stripe refused. ``code`` is Stripe's error code, ``status`` the HTTP status, ``param`` what
    of the request it is about."""

    def __init__(self, message: str, code: str = "", status: int = 400, param: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.status = status
        self.param = param


class Gateway(Protocol):
    """What the cloud needs of a payment provider that can hold, capture, cancel and refund."""

    def create_price(self, product: str, amount: int, currency: str, key: str) -> str:
        """Makes a price for one play of ``product``; returns its id."""

    def create_link(
        self,
        machine_id: str,
        price_id: str,
        quantity: int,
        most: int,
        receipt: str,
        methods: Sequence[str],
        key: str,
    ) -> tuple[str, str]:
        """Makes a Payment Link that holds the money and takes these payment methods, by Stripe's
        names; returns its id and its address."""

    def link_is_active(self, link_id: str) -> bool:
        """Whether the link can be paid now."""

    def switch_link(self, link_id: str, active: bool) -> None:
        """Lets a link be paid, or not."""

    def expire_sessions(self, link_id: str, most: int) -> bool:
        """Ends up to ``most`` of the link's open sessions; returns whether more are left."""

    def payment(self, session_id: str) -> Payment:
        """A Checkout Session and its PaymentIntent as they are now."""

    def intent(self, intent_id: str) -> Intent:
        """A PaymentIntent as it is now."""

    def intents(self, since: float, until: float) -> Sequence[Intent]:
        """The PaymentIntents that were made between the two, each as it is while it is listed."""

    def session_of(self, intent_id: str) -> str:
        """The Checkout Session that made a PaymentIntent; empty if none did."""

    def completed(self, since: float, until: float) -> Sequence[Completed]:
        """The sessions that were begun between the two and completed."""

    def undelivered(self, since: float, until: float) -> Sequence[Undelivered]:
        """The events between the two that no webhook has taken."""

    def capture(
        self, intent_id: str, amount: int, pulsed: int, pulses: int, key: str, statement: str = ""
    ) -> None:
        """Charges ``amount`` of a hold for ``pulsed`` of ``pulses``, and gives up the rest; the
        card's bill shows ``statement`` behind the account's name."""

    def note_pulses(self, intent_id: str, pulsed: int, pulses: int) -> None:
        """Writes beside a charge what it is for."""

    def cancel(self, intent_id: str, key: str) -> None:
        """Gives a hold up."""

    def refund(self, intent_id: str, amount: int, key: str, request_id: str = "") -> None:
        """Gives ``amount`` of a charge back; ``request_id`` is kept beside it."""

    def has_refund(self, intent_id: str, request_id: str) -> bool:
        """Whether a refund with that ``request_id`` was made of the charge."""


class StripeGateway:
    """:class:`Gateway` over Stripe's own library, at ``api_base`` or at Stripe itself."""

    def __init__(self, key: str, api_base: str = "", app: str = "arcade-kiosk") -> None:
        self._key = key
        self._api_base = api_base
        self._app = app

    @cached_property
    def _client(self) -> StripeClient:
        import stripe

        stripe.set_app_info(self._app)
        return stripe.StripeClient(
            self._key,
            base_addresses={"api": self._api_base} if self._api_base else None,
            http_client=stripe.RequestsClient(timeout=TIMEOUT_SECONDS),
            max_network_retries=1,
        )

    def create_price(self, product: str, amount: int, currency: str, key: str) -> str:
        made = self._ask(
            self._client.v1.prices.create,
            {
                "currency": currency.lower(),
                "unit_amount": amount,
                "product_data": {"name": product},
            },
            {"idempotency_key": key},
        )
        return str(made.id)

    def create_link(
        self,
        machine_id: str,
        price_id: str,
        quantity: int,
        most: int,
        receipt: str,
        methods: Sequence[str],
        key: str,
    ) -> tuple[str, str]:
        item: dict[str, Any] = {"price": price_id, "quantity": quantity}
        if most > 1:
            item["adjustable_quantity"] = {
                "enabled": True,
                "minimum": 1,
                "maximum": most,
            }
        made = self._ask(
            self._client.v1.payment_links.create,
            {
                "line_items": [item],
                "payment_method_types": list(methods),
                "metadata": {"machine_id": machine_id},
                "payment_intent_data": {
                    "capture_method": "manual",
                    "metadata": {"machine_id": machine_id},
                },
                "after_completion": {"type": "redirect", "redirect": {"url": receipt}},
                "inactive_message": "This arcade cabinet takes no card payment at the moment. "
                "You were not charged.",
            },
            {"idempotency_key": key},
        )
        return str(made.id), str(made.url)

    def link_is_active(self, link_id: str) -> bool:
        return bool(self._ask(self._client.v1.payment_links.retrieve, link_id).active)

    def switch_link(self, link_id: str, active: bool) -> None:
        self._ask(self._client.v1.payment_links.update, link_id, {"active": active})

    def expire_sessions(self, link_id: str, most: int) -> bool:
        sessions = self._client.v1.checkout.sessions
        asked = {"payment_link": link_id, "status": "open", "limit": most}
        listed = self._ask(sessions.list, asked)
        for session in listed.data:
            try:
                self._ask(sessions.expire, session.id)
            except StripeRefused as refusal:
                if refusal.status != 400:
                    raise
                # Paid or over in the meantime: there is nothing left to end.
        return bool(listed.has_more)

    def payment(self, session_id: str) -> Payment:
        session = self._ask(
            self._client.v1.checkout.sessions.retrieve,
            session_id,
            {"expand": ["line_items", "payment_intent.latest_charge"]},
        )
        items = _get(session, "line_items", "data") or []
        item = items[0] if len(items) == 1 else None
        intent = _get(session, "payment_intent")
        card = _get(intent, "latest_charge", "payment_method_details", "card")
        return Payment(
            session_id=str(session.id),
            link_id=str(_get(session, "payment_link") or ""),
            machine_id=str(_get(session, "metadata", "machine_id") or ""),
            complete=_get(session, "status") == "complete",
            payment_status=str(_get(session, "payment_status") or ""),
            intent_id=str(_get(intent, "id") or ""),
            intent_status=str(_get(intent, "status") or ""),
            amount=int(_get(intent, "amount") or 0),
            currency=str(_get(intent, "currency") or "").upper(),
            price_id=str(_get(item, "price", "id") or ""),
            quantity=int(_get(item, "quantity") or 0),
            hold_until=float(_get(card, "capture_before") or 0),
            manual=_get(intent, "capture_method") == "manual",
            pulsed=_count(intent, "pulsed"),
            pulses=_count(intent, "pulses"),
            fingerprint=str(_get(card, "fingerprint") or ""),
            paid_at=float(_get(intent, "latest_charge", "created") or 0),
        )

    def intent(self, intent_id: str) -> Intent:
        found = self._ask(
            self._client.v1.payment_intents.retrieve,
            intent_id,
            {"expand": ["latest_charge"]},
        )
        return _intent(found)

    def intents(self, since: float, until: float) -> Sequence[Intent]:
        asked = {"created": _between(since, until), "expand": ["data.latest_charge"], "limit": 100}
        return [_intent(found) for found in self._all(self._client.v1.payment_intents.list, asked)]

    def session_of(self, intent_id: str) -> str:
        asked = {"payment_intent": intent_id, "limit": 1}
        found = self._ask(self._client.v1.checkout.sessions.list, asked).data
        return str(found[0].id) if found else ""

    def completed(self, since: float, until: float) -> Sequence[Completed]:
        asked = {"created": _between(since, until), "status": "complete", "limit": 100}
        return [
            Completed(
                str(s.id),
                str(_get(s, "payment_link") or ""),
                float(s.created),
                str(_get(s, "metadata", "machine_id") or ""),
            )
            for s in self._all(self._client.v1.checkout.sessions.list, asked)
        ]

    def undelivered(self, since: float, until: float) -> Sequence[Undelivered]:
        asked = {"created": _between(since, until), "delivery_success": False, "limit": 100}
        return [
            Undelivered(str(e.id), str(e.type), float(e.created))
            for e in self._all(self._client.v1.events.list, asked)
        ]

    def capture(
        self, intent_id: str, amount: int, pulsed: int, pulses: int, key: str, statement: str = ""
    ) -> None:
        asked: dict[str, Any] = {"amount_to_capture": amount}
        asked["metadata"] = _pulses_note(pulsed, pulses)
        if statement:
            asked["statement_descriptor_suffix"] = statement
        self._ask(
            self._client.v1.payment_intents.capture, intent_id, asked, {"idempotency_key": key}
        )

    def note_pulses(self, intent_id: str, pulsed: int, pulses: int) -> None:
        self._ask(
            self._client.v1.payment_intents.update,
            intent_id,
            {"metadata": _pulses_note(pulsed, pulses)},
        )

    def cancel(self, intent_id: str, key: str) -> None:
        self._ask(
            self._client.v1.payment_intents.cancel,
            intent_id,
            {},
            {"idempotency_key": key},
        )

    def refund(self, intent_id: str, amount: int, key: str, request_id: str = "") -> None:
        asked: dict[str, Any] = {"payment_intent": intent_id, "amount": amount}
        if request_id:
            asked["metadata"] = {"request_id": request_id}
        self._ask(self._client.v1.refunds.create, asked, {"idempotency_key": key})

    def has_refund(self, intent_id: str, request_id: str) -> bool:
        asked = {"payment_intent": intent_id, "limit": 100}
        return any(
            _get(refund, "metadata", "request_id") == request_id
            and _get(refund, "status") not in ("failed", "canceled")
            for refund in self._all(self._client.v1.refunds.list, asked)
        )

    def _all(self, call: Any, asked: dict[str, Any]) -> list[Any]:
        """Every object of a list, page by page."""
        return list(self._ask(lambda: list(call(asked).auto_paging_iter())))

    def _ask(self, call: Callable[..., Any], *arguments: Any) -> Any:
        import stripe

        try:
            return call(*arguments)
        except (stripe.APIConnectionError, stripe.RateLimitError) as error:
            raise StripeUnavailable(f"Stripe does not answer ({type(error).__name__})") from error
        except stripe.StripeError as error:
            status = error.http_status or 0
            if status >= 500 or status in (0, 409, 429):
                raise StripeUnavailable(f"Stripe is in trouble (HTTP {status})") from error
            reason = error.user_message or str(error.error.message if error.error else "no reason")
            param = str(getattr(error, "param", "") or "")
            raise StripeRefused(reason, error.code or "", status, param) from error


def _intent(found: Any) -> Intent:
    """A PaymentIntent of Stripe's, with its charge."""
    return Intent(
        intent_id=str(found.id),
        status=str(found.status),
        amount=int(found.amount),
        received=int(_get(found, "amount_received") or 0),
        refunded=int(_get(found, "latest_charge", "amount_refunded") or 0),
        disputed=bool(_get(found, "latest_charge", "disputed")),
        pulsed=_count(found, "pulsed"),
        pulses=_count(found, "pulses"),
    )


def _between(since: float, until: float) -> dict[str, int]:
    return {"gte": int(since), "lte": int(until)}


def _pulses_note(pulsed: int, pulses: int) -> dict[str, str]:
    return {"pulsed": str(pulsed), "pulses": str(pulses)}


def _count(intent: Any, name: str) -> int:
    """A number of the note beside a PaymentIntent; 0 where there is none."""
    text = str(_get(intent, "metadata", name) or "")
    return int(text) if text.isascii() and text.isdecimal() else 0


def _get(found: Any, *path: str) -> Any:
    """A field deep in a Stripe object, which is no dict and has no ``get``, or ``None``."""
    from stripe import StripeObject

    for name in path:
        if not isinstance(found, StripeObject) or name not in found:
            return None
        found = found[name]
    return found
