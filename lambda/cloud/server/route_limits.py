"""How many calls a second each route takes, as API Gateway's limits in ``lambda/template.yaml``."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from cloud.http.refusals import Refusals

Handler = Callable[[dict[str, Any], Any], Any]


@dataclass(frozen=True)
class Limit:
    """``rate`` calls a second for long, ``burst`` at once."""

    rate: float
    burst: int


# Those of the template, which says why.
LIMITS: Mapping[str, Limit] = {
    "POST /addCredit": Limit(50, 100),
    "POST /status": Limit(50, 100),
    "POST /claim": Limit(20, 50),
    "POST /settle": Limit(20, 50),
    "POST /gameover": Limit(10, 20),
    "POST /presence": Limit(20, 100),
    "POST /create-payment-link": Limit(5, 10),
    "GET /receipt": Limit(20, 40),
    "GET /status": Limit(5, 10),
}
# All other paths together.
OTHER = Limit(50, 100)


class _Bucket:
    def __init__(self, limit: Limit, now: float) -> None:
        self._limit = limit
        self._left = float(limit.burst)
        self._at = now

    def take(self, now: float) -> bool:
        """Takes one call, if there is one; ``now`` are seconds of a clock that never goes back."""
        grown = (now - self._at) * self._limit.rate
        self._left = min(self._limit.burst, self._left + grown)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class RouteLimits:
    """A handler that answers 429 in the place of ``handler`` to what is above a route's limit.

    Stripe and the cabinets answer that by trying again. Any thread may call it.
    """

    def __init__(
        self,
        handler: Handler,
        refusals: Refusals,
        monotonic: Callable[[], float],
        limits: Mapping[str, Limit] = LIMITS,
    ) -> None:
        self._handler = handler
        self._refusals = refusals
        self._monotonic = monotonic
        self._lock = threading.Lock()
        now = monotonic()
        self._buckets = {route: _Bucket(limit, now) for route, limit in limits.items()}
        self._other = _Bucket(OTHER, now)

    def __call__(self, event: dict[str, Any], context: Any) -> Any:
        route = event["routeKey"]
        known = route in self._buckets
        with self._lock:
            taken = (self._buckets[route] if known else self._other).take(self._monotonic())
        if taken:
            return self._handler(event, context)
        self._refusals.note(429, route if known else "unknown", "above the limit")
        return {
            "statusCode": 429,
            "headers": {"content-type": "application/json"},
            "body": '{"message":"Too Many Requests"}',
        }
