"""Checks that the broker's rule signed what it says of a lost connection, and recently.

EMQX's rules have SHA-256 but no HMAC, and join texts only. So the signature is the hash of the
secret and of a hash of the secret and the message, both in hexadecimal: nobody can lengthen a
message, as the outer hash is over texts of one length. docs/protocol.md has the rule. Source of the
functions: https://docs.emqx.com/en/emqx/latest/data-integration/rule-sql-builtin-functions.html
"""

from __future__ import annotations

import hashlib
import hmac

from cloud.core.cabinets import Disconnect

OLDEST_SECONDS = 300
NEWEST_SECONDS = 30  # how far the broker's clock may be ahead of ours


class BadSignature(Exception):
    """The message says what is wrong, and nothing of the secret; ``cause`` is a word for the
    log."""

    def __init__(self, message: str, cause: str) -> None:
        super().__init__(message)
        self.cause = cause


def sign(lost: Disconnect, secret: str) -> str:
    """The signature of what the broker says, in hexadecimal."""
    said = f"{secret}:{lost.username}:{lost.client_id}:{lost.reason}:{lost.at_ms}"
    return _hash(f"{secret}:{_hash(said)}")


def check(lost: Disconnect, signature: str, secret: str, now: float) -> None:
    """Raises :class:`BadSignature` unless ``signature`` is right, and ``lost`` of about ``now``."""
    if not signature:
        raise BadSignature("the X-Arcade-Signature header is missing", "no signature")
    # It is compared in constant time, which takes ASCII only.
    if not (signature.isascii() and hmac.compare_digest(signature, sign(lost, secret))):
        raise BadSignature(
            "the X-Arcade-Signature header does not sign this body with this cloud's secret",
            "wrong signature",
        )
    age = now - lost.at_ms / 1000
    if age > OLDEST_SECONDS:
        raise BadSignature(
            f"disconnected_at is {age:.0f} s ago, {OLDEST_SECONDS} s are allowed", "old signature"
        )
    if -age > NEWEST_SECONDS:
        raise BadSignature("disconnected_at is in the future: check the clocks", "early signature")


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
