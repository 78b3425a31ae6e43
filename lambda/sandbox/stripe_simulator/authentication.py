"""The secret key that every request must have."""

from __future__ import annotations

import hmac

from flask import Request

from sandbox.stripe_simulator.errors import StripeError


def authenticate(request: Request, secret_key: str) -> None:
    """Raises Stripe's 401 unless the request has the key as its bearer token."""
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        raise StripeError(
            "You did not provide an API key. You need to provide your API key in the Authorization "
            "header, using Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY').",
            status=401,
        )
    if not hmac.compare_digest(key.strip().encode(), secret_key.encode()):
        raise StripeError("Invalid API Key provided.", status=401)
