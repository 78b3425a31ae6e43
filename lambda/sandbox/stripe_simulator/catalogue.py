"""Products, prices and Payment Links: what is for sale."""

from __future__ import annotations

from sandbox.stripe_simulator import objects
from sandbox.stripe_simulator.context import Context
from sandbox.stripe_simulator.errors import Document, StripeError
from sandbox.stripe_simulator.parameters import (
    AdjustableQuantity,
    AfterCompletion,
    LinkCreate,
    LinkItem,
    LinkUpdate,
    PriceCreate,
    ProductCreate,
    ProductData,
)

MOST_BY_DEFAULT = 99


def create_product(context: Context, params: ProductCreate) -> Document:
    product = _product(context, params)
    product["description"] = params.description
    context.transaction.put(product)
    context.emit("product.created", product)
    return product


def create_price(context: Context, params: PriceCreate) -> Document:
    """A one-time price of a product, which the same call may create."""
    if params.product and params.product_data:
        raise StripeError(
            "You may only specify one of these parameters: product, product_data.",
            code="parameters_exclusive",
            param="product",
        )
    if params.product_data:
        product = _product(context, params.product_data)
        context.transaction.put(product)
        context.emit("product.created", product)
    elif params.product:
        product = context.find("product", params.product, "product")
    else:
        raise StripeError(
            "Missing required param: product.", code="parameter_missing", param="product"
        )
    price = objects.price(
        context.time,
        product["id"],
        params.currency,
        params.unit_amount,
        active=params.active,
        lookup_key=params.lookup_key,
        metadata=params.metadata,
        nickname=params.nickname,
        tax_behavior=params.tax_behavior,
    )
    context.transaction.put(price)
    context.emit("price.created", price)
    return price


def create_link(context: Context, params: LinkCreate) -> Document:
    items = [
        _item(context, wanted, f"line_items[{index}]")
        for index, wanted in enumerate(params.line_items)
    ]
    currencies = {item["currency"] for item in items} | {params.currency or items[0]["currency"]}
    if len(currencies) > 1:
        raise StripeError(
            "All prices of a payment link must have the same currency.", param="line_items"
        )
    data = params.payment_intent_data
    link = objects.payment_link(
        currencies.pop(),
        customer_creation=params.customer_creation,
        inactive_message=params.inactive_message,
        metadata=params.metadata,
        payment_intent_data=objects.intent_data(**data.model_dump()) if data else None,
        payment_method_types=params.payment_method_types,
        submit_type=params.submit_type,
    )
    if params.after_completion:
        link["after_completion"] = _after_completion(params.after_completion)
    if params.restrictions:
        limit = params.restrictions.completed_sessions.limit
        link["restrictions"] = {"completed_sessions": {"count": 0, "limit": limit}}
    context.transaction.put(link)
    for item in items:
        context.transaction.put(item, parent=link["id"])
    context.emit("payment_link.created", link)
    return link


def update_link(context: Context, link_id: str, params: LinkUpdate) -> Document:
    before = context.find("payment_link", link_id, "payment_link")
    link = dict(before)
    given = params.model_fields_set
    for name in ("active", "submit_type"):
        if name in given:
            link[name] = getattr(params, name)
    for name in ("inactive_message", "payment_method_types"):
        if name in given:
            link[name] = getattr(params, name) or None
    if params.metadata is not None:
        link["metadata"] = merged(link["metadata"], params.metadata)
    if params.after_completion:
        link["after_completion"] = _after_completion(params.after_completion)
    if params.payment_intent_data:
        change = params.payment_intent_data
        data = dict(link["payment_intent_data"] or objects.intent_data())
        if change.metadata is not None:
            data["metadata"] = merged(data["metadata"], change.metadata)
        if change.description is not None:
            data["description"] = change.description or None
        link["payment_intent_data"] = data
    if params.restrictions == "":
        link["restrictions"] = None
    elif params.restrictions:
        count = ((link["restrictions"] or {}).get("completed_sessions") or {"count": 0})["count"]
        limit = params.restrictions.completed_sessions.limit
        link["restrictions"] = {"completed_sessions": {"count": count, "limit": limit}}
    for index, wanted in enumerate(params.line_items):
        name = f"line_items[{index}]"
        item = context.find("item", wanted.id, f"{name}[id]")
        if item not in context.transaction.children(link_id, "item"):
            raise StripeError(f"{wanted.id} is not an item of this payment link", param=name)
        if wanted.adjustable_quantity:
            item["adjustable_quantity"] = _adjustable(wanted.adjustable_quantity)
        price = context.find("price", item["price"], name)
        context.transaction.put(with_quantity(item, price, wanted.quantity or item["quantity"]))
    context.transaction.put(link)
    context.emit("payment_link.updated", link, before)
    return link


def with_quantity(item: Document, price: Document, quantity: int) -> Document:
    """A line item with another quantity."""
    amount = price["unit_amount"] * quantity
    return item | {"quantity": quantity, "amount_subtotal": amount, "amount_total": amount}


def merged(old: dict[str, str], change: dict[str, str] | str) -> dict[str, str]:
    """Stripe's update of metadata: an empty value removes its key, empty metadata removes all."""
    if isinstance(change, str):
        return {}
    return {key: value for key, value in (old | change).items() if value != ""}


def _product(context: Context, data: ProductData) -> Document:
    return objects.product(
        context.time,
        data.name,
        active=data.active,
        metadata=data.metadata,
        statement_descriptor=data.statement_descriptor,
        unit_label=data.unit_label,
    )


def _item(context: Context, wanted: LinkItem, param: str) -> Document:
    price = context.find("price", wanted.price, f"{param}[price]")
    if not price["active"]:
        raise StripeError(
            "The price specified is inactive. This field only accepts active prices.",
            param=f"{param}[price]",
        )
    adjustable = _adjustable(wanted.adjustable_quantity) if wanted.adjustable_quantity else None
    if adjustable and adjustable["enabled"]:
        least, most = adjustable["minimum"], adjustable["maximum"]
        if not max(least, 0) <= wanted.quantity <= most:
            raise StripeError(
                f"The quantity must be between the minimum ({least}) and the maximum ({most}) of "
                "adjustable_quantity.",
                param=f"{param}[quantity]",
            )
    product = context.find("product", price["product"], f"{param}[price]")
    return objects.item(price, product["name"], wanted.quantity, adjustable)


def _adjustable(wanted: AdjustableQuantity) -> Document:
    if not wanted.enabled:
        return {"enabled": False, "maximum": None, "minimum": None}
    return {
        "enabled": True,
        "maximum": MOST_BY_DEFAULT if wanted.maximum is None else wanted.maximum,
        "minimum": wanted.minimum or 0,
    }


def _after_completion(wanted: AfterCompletion) -> Document:
    if wanted.type == "redirect":
        if wanted.redirect is None:
            raise StripeError(
                "Missing required param: after_completion[redirect].",
                code="parameter_missing",
                param="after_completion[redirect]",
            )
        return objects.after_completion(redirect=wanted.redirect.url)
    page = wanted.hosted_confirmation
    return objects.after_completion(message=page.custom_message if page else None)
