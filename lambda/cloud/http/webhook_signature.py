"""Checks that Stripe signed a webhook's body with our secret, and recently.

An HMAC-SHA256 of the header's time, a dot and the raw body, in hexadecimal; any of several ``v1``
counts (Stripe's documentation, "Verify webhook signatures manually"). Not by the ``stripe``
library: a webhook of a usual payment needs nothing else of it, and a player would wait for its
import. The age is by our clock and in both directions: a signature made for tomorrow would be good
for replays until then. Tests hold this against the library.
"""

from __future__ import annotations

import hmac
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
    if not header:
        raise BadSignature("the Stripe-Signature header is missing", "no signature")
    if not header.isascii():
        # To compare in constant time takes ASCII only.
        raise BadSignature(
            "the Stripe-Signature header holds letters that no signature has", "wrong signature"
        )
    parts = [part.partition("=") for part in header.split(",")]
    stamps = [value for name, _, value in parts if name == "t"]
    if len(stamps) != 1 or not re.fullmatch(r"[0-9]{1,12}", stamps[0]):
        raise BadSignature(
            "the Stripe-Signature header must carry one timestamp", "wrong signature"
        )
    signed = hmac.digest(secret.encode(), f"{stamps[0]}.".encode() + body, "sha256").hex()
    given = [value for name, _, value in parts if name == "v1"]
    if not any(hmac.compare_digest(signed, value) for value in given):
        raise BadSignature(
            "the Stripe-Signature header does not sign this body with this endpoint's secret",
            "wrong signature",
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
