"""The round that finishes what was left in between, and lets nothing wait for ever."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from cloud.adapters.stripe_gateway import StripeRefused, StripeUnavailable
from cloud.core import cabinets, orders
from cloud.core.cabinets import Incident
from cloud.core.orders import Order, OrderState, Refused, Schedule
from cloud.services.cabinet_messages import CabinetMessages
from cloud.services.clock import Clock
from cloud.services.payment_links import PaymentLinks
from cloud.services.releases import Releases
from cloud.services.settlement import Settlement
from cloud.stores.base import Ledger, LedgerUnavailable

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Swept:
    """How many orders and links one round did something for; ``switched_off`` counts cabinets,
    ``links`` what was left of an earlier try to switch one."""

    published: int = 0
    released: int = 0
    finished: int = 0
    unsettled: int = 0
    switched_off: int = 0
    links: int = 0


class Sweep:
    """Goes through the orders and cabinets that are due; two rounds at once do no harm.

    The lists of what is due may be behind, so each item is read before anything is done for it.
    """

    def __init__(
        self,
        ledger: Ledger,
        links: PaymentLinks,
        settlement: Settlement,
        releases: Releases,
        cabinet_messages: CabinetMessages,
        schedule: Schedule,
        silence_ms: int,
        clock: Clock,
    ) -> None:
        self._ledger = ledger
        self._links = links
        self._settlement = settlement
        self._releases = releases
        self._cabinet_messages = cabinet_messages
        self._schedule = schedule
        self._silence_ms = silence_ms
        self._clock = clock

    def run(self) -> Swept:
        """One round. What fails for one is logged and does not keep the others waiting."""
        now_ms = self._clock.now_ms()
        done = dict.fromkeys(Swept.__dataclass_fields__, 0)
        for order_id in self._ledger.lagging_due_order_ids(now_ms):
            try:
                order = self._ledger.order(order_id)
                what = self._order(order) if order else ""
            except (StripeUnavailable, StripeRefused, LedgerUnavailable) as error:
                log.warning("order %s waits for the next sweep: %s", order_id, error)
                continue
            if what:
                done[what] += 1
        for machine_id in self._ledger.lagging_due_cabinet_ids(now_ms):
            try:
                done["switched_off"] += self._cabinet(machine_id)
            except (StripeUnavailable, StripeRefused, LedgerUnavailable) as error:
                log.warning("the link of %s stays on: %s", machine_id, error)
        for link_id in self._ledger.lagging_due_link_ids(now_ms):
            try:
                done["links"] += self._links.finish(link_id)
            except (StripeUnavailable, StripeRefused, LedgerUnavailable) as error:
                log.warning("link %s waits for the next sweep: %s", link_id, error)
        swept = Swept(**done)
        if swept != Swept():
            log.info("swept: %s", ", ".join(f"{n} {name}" for name, n in done.items() if n))
        return swept

    def _order(self, order: Order) -> str:
        """Does what an order needs now; returns the field of :class:`Swept` that counts it."""
        now_ms = self._clock.now_ms()
        abandon_at_ms = self._schedule.abandon_at_ms(order)
        match order.state:
            case OrderState.OPEN if now_ms < order.deadline_ms:
                self._cabinet_messages.coin_pulse(order, now_ms / 1000)
                return "published"
            case OrderState.OPEN:
                self._releases.release(order, "no cabinet claimed it in time")
                return "released"
            case OrderState.SETTLING | OrderState.RELEASING:
                self._settlement.finish(order)
                return "finished"
            case OrderState.CLAIMED if abandon_at_ms is not None and now_ms >= abandon_at_ms:
                self._releases.abandon(order, "its cabinet never settled, and the hold runs out")
                return "released"
            case OrderState.CLAIMED if now_ms - order.claimed_at_ms > self._schedule.unsettled_ms:
                self._report_unsettled(order)
                return "unsettled"
            case _:
                return ""

    def _report_unsettled(self, order: Order) -> None:
        stamp = self._clock.stamp()
        self._ledger.insert(
            Incident(
                incident_id=f"{order.order_id}:unsettled",
                at_ms=stamp.at_ms,
                text="claimed and never settled: its cabinet may be off or broken; the "
                "money is held until the cabinet settles or the hold runs out",
                write_id=stamp.write_id,
                machine_id=order.machine_id,
                order_id=order.order_id,
            )
        )
        reported = orders.report_unsettled(order, stamp, self._schedule)
        if not isinstance(reported, Refused):
            # If the settle was faster, there is nothing more to do here.
            self._ledger.replace(order, reported)

    def _cabinet(self, machine_id: str) -> bool:
        """Switches off what a silent or removed cabinet sells; returns whether a link was on."""
        presence = self._ledger.presence(machine_id)
        stamp = self._clock.stamp()
        if presence is None or presence.due_at_ms is None or presence.due_at_ms > stamp.at_ms:
            return False
        cabinet = self._ledger.cabinet(machine_id)
        was_on, due_at_ms = False, None
        if (
            cabinet
            and not cabinet.removed
            and not cabinets.silent(presence, stamp.at_ms, self._silence_ms)
        ):
            due_at_ms = cabinets.silent_from_ms(presence.seen_at_ms, self._silence_ms)
        else:
            was_on = self._links.switch_off(machine_id)
        # If a heartbeat was faster, or a link was switched on, that says when to look again.
        self._ledger.replace(presence, cabinets.due_at(machine_id, presence, due_at_ms, stamp))
        return was_on
