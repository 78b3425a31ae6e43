"""The round that finishes what was left in between, and lets nothing wait for ever."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from cloud.adapters.stripe_gateway import StripeRefused, StripeUnavailable
from cloud.core.cabinets import Incident, silent
from cloud.core.orders import Order, OrderState
from cloud.services.cabinet_messages import CabinetMessages
from cloud.services.payment_links import PaymentLinks
from cloud.services.releases import Releases
from cloud.services.settlement import Settlement
from cloud.settings import Times
from cloud.stores.base import Ledger, LedgerUnavailable

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Swept:
    """How many orders and links one round did something for."""

    published: int = 0
    released: int = 0
    finished: int = 0
    unsettled: int = 0
    switched_off: int = 0


class Sweep:
    """Goes through every unfinished order and every cabinet; two rounds at once do no harm."""

    def __init__(
        self,
        ledger: Ledger,
        links: PaymentLinks,
        settlement: Settlement,
        releases: Releases,
        cabinet_messages: CabinetMessages,
        times: Times,
        clock: Callable[[], float],
    ) -> None:
        self._ledger = ledger
        self._links = links
        self._settlement = settlement
        self._releases = releases
        self._cabinet_messages = cabinet_messages
        self._times = times
        self._clock = clock

    def run(self) -> Swept:
        """One round. What fails for one order is logged and does not keep the others waiting."""
        done = dict.fromkeys(Swept.__dataclass_fields__, 0)
        for order in self._ledger.unfinished():
            try:
                what = self._order(order)
            except (StripeUnavailable, StripeRefused, LedgerUnavailable) as error:
                log.warning("order %s waits for the next sweep: %s", order.order_id, error)
                continue
            if what:
                done[what] += 1
        for cabinet in self._ledger.cabinets():
            presence = self._ledger.presence(cabinet.machine_id)
            if cabinet.removed or silent(presence, self._clock(), self._times.silence):
                try:
                    done["switched_off"] += self._links.switch_off(cabinet.machine_id)
                except (StripeUnavailable, StripeRefused) as error:
                    log.warning("the link of %s stays on: %s", cabinet.machine_id, error)
        swept = Swept(**done)
        if swept != Swept():
            log.info("swept: %s", ", ".join(f"{n} {name}" for name, n in done.items() if n))
        return swept

    def _order(self, order: Order) -> str:
        now = self._clock()
        match order.state:
            case OrderState.OPEN if now < order.deadline:
                self._cabinet_messages.coin_pulse(order, now)
                return "published"
            case OrderState.OPEN:
                self._releases.release(order, "no cabinet claimed it in time")
                return "released"
            case OrderState.SETTLING | OrderState.RELEASING:
                self._settlement.finish(order)
                return "finished"
            case OrderState.CLAIMED if (
                order.held and now >= order.hold_until - self._times.give_up_before
            ):
                self._releases.give_up(order, "its cabinet never settled, and the hold runs out")
                return "released"
            case OrderState.CLAIMED if now - order.claimed_at > self._times.unsettled:
                self._ledger.insert(
                    Incident(
                        incident_id=f"{order.order_id}:unsettled",
                        at=now,
                        text="claimed and never settled: its cabinet may be off or broken; the "
                        "money is held until the cabinet settles or the hold runs out",
                        machine_id=order.machine_id,
                        order_id=order.order_id,
                    )
                )
                return "unsettled"
            case _:
                return ""
