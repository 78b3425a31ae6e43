"""The HTTP API, ``/v1/…`` as the ``stripe`` library calls it, and ``/_control/…`` for tests.

An idempotency key replays its first answer for a day, also an error; not the errors that come
before anything was tried: a wrong key, wrong parameters, the same key at the same time.
Source: Stripe's API reference, "Idempotent requests".
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import json
import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from typing import Annotated, Any, TypeVar

from flask import Flask, Request, Response, request
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from werkzeug.exceptions import HTTPException

from sandbox.stripe_simulator import catalogue, payments
from sandbox.stripe_simulator import parameters as p
from sandbox.stripe_simulator.errors import Document, StripeError
from sandbox.stripe_simulator.failures import Failure, Kind
from sandbox.stripe_simulator.ids import new_id
from sandbox.stripe_simulator.objects import API_VERSION
from sandbox.stripe_simulator.rendering import expand, list_of, render
from sandbox.stripe_simulator.simulator import StripeStandin
from sandbox.stripe_simulator.store import Answer, Page
from sandbox.stripe_simulator.webhooks import Switches
from sandbox.stripe_simulator.work import Work

log = logging.getLogger(__name__)

KEY_SECONDS = 24 * 3600
LONGEST_KEY = 255

M = TypeVar("M", bound=BaseModel)

# A handler gets the parsed parameters and what the path names, and returns what is to be sent.
Handler = Callable[..., Document]


@dataclass(frozen=True)
class Endpoint:
    """One call: what it takes and what it does."""

    method: str
    path: str
    parameters: type[p.Expandable]
    handler: Handler


@dataclass(frozen=True)
class Reply:
    """An answer before it is HTTP."""

    status: int
    body: str
    replay_of: str = ""  # the request id of the first answer


def create_app(standin: StripeStandin) -> Flask:
    """The stand-in's API as a WSGI application; it may be mounted at ``/`` or at its prefixes."""
    app = Flask(__name__)
    app.wsgi_app = partial(_from_the_root, app.wsgi_app)  # type: ignore[method-assign]
    service = _Service(standin)
    for endpoint in ENDPOINTS:
        app.add_url_rule(
            endpoint.path,
            endpoint=f"{endpoint.method} {endpoint.path}",
            view_func=partial(service.call, endpoint),
            methods=[endpoint.method],
            provide_automatic_options=False,
        )
    app.add_url_rule("/_control/delivery", view_func=service.delivery, methods=["GET", "POST"])
    app.add_url_rule("/_control/fail", view_func=service.fail, methods=["POST"])
    app.register_error_handler(HTTPException, _unknown_address)
    return app


class _Service:
    def __init__(self, standin: StripeStandin) -> None:
        self._standin = standin
        self._lock = threading.Lock()
        self._under_way: set[str] = set()

    def call(self, endpoint: Endpoint, **ids: str) -> Response:
        """Answers one call of the API, whatever happens."""
        request_id = new_id("req")
        key = request.headers.get("Idempotency-Key", "") if endpoint.method == "POST" else ""
        try:
            self._authenticate(request)
            reply = self._answer(endpoint, ids, request_id, key)
        except StripeError as error:
            reply = Reply(error.status, _json(error.body()))
        except Exception:
            log.exception("%s %s failed (%s)", request.method, request.path, request_id)
            reply = Reply(500, _json(_trouble().body()))
        log.info("%s %s: %s (%s)", request.method, request.path, reply.status, request_id)
        response = Response(reply.body, reply.status, content_type="application/json")
        response.headers["Request-Id"] = request_id
        response.headers["Stripe-Version"] = request.headers.get("Stripe-Version", API_VERSION)
        if key:
            response.headers["Idempotency-Key"] = key
            response.headers["Original-Request"] = reply.replay_of or request_id
        if reply.replay_of:
            response.headers["Idempotent-Replayed"] = "true"
        return response

    def delivery(self) -> Response:
        """Reads or sets the switches of the deliveries."""
        deliveries = self._standin.deliveries

        def act() -> Document:
            if request.method == "POST":
                wanted = _control(_DeliverySwitches, request)
                deliveries.switch(Switches(**wanted.model_dump()))
            return asdict(deliveries.switches)

        return self._controlled(act)

    def fail(self) -> Response:
        """Adds a failure of the API, or takes all away again (``{"kind": "none"}``)."""

        def act() -> Document:
            body = request.get_json(silent=True)
            if body == {"kind": "none"}:
                self._standin.failures.clear()
                return {"kind": "none"}
            failure = Failure(**_control(_FailureSwitch, request).model_dump())
            self._standin.failures.add(failure)
            return asdict(failure)

        return self._controlled(act)

    def _controlled(self, act: Callable[[], Document]) -> Response:
        try:
            if not _is_this_machine(request.remote_addr):
                raise StripeError("The switches work from this machine only.", status=403)
            self._authenticate(request)
            reply = Reply(200, _json(act()))
        except StripeError as error:
            reply = Reply(error.status, _json(error.body()))
        return Response(reply.body, reply.status, content_type="application/json")

    def _authenticate(self, asked: Request) -> None:
        header = asked.headers.get("Authorization", "")
        scheme, _, key = header.partition(" ")
        if scheme.lower() != "bearer" or not key.strip():
            raise StripeError(
                "You did not provide an API key. You need to provide your API key in the "
                "Authorization header, using Bearer auth (e.g. 'Authorization: Bearer "
                "YOUR_SECRET_KEY').",
                status=401,
            )
        if not hmac.compare_digest(key.strip().encode(), self._standin.secret_key.encode()):
            raise StripeError("Invalid API Key provided.", status=401)

    def _answer(self, endpoint: Endpoint, ids: dict[str, str], request_id: str, key: str) -> Reply:
        raw = _parameters(request)
        path = request.path
        if len(key) > LONGEST_KEY:
            raise StripeError(f"Idempotency keys can be up to {LONGEST_KEY} characters long.")
        failures = self._standin.failures
        with self._only_one(key):
            failure = failures.take(request.method, path)
            if failure and failure.kind == "hang":
                failures.wait(failure)
            if failure and failure.kind != "timeout":
                raise _trouble()
            reply = self._replay(key, path, raw) or self._first(
                endpoint, ids, raw, path, request_id, key
            )
        if failure:
            failures.wait(failure)
        return reply

    @contextmanager
    def _only_one(self, key: str) -> Iterator[None]:
        """Refuses a second request with a key while the first is under way."""
        with self._lock:
            if key and key in self._under_way:
                raise StripeError(
                    "There is currently another in-progress request using this Idempotent Key "
                    "(that probably means you submitted twice, and the other request is still "
                    "going through).",
                    status=409,
                    type="idempotency_error",
                    code="idempotency_key_in_use",
                )
            self._under_way.add(key)
        try:
            yield
        finally:
            with self._lock:
                self._under_way.discard(key)

    def _replay(self, key: str, path: str, raw: dict[str, Any]) -> Reply | None:
        if not key:
            return None
        with self._standin.store.look() as books:
            answer = books.answer(key)
        if answer is None or answer.created < self._standin.clock() - KEY_SECONDS:
            return None
        if answer.path != path:
            raise StripeError(
                "Keys for idempotent requests can only be used for the same endpoint they were "
                f"first used for ('{path}' vs '{answer.path}'). Try using a key other than "
                f"'{key}' if you meant to execute a different request.",
                type="idempotency_error",
            )
        if answer.params != _fingerprint(raw):
            raise StripeError(
                "Keys for idempotent requests can only be used with the same parameters they were "
                f"first used with. Try using a key other than '{key}' if you meant to execute a "
                "different request.",
                type="idempotency_error",
            )
        return Reply(answer.status, answer.body, answer.request_id)

    def _first(
        self,
        endpoint: Endpoint,
        ids: dict[str, str],
        raw: dict[str, Any],
        path: str,
        request_id: str,
        key: str,
    ) -> Reply:
        params = p.parse(endpoint.parameters, raw)

        def keep(work: Work, status: int, body: str) -> None:
            if key:
                answer = Answer(key, path, _fingerprint(raw), status, body, request_id, work.now)
                work.books.keep(answer, work.now - KEY_SECONDS)

        try:
            with self._standin.work(request_id, key) as work:
                sent = endpoint.handler(work, params, **ids)
                body = _json(expand(work.books, sent, params.expand, work.public_url))
                keep(work, 200, body)
        except StripeError as error:
            # What it had done is undone; that it was refused is remembered.
            reply = Reply(error.status, _json(error.body()))
            with self._standin.work(request_id, key) as work:
                keep(work, reply.status, reply.body)
            return reply
        return Reply(200, body)


class _DeliverySwitches(BaseModel):
    model_config = ConfigDict(extra="forbid")
    late: Annotated[float, Field(ge=0)] = 0.0
    twice: bool = False
    out_of_order: bool = False
    never: bool = False
    at_once: Annotated[int, Field(ge=1, le=32)] = 1


class _FailureSwitch(BaseModel):
    model_config = ConfigDict(extra="forbid")
    kind: Kind
    method: str = ""
    path: str = "/v1"
    count: Annotated[int, Field(ge=1)] = 1
    seconds: Annotated[float, Field(ge=0)] = 60.0


def _control(model: type[M], asked: Request) -> M:
    try:
        return model.model_validate(asked.get_json(silent=True))
    except ValidationError as error:
        mistake = error.errors(include_url=False)[0]
        place = ".".join(map(str, mistake["loc"]))
        raise StripeError(f"{mistake['msg']}: {place or 'send a JSON object'}") from None


def _made(make: Callable[..., Document], work: Work, params: p.Expandable, **ids: str) -> Document:
    return render(work.books, make(work, *ids.values(), params), work.public_url)


def _retrieved(kind: str, param: str, work: Work, _params: p.Expandable, id: str) -> Document:
    return render(work.books, work.find(kind, id, param), work.public_url)


def _listed(kind: str, url: str, work: Work, params: p.Listing) -> Document:
    for name in ("starting_after", "ending_before"):
        cursor = getattr(params, name)
        if cursor:
            work.find(kind, cursor, name)
    page = Page(params.limit, params.starting_after or "", params.ending_before or "")
    return list_of(
        work.books, url, work.books.select(kind, list(_where(params)), page), work.public_url
    )


def _where(params: p.Listing) -> Iterable[tuple[str, object]]:
    """SQL conditions for what a list is asked for."""
    given = params.model_dump(exclude={"expand", "limit", "starting_after", "ending_before"})
    for name, value in given.items():
        if value is None:
            continue
        match name:
            case "created" if isinstance(value, dict):
                signs = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
                for word, moment in value.items():
                    if moment is not None:
                        yield f"created {signs[word]} ?", moment
            case "created":
                yield "created = ?", value
            case "delivery_success":
                unsent = "SELECT event FROM deliveries WHERE state != 'delivered'"
                yield f"(id IN ({unsent})) = ?", int(not value)
            case "type" if isinstance(params, p.EventList):
                yield "json_extract(body, '$.type') GLOB ?", value
            case "types":
                yield "instr(?, ' ' || json_extract(body, '$.type') || ' ')", f" {' '.join(value)} "
            case _:
                yield f"json_extract(body, '$.{name}') = ?", value


def _items(kind: str, url: str, work: Work, params: p.Listing, id: str) -> Document:
    work.find(kind, id, kind.rpartition(".")[2])
    items = work.books.children(id, "item")
    ids = [item["id"] for item in items]
    first, last = 0, len(items)
    if params.starting_after:
        work.find("item", params.starting_after, "starting_after")
        first = ids.index(params.starting_after) + 1
    if params.ending_before:
        work.find("item", params.ending_before, "ending_before")
        last = ids.index(params.ending_before)
    found = items[first:last]
    page = (found[: params.limit], len(found) > params.limit)
    return list_of(work.books, url.format(id), page, work.public_url)


def _expired(work: Work, _params: p.Expandable, id: str) -> Document:
    session = payments.expire(work, work.find("checkout.session", id, "session"))
    return render(work.books, session, work.public_url)


def _crud(
    kind: str,
    path: str,
    param: str,
    listing: type[p.Listing],
    create: tuple[type[p.Expandable], Callable[..., Document]] | None = None,
) -> list[Endpoint]:
    """Create (where Stripe's caller may), retrieve and list."""
    made = [Endpoint("POST", path, create[0], partial(_made, create[1]))] if create else []
    return [
        *made,
        Endpoint("GET", f"{path}/<id>", p.Expandable, partial(_retrieved, kind, param)),
        Endpoint("GET", path, listing, partial(_listed, kind, path)),
    ]


_LINKS = "/v1/payment_links"
_SESSIONS = "/v1/checkout/sessions"
_INTENTS = "/v1/payment_intents"

ENDPOINTS: list[Endpoint] = [
    *_crud(
        "product", "/v1/products", "id", p.ProductList, (p.ProductCreate, catalogue.create_product)
    ),
    *_crud("price", "/v1/prices", "price", p.PriceList, (p.PriceCreate, catalogue.create_price)),
    *_crud(
        "payment_link", _LINKS, "payment_link", p.LinkList, (p.LinkCreate, catalogue.create_link)
    ),
    Endpoint("POST", f"{_LINKS}/<id>", p.LinkUpdate, partial(_made, catalogue.update_link)),
    Endpoint(
        "GET",
        f"{_LINKS}/<id>/line_items",
        p.Listing,
        partial(_items, "payment_link", f"{_LINKS}/{{}}/line_items"),
    ),
    *_crud("checkout.session", _SESSIONS, "session", p.SessionList),
    Endpoint(
        "GET",
        f"{_SESSIONS}/<id>/line_items",
        p.Listing,
        partial(_items, "checkout.session", f"{_SESSIONS}/{{}}/line_items"),
    ),
    Endpoint("POST", f"{_SESSIONS}/<id>/expire", p.Expandable, _expired),
    *_crud("payment_intent", _INTENTS, "intent", p.CreatedListing),
    Endpoint("POST", f"{_INTENTS}/<id>/capture", p.Capture, partial(_made, payments.capture)),
    Endpoint("POST", f"{_INTENTS}/<id>/cancel", p.Cancel, partial(_made, payments.cancel)),
    *_crud("refund", "/v1/refunds", "id", p.PaymentList, (p.RefundCreate, payments.refund)),
    *_crud("charge", "/v1/charges", "charge", p.ChargeList),
    *_crud("event", "/v1/events", "id", p.EventList),
]


def _parameters(asked: Request) -> dict[str, Any]:
    if asked.method == "GET":
        return p.decode(asked.query_string.decode())
    return p.decode(asked.get_data(as_text=True))


def _is_this_machine(address: str | None) -> bool:
    return address is not None and ipaddress.ip_address(address).is_loopback


def _fingerprint(raw: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(raw, sort_keys=True).encode()).hexdigest()


def _json(document: Document) -> str:
    return json.dumps(document, indent=2)


def _trouble() -> StripeError:
    return StripeError(
        "Sorry! There was an error while talking to one of our backends. Try again.",
        status=500,
        type="api_error",
    )


def _unknown_address(_error: HTTPException) -> Response:
    unknown = StripeError(
        f"Unrecognized request URL ({request.method}: {request.path}). If Stripe has it, this "
        "stand-in does not.",
        status=404,
    )
    return Response(_json(unknown.body()), 404, content_type="application/json")


def _from_the_root(
    app: Callable[..., Iterable[bytes]], environ: dict[str, Any], start: Callable[..., Any]
) -> Iterable[bytes]:
    """Undoes what a dispatcher does to the path, which is part of the contract here."""
    path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
    return app(environ | {"SCRIPT_NAME": "", "PATH_INFO": path}, start)
