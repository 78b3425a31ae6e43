"""Checks that Stripe signed a webhook's body with our secret, and recently.

The signature is the library's business (``stripe.WebhookSignature``); the age is ours, by our clock
and in both directions: the library lets timestamps of the future pass, and a signature made for
tomorrow would be good for replays until then.
"""

from __future__ import annotations

import re

OLDEST_SECONDS = 300
NEWEST_SECONDS = 30  # how far Stripe's clock may be ahead of ours


class BadSignature(Exception):
    """The message says what is wrong, and nothing of the secret or the body; ``cause`` is a word
    for the log."""

    def __init__(self, message: str, cause: str) -> None:
        super().__init__(message)
        self.cause = cause


def check(body: bytes, header: str, secret: str, now: float) -> None:
    """Raises :class:`BadSignature` unless ``header`` signs ``body`` at about ``now``."""
    # Here, as the library takes longer to import than most calls take, and webhooks alone need it.
    from stripe import SignatureVerificationError, WebhookSignature

    if not header:
        raise BadSignature("the Stripe-Signature header is missing", "no signature")
    if not header.isascii():
        # The library compares in constant time, which takes ASCII only.
        raise BadSignature(
            "the Stripe-Signature header holds letters that no signature has", "wrong signature"
        )
    try:
        WebhookSignature.verify_header(body.decode(), header, secret, tolerance=None)
    except (SignatureVerificationError, UnicodeDecodeError):
        raise BadSignature(
            "the Stripe-Signature header does not sign this body with this endpoint's secret",
            "wrong signature",
        ) from None
    stamps = re.findall(r"(?:^|,)t=(\d{1,12})(?=,|$)", header)
    if len(stamps) != 1:
        raise BadSignature(
            "the Stripe-Signature header must carry one timestamp", "wrong signature"
        )
    age = now - int(stamps[0])
    if age > OLDEST_SECONDS:
        raise BadSignature(
            f"the signature is {age:.0f} s old, {OLDEST_SECONDS} s are allowed", "old signature"
        )
    if -age > NEWEST_SECONDS:
        raise BadSignature(
            "the signature's time is in the future: check this machine's clock", "early signature"
        )
