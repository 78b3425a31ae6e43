"""The parameters of each call of the API.

Names and types are from Stripe's API description. A parameter that Stripe has and the simulator has
not is refused as unknown, so that nothing is silently ignored.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
)
from pydantic_core import PydanticCustomError

from sandbox.stripe_simulator.currencies import LARGEST_AMOUNT


def _whole(value: object) -> object:
    if isinstance(value, str) and re.fullmatch(r"-?\d{1,18}", value):
        return int(value)
    raise PydanticCustomError("whole", "Invalid integer: {value}", {"value": str(value)})


def _flag(value: object) -> object:
    known = {"true": True, "false": False}
    if isinstance(value, str) and value in known:
        return known[value]
    raise PydanticCustomError("flag", "Invalid boolean: {value}", {"value": str(value)})


def _currency(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z]{3}", value):
        raise PydanticCustomError("currency", "Invalid currency: {value}", {"value": value})
    return value.lower()


def _metadata(value: dict[str, str]) -> dict[str, str]:
    for key, text in value.items():
        if len(key) > 40 or len(text) > 500 or "[" in key or "]" in key:
            raise PydanticCustomError(
                "metadata",
                "Metadata keys have at most 40 characters and no square brackets, values at most "
                "500 characters: {key}",
                {"key": key[:41]},
            )
    return value


def _web_address(value: str) -> str:
    if not re.match(r"https?://[^/\s]+", value):
        raise PydanticCustomError("url", "Not a valid URL", {})
    return value


Whole = Annotated[int, BeforeValidator(_whole)]
Positive = Annotated[Whole, Field(ge=1)]
Amount = Annotated[Whole, Field(ge=0, le=LARGEST_AMOUNT)]
Flag = Annotated[bool, BeforeValidator(_flag)]
Text = Annotated[str, StringConstraints(max_length=5000)]
Filled = Annotated[str, StringConstraints(min_length=1, max_length=5000)]
Currency = Annotated[str, AfterValidator(_currency)]
WebAddress = Annotated[str, AfterValidator(_web_address)]
Metadata = Annotated[dict[str, str], Field(max_length=50), AfterValidator(_metadata)]
Cleared = Literal[""]


class Parameters(BaseModel):
    """A hash of parameters; unknown ones are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Expandable(Parameters):
    """Every call takes ``expand``."""

    expand: list[Filled] = []


class Range(Parameters):
    """``created[gte]`` and the like; seconds since the epoch."""

    gt: Whole | None = None
    gte: Whole | None = None
    lt: Whole | None = None
    lte: Whole | None = None


class Listing(Expandable):
    """The parameters of every list."""

    limit: Annotated[Whole, Field(ge=1, le=100)] = 10
    starting_after: Filled | None = None
    ending_before: Filled | None = None


class CreatedListing(Listing):
    """A list that can be cut by time."""

    created: Range | Whole | None = None


# Products and prices


class ProductData(Parameters):
    name: Filled
    active: Flag = True
    metadata: Metadata = {}
    statement_descriptor: Annotated[str, StringConstraints(max_length=22)] | None = None
    unit_label: Annotated[str, StringConstraints(max_length=12)] | None = None


class ProductCreate(Expandable, ProductData):
    description: Text | None = None


class ProductList(CreatedListing):
    active: Flag | None = None


class PriceCreate(Expandable):
    currency: Currency
    unit_amount: Amount
    product: Filled | None = None
    product_data: ProductData | None = None
    active: Flag = True
    lookup_key: Annotated[str, StringConstraints(max_length=200)] | None = None
    metadata: Metadata = {}
    nickname: Text | None = None
    tax_behavior: Literal["exclusive", "inclusive", "unspecified"] = "unspecified"


class PriceList(CreatedListing):
    active: Flag | None = None
    currency: Currency | None = None
    product: Filled | None = None
    type: Literal["one_time", "recurring"] | None = None


# Payment links


class AdjustableQuantity(Parameters):
    enabled: Flag
    minimum: Annotated[Whole, Field(ge=0)] | None = None
    maximum: Annotated[Whole, Field(ge=1, le=999_999)] | None = None


class LinkItem(Parameters):
    price: Filled
    quantity: Positive
    adjustable_quantity: AdjustableQuantity | None = None


class Redirect(Parameters):
    url: WebAddress


class HostedConfirmation(Parameters):
    custom_message: Annotated[str, StringConstraints(max_length=500)] | None = None


class AfterCompletion(Parameters):
    type: Literal["hosted_confirmation", "redirect"]
    redirect: Redirect | None = None
    hosted_confirmation: HostedConfirmation | None = None


class IntentData(Parameters):
    capture_method: Literal["automatic", "automatic_async", "manual"] | None = None
    description: Text | None = None
    metadata: Metadata = {}
    statement_descriptor: Annotated[str, StringConstraints(max_length=22)] | None = None
    statement_descriptor_suffix: Annotated[str, StringConstraints(max_length=22)] | None = None


class CompletedSessions(Parameters):
    limit: Positive


class Restrictions(Parameters):
    completed_sessions: CompletedSessions


InactiveMessage = Annotated[str, StringConstraints(max_length=500)]
SubmitType = Literal["auto", "book", "donate", "pay"]


class LinkCreate(Expandable):
    line_items: Annotated[list[LinkItem], Field(min_length=1, max_length=20)]
    after_completion: AfterCompletion | None = None
    currency: Currency | None = None
    customer_creation: Literal["always", "if_required"] = "if_required"
    inactive_message: InactiveMessage | None = None
    metadata: Metadata = {}
    payment_intent_data: IntentData | None = None
    payment_method_types: list[Literal["card"]] | None = None
    restrictions: Restrictions | None = None
    submit_type: SubmitType = "auto"


class LinkItemUpdate(Parameters):
    id: Filled
    quantity: Positive | None = None
    adjustable_quantity: AdjustableQuantity | None = None


class IntentDataUpdate(Parameters):
    description: Text | None = None
    metadata: Metadata | Cleared | None = None


class LinkUpdate(Expandable):
    active: Flag | None = None
    after_completion: AfterCompletion | None = None
    inactive_message: InactiveMessage | None = None
    line_items: list[LinkItemUpdate] = []
    metadata: Metadata | None = None
    payment_intent_data: IntentDataUpdate | None = None
    payment_method_types: list[Literal["card"]] | Cleared | None = None
    restrictions: Restrictions | Cleared | None = None
    submit_type: SubmitType | None = None


class LinkList(Listing):
    active: Flag | None = None


# Payments


class SessionList(CreatedListing):
    payment_intent: Filled | None = None
    payment_link: Filled | None = None
    status: Literal["complete", "expired", "open"] | None = None


class IntentUpdate(Expandable):
    metadata: Metadata | Cleared | None = None


class Capture(Expandable):
    amount_to_capture: Positive | None = None
    metadata: Metadata | Cleared | None = None
    statement_descriptor_suffix: Annotated[str, StringConstraints(max_length=22)] | None = None


class Cancel(Expandable):
    cancellation_reason: (
        Literal["abandoned", "duplicate", "fraudulent", "requested_by_customer"] | None
    ) = None


class RefundCreate(Expandable):
    amount: Positive | None = None
    charge: Filled | None = None
    metadata: Metadata | Cleared | None = None
    payment_intent: Filled | None = None
    reason: Literal["duplicate", "fraudulent", "requested_by_customer"] | None = None


class PaymentList(CreatedListing):
    """Refunds and charges."""

    charge: Filled | None = None
    payment_intent: Filled | None = None


class ChargeList(CreatedListing):
    payment_intent: Filled | None = None


class EventList(CreatedListing):
    delivery_success: Flag | None = None
    type: Filled | None = None
    types: Annotated[list[Filled], Field(max_length=20)] | None = None
