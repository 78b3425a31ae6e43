"""From stored objects to responses: addresses, prices in line items, and ``expand``."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from sandbox.stripe_simulator import objects
from sandbox.stripe_simulator.errors import Document, StripeError
from sandbox.stripe_simulator.store import Page, Transaction

DEEPEST = 4  # Stripe expands no further

# Fields that hold the id of another object, and that object's kind.
_REFERENCES = {
    "charge": "charge",
    "latest_charge": "charge",
    "payment_intent": "payment_intent",
    "payment_link": "payment_link",
    "product": "product",
}
# Lists that are left out unless they are expanded.
_LISTS = {
    ("payment_link", "line_items"): "/v1/payment_links/{}/line_items",
    ("checkout.session", "line_items"): "/v1/checkout/sessions/{}/line_items",
    ("charge", "refunds"): "/v1/charges/{}/refunds",
}


def render(transaction: Transaction, document: Document, public_url: str) -> Document:
    """The object as Stripe sends it when nothing is expanded."""
    sent = dict(document)
    match document["object"]:
        case "payment_link":
            sent["url"] = f"{public_url}/pay/{document['id']}"
        case "checkout.session" if document["status"] == "open":
            sent["url"] = f"{public_url}/pay/session/{document['id']}"
        case "item":
            sent["price"] = transaction.get("price", document["price"])
        case "event":
            sent["pending_webhooks"] = transaction.pending_webhooks(document["id"])
    return sent


def expand(
    transaction: Transaction, sent: Document, paths: Iterable[str], public_url: str
) -> Document:
    """``sent`` with the objects at ``paths`` in the place of their ids.

    A path is like ``payment_intent.latest_charge``.
    """
    for path in paths:
        names = path.split(".")
        if len(names) > DEEPEST:
            raise StripeError(
                f"You cannot expand more than {DEEPEST} levels of a property. Property: {path}",
                param="expand",
            )
        sent = _expand(transaction, sent, names, path, public_url)
    return sent


def list_of(
    transaction: Transaction,
    url: str,
    page: tuple[list[Document], bool],
    public_url: str,
) -> Document:
    """A page of a list as Stripe sends it."""
    data, has_more = page
    return objects.listing(url, [render(transaction, one, public_url) for one in data], has_more)


def _expand(
    transaction: Transaction, sent: Document, names: list[str], path: str, public_url: str
) -> Document:
    if not names:
        return sent
    name, rest = names[0], names[1:]

    def further(inner: Document) -> Document:
        return _expand(transaction, inner, rest, path, public_url)

    if sent["object"] == "list":
        if name != "data":
            raise _cannot(path)
        return sent | {"data": [further(one) for one in sent["data"]]}
    if (sent["object"], name) in _LISTS:
        inner = sent.get(name) or _list(transaction, sent, name, public_url)
        return sent | {name: further(inner)}
    return sent | {name: _reference(transaction, sent, name, path, public_url, further)}


def _reference(
    transaction: Transaction,
    sent: Document,
    name: str,
    path: str,
    public_url: str,
    further: Callable[[Document], Document],
) -> object:
    value = sent.get(name, path)
    if value is None:
        return None
    if isinstance(value, dict) and "object" in value:
        return further(value)
    inner = transaction.get(_REFERENCES[name], str(value)) if name in _REFERENCES else None
    if inner is None:
        raise _cannot(path)
    return further(render(transaction, inner, public_url))


def _list(transaction: Transaction, sent: Document, name: str, public_url: str) -> Document:
    url = _LISTS[sent["object"], name].format(sent["id"])
    if name == "refunds":
        where = [("json_extract(body, '$.charge') = ?", sent["id"])]
        return list_of(transaction, url, transaction.select("refund", where, Page()), public_url)
    items = transaction.children(sent["id"], "item")
    return list_of(transaction, url, (items, False), public_url)


def _cannot(path: str) -> StripeError:
    return StripeError(
        f"This property cannot be expanded ({path}). You may want to try expanding "
        "'data' for a list, or leave it out.",
        param="expand",
    )
