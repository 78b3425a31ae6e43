"""``/_control/…``: how tests and the demo set delivery settings and inject failures.

No part of Stripe's API. It takes the API's key, and requests from this machine only.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated, TypeVar

from flask import Flask, Request, Response, request
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sandbox.stripe_simulator.authentication import authenticate
from sandbox.stripe_simulator.errors import Document, StripeError
from sandbox.stripe_simulator.failures import Failure, Kind
from sandbox.stripe_simulator.simulator import StripeSimulator
from sandbox.stripe_simulator.webhooks import DeliverySettings

M = TypeVar("M", bound=BaseModel)


class _DeliveryBody(BaseModel):
    model_config = ConfigDict(extra="forbid")
    delay_seconds: Annotated[float, Field(ge=0)] = 0.0
    duplicate: bool = False
    out_of_order: bool = False
    drop: bool = False
    concurrency: Annotated[int, Field(ge=1, le=32)] = 1


class _FailureBody(BaseModel):
    model_config = ConfigDict(extra="forbid")
    kind: Kind
    method: str = ""
    path: str = "/v1"
    count: Annotated[int, Field(ge=1)] = 1
    seconds: Annotated[float, Field(ge=0)] = 60.0


def add_routes(app: Flask, simulator: StripeSimulator) -> None:
    """Adds the control routes to the API's application."""

    def delivery() -> Document:
        """Returns the delivery settings; a POST replaces them first."""
        if request.method == "POST":
            body = _parsed(_DeliveryBody, request)
            simulator.deliveries.configure(DeliverySettings(**body.model_dump()))
        return asdict(simulator.deliveries.settings)

    def fail() -> Document:
        """Adds a failure of the API, or removes all (``{"kind": "none"}``)."""
        if request.get_json(silent=True) == {"kind": "none"}:
            simulator.failures.clear()
            return {"kind": "none"}
        failure = Failure(**_parsed(_FailureBody, request).model_dump())
        simulator.failures.add(failure)
        return asdict(failure)

    def checked(handler: Callable[[], Document]) -> Response:
        try:
            if not _is_loopback(request.remote_addr):
                raise StripeError("The control routes work from this machine only.", status=403)
            authenticate(request, simulator.secret_key)
            status, body = 200, handler()
        except StripeError as error:
            status, body = error.status, error.body()
        return Response(json.dumps(body, indent=2), status, content_type="application/json")

    @app.route("/_control/delivery", methods=["GET", "POST"])
    def control_delivery() -> Response:
        return checked(delivery)

    @app.post("/_control/fail")
    def control_fail() -> Response:
        return checked(fail)


def _parsed(model: type[M], request: Request) -> M:
    try:
        return model.model_validate(request.get_json(silent=True))
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        location = ".".join(map(str, problem["loc"]))
        raise StripeError(f"{problem['msg']}: {location or 'send a JSON object'}") from None


def _is_loopback(address: str | None) -> bool:
    return address is not None and ipaddress.ip_address(address).is_loopback
