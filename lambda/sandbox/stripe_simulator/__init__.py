"""A stand-in for Stripe's servers, faithful enough to develop against.

``StripeStandin`` holds the state and delivers the events, ``create_app`` serves the API.
"""

from __future__ import annotations

from sandbox.stripe_simulator.api import create_app
from sandbox.stripe_simulator.simulator import StripeStandin

__all__ = ["StripeStandin", "create_app"]
