"""The operator's Stripe account: whose key it is, and the webhook endpoint.

Stripe tells an endpoint's signing secret once, in the answer that made it
(https://docs.stripe.com/api/webhook_endpoints/create). An endpoint whose secret is not known is of
no use, and is made anew.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import stripe

from cloud.services.stripe_events import EVENTS_READ
from deploy.errors import DeployError, NotTaken

TIMEOUT_S = (3.05, 20.0)
T = TypeVar("T")


@dataclass(frozen=True)
class Endpoint:
    """A webhook endpoint as Stripe has it."""

    id: str
    url: str
    enabled: bool
    events: frozenset[str]
    api_version: str

    def missing(self) -> str:
        """What is not as the code reads it; nothing, if all is."""
        if self.api_version != stripe.api_version:
            return f"its API version is {self.api_version or 'another'}, not {stripe.api_version}"
        if self.events != frozenset(EVENTS_READ):
            return "its events are others than the code reads"
        return "" if self.enabled else "it is disabled"


class StripeAccount:
    """An account by its secret key, at ``api_base`` or at Stripe itself."""

    def __init__(self, key: str, api_base: str = "") -> None:
        self.live = key.startswith(("sk_live_", "rk_live_"))
        self._client = stripe.StripeClient(
            key,
            base_addresses={"api": api_base} if api_base else None,
            http_client=stripe.RequestsClient(timeout=TIMEOUT_S),
            max_network_retries=2,
        )

    def id(self) -> str:
        """The account's id; proves that the key is good."""
        return str(_asked("the key", lambda: self._client.v1.accounts.retrieve_current()).id)

    def endpoints(self, url: str) -> list[Endpoint]:
        """The endpoints at this address, in no order."""

        def read() -> list[Endpoint]:
            listed = self._client.v1.webhook_endpoints.list({"limit": 100})
            return [_endpoint(one) for one in listed.auto_paging_iter() if one.url == url]

        return _asked("the webhook endpoints", read)

    def create(self, url: str) -> tuple[Endpoint, str]:
        """A new endpoint, and its signing secret, which Stripe tells nobody again."""
        # As plain texts: the library's types list every event and version that there is.
        wanted: Any = {
            "url": url,
            "enabled_events": list(EVENTS_READ),
            "api_version": stripe.api_version,
            "description": "arcade-kiosk",
        }
        made = _asked(
            "a new webhook endpoint",
            lambda: self._client.v1.webhook_endpoints.create(wanted),
        )
        if not made.secret:
            raise DeployError("Stripe made a webhook endpoint without a secret: run this again")
        return _endpoint(made), str(made.secret)

    def mend(self, id: str) -> None:
        """Gives an endpoint the events that the code reads, and enables it."""
        wanted: Any = {"enabled_events": list(EVENTS_READ), "disabled": False}
        _asked("the webhook endpoint", lambda: self._client.v1.webhook_endpoints.update(id, wanted))

    def delete(self, id: str) -> None:
        """Deletes an endpoint."""
        _asked("the webhook endpoint", lambda: self._client.v1.webhook_endpoints.delete(id))


def key_mistake(key: str, live: bool) -> str:
    """What a key's looks have against it; nothing, if it may be one."""
    wanted = ("sk_live_", "rk_live_") if live else ("sk_test_", "rk_test_")
    if key.startswith(wanted) and len(key) > 12 and key.isascii() and " " not in key:
        return ""
    if key.startswith("pk_"):
        return "this is the publishable key: take the secret one, below it"
    return f"the key must begin with {wanted[0]} or {wanted[1]}"


def _endpoint(found: Any) -> Endpoint:
    return Endpoint(
        id=str(found.id),
        url=str(found.url),
        enabled=found.status == "enabled",
        events=frozenset(str(event) for event in found.enabled_events),
        api_version=str(found.api_version or ""),
    )


def _asked(what: str, call: Callable[[], T]) -> T:
    """The answer, or one sentence; Stripe's own words repeat a part of the key."""
    try:
        return call()
    except stripe.AuthenticationError:
        raise NotTaken("Stripe does not take the key: copy it again from its dashboard") from None
    except stripe.PermissionError:
        raise DeployError(
            f"the restricted key may not use {what}: give it the rights of docs/deploy.md"
        ) from None
    except stripe.APIConnectionError:
        raise DeployError("Stripe cannot be reached: look at the network, run this again") from None
    except stripe.StripeError as error:
        code = str(getattr(error, "code", "") or type(error).__name__)
        raise DeployError(f"Stripe refuses {what} ({code}): run this again") from None
