"""Serves a Lambda handler as an API Gateway HTTP API does (payload format 2.0).

A request belongs to the route of its method and path, or to ``$default`` if there is no such route.

Sources: AWS, "Create AWS Lambda proxy integrations for HTTP APIs", "Quotas for HTTP APIs". Where
those are silent, what others measured at AWS:

- which bodies arrive as text: ministackorg/ministack#766;
- ``rawPath`` is decoded, ``rawQueryString`` is not: middleapi/standard-server#93;
- there is no ``cookie`` among the headers: hattipjs/hattip#159.

Repeated headers are joined by the WSGI server, with ", " where AWS puts ",".
Left out: the limits of 10,240 bytes of headers and of 30 s, and the headers that AWS renames.
"""

from __future__ import annotations

import base64
import binascii
import json
import logging
import time
import uuid
from collections.abc import Callable, Collection, Iterable
from typing import TYPE_CHECKING, Any

from werkzeug.wrappers import Request, Response

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

log = logging.getLogger(__name__)

LARGEST_BODY = 10 * 1024 * 1024
TIMEOUT_SECONDS = 30.0

ACCOUNT = "000000000000"
API = "sandbox000"
STAGE = "$default"
DEFAULT_ROUTE = "$default"

TEXT_TYPES = frozenset(["application/json", "application/xml", "application/javascript"])

Handler = Callable[[dict[str, Any], Any], Any]


class LambdaContext:
    """The context object that Lambda passes to a handler (as ``awslambdaric`` does)."""

    def __init__(
        self,
        function_name: str,
        timeout: float = TIMEOUT_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.aws_request_id = str(uuid.uuid4())
        self.function_name = function_name
        self.function_version = "$LATEST"
        self.invoked_function_arn = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:{function_name}"
        # Lambda's own runtime hands over this number as text.
        self.memory_limit_in_mb = "256"
        self.log_group_name = f"/aws/lambda/{function_name}"
        self.log_stream_name = "sandbox"
        self.identity = None
        self.client_context = None
        self._monotonic = monotonic
        self._deadline = monotonic() + timeout

    def get_remaining_time_in_millis(self) -> int:
        """What is left of the function's time; never below 0."""
        return max(0, int((self._deadline - self._monotonic()) * 1000))


def lambda_app(
    handler: Handler,
    function_name: str = "arcade-cloud",
    clock: Callable[[], float] = time.time,
    routes: Collection[str] = (),
) -> WSGIApplication:
    """A WSGI application that answers every path with ``handler(event, context)``.

    ``routes`` are the API's named routes, as in ``POST /claim``.
    """

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        request = Request(environ)
        answer = _answer(handler, request, function_name, clock(), routes)
        return answer(environ, start_response)

    return app


def event_of(
    request: Request, body: bytes, now: float, routes: Collection[str] = ()
) -> dict[str, Any]:
    """The event for a request at ``now`` (Unix seconds), its keys as AWS leaves them out."""
    route = f"{request.method} {request.path}"
    if route not in routes:
        route = DEFAULT_ROUTE
    headers = {
        name.lower(): value for name, value in request.headers.items() if name.lower() != "cookie"
    }
    headers.setdefault("content-length", str(len(body)))
    headers["x-forwarded-for"] = request.remote_addr or ""
    headers["x-forwarded-port"] = str(request.environ.get("SERVER_PORT", ""))
    headers["x-forwarded-proto"] = request.scheme
    headers["x-amzn-trace-id"] = f"Root=1-{int(now):08x}-{uuid.uuid4().hex[:24]}"
    domain = request.host.partition(":")[0]
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": route,
        "rawPath": request.path,
        "rawQueryString": request.query_string.decode("latin-1"),
        "headers": headers,
        "requestContext": {
            "accountId": ACCOUNT,
            "apiId": API,
            "domainName": domain,
            "domainPrefix": domain.partition(".")[0],
            "http": {
                "method": request.method,
                "path": request.path,
                "protocol": request.environ.get("SERVER_PROTOCOL", "HTTP/1.1"),
                "sourceIp": request.remote_addr or "",
                "userAgent": headers.get("user-agent", ""),
            },
            "requestId": base64.b64encode(uuid.uuid4().bytes[:11]).decode(),
            "routeKey": route,
            "stage": STAGE,
            "time": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(now)),
            "timeEpoch": int(now * 1000),
        },
        "isBase64Encoded": False,
    }
    if cookie := request.headers.get("Cookie"):
        event["cookies"] = [part.strip() for part in cookie.split(";") if part.strip()]
    if request.args:
        event["queryStringParameters"] = {
            name: ",".join(values) for name, values in request.args.lists()
        }
    if body:
        event["body"], event["isBase64Encoded"] = _body_of(body, request.mimetype)
    return event


def _body_of(body: bytes, mimetype: str) -> tuple[str, bool]:
    if mimetype.startswith("text/") or mimetype in TEXT_TYPES:
        try:
            return body.decode(), False
        except UnicodeDecodeError:
            # It cannot be passed as text, whatever its Content-Type.
            log.debug("a %s body is not UTF-8: handed on as base64", mimetype)
    return base64.b64encode(body).decode(), True


def _answer(
    handler: Handler, request: Request, function_name: str, now: float, routes: Collection[str]
) -> Response:
    if (request.content_length or 0) > LARGEST_BODY:
        return _message(413, "Request Entity Too Large")
    body = request.get_data()
    if len(body) > LARGEST_BODY:
        return _message(413, "Request Entity Too Large")
    event = event_of(request, body, now, routes)
    try:
        # Lambda serializes the answer as JSON: what is not serializable fails there, and so here.
        answer = json.loads(json.dumps(handler(event, LambdaContext(function_name))))
        response = response_of(answer)
    except Exception:
        log.exception("the handler failed on %s %s", request.method, request.path)
        response = _message(500, "Internal Server Error")
    response.headers["apigw-requestid"] = event["requestContext"]["requestId"]
    return response


def response_of(answer: Any) -> Response:
    """The HTTP answer that AWS makes of what a handler returned.

    Raises ``ValueError`` for an answer that AWS would not understand either.
    """
    if not isinstance(answer, dict) or "statusCode" not in answer:
        body = answer if isinstance(answer, str) else json.dumps(answer)
        return Response(body, 200, content_type="application/json")
    status, text = answer["statusCode"], answer.get("body") or ""
    headers, cookies = answer.get("headers") or {}, answer.get("cookies") or []
    if isinstance(status, str) and status.isdecimal():
        status = int(status)
    if isinstance(status, bool) or not isinstance(status, int) or not 100 <= status <= 599:
        raise ValueError("statusCode is not an HTTP status")
    if not isinstance(text, str):
        raise ValueError("body is not text")
    if not isinstance(headers, dict) or not isinstance(cookies, list):
        raise ValueError("headers or cookies are of the wrong kind")
    try:
        encoded = bool(answer.get("isBase64Encoded"))
        content = base64.b64decode(text, validate=True) if encoded else text.encode()
    except binascii.Error as error:
        raise ValueError("body is not base64, though isBase64Encoded says so") from error
    response = Response(content, status, content_type="text/plain; charset=utf-8")
    for name, value in headers.items():
        # The gateway sets Content-Length itself.
        if name.lower() != "content-length":
            response.headers[name] = _header_value(value)
    for cookie in cookies:
        response.headers.add("set-cookie", _header_value(cookie))
    return response


def _header_value(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | int | float):
        return str(value)
    raise ValueError("a header's value is neither text nor a number")


def _message(status: int, text: str) -> Response:
    return Response(json.dumps({"message": text}), status, content_type="application/json")
