"""What cabinets do to orders: claim them, and settle them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloud.core import money, orders
from cloud.core.cabinets import Incident
from cloud.core.orders import (
    CONTRADICTIONS,
    ClaimRequest,
    LostRequest,
    Order,
    Refused,
    Schedule,
    SettleRequest,
)
from cloud.services.clock import Clock
from cloud.services.forgiveness import ForgivenPulses
from cloud.stores.base import Ledger

if TYPE_CHECKING:
    from cloud.services.lost_orders import LostOrders
    from cloud.services.settlement import Settlement

# What may be behind two statements about one order that cannot both be true.
_CAUSES = (
    "the cabinet's journal was lost or restored, two kiosks use its name, or somebody else has its "
    "token: if in doubt, make it a new one (`python -m cloud.admin token`)"
)


class Changing(Exception):
    """Others write this order faster than this call can: it has to be made again."""


class UnknownOrder(Exception):
    """The ledger has no such order."""


@dataclass(frozen=True)
class Granted:
    """A claim that holds. ``age`` is the seconds since it was first granted; the others say what
    was forgiven in the last day, for a cabinet that lost its power with this order."""

    order: Order
    age: float
    forgiven_today: int = 0
    card_forgiven_today: bool = False


class Claims:
    """The two calls that take an order from a payment to a charge.

    What only a settle needs is asked for by a call, so that a claim need not import it.
    """

    def __init__(
        self,
        ledger: Ledger,
        settlement: Callable[[], Settlement],
        forgiven: ForgivenPulses,
        lost_orders: Callable[[], LostOrders],
        schedule: Schedule,
        clock: Clock,
    ) -> None:
        self._ledger = ledger
        self._settlement = settlement
        self._forgiven = forgiven
        self._lost_orders = lost_orders
        self._schedule = schedule
        self._clock = clock

    def claim(self, request: ClaimRequest, found: Order | None) -> Granted | Refused:
        """Gives the order to its cabinet, once; ``found`` is what the ledger has of it now."""
        order = _own(found, request.machine_id, request.order_id)
        # Two tries: whoever loses the race sees the winner's write and is answered by it.
        for _ in range(2):
            stamp = self._clock.stamp()
            claimed = orders.claim(order, request, stamp, self._schedule)
            if isinstance(claimed, Refused):
                return self._refused(order, "claim", claimed)
            if claimed is order:
                # Asked again after a restart: only then there can be something to forgive.
                return Granted(
                    order,
                    max(0, stamp.at_ms - order.claimed_at_ms) / 1000,
                    self._forgiven.at_cabinet(order.machine_id),
                    self._forgiven.card_was_forgiven(order.card),
                )
            if self._ledger.replace(order, claimed):
                return Granted(claimed, 0.0)
            order = self._order_of(request.machine_id, request.order_id)
        raise Changing(f"order {order.order_id} is changing: ask again")

    def settle(self, request: SettleRequest, found: Order | None) -> Order | Refused:
        """Stores what the cabinet made of its order, then charges that; ``found`` is what the
        ledger has of the order now.

        Once this returns an order, the report is stored and the cabinet is free of it, also if
        Stripe could not be asked yet (the order is SETTLING then).
        """
        order = self._order_to_settle(request, found)
        for _ in range(2):
            settling = orders.settle(order, request, self._clock.stamp())
            if isinstance(settling, Refused):
                return self._refused(order, "settle", settling, _told(request))
            if order.lost:
                self._report(
                    order,
                    "settle-after-lost",
                    f"{_told(request)}, after the order was said to be lost and charged with "
                    f"nothing: what was made is given away; {_CAUSES}",
                )
            if settling is not order and not order.free:
                self._note_what_is_free(order, request)
            if settling is order or self._ledger.replace(order, settling):
                return self._settlement().finish(settling)
            order = self._order_of(request.machine_id, request.order_id)
        raise Changing(f"order {order.order_id} is changing: ask again")

    def _note_what_is_free(self, order: Order, request: SettleRequest) -> None:
        """Tells the operator of every pulse that was given for nothing, before it is settled so."""
        if request.forgiven:
            self._forgiven.record(order, request.forgiven)
            worth = money.part(order.amount, request.forgiven, request.pulses, order.currency)
            self._report(
                order,
                "forgiven",
                f"{request.forgiven} of {request.pulses} pulses were made before a power cut and "
                f"are not charged ({money.text(worth, order.currency)}): if the game keeps its "
                'credits without power, set after_power_cut = "charge" in the cabinet\'s config',
            )
        if request.not_charged:
            self._report(
                order,
                "ambiguous",
                f"{request.not_charged} of {request.pulses} pulses may have been made when the "
                "kiosk stopped, nobody knows, and are not charged",
            )

    def settle_lost(self, request: LostRequest, found: Order | None) -> Order | Refused:
        """Settles an order with nothing whose cabinet has no record of it any more.

        Whoever has the cabinet's token can say this, so it is always an incident. It costs no
        player anything.
        """
        order = _own(found, request.machine_id, request.order_id)
        for _ in range(2):
            settling = orders.settle_lost(order, self._clock.stamp())
            if isinstance(settling, Refused):
                return settling
            if settling is order:
                return self._settlement().finish(order)
            self._report(
                order,
                "lost",
                "its cabinet has no record of it and nobody knows what was made: nothing is "
                f"charged; {_CAUSES}",
            )
            if self._ledger.replace(order, settling):
                return self._settlement().finish(settling)
            order = self._order_of(request.machine_id, request.order_id)
        raise Changing(f"order {order.order_id} is changing: ask again")

    def _refused(self, order: Order, call: str, refused: Refused, told: str = "") -> Refused:
        """The refusal; a contradiction is reported once for the order, the call and its code."""
        if refused.code in CONTRADICTIONS:
            self._report(
                order,
                f"{call}-{refused.code.value}",
                f"a {call} contradicts the ledger: {refused.reason}"
                f"{f' ({told})' if told else ''}; {_CAUSES}",
            )
        return refused

    def _report(self, order: Order, kind: str, text: str) -> None:
        stamp = self._clock.stamp()
        self._ledger.insert(
            Incident(
                incident_id=f"{order.order_id}:{kind}",
                at_ms=stamp.at_ms,
                text=text,
                write_id=stamp.write_id,
                machine_id=order.machine_id,
                order_id=order.order_id,
                amount=order.amount,
                currency=order.currency,
                todo="compare `kiosk ledger` on the cabinet with the order; if somebody else may "
                f"have its token, make a new one: `token {order.machine_id}`",
            )
        )

    def _order_to_settle(self, request: SettleRequest, found: Order | None) -> Order:
        try:
            return _own(found, request.machine_id, request.order_id)
        except UnknownOrder:
            order = self._lost_orders().recover(request)
            if order is None:
                raise
            return order

    def _order_of(self, machine_id: str, order_id: str) -> Order:
        return _own(self._ledger.order(order_id), machine_id, order_id)


def _own(order: Order | None, machine_id: str, order_id: str) -> Order:
    """The order, if it is the cabinet's."""
    if order is None or order.machine_id != machine_id:
        # Another cabinet's order is no news for this one.
        raise UnknownOrder(f"{machine_id} has no order {order_id}")
    return order


def _told(request: SettleRequest) -> str:
    return f"the cabinet reports {request.pulsed} of {request.pulses} pulses to charge"
