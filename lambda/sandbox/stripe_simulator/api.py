"""The HTTP API, ``/v1/…`` as the ``stripe`` library calls it.

For a day an idempotency key replays the first response, be it an error. Errors from before the
request was executed are not stored: a wrong key, wrong parameters, a key that is in use.
Source: Stripe's API reference, "Idempotent requests".
"""

from __future__ import annotations

import hashlib
import json
import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from flask import Flask, Request, Response, request
from werkzeug.exceptions import HTTPException

from sandbox.stripe_simulator import control
from sandbox.stripe_simulator.authentication import authenticate
from sandbox.stripe_simulator.context import Context
from sandbox.stripe_simulator.endpoints import ENDPOINTS, Endpoint
from sandbox.stripe_simulator.errors import Document, StripeError
from sandbox.stripe_simulator.ids import new_id
from sandbox.stripe_simulator.objects import API_VERSION
from sandbox.stripe_simulator.parsing import decode, parse
from sandbox.stripe_simulator.rendering import expand
from sandbox.stripe_simulator.simulator import StripeSimulator
from sandbox.stripe_simulator.store import StoredResponse

log = logging.getLogger(__name__)

KEY_SECONDS = 24 * 3600
LONGEST_KEY = 255


@dataclass(frozen=True)
class _Call:
    """One request: the endpoint, what its path names, and its parameters as they came."""

    endpoint: Endpoint
    ids: dict[str, str]
    path: str
    raw: dict[str, Any]
    request_id: str
    key: str

    @property
    def fingerprint(self) -> str:
        """Equal for equal parameters."""
        return hashlib.sha256(json.dumps(self.raw, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class _Result:
    """A response before it is HTTP; ``replay_of`` is the request id of the first one."""

    status: int
    body: str
    replay_of: str = ""


def create_app(simulator: StripeSimulator) -> Flask:
    """The API as a WSGI application; it may be mounted at ``/`` or at its prefixes."""
    app = Flask(__name__)
    app.wsgi_app = partial(_with_whole_path, app.wsgi_app)  # type: ignore[method-assign]
    api = _Api(simulator)
    for endpoint in ENDPOINTS:
        app.add_url_rule(
            endpoint.path,
            endpoint=f"{endpoint.method} {endpoint.path}",
            view_func=partial(api.handle, endpoint),
            methods=[endpoint.method],
            provide_automatic_options=False,
        )
    control.add_routes(app, simulator)
    app.register_error_handler(HTTPException, _unknown_url)
    return app


class _Api:
    def __init__(self, simulator: StripeSimulator) -> None:
        self._simulator = simulator
        self._lock = threading.Lock()
        self._keys_in_use: set[str] = set()

    def handle(self, endpoint: Endpoint, **ids: str) -> Response:
        """The response to one request; an unexpected error is logged and becomes Stripe's 500."""
        request_id = new_id("req")
        key = request.headers.get("Idempotency-Key", "") if endpoint.method == "POST" else ""
        try:
            authenticate(request, self._simulator.secret_key)
            call = _Call(endpoint, ids, request.path, _parameters(request), request_id, key)
            result = self._result(call)
        except StripeError as error:
            result = _Result(error.status, _json(error.body()))
        except Exception:
            log.exception("%s %s failed (%s)", request.method, request.path, request_id)
            result = _Result(500, _json(_api_error().body()))
        log.info("%s %s: %s (%s)", request.method, request.path, result.status, request_id)
        response = Response(result.body, result.status, content_type="application/json")
        response.headers["Request-Id"] = request_id
        response.headers["Stripe-Version"] = request.headers.get("Stripe-Version", API_VERSION)
        if key:
            response.headers["Idempotency-Key"] = key
            response.headers["Original-Request"] = result.replay_of or request_id
        if result.replay_of:
            response.headers["Idempotent-Replayed"] = "true"
        return response

    def _result(self, call: _Call) -> _Result:
        if len(call.key) > LONGEST_KEY:
            raise StripeError(f"Idempotency keys can be up to {LONGEST_KEY} characters long.")
        failures = self._simulator.failures
        with self._key_in_use(call.key):
            failure = failures.take(call.endpoint.method, call.path)
            if failure and failure.kind == "hang":
                failures.wait(failure)
            if failure and failure.kind in ("error", "hang"):
                raise _api_error()
            declined = failure is not None and failure.kind == "decline"
            result = self._replay(call) or self._execute(call, declined)
        if failure and failure.kind == "timeout":
            failures.wait(failure)
        return result

    @contextmanager
    def _key_in_use(self, key: str) -> Iterator[None]:
        """Refuses a second request with a key while the first is being executed."""
        with self._lock:
            if key and key in self._keys_in_use:
                raise StripeError(
                    "There is currently another in-progress request using this Idempotent Key "
                    "(that probably means you submitted twice, and the other request is still "
                    "going through).",
                    status=409,
                    type="idempotency_error",
                    code="idempotency_key_in_use",
                )
            self._keys_in_use.add(key)
        try:
            yield
        finally:
            with self._lock:
                self._keys_in_use.discard(key)

    def _replay(self, call: _Call) -> _Result | None:
        if not call.key:
            return None
        with self._simulator.store.read() as transaction:
            stored = transaction.response(call.key)
        if stored is None or stored.created < self._simulator.clock() - KEY_SECONDS:
            return None
        if stored.path != call.path:
            raise StripeError(
                "Keys for idempotent requests can only be used for the same endpoint they were "
                f"first used for ('{call.path}' vs '{stored.path}'). Try using a key other than "
                f"'{call.key}' if you meant to execute a different request.",
                type="idempotency_error",
            )
        if stored.params != call.fingerprint:
            raise StripeError(
                "Keys for idempotent requests can only be used with the same parameters they were "
                f"first used with. Try using a key other than '{call.key}' if you meant to execute "
                "a different request.",
                type="idempotency_error",
            )
        return _Result(stored.status, stored.body, stored.request_id)

    def _execute(self, call: _Call, declined: bool) -> _Result:
        params = parse(call.endpoint.parameters, call.raw)
        try:
            if declined:
                raise _card_declined()
            with self._begin(call) as context:
                document = call.endpoint.handler(context, params, **call.ids)
                expanded = expand(context.transaction, document, params.expand, context.public_url)
                result = _Result(200, _json(expanded))
                _store_response(context, call, result)
        except StripeError as error:
            # The transaction was rolled back; the error is stored in one of its own.
            result = _Result(error.status, _json(error.body()))
            with self._begin(call) as context:
                _store_response(context, call, result)
        return result

    def _begin(self, call: _Call) -> AbstractContextManager[Context]:
        return self._simulator.begin(call.request_id, call.key)


def _store_response(context: Context, call: _Call, result: _Result) -> None:
    if call.key:
        response = StoredResponse(
            call.key,
            call.path,
            call.fingerprint,
            result.status,
            result.body,
            call.request_id,
            context.now,
        )
        context.transaction.put_response(response, expired_before=context.now - KEY_SECONDS)


def _parameters(request: Request) -> dict[str, Any]:
    if request.method == "GET":
        return decode(request.query_string.decode())
    return decode(request.get_data(as_text=True))


def _json(document: Document) -> str:
    return json.dumps(document, indent=2)


def _card_declined() -> StripeError:
    return StripeError(
        "Your card was declined.",
        status=402,
        type="card_error",
        code="card_declined",
        decline_code="generic_decline",
    )


def _api_error() -> StripeError:
    return StripeError(
        "Sorry! There was an error while talking to one of our backends. Try again.",
        status=500,
        type="api_error",
    )


def _unknown_url(_error: HTTPException) -> Response:
    unknown = StripeError(
        f"Unrecognized request URL ({request.method}: {request.path}). If Stripe has it, this "
        "simulator does not.",
        status=404,
    )
    return Response(_json(unknown.body()), 404, content_type="application/json")


def _with_whole_path(
    app: Callable[..., Iterable[bytes]], environ: dict[str, Any], start: Callable[..., Any]
) -> Iterable[bytes]:
    """Restores the path that a dispatcher has split: it is stored and compared as a whole."""
    path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
    return app(environ | {"SCRIPT_NAME": "", "PATH_INFO": path}, start)
