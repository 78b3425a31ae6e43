"""A simulator of Stripe's servers, faithful enough to develop against.

:class:`StripeSimulator` holds the state and delivers the events, :func:`create_app` serves the API.
Nothing here imports the code that is tested against it.
"""

from __future__ import annotations

from sandbox.stripe_simulator.api import create_app
from sandbox.stripe_simulator.simulator import StripeSimulator

__all__ = ["StripeSimulator", "create_app"]
