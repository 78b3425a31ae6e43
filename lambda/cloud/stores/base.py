"""The ledger's store, as the rest of the cloud sees it.

Shaped for conditional writes on one item at a time, which SQLite and DynamoDB can both promise. No
caller may need two writes to be one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from cloud.core.cabinets import Cabinet, Incident, PaymentLink, Presence
from cloud.core.orders import Order


class LedgerUnavailable(Exception):
    """The store cannot be read or written now; the caller has changed nothing and may try again."""


class Ledger(Protocol):
    """Orders, cabinets, links and incidents.

    ``insert`` returns ``False`` if an item with that key is there already. ``replace`` stores
    ``new`` only if the stored item is still ``old`` (same key, same version; for an order also the
    same state) and returns whether it did. All raise :class:`LedgerUnavailable`.
    """

    def insert(self, item: Order | Cabinet | PaymentLink | Incident) -> bool:
        """Stores a new item, durably, or returns ``False``."""

    def replace(
        self, old: Order | Cabinet | PaymentLink, new: Order | Cabinet | PaymentLink
    ) -> bool:
        """Stores ``new`` in the place of ``old``, durably, or returns ``False``."""

    def order(self, order_id: str) -> Order | None:
        """One order."""

    def unfinished(self, machine_id: str = "") -> Sequence[Order]:
        """Orders that are neither settled nor released, of one cabinet or of all, oldest payment
        first."""

    def orders(self, machine_id: str = "", since: float = 0.0) -> Sequence[Order]:
        """Orders paid at or after ``since``, of one cabinet or of all, oldest payment first."""

    def cabinet(self, machine_id: str) -> Cabinet | None:
        """One cabinet."""

    def cabinets(self) -> Sequence[Cabinet]:
        """Every cabinet, by name of its id."""

    def link(self, link_id: str) -> PaymentLink | None:
        """One Payment Link."""

    def links(self, machine_id: str) -> Sequence[PaymentLink]:
        """A cabinet's links, the newest first."""

    def see(self, presence: Presence) -> None:
        """Keeps a cabinet's last heartbeat in the place of the one before."""

    def presence(self, machine_id: str) -> Presence | None:
        """A cabinet's last heartbeat."""

    def incidents(self, since: float = 0.0) -> Sequence[Incident]:
        """What operators should look at, oldest first."""

    def close(self) -> None:
        """Ends the store's use."""
