"""Proves which cabinet calls, by its token (:mod:`cloud.services.cabinet_tokens`)."""

from __future__ import annotations

import hmac
from typing import Protocol

from cloud.core.cabinets import MACHINE_ID, Cabinet
from cloud.core.orders import Order
from cloud.services import cabinet_tokens
from cloud.stores.base import CabinetItems, Ledger


class Cabinets(Protocol):
    """Where the cabinets are: a ledger, or a question that asks for more at once."""

    def cabinet(self, machine_id: str) -> Cabinet | None:
        """One cabinet; consistent."""


class WithOrder:
    """Reads an order together with the cabinet; ``order`` is what was found."""

    def __init__(self, ledger: Ledger, order_id: str) -> None:
        self._ledger = ledger
        self._order_id = order_id
        self.order: Order | None = None

    def cabinet(self, machine_id: str) -> Cabinet | None:
        """One cabinet; consistent, as is the order."""
        if not self._order_id:
            return self._ledger.cabinet(machine_id)
        cabinet, self.order = self._ledger.cabinet_and_order(machine_id, self._order_id)
        return cabinet


class WithItems:
    """Reads all that is the cabinet's together with it; ``items`` is what was found."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.items = CabinetItems(None)

    def cabinet(self, machine_id: str) -> Cabinet | None:
        """One cabinet; consistent."""
        self.items = self._ledger.cabinet_items(machine_id)
        return self.items.cabinet


class NotAllowed(Exception):
    """``status`` is 401 for a token that proves nothing, 403 for one of another cabinet; ``cause``
    is a word for the log."""

    def __init__(self, message: str, status: int, cause: str) -> None:
        super().__init__(message)
        self.status = status
        self.cause = cause


def authenticate(ledger: Cabinets, authorization: str, machine_id: str, now_ms: int) -> Cabinet:
    """The cabinet that ``authorization`` proves, if it is ``machine_id``.

    While its token is being rotated, the old one proves it as well.
    """
    scheme, token = _parts(authorization)
    owner = token.rpartition(".")[0]
    cabinet = ledger.cabinet(owner) if MACHINE_ID.fullmatch(owner) else None
    # An unknown cabinet is compared all the same, so that the time tells nothing.
    stored = cabinet.token_hash if cabinet else cabinet_tokens.digest("")
    digest = cabinet_tokens.digest(token)
    matches = hmac.compare_digest(stored, digest)
    if cabinet and cabinet.old_token_counts(now_ms):
        matches = hmac.compare_digest(cabinet.old_token_hash, digest) or matches
    if scheme.lower() != "bearer" or cabinet is None or cabinet.removed or not matches:
        raise NotAllowed(
            "the token is missing or not valid: take the one that `cloud.admin add` printed",
            401,
            _cause(authorization, cabinet),
        )
    if cabinet.machine_id != machine_id:
        raise NotAllowed(
            f"this is the token of {owner}: it can act for no other cabinet", 403, "other cabinet"
        )
    return cabinet


def ends_rotation(cabinet: Cabinet, authorization: str) -> bool:
    """Whether ``authorization``, which has proved the cabinet, is the new token of a rotation."""
    if not cabinet.old_token_hash:
        return False
    digest = cabinet_tokens.digest(_parts(authorization)[1])
    return hmac.compare_digest(cabinet.token_hash, digest)


def _parts(authorization: str) -> tuple[str, str]:
    """The scheme and the token; no token where it cannot be one of ours."""
    scheme, _, token = authorization.partition(" ")
    return scheme, token.strip() if token.isascii() else ""


def _cause(authorization: str, cabinet: Cabinet | None) -> str:
    if not authorization:
        return "no token"
    if cabinet is None:
        return "unknown cabinet"
    return "removed cabinet" if cabinet.removed else "wrong token"
