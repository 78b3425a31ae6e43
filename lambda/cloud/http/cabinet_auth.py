"""The cabinets' tokens: made once, shown once, kept as a hash.

A token is ``<machine_id>.<secret>``, so that a cabinet which uses another's can be told so. Its
secret has 256 bits, so a plain SHA-256 is enough: there is nothing to guess.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets

from cloud.core.cabinets import Cabinet
from cloud.stores.base import Ledger


class NotAllowed(Exception):
    """``status`` is 401 for a token that proves nothing, 403 for one of another cabinet."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


def new(machine_id: str) -> tuple[str, str]:
    """A fresh token, and the hash to store."""
    token = f"{machine_id}.{secrets.token_urlsafe(32)}"
    return token, digest(token)


def digest(token: str) -> str:
    """What is stored of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def machine_of(ledger: Ledger, authorization: str, machine_id: str) -> Cabinet:
    """The cabinet that ``authorization`` proves, if it is ``machine_id``."""
    scheme, _, token = authorization.partition(" ")
    owner = token.strip().rpartition(".")[0]
    cabinet = ledger.cabinet(owner) if owner else None
    # An unknown cabinet is compared all the same, so that the time tells nothing.
    stored = cabinet.token_hash if cabinet else digest("")
    matches = hmac.compare_digest(stored, digest(token.strip()))
    if scheme.lower() != "bearer" or cabinet is None or cabinet.removed or not matches:
        raise NotAllowed(
            "the token is missing or not valid: take the one that `cloud.admin add` printed",
            401,
        )
    if cabinet.machine_id != machine_id:
        raise NotAllowed(f"this is the token of {owner}: it can act for no other cabinet", 403)
    return cabinet
