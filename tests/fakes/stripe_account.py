"""The part of Stripe's API that belongs to an account: who it is, and its webhook endpoints.

Stands before the Stripe simulator, which gets all other calls. As
https://docs.stripe.com/api/webhook_endpoints has it, the secret is in the answer to the creation
alone.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from sandbox.stripe_simulator.simulator import StripeSimulator

Wsgi = Callable[..., Iterable[bytes]]
PREFIX = "/v1/webhook_endpoints"


@dataclass
class StripeAccounts:
    """Accounts by their keys; the simulator plays the one whose key it has."""

    simulator: StripeSimulator
    beside: Wsgi
    keys: dict[str, str]
    endpoints: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    made: int = 0

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
        if path != "/v1/account" and not path.startswith(PREFIX):
            return self.beside(environ, start_response)
        status, answer = self._answer(method, path, _form(environ), _key(environ))
        body = json.dumps(answer).encode()
        start_response(
            f"{status} -",
            [("Content-Type", "application/json"), ("Content-Length", str(len(body)))],
        )
        return [body]

    def _answer(
        self, method: str, path: str, form: dict[str, Any], key: str
    ) -> tuple[int, dict[str, Any]]:
        if key not in self.keys:
            message = f"Invalid API Key provided: {key[:8]}****"
            return 401, {"error": {"type": "invalid_request_error", "message": message}}
        account = self.keys[key]
        mine = self.endpoints.setdefault(key, [])
        if path == "/v1/account":
            return 200, {"id": account, "object": "account"}
        if path == PREFIX and method == "GET":
            return 200, {"object": "list", "data": mine, "has_more": False, "url": PREFIX}
        if path == PREFIX:
            self.made += 1
            made = {
                "id": f"we_{self.made}",
                "object": "webhook_endpoint",
                "url": form["url"],
                "status": "enabled",
                "enabled_events": form["enabled_events"],
                "api_version": form.get("api_version"),
                "livemode": "_live_" in key,
            }
            mine.insert(0, made)
            secret = f"whsec_{self.made}{'x' * 24}"
            self.secrets[made["id"]] = secret
            self._send_to(made["url"], secret)
            return 200, made | {"secret": secret}
        found = [one for one in mine if path == f"{PREFIX}/{one['id']}"]
        if not found:
            return 404, {"error": {"type": "invalid_request_error", "code": "resource_missing"}}
        if method == "DELETE":
            mine.remove(found[0])
            return 200, {"id": found[0]["id"], "object": "webhook_endpoint", "deleted": True}
        if "enabled_events" in form:
            found[0]["enabled_events"] = form["enabled_events"]
        if form.get("disabled") == "false":
            found[0]["status"] = "enabled"
        return 200, found[0]

    def _send_to(self, url: str, secret: str) -> None:
        """The simulator has one endpoint: the last one that was made."""
        self.simulator.deliveries._secret = secret
        self.simulator.webhook_url = url


def _key(environ: dict[str, Any]) -> str:
    kind, _, value = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
    if kind == "Basic":
        return base64.b64decode(value).decode().partition(":")[0]
    return str(value)


def _form(environ: dict[str, Any]) -> dict[str, Any]:
    raw = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)).decode()
    form: dict[str, Any] = {}
    for name, value in parse_qsl(raw):
        plain, bracket, _ = name.partition("[")
        if bracket:
            form.setdefault(plain, []).append(value)
        else:
            form[plain] = value
    return form
