"""The HTTP API: every call of the contract, from an API Gateway event to an answer.

Follow a payment from here: ``/addCredit`` → :class:`cloud.services.stripe_events`, ``/claim`` and
``/settle`` → :class:`cloud.services.claims.Claims`.
"""

from __future__ import annotations

import base64
import binascii
import json
import logging
import threading
from collections.abc import Callable
from typing import Any

from aws_lambda_powertools.event_handler import (
    APIGatewayHttpResolver,
    Response,
    content_types,
)
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEventV2

from cloud.adapters.stripe_gateway import StripeRefused, StripeUnavailable
from cloud.core import money
from cloud.core.cabinets import Cabinet, PaymentLink
from cloud.core.messages import moment
from cloud.core.orders import Order, OrderState, Refused
from cloud.http import receipt, requests, webhook_signature
from cloud.http.cabinet_auth import NotAllowed, machine_of
from cloud.services.cabinet_messages import CabinetMessages
from cloud.services.claims import Changing, Claims, UnknownOrder
from cloud.services.heartbeats import Heartbeats
from cloud.services.payment_links import PaymentLinks, UnknownPrice
from cloud.services.stripe_events import StripeEvent, StripeEvents
from cloud.stores.base import Ledger, LedgerUnavailable

log = logging.getLogger(__name__)

LARGEST_BODY = 256 * 1024  # Stripe's events are a few KB, a cabinet's bodies below one


class _Wrong(Exception):
    """A request that gets an error answer; the message is for whoever sent it."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class _Routes(APIGatewayHttpResolver):
    """Powertools' resolver, for use in a thread of its own.

    It keeps the current event on a class that all resolvers share (3.37, ``BaseRouter``), which is
    right on Lambda and would mix up two calls anywhere else. So each thread has its own resolver,
    and that one its own event.
    """

    def resolve(self, event: Any, context: Any) -> dict[str, Any]:
        self._event = APIGatewayProxyEventV2(event)
        return super().resolve(event, context)

    @property
    def current_event(self) -> APIGatewayProxyEventV2:  # type: ignore[override]
        return self._event


class Api:
    """Routes calls to the services, proves who calls, and turns failures into answers."""

    def __init__(
        self,
        ledger: Ledger,
        stripe_events: StripeEvents,
        claims: Claims,
        links: PaymentLinks,
        heartbeats: Heartbeats,
        cabinet_messages: CabinetMessages,
        webhook_secret: str,
        clock: Callable[[], float],
    ) -> None:
        self._ledger = ledger
        self._stripe_events = stripe_events
        self._claims = claims
        self._links = links
        self._heartbeats = heartbeats
        self._cabinet_messages = cabinet_messages
        self._webhook_secret = webhook_secret
        self._clock = clock
        self._threads = threading.local()

    def handle(self, event: dict[str, Any], context: Any) -> dict[str, Any]:
        """Answers one API Gateway HTTP API event (payload format 2.0); any thread may call."""
        return self._routes.resolve(event, context)

    @property
    def _routes(self) -> _Routes:
        """This thread's routes."""
        found = getattr(self._threads, "routes", None)
        if not isinstance(found, _Routes):
            found = self._threads.routes = self._make_routes()
        return found

    def _make_routes(self) -> _Routes:
        routes = _Routes()
        routes.get("/status")(self._up)
        routes.post("/status")(self._heartbeat)
        routes.post("/create-payment-link")(self._link)
        routes.post("/addCredit")(self._webhook)
        routes.post("/claim")(self._claim)
        routes.post("/settle")(self._settle)
        routes.post("/gameover")(self._game_over)
        routes.get("/receipt")(self._receipt)
        routes.not_found(lambda _error: _error_answer(404, "there is no such call"))
        for kind, answer in _ANSWERS.items():
            routes.exception_handler(kind)(answer)
        return routes

    def _up(self) -> dict[str, str]:
        return {"status": "up", "message": "API is running"}

    def _heartbeat(self) -> dict[str, Any]:
        cabinet, body = self._cabinet()
        link = self._heartbeats.handle(cabinet, requests.heartbeat(body))
        orders = self._heartbeats.unfinished_orders(cabinet.machine_id)
        now = self._clock()
        return {
            "time": moment(now),
            "link": _link_state(link),
            "orders": [_open_order(o) for o in orders if o.state is OrderState.OPEN],
            "claimed": [_claimed_order(o, now) for o in orders if o.state is OrderState.CLAIMED],
        }

    def _link(self) -> dict[str, Any]:
        cabinet, body = self._cabinet()
        wish = requests.link_wish(body)
        return _offer(self._links.get(cabinet, wish.price_id, wish.quantity))

    def _webhook(self) -> dict[str, str]:
        raw = self._raw_body()
        webhook_signature.check(
            raw, self._header("stripe-signature"), self._webhook_secret, self._clock()
        )
        event = _stripe_event(_json(raw))
        done = self._stripe_events.handle(event)
        log.info("%s %s: %s", event.type, event.event_id, done)
        return {"message": done}

    def _claim(self) -> dict[str, Any]:
        _, body = self._cabinet()
        answer = self._claims.claim(requests.claim(body))
        if isinstance(answer, Refused):
            raise _Wrong(409, answer.reason)
        order, age = answer
        log.info("%s claimed %s", order.machine_id, order.order_id)
        return {
            "order_id": order.order_id,
            "claim_id": order.claim_id,
            "credits": order.credits,
            "state": order.state.value,
            "age_seconds": round(age, 3),
        }

    def _settle(self) -> dict[str, Any]:
        _, body = self._cabinet()
        answer = self._claims.settle(requests.settle(body))
        if isinstance(answer, Refused):
            raise _Wrong(409, answer.reason)
        log.info(
            "%s settled %s: %d of %d pulses, charged %d of %d",
            answer.machine_id, answer.order_id, answer.pulsed, answer.pulses,
            answer.charged, answer.amount,
        )  # fmt: skip
        return {
            "order_id": answer.order_id,
            "state": answer.state.value,
            "charged": answer.charged,
            "amount": answer.amount,
            "currency": answer.currency,
        }

    def _game_over(self) -> dict[str, str]:
        cabinet, _ = self._cabinet()
        if not self._cabinet_messages.game_over(cabinet.machine_id, self._clock()):
            raise _Wrong(503, "the broker cannot be reached: send it again")
        return {"message": "Game over signal sent"}

    def _receipt(self) -> Response[str]:
        session_id = self._routes.current_event.query_string_parameters.get("session_id", "")
        if not requests.NAME.fullmatch(session_id):
            raise _Wrong(400, "session_id is missing: open the page that Stripe sent you to")
        order = self._ledger.order(session_id)
        return Response(
            status_code=200,
            content_type="text/html; charset=utf-8",
            body=receipt.page(order),
            headers={"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"},
        )

    def _cabinet(self) -> tuple[Cabinet, object]:
        """The cabinet that calls, proven by its token, and the body that it sent."""
        body = _json(self._raw_body())
        machine_id = requests.machine_id(body)
        return machine_of(self._ledger, self._header("authorization"), machine_id), body

    def _header(self, name: str) -> str:
        # API Gateway sends header names in lower case, and hands over what clients sent.
        found = self._routes.current_event.headers.get(name, "")
        return str(found)

    def _raw_body(self) -> bytes:
        """The bytes that were sent: a signature is over those, not over what they mean."""
        event = self._routes.current_event.raw_event
        body = event.get("body") or ""
        if event.get("isBase64Encoded"):
            try:
                raw = base64.b64decode(body, validate=True)
            except binascii.Error as error:
                raise _Wrong(400, "the body is not what API Gateway sends") from error
        else:
            raw = body.encode()
        if len(raw) > LARGEST_BODY:
            raise _Wrong(413, f"the body is larger than {LARGEST_BODY // 1024} KB")
        return raw


def _json(raw: bytes) -> object:
    try:
        return json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise _Wrong(400, "the body must be JSON") from error


def _stripe_event(body: object) -> StripeEvent:
    if isinstance(body, dict):
        data = body.get("data")
        subject = data.get("object") if isinstance(data, dict) else None
        created = body.get("created")
        kind, event_id = body.get("type"), body.get("id")
        if (
            isinstance(subject, dict)
            and isinstance(created, int)
            and isinstance(kind, str)
            and isinstance(event_id, str)
        ):
            return StripeEvent(event_id, kind, float(created), subject)
    raise _Wrong(400, "the body is signed, but it is not a Stripe event")


def _offer(link: PaymentLink) -> dict[str, Any]:
    prices = link.prices
    return {
        "url": link.url,
        "price_id": link.price_id,
        "amount": prices.amount,
        "currency": prices.currency,
        "decimals": money.decimals(prices.currency),
        "quantity": link.quantity,
        "most": prices.most,
        "bonuses": [{"quantity": b.quantity, "credits": b.credits} for b in prices.bonuses],
    }


def _link_state(link: PaymentLink | None) -> dict[str, str]:
    if link is None:
        return {"state": "none", "url": ""}
    return {"state": "active" if link.wanted else "off", "url": link.url}


def _open_order(order: Order) -> dict[str, Any]:
    return {
        "order_id": order.order_id,
        "credits": order.credits,
        "expires_at": moment(order.deadline_ms / 1000),
    }


def _claimed_order(order: Order, now: float) -> dict[str, Any]:
    return {
        "order_id": order.order_id,
        "claim_id": order.claim_id,
        "credits": order.credits,
        "age_seconds": max(0.0, now - order.claimed_at_ms / 1000),
    }


def _error_answer(status: int, message: str) -> Response[str]:
    return Response(
        status_code=status,
        content_type=content_types.APPLICATION_JSON,
        body=json.dumps({"error": message}),
    )


def _unexpected(error: Exception) -> Response[str]:
    log.exception("a call failed", exc_info=error)
    return _error_answer(500, "the cloud failed on this call: see its log")


_ANSWERS: dict[type[Exception], Callable[[Any], Response[str]]] = {
    _Wrong: lambda e: _error_answer(e.status, str(e)),
    requests.BadBody: lambda e: _error_answer(400, str(e)),
    webhook_signature.BadSignature: lambda e: _bad_signature(e),
    NotAllowed: lambda e: _error_answer(e.status, str(e)),
    UnknownOrder: lambda e: _error_answer(404, str(e)),
    Changing: lambda e: _error_answer(503, str(e)),
    UnknownPrice: lambda e: _error_answer(404, str(e)),
    StripeUnavailable: lambda e: _unavailable(e, "Stripe cannot be asked now: try again"),
    StripeRefused: lambda e: _unavailable(e, "Stripe refused: see the cloud's log", 502),
    LedgerUnavailable: lambda e: _unavailable(e, "the ledger cannot be used now: try again"),
    Exception: _unexpected,
}


def _bad_signature(error: Exception) -> Response[str]:
    log.warning("a webhook was refused: %s", error)
    return _error_answer(400, str(error))


def _unavailable(error: Exception, message: str, status: int = 503) -> Response[str]:
    log.error("%s", error)
    return _error_answer(status, message)
