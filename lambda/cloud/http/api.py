"""The HTTP API: every call of the contract, from an API Gateway event to an answer.

``Api.routes`` says which method answers which call. Follow a payment from here:
``POST /addCredit`` → :mod:`cloud.services.stripe_events`, ``POST /claim`` and ``POST /settle`` →
:mod:`cloud.services.claims`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from cloud.core.limits import MOST_LISTED
from cloud.core.messages import timestamp
from cloud.core.orders import LostRequest, Order, OrderState, Refused
from cloud.core.stamps import to_ms
from cloud.http import requests
from cloud.http.api_gateway import (
    HttpError,
    Request,
    Response,
    error_response,
    html_response,
    json_response,
    read_json,
    request_of,
)
from cloud.http.cabinet_auth import (
    Cabinets,
    NotAllowed,
    WithItems,
    WithOrder,
    authenticate,
    ends_rotation,
)
from cloud.http.refusals import Refusals
from cloud.logs import about, during, note
from cloud.stores.base import Ledger

# What only some calls need is imported by them (docs/decisions/0024-the-start.md).
if TYPE_CHECKING:
    from cloud.core.cabinets import Cabinet, PaymentLink
    from cloud.services.cabinet_messages import CabinetMessages
    from cloud.services.claims import Claims
    from cloud.services.disconnects import Disconnects
    from cloud.services.heartbeats import Heartbeats
    from cloud.services.payment_links import PaymentLinks
    from cloud.services.stripe_events import StripeEvent, StripeEvents

log = logging.getLogger(__name__)


class Services(Protocol):
    """What does the work; each is made when it is first asked for."""

    @property
    def stripe_events(self) -> StripeEvents: ...
    @property
    def claims(self) -> Claims: ...
    @property
    def links(self) -> PaymentLinks: ...
    @property
    def heartbeats(self) -> Heartbeats: ...
    @property
    def disconnects(self) -> Disconnects: ...
    @property
    def cabinet_messages(self) -> CabinetMessages: ...


class Api:
    """Calls the service that a request is for, proves who calls, and turns failures into answers.

    Between two calls it keeps only how many it refused; any thread may call it.
    """

    def __init__(
        self,
        services: Services,
        ledger: Ledger,
        webhook_secret: str,
        presence_secret: str,
        clock: Callable[[], float],
    ) -> None:
        self._services = services
        self._ledger = ledger
        self._webhook_secret = webhook_secret
        self._presence_secret = presence_secret
        self._clock = clock
        self._refusals = Refusals(clock)
        # API Gateway has chosen the route already: these are the names in lambda/template.yaml.
        self.routes: Mapping[str, Callable[[Request], Response]] = {
            "GET /status": self._up,
            "POST /status": self._heartbeat,
            "POST /create-payment-link": self._link,
            "POST /addCredit": self._webhook,
            "POST /claim": self._claim,
            "POST /settle": self._settle,
            "POST /gameover": self._game_over,
            "POST /presence": self._presence,
            "GET /receipt": self._receipt,
        }

    def handle(self, event: Mapping[str, Any]) -> Response:
        """Answers one API Gateway HTTP API event (payload format 2.0)."""
        route = str(event.get("routeKey"))
        with during(route=route if route in self.routes else "unknown"):
            return self._answer(event)

    def _answer(self, event: Mapping[str, Any]) -> Response:
        route = "unknown"
        try:
            request = request_of(event)
            answer = self.routes.get(request.route)
            if answer is None:
                return error_response(404, "there is no such call")
            route = request.route
            return answer(request)
        except HttpError as error:
            return error_response(error.status, str(error), error.code)
        except NotAllowed as error:
            self._refusals.note(error.status, route, error.cause)
            return error_response(error.status, str(error))
        except requests.BadBody as error:
            return error_response(400, str(error))
        except Exception as error:  # noqa: BLE001
            # Late: most calls fail in none of these ways.
            from cloud.http import failures

            return failures.answer(error, route, self._refusals)

    def _up(self, _request: Request) -> Response:
        return json_response({"status": "up", "message": "API is running"})

    def _heartbeat(self, request: Request) -> Response:
        found = WithItems(self._ledger)
        cabinet, body = self._cabinet(request, found)
        link = self._services.heartbeats.handle(found.items, requests.heartbeat(body))
        if ends_rotation(cabinet, request.header("authorization")):
            self._services.heartbeats.end_rotation(cabinet)
        orders = found.items.orders
        waiting = [order for order in orders if order.state is OrderState.OPEN]
        claimed = [order for order in orders if order.state is OrderState.CLAIMED]
        now = self._clock()
        return json_response(
            {
                "time": timestamp(now),
                "link": _link_state(link),
                # The oldest: an answer has a largest size, and the others come with the next one.
                "orders": [_open_order(order) for order in waiting[:MOST_LISTED]],
                "claimed": [_claimed_order(order, now) for order in claimed[:MOST_LISTED]],
            }
        )

    def _link(self, request: Request) -> Response:
        cabinet, body = self._cabinet(request)
        asked = requests.link_request(body)
        return json_response(
            _offer(self._services.links.get(cabinet, asked.price_id, asked.quantity))
        )

    def _webhook(self, request: Request) -> Response:
        from cloud.http import webhook_signature

        raw = request.raw_body()
        webhook_signature.check(
            raw, request.header("stripe-signature"), self._webhook_secret, self._clock()
        )
        event = requests.stripe_event(read_json(raw))
        note(event=event.event_id, **_subject_of(event))
        done = self._services.stripe_events.handle(event)
        log.info("%s: %s", event.type, done, extra=about(status=200))
        return json_response({"message": done})

    def _claim(self, request: Request) -> Response:
        found = WithOrder(self._ledger, requests.order_id(request.json_body()))
        _, body = self._cabinet(request, found)
        asked = requests.claim(body)
        note(order=asked.order_id)
        result = self._services.claims.claim(asked, found.order)
        if isinstance(result, Refused):
            raise _refusal(result)
        order = result.order
        log.info("the claim is granted", extra=about(status=200))
        return json_response(
            {
                "order_id": order.order_id,
                "claim_id": order.claim_id,
                "credits": order.credits,
                "state": order.state.value,
                "age_seconds": round(result.age, 3),
                "forgiven_today": result.forgiven_today,
                "card_forgiven_today": result.card_forgiven_today,
            }
        )

    def _settle(self, request: Request) -> Response:
        found = WithOrder(self._ledger, requests.order_id(request.json_body()))
        _, body = self._cabinet(request, found)
        asked = requests.settle(body)
        note(order=asked.order_id)
        if isinstance(asked, LostRequest):
            result = self._services.claims.settle_lost(asked, found.order)
        else:
            result = self._services.claims.settle(asked, found.order)
        if isinstance(result, Refused):
            raise _refusal(result)
        log.info(
            "settled with %d of %d pulses, charged %d of %d",
            result.pulsed, result.pulses, result.charged, result.amount,
            extra=about(status=200, state=result.state.value),
        )  # fmt: skip
        return json_response(
            {
                "order_id": result.order_id,
                "state": result.state.value,
                "charged": result.charged,
                "amount": result.amount,
                "currency": result.currency,
            }
        )

    def _game_over(self, request: Request) -> Response:
        cabinet, body = self._cabinet(request)
        ended_at = requests.game_over(body) or timestamp(self._clock())
        if not self._services.cabinet_messages.game_over(cabinet.machine_id, ended_at):
            raise HttpError(503, "the cabinet cannot be told now: send it again")
        return json_response({"message": "Game over signal sent"})

    def _presence(self, request: Request) -> Response:
        from cloud.http import presence_signature

        if not self._presence_secret:
            raise HttpError(404, "there is no such call: PRESENCE_SECRET is not set")
        lost = requests.disconnect(request.json_body())
        presence_signature.check(
            lost, request.header("x-arcade-signature"), self._presence_secret, self._clock()
        )
        done = self._services.disconnects.handle(lost)
        log.info("the broker lost %s (%s): %s", lost.client_id, lost.reason, done)
        return json_response({"message": done})

    def _receipt(self, request: Request) -> Response:
        from cloud.http import receipt

        session_id = request.query.get("session_id", "")
        if not requests.NAME.fullmatch(session_id):
            raise HttpError(400, "session_id is missing: open the page that Stripe sent you to")
        visit = requests.visit(request.query)
        page = receipt.page(self._ledger.order(session_id), session_id, visit)
        return html_response(page, receipt.content_security_policy())

    def _cabinet(
        self, request: Request, cabinets: Cabinets | None = None
    ) -> tuple[Cabinet, object]:
        """The cabinet that calls, proven by its token, and the body that it sent."""
        body = request.json_body()
        machine_id = requests.machine_id(body)
        now_ms = to_ms(self._clock())
        header = request.header("authorization")
        cabinet = authenticate(cabinets or self._ledger, header, machine_id, now_ms)
        note(cabinet=cabinet.machine_id)
        return cabinet, body


def _subject_of(event: StripeEvent) -> dict[str, object]:
    """What an event is about, for the log; who names it has Stripe's signature."""
    subject = event.subject
    if subject.get("object") == "checkout.session":
        return {"order": subject.get("id"), "payment": subject.get("payment_intent")}
    return {"payment": subject.get("payment_intent") or subject.get("id")}


def _refusal(refused: Refused) -> HttpError:
    """The answer to a cabinet whose claim or settle does not apply."""
    code = refused.code.value if refused.code else ""
    log.info("refused: %s", refused.reason, extra=about(status=409, code=code))
    return HttpError(409, refused.reason, code)


def _offer(link: PaymentLink) -> dict[str, Any]:
    from cloud.core import money

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
    return {"state": "active" if link.payable else "off", "url": link.url}


def _open_order(order: Order) -> dict[str, Any]:
    return {
        "order_id": order.order_id,
        "credits": order.credits,
        "expires_at": timestamp(order.deadline_ms / 1000),
        "payment_id": order.intent_id,
    }


def _claimed_order(order: Order, now: float) -> dict[str, Any]:
    return {
        "order_id": order.order_id,
        "credits": order.credits,
        "age_seconds": max(0.0, now - order.claimed_at_ms / 1000),
    }
