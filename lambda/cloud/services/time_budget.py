"""How long one sweep may take, and a Stripe and a broker that are not asked when that is over."""

from __future__ import annotations

from typing import Any, cast

from cloud.adapters.publisher import NobodyListens, Publisher, PublishFailed
from cloud.adapters.stripe_gateway import Gateway, StripeUnavailable
from cloud.services.clock import Clock


class TimeBudget:
    """A span of ``ms`` milliseconds, from :meth:`begin` on. Over before it has begun."""

    def __init__(self, ms: int, clock: Clock) -> None:
        self._ms = ms
        self._clock = clock
        self._begun_ms = self._until_ms = 0
        self._ended = False
        self.begun = 0

    def begin(self) -> None:
        """Begins anew, the ``begun``-th time."""
        self.begun += 1
        self._begun_ms = self._clock.now_ms()
        self.allow(1.0)

    def allow(self, part: float) -> None:
        """Lets only ``part`` of the whole time be used from now on."""
        self._until_ms = self._begun_ms + round(self._ms * part)

    def end(self) -> None:
        """Ends it for good, as the process is to end; any thread may call it."""
        self._ended = True

    def over(self) -> bool:
        """Whether the time that is allowed has passed."""
        return self._ended or self._clock.now_ms() >= self._until_ms


class _Bounded:
    """Hands each call on to ``stripe`` while there is time. One call that has begun may last as
    long as the gateway's own timeout lets it."""

    def __init__(self, stripe: Gateway, budget: TimeBudget) -> None:
        self._stripe = stripe
        self._budget = budget

    def __getattr__(self, name: str) -> Any:
        if self._budget.over():
            raise StripeUnavailable("Stripe is not asked: this sweep's time is over")
        return getattr(self._stripe, name)


def bounded(stripe: Gateway, budget: TimeBudget) -> Gateway:
    """``stripe``, which says that it is unavailable as soon as ``budget`` is over."""
    return cast(Gateway, _Bounded(stripe, budget))


class BoundedPublisher:
    """Publishes while there is time, and until the first message of a round that the broker does
    not take: each costs seconds, and what fails for one fails for all. A cabinet that is away
    fails for itself alone.
    """

    def __init__(self, publisher: Publisher, budget: TimeBudget) -> None:
        self._publisher = publisher
        self._budget = budget
        self._failed_in = 0

    def publish(self, topic: str, payload: bytes, expiry_s: int | None = None) -> None:
        if self._budget.over() or self._failed_in == self._budget.begun:
            raise PublishFailed("the broker is not tried again in this sweep")
        try:
            self._publisher.publish(topic, payload, expiry_s)
        except NobodyListens:
            raise
        except PublishFailed:
            self._failed_in = self._budget.begun
            raise

    def close(self) -> None:
        self._publisher.close()
