"""API Gateway's HTTP API as a Lambda function sees it: events read, answers written.

Source: AWS, "Create AWS Lambda proxy integrations for HTTP APIs", payload format 2.0.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

LARGEST_BODY = 256 * 1024  # Stripe's events are a few KB, a cabinet's bodies below one

Response = dict[str, Any]


class HttpError(Exception):
    """A request that gets an error answer; the message is for whoever sent it.

    ``code`` is the contract's word for what was decided about an order, or empty.
    """

    def __init__(self, status: int, message: str, code: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class UnknownEvent(Exception):
    """The function was called with something else than an event of payload format 2.0."""


@dataclass(frozen=True)
class Request:
    """One call. ``route`` is the route that API Gateway chose, as in ``POST /claim``; header names
    are in lower case.
    """

    route: str
    headers: Mapping[str, str]
    query: Mapping[str, str]
    body: str
    body_is_base64: bool

    def header(self, name: str) -> str:
        """A header by its name in lower case; empty if it was not sent."""
        return self.headers.get(name, "")

    def raw_body(self) -> bytes:
        """The bytes that were sent, which is what a signature signs."""
        if self.body_is_base64:
            try:
                raw = base64.b64decode(self.body, validate=True)
            except ValueError as error:
                raise HttpError(400, "the body is not what API Gateway sends") from error
        else:
            try:
                raw = self.body.encode()
            except UnicodeEncodeError as error:
                raise HttpError(400, "the body is not what API Gateway sends") from error
        if len(raw) > LARGEST_BODY:
            raise HttpError(413, f"the body is larger than {LARGEST_BODY // 1024} KB")
        return raw

    def json_body(self) -> object:
        """The body, read as JSON."""
        return read_json(self.raw_body())


def request_of(event: Mapping[str, Any]) -> Request:
    """Reads an event, or raises :class:`UnknownEvent`.

    REST APIs and load balancers send events of other formats, without a ``routeKey``.
    """
    route = event.get("routeKey")
    if event.get("version") != "2.0" or not isinstance(route, str):
        raise UnknownEvent(
            "the event is not one of an API Gateway HTTP API with payload format 2.0: "
            "connect the function as lambda/template.yaml does"
        )
    return Request(
        route=route,
        headers=_texts(event.get("headers")),
        query=_texts(event.get("queryStringParameters")),
        body=_text(event.get("body")),
        body_is_base64=bool(event.get("isBase64Encoded")),
    )


def _text(found: object) -> str:
    return found if isinstance(found, str) else ""


def _texts(found: object) -> dict[str, str]:
    if not isinstance(found, Mapping):
        return {}
    return {str(name): value for name, value in found.items() if isinstance(value, str)}


def read_json(raw: bytes) -> object:
    """What ``raw`` says as JSON; :class:`HttpError` 400 if it is none."""
    try:
        return json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise HttpError(400, "the body must be JSON") from error


def json_response(body: Mapping[str, Any], status: int = 200) -> Response:
    """An answer in JSON."""
    return {
        "statusCode": status,
        "headers": {"Content-Type": "application/json"},
        "body": json.dumps(body, separators=(",", ":")),
    }


def error_response(status: int, message: str, code: str = "") -> Response:
    """An error as the contract has it; ``code`` says what was decided about an order."""
    return json_response({"error": message, "code": code} if code else {"error": message}, status)


def html_response(page: str, content_security_policy: str) -> Response:
    """A page for one player: it is not kept, and what it links to does not learn its address."""
    return {
        "statusCode": 200,
        "headers": {
            "Content-Type": "text/html; charset=utf-8",
            "Cache-Control": "no-store",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
            "Content-Security-Policy": content_security_policy,
        },
        "body": page,
    }
