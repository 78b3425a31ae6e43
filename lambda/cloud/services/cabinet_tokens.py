"""The cabinets' tokens: made once, shown once, kept as a hash.

A token is ``<machine_id>.<secret>``, so that a cabinet which uses another's can be told so. Its
secret has 256 bits, so a plain SHA-256 is enough: there is nothing to guess.
"""

from __future__ import annotations

import hashlib


def new(machine_id: str) -> tuple[str, str]:
    """A new token, and the hash to store."""
    import secrets  # late: a call proves a token, and makes none

    token = f"{machine_id}.{secrets.token_urlsafe(32)}"
    return token, digest(token)


def digest(token: str) -> str:
    """What is stored of a token."""
    return hashlib.sha256(token.encode()).hexdigest()
