"""Stores around a store: one that lags, one whose answers are lost, one that counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import TypeVar

from cloud.core.cabinets import Cabinet, Incident, PaymentLink, Presence
from cloud.core.forgiveness import Forgiveness
from cloud.core.holds import Hold
from cloud.core.orders import Order
from cloud.stores.base import (
    CabinetItems,
    Item,
    Ledger,
    LedgerUnavailable,
    Replaceable,
    WriteResult,
    cabinet_items_of,
)

T = TypeVar("T")


class ForwardingLedger:
    """Hands every call on to ``inner``: writes through ``_write``, reads of one item through
    ``_get``, and lists through ``_list``, so that others change only what they are about."""

    def __init__(self, inner: Ledger) -> None:
        self.inner = inner

    def _write(self, write: Callable[[Ledger], WriteResult]) -> WriteResult:
        return write(self.inner)

    def _get(self, read: Callable[[Ledger], T]) -> T:
        return read(self.inner)

    def _list(self, read: Callable[[Ledger], Iterator[T]]) -> Iterator[T]:
        return read(self.inner)

    def insert(self, item: Item) -> WriteResult:
        return self._write(lambda inner: inner.insert(item))

    def replace(self, old: Replaceable, new: Replaceable) -> WriteResult:
        return self._write(lambda inner: inner.replace(old, new))

    def see(self, presence: Presence) -> WriteResult:
        return self._write(lambda inner: inner.see(presence))

    def installation(self, new_id: str) -> str:
        return self._get(lambda inner: inner.installation(new_id))

    def order(self, order_id: str) -> Order | None:
        return self._get(lambda inner: inner.order(order_id))

    def cabinet(self, machine_id: str) -> Cabinet | None:
        return self._get(lambda inner: inner.cabinet(machine_id))

    def cabinet_and_order(
        self, machine_id: str, order_id: str
    ) -> tuple[Cabinet | None, Order | None]:
        return self._get(lambda inner: inner.cabinet_and_order(machine_id, order_id))

    def cabinet_items(self, machine_id: str) -> CabinetItems:
        return self._get(lambda inner: inner.cabinet_items(machine_id))

    def presence(self, machine_id: str) -> Presence | None:
        return self._get(lambda inner: inner.presence(machine_id))

    def link(self, link_id: str) -> PaymentLink | None:
        return self._get(lambda inner: inner.link(link_id))

    def forgiveness(self, subject: str) -> Forgiveness | None:
        return self._get(lambda inner: inner.forgiveness(subject))

    def hold(self, intent_id: str) -> Hold | None:
        return self._get(lambda inner: inner.hold(intent_id))

    def lagging_due_order_ids(self, now_ms: int) -> Iterator[str]:
        return self._list(lambda inner: inner.lagging_due_order_ids(now_ms))

    def lagging_due_cabinet_ids(self, now_ms: int) -> Iterator[str]:
        return self._list(lambda inner: inner.lagging_due_cabinet_ids(now_ms))

    def lagging_due_link_ids(self, now_ms: int) -> Iterator[str]:
        return self._list(lambda inner: inner.lagging_due_link_ids(now_ms))

    def lagging_unfinished_ids(self, machine_id: str) -> Iterator[str]:
        return self._list(lambda inner: inner.lagging_unfinished_ids(machine_id))

    def lagging_link_ids(self, machine_id: str) -> Iterator[str]:
        return self._list(lambda inner: inner.lagging_link_ids(machine_id))

    def lagging_orders(self, machine_id: str = "", since_ms: int = 0) -> Iterator[Order]:
        return self._list(lambda inner: inner.lagging_orders(machine_id, since_ms))

    def lagging_cabinets(self) -> Iterator[Cabinet]:
        return self._list(lambda inner: inner.lagging_cabinets())

    def lagging_incidents(self, since_ms: int = 0) -> Iterator[Incident]:
        return self._list(lambda inner: inner.lagging_incidents(since_ms))

    def close(self) -> None:
        self.inner.close()


class LaggingLedger(ForwardingLedger):
    """Its lists answer what was there at the last :meth:`catch_up`; reads of one item do not lag.

    ``index`` is a second, empty store, which hears of each write later.
    """

    def __init__(self, inner: Ledger, index: Ledger) -> None:
        super().__init__(inner)
        self._index = index
        self._behind: list[Callable[[Ledger], WriteResult]] = []

    def catch_up(self) -> None:
        """Lets the lists know of everything."""
        for write in self._behind:
            write(self._index)
        self._behind.clear()

    def _write(self, write: Callable[[Ledger], WriteResult]) -> WriteResult:
        result = write(self.inner)
        if result is WriteResult.WRITTEN:
            self._behind.append(write)
        return result

    def _list(self, read: Callable[[Ledger], Iterator[T]]) -> Iterator[T]:
        return read(self._index)

    def cabinet_items(self, machine_id: str) -> CabinetItems:
        return cabinet_items_of(self, machine_id)

    def close(self) -> None:
        self.inner.close()
        self._index.close()


class AnswerLostLedger(ForwardingLedger):
    """The ``number``-th write from now takes effect, and its answer is lost: the caller sees
    :class:`LedgerUnavailable`."""

    def __init__(self, inner: Ledger, number: int = 1) -> None:
        super().__init__(inner)
        self.number = number

    def _write(self, write: Callable[[Ledger], WriteResult]) -> WriteResult:
        result = write(self.inner)
        self.number -= 1
        if self.number == 0:
            raise LedgerUnavailable("the answer was lost")
        return result


class RetryingLedger(ForwardingLedger):
    """Tries every write a second time, as a client does that got no answer to its first try."""

    def _write(self, write: Callable[[Ledger], WriteResult]) -> WriteResult:
        write(self.inner)
        return write(self.inner)


class CountingLedger(ForwardingLedger):
    """Counts: ``writes``, ``reads`` by key, ``lists`` begun, and ``listed`` what they gave. The
    items of a cabinet are one of each, as in DynamoDB: which there are, and then all of them."""

    def __init__(self, inner: Ledger) -> None:
        super().__init__(inner)
        self.counts: Counter[str] = Counter()

    def _write(self, write: Callable[[Ledger], WriteResult]) -> WriteResult:
        self.counts["writes"] += 1
        return write(self.inner)

    def _get(self, read: Callable[[Ledger], T]) -> T:
        self.counts["reads"] += 1
        return read(self.inner)

    def cabinet_items(self, machine_id: str) -> CabinetItems:
        self.counts["lists"] += 1
        return super().cabinet_items(machine_id)

    def _list(self, read: Callable[[Ledger], Iterator[T]]) -> Iterator[T]:
        self.counts["lists"] += 1
        for item in read(self.inner):
            self.counts["listed"] += 1
            yield item
