"""The ledger's store, as the rest of the cloud sees it.

It promises what SQLite and DynamoDB can both keep: conditional writes on one item at a time, reads
of one item that see every write before them, and lists that may be a little behind. No caller may
need two writes to be one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from cloud.core.cabinets import Cabinet, Incident, PaymentLink, Presence
from cloud.core.forgiveness import Forgiveness
from cloud.core.holds import Hold
from cloud.core.orders import UNFINISHED, Order

Item = Order | Cabinet | PaymentLink | Presence | Incident | Forgiveness | Hold
Replaceable = Order | Cabinet | PaymentLink | Presence | Forgiveness


class LedgerUnavailable(Exception):
    """The store cannot be read or written now; whether a write took effect is unknown.

    The same call with the same items may be made again, and tells then (:class:`WriteResult`).
    """


class DamagedRecord(LedgerUnavailable):
    """One record cannot be read, now or later; the others can."""


class WriteResult(Enum):
    """What became of a conditional write; true if the item is stored as it was asked for.

    ``ALREADY_WRITTEN``: the condition does not hold any more because an earlier try of the same
    write, known by its ``write_id``, took effect and its answer was lost. ``LOST``: somebody else
    was faster, and nothing was changed; also said where a third write has already covered one's
    own, so whoever lost reads the item and goes on from what it says.
    """

    WRITTEN = "written"
    ALREADY_WRITTEN = "already written"
    LOST = "lost"

    def __bool__(self) -> bool:
        return self is not WriteResult.LOST


@dataclass(frozen=True)
class CabinetItems:
    """A cabinet with its links, the newest first, and its orders that are neither settled nor
    released, oldest payment first. Which there are is from an index that may be behind; each one is
    as it is now."""

    cabinet: Cabinet | None
    links: tuple[PaymentLink, ...] = ()
    orders: tuple[Order, ...] = ()


class Ledger(Protocol):
    """Orders, cabinets with their links and presences, and incidents.

    Reads of one item are consistent: they see every write that returned before they began. What is
    named ``lagging_…`` is read from an index and may be behind, by up to some seconds: it may lack
    a new item, and list one that does not belong there any more. What a caller will act on is
    listed as ids, so that it has to read the item itself; whole items are for reports. Lists are
    read page by page while they are iterated over. Everything raises :class:`LedgerUnavailable`.
    """

    def insert(self, item: Item) -> WriteResult:
        """Stores a new item, durably, if there is none with its key."""

    def replace(self, old: Replaceable, new: Replaceable) -> WriteResult:
        """Stores ``new``, durably, if the stored item is still ``old``: of the same key and
        version, for an order also in the same state; for a presence of the same ``write_id``.

        ``new`` needs a ``write_id`` of its own. Fields of the stored item that this program does
        not know are left as they are.
        """

    def see(self, presence: Presence) -> WriteResult:
        """Keeps a heartbeat in the place of the one before, unless a newer one is stored."""

    def installation(self, new_id: str) -> str:
        """The id of this ledger, for ever: ``new_id`` if it has none yet. Two installations on one
        Stripe account are told apart by it."""

    def order(self, order_id: str) -> Order | None:
        """One order; consistent."""

    def cabinet(self, machine_id: str) -> Cabinet | None:
        """One cabinet; consistent."""

    def cabinet_and_order(
        self, machine_id: str, order_id: str
    ) -> tuple[Cabinet | None, Order | None]:
        """One cabinet and one order, in one question; each is consistent."""

    def cabinet_items(self, machine_id: str) -> CabinetItems:
        """A cabinet with its links and unfinished orders, in few questions."""

    def presence(self, machine_id: str) -> Presence | None:
        """A cabinet's last heartbeat; consistent."""

    def link(self, link_id: str) -> PaymentLink | None:
        """One Payment Link; consistent."""

    def forgiveness(self, subject: str) -> Forgiveness | None:
        """What was forgiven to a card or at a cabinet; consistent. It may be gone once expired."""

    def hold(self, intent_id: str) -> Hold | None:
        """What signed events told of a PaymentIntent's hold; consistent. It may be gone once
        expired."""

    def lagging_due_order_ids(self, now_ms: int) -> Iterator[str]:
        """Orders with ``due_at_ms`` at ``now_ms`` or before, the longest due first."""

    def lagging_due_cabinet_ids(self, now_ms: int) -> Iterator[str]:
        """Cabinets whose presence has ``due_at_ms`` at ``now_ms`` or before, the longest due
        first."""

    def lagging_due_link_ids(self, now_ms: int) -> Iterator[str]:
        """Links with ``due_at_ms`` at ``now_ms`` or before, the longest due first."""

    def lagging_unfinished_ids(self, machine_id: str) -> Iterator[str]:
        """A cabinet's orders that are neither settled nor released, oldest payment first."""

    def lagging_link_ids(self, machine_id: str) -> Iterator[str]:
        """A cabinet's links, by ``created_at_ms``, the newest first."""

    def lagging_orders(self, machine_id: str = "", since_ms: int = 0) -> Iterator[Order]:
        """Orders paid at or after ``since_ms``, of one cabinet or of all, oldest payment first."""

    def lagging_cabinets(self) -> Iterator[Cabinet]:
        """Every cabinet, in the order of their ids."""

    def lagging_incidents(self, since_ms: int = 0) -> Iterator[Incident]:
        """What operators should look at, oldest first."""

    def close(self) -> None:
        """Ends the store's use."""


def cabinet_items_of(ledger: Ledger, machine_id: str) -> CabinetItems:
    """A cabinet's :class:`CabinetItems`, item by item, for stores that answer at once."""
    links = (ledger.link(link_id) for link_id in ledger.lagging_link_ids(machine_id))
    orders = (ledger.order(order_id) for order_id in ledger.lagging_unfinished_ids(machine_id))
    return CabinetItems(
        ledger.cabinet(machine_id),
        tuple(link for link in links if link),
        tuple(order for order in orders if order and order.state in UNFINISHED),
    )
