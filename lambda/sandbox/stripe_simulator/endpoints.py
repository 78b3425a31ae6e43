"""The API's endpoints: for each method and path the parameters and what handles it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

from sandbox.stripe_simulator import catalogue, payments
from sandbox.stripe_simulator import parameters as p
from sandbox.stripe_simulator.context import Context
from sandbox.stripe_simulator.errors import Document
from sandbox.stripe_simulator.rendering import list_of, render
from sandbox.stripe_simulator.store import Page

# Called with the context, the parsed parameters and what the path names; returns the response.
Handler = Callable[..., Document]


@dataclass(frozen=True)
class Endpoint:
    """One call of the API. ``path`` is a rule of Flask's."""

    method: str
    path: str
    parameters: type[p.Expandable]
    handler: Handler


def _write(
    operation: Callable[..., Document], context: Context, params: p.Expandable, **ids: str
) -> Document:
    document = operation(context, *ids.values(), params)
    return render(context.transaction, document, context.public_url)


def _retrieve(kind: str, param: str, context: Context, _params: p.Expandable, id: str) -> Document:
    return render(context.transaction, context.find(kind, id, param), context.public_url)


def _list(kind: str, url: str, context: Context, params: p.Listing) -> Document:
    for name in ("starting_after", "ending_before"):
        cursor = getattr(params, name)
        if cursor:
            context.find(kind, cursor, name)
    page = Page(params.limit, params.starting_after or "", params.ending_before or "")
    documents = context.transaction.select(kind, list(_conditions(params)), page)
    return list_of(context.transaction, url, documents, context.public_url)


def _conditions(params: p.Listing) -> Iterable[tuple[str, object]]:
    """SQL conditions for a list's filters."""
    filters = params.model_dump(exclude={"expand", "limit", "starting_after", "ending_before"})
    for name, value in filters.items():
        if value is None:
            continue
        match name:
            case "created" if isinstance(value, dict):
                operators = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
                for bound, timestamp in value.items():
                    if timestamp is not None:
                        yield f"created {operators[bound]} ?", timestamp
            case "created":
                yield "created = ?", value
            case "delivery_success":
                undelivered = "SELECT event FROM deliveries WHERE state != 'delivered'"
                yield f"(id IN ({undelivered})) = ?", int(not value)
            case "type" if isinstance(params, p.EventList):
                yield "json_extract(body, '$.type') GLOB ?", value
            case "types":
                yield "instr(?, ' ' || json_extract(body, '$.type') || ' ')", f" {' '.join(value)} "
            case _:
                yield f"json_extract(body, '$.{name}') = ?", value


def _list_items(kind: str, url: str, context: Context, params: p.Listing, id: str) -> Document:
    context.find(kind, id, kind.rpartition(".")[2])
    items = context.transaction.children(id, "item")
    ids = [item["id"] for item in items]
    first, last = 0, len(items)
    if params.starting_after:
        context.find("item", params.starting_after, "starting_after")
        first = ids.index(params.starting_after) + 1
    if params.ending_before:
        context.find("item", params.ending_before, "ending_before")
        last = ids.index(params.ending_before)
    within = items[first:last]
    page = (within[: params.limit], len(within) > params.limit)
    return list_of(context.transaction, url.format(id), page, context.public_url)


def _expire(context: Context, _params: p.Expandable, id: str) -> Document:
    session = payments.expire(context, context.find("checkout.session", id, "session"))
    return render(context.transaction, session, context.public_url)


def _resource(
    kind: str,
    path: str,
    param: str,
    listing: type[p.Listing],
    create: tuple[type[p.Expandable], Callable[..., Document]] | None = None,
) -> list[Endpoint]:
    """Create (where an API call can), retrieve and list."""
    creation = [Endpoint("POST", path, create[0], partial(_write, create[1]))] if create else []
    return [
        *creation,
        Endpoint("GET", f"{path}/<id>", p.Expandable, partial(_retrieve, kind, param)),
        Endpoint("GET", path, listing, partial(_list, kind, path)),
    ]


_LINKS = "/v1/payment_links"
_SESSIONS = "/v1/checkout/sessions"
_INTENTS = "/v1/payment_intents"

ENDPOINTS: list[Endpoint] = [
    *_resource(
        "product", "/v1/products", "id", p.ProductList, (p.ProductCreate, catalogue.create_product)
    ),
    *_resource(
        "price", "/v1/prices", "price", p.PriceList, (p.PriceCreate, catalogue.create_price)
    ),
    *_resource(
        "payment_link", _LINKS, "payment_link", p.LinkList, (p.LinkCreate, catalogue.create_link)
    ),
    Endpoint("POST", f"{_LINKS}/<id>", p.LinkUpdate, partial(_write, catalogue.update_link)),
    Endpoint(
        "GET",
        f"{_LINKS}/<id>/line_items",
        p.Listing,
        partial(_list_items, "payment_link", f"{_LINKS}/{{}}/line_items"),
    ),
    *_resource("checkout.session", _SESSIONS, "session", p.SessionList),
    Endpoint(
        "GET",
        f"{_SESSIONS}/<id>/line_items",
        p.Listing,
        partial(_list_items, "checkout.session", f"{_SESSIONS}/{{}}/line_items"),
    ),
    Endpoint("POST", f"{_SESSIONS}/<id>/expire", p.Expandable, _expire),
    *_resource("payment_intent", _INTENTS, "intent", p.CreatedListing),
    Endpoint("POST", f"{_INTENTS}/<id>", p.IntentUpdate, partial(_write, payments.update_intent)),
    Endpoint("POST", f"{_INTENTS}/<id>/capture", p.Capture, partial(_write, payments.capture)),
    Endpoint("POST", f"{_INTENTS}/<id>/cancel", p.Cancel, partial(_write, payments.cancel)),
    *_resource("refund", "/v1/refunds", "id", p.PaymentList, (p.RefundCreate, payments.refund)),
    *_resource("charge", "/v1/charges", "charge", p.ChargeList),
    *_resource("event", "/v1/events", "id", p.EventList),
]
