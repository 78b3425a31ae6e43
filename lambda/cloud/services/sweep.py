"""The round that finishes what was left in between, and lets nothing wait for ever."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain, islice

from cloud.adapters.stripe_gateway import StripeRefused, StripeUnavailable
from cloud.core import cabinets, metrics, orders
from cloud.core.cabinets import Cabinet, Incident, Presence
from cloud.core.orders import FINISHED, Order, OrderState, Refused, Schedule
from cloud.logs import about, during
from cloud.services import price_schedule
from cloud.services.cabinet_messages import CabinetMessages
from cloud.services.clock import Clock
from cloud.services.hand_refunds import HandRefunds
from cloud.services.payment_links import PaymentLinks
from cloud.services.releases import Releases
from cloud.services.settlement import Settlement
from cloud.services.time_budget import TimeBudget
from cloud.stores.base import DamagedRecord, Ledger, LedgerUnavailable

log = logging.getLogger(__name__)


# Orders, cabinets and links come first in turns, a minute each; what comes first may not use all
# the time, and what comes second leaves some.
FIRST_PART = 0.6
SECOND_PART = 0.8
MOST_COUNTED = 1000

Part = tuple[Iterator[str], Callable[[str], str]]  # what is due, and what does one of it


@dataclass(frozen=True)
class Swept:
    """How many orders and links one round did something for; ``switched_off`` counts cabinets,
    ``links`` what was left of an earlier try to switch one. ``failed`` is how many wait for the
    next round because something went wrong, ``left`` how many were not reached in time."""

    published: int = 0
    released: int = 0
    finished: int = 0
    unsettled: int = 0
    switched_off: int = 0
    links: int = 0
    failed: int = 0
    left: int = 0


class Sweep:
    """Goes through the orders and cabinets that are due; two rounds at once do no harm.

    The lists of what is due may be behind, so each item is read before anything is done for it.
    What is due longest comes first, and what failed is put behind the others: so everything has
    its turn, however many fail and however slowly.
    """

    def __init__(
        self,
        ledger: Ledger,
        links: PaymentLinks,
        settlement: Settlement,
        releases: Releases,
        hand_refunds: HandRefunds,
        cabinet_messages: CabinetMessages,
        schedule: Schedule,
        silence_ms: int,
        budget: TimeBudget,
        clock: Clock,
    ) -> None:
        self._ledger = ledger
        self._links = links
        self._settlement = settlement
        self._releases = releases
        self._hand_refunds = hand_refunds
        self._cabinet_messages = cabinet_messages
        self._schedule = schedule
        self._silence_ms = silence_ms
        self._budget = budget
        self._clock = clock

    def run(self) -> Swept:
        """One round. What fails for one is logged and does not keep the others waiting."""
        self._budget.begin()
        now_ms = self._clock.now_ms()
        done: Counter[str] = Counter()
        orders_due = self._each(self._ledger.lagging_due_order_ids(now_ms))
        cabinets_due = self._each(self._ledger.lagging_due_cabinet_ids(now_ms))
        links_due = self._each(self._ledger.lagging_due_link_ids(now_ms))
        first: Part = (orders_due, self._sweep_order)
        second: Part = (cabinets_due, self._sweep_cabinet)
        third: Part = (links_due, self._sweep_link)
        for _ in range(now_ms // 60_000 % 3):
            first, second, third = second, third, first
        self._while_time(*first, FIRST_PART, done)
        self._while_time(*second, SECOND_PART, done)
        self._while_time(*third, 1.0, done)
        self._while_time(*first, 1.0, done)
        self._while_time(*second, 1.0, done)
        waiting = chain(orders_due, cabinets_due, links_due)
        done["left"] = sum(1 for _ in islice(waiting, MOST_COUNTED))
        swept = Swept(**done)
        if swept != Swept():
            told = {name: n for name, n in done.items() if n}
            text = ", ".join(f"{n} {name}" for name, n in told.items())
            log.info("swept: %s", text, extra=about(**told))
        return swept

    def _each(self, due: Iterator[str]) -> Iterator[str]:
        """What is due, as far as the ledger can be read."""
        try:
            yield from due
        except LedgerUnavailable as error:
            log.error("the sweep cannot read what is due: %s", error)

    def _while_time(
        self, due: Iterator[str], sweep: Callable[[str], str], part: float, done: Counter[str]
    ) -> None:
        self._budget.allow(part)
        while not self._budget.over():
            name = next(due, None)
            if name is None:
                return
            with during(sweep=name):
                if what := sweep(name):
                    done[what] += 1

    def _sweep_order(self, order_id: str) -> str:
        """Does what an order needs; returns the field of :class:`Swept` that counts it."""
        try:
            order = self._ledger.order(order_id)
            what = self._order(order) if order else ""
            if what != "failed":
                return what
        except (StripeUnavailable, StripeRefused, LedgerUnavailable) as error:
            log.warning("it waits for the next sweep: %s", error, extra=about(order=order_id))
        except Exception:
            # A defect that one order shows must not keep the money of the others waiting.
            log.exception("it waits for the next sweep", extra=about(order=order_id))
        try:
            self._put_behind(order_id)
        except LedgerUnavailable as error:
            log.warning("it stays where it is: %s", error, extra=about(order=order_id))
        return "failed"

    def _put_behind(self, order_id: str) -> None:
        """Puts an order that failed behind the others, and tells of one that fails for long."""
        try:
            order = self._ledger.order(order_id)
        except DamagedRecord as error:
            self._report_unreadable(order_id, error)
            return
        if order is None or order.state in FINISHED:
            return
        stamp = self._clock.stamp()
        if order.due_at_ms is None or order.due_at_ms > stamp.at_ms:
            return  # whoever could not finish it has told of it, and when to try again
        if stamp.at_ms - order.changed_at_ms >= self._schedule.unsettled_ms:
            self._report_stuck(order)
        behind = orders.postpone(order, stamp)
        if not isinstance(behind, Refused):
            # If somebody else was faster, the order has moved on.
            self._ledger.replace(order, behind)

    def _sweep_cabinet(self, machine_id: str) -> str:
        """Does what a cabinet's links need; returns the field of :class:`Swept` that counts it."""
        try:
            return "switched_off" if self._cabinet(machine_id) else ""
        except (StripeUnavailable, StripeRefused, LedgerUnavailable) as error:
            log.warning("its link stays on: %s", error, extra=about(cabinet=machine_id))
        except Exception:
            log.exception("its link stays on", extra=about(cabinet=machine_id))
        try:
            self._put_cabinet_behind(machine_id)
        except LedgerUnavailable as error:
            log.warning("it stays where it is: %s", error, extra=about(cabinet=machine_id))
        return "failed"

    def _sweep_link(self, link_id: str) -> str:
        """Finishes switching a link; returns the field of :class:`Swept` that counts it."""
        try:
            return "links" if self._links.finish(link_id) else ""
        except (StripeUnavailable, StripeRefused, LedgerUnavailable) as error:
            log.warning("link %s waits for the next sweep: %s", link_id, error)
        except Exception:
            log.exception("link %s waits for the next sweep", link_id)
        return "failed"

    def _put_cabinet_behind(self, machine_id: str) -> None:
        presence = self._ledger.presence(machine_id)
        stamp = self._clock.stamp()
        if presence is None or presence.due_at_ms is None or presence.due_at_ms > stamp.at_ms:
            return
        silent_at_ms = cabinets.silent_from_ms(presence.seen_at_ms, self._silence_ms)
        if stamp.at_ms - silent_at_ms >= self._schedule.unsettled_ms:
            self._tell(
                f"{machine_id}:link-stays-on:{presence.seen_at_ms}",
                "the cabinet is silent and its payment link cannot be switched off",
                "switch the link off in Stripe's dashboard; the cloud's log says why it failed",
                machine_id=machine_id,
            )
        self._ledger.replace(presence, cabinets.due_at(machine_id, presence, stamp.at_ms, stamp))

    def _order(self, order: Order) -> str:
        """Does what an order needs now; returns the field of :class:`Swept` that counts it."""
        now_ms = self._clock.now_ms()
        abandon_at_ms = self._schedule.abandon_at_ms(order)
        match order.state:
            case OrderState.OPEN if order.credits < 1:
                # Whoever stored it could not release it.
                self._tell(
                    f"{order.order_id}:paid",
                    "paid for nothing on the link's price list: released",
                    "look at the payment in Stripe's dashboard",
                    order=order,
                )
                done = self._releases.release(order, "paid for nothing on the price list")
                return "failed" if done.state is OrderState.RELEASING else "released"
            case OrderState.OPEN if now_ms < order.deadline_ms:
                return self._hint(order, now_ms)
            case OrderState.OPEN:
                done = self._releases.release(order, "no cabinet claimed it in time")
                return "failed" if done.state is OrderState.RELEASING else "released"
            case OrderState.SETTLING | OrderState.RELEASING:
                done = self._settlement.finish(order)
                return "finished" if done.state in FINISHED else "failed"
            case OrderState.CLAIMED if abandon_at_ms is not None and now_ms >= abandon_at_ms:
                done = self._releases.abandon(
                    order, "its cabinet never settled, and the hold runs out"
                )
                return "failed" if done.state is OrderState.RELEASING else "released"
            case OrderState.CLAIMED if now_ms - order.claimed_at_ms > self._schedule.unsettled_ms:
                self._report_unsettled(order)
                return "unsettled"
            case OrderState.SETTLED | OrderState.RELEASED if order.due_at_ms is not None:
                done = self._hand_refunds.finish(order)
                return "failed" if done.due_at_ms is not None else "finished"
            case _:
                return ""

    def _hint(self, order: Order, now_ms: int) -> str:
        """Publishes an order's hint; nothing has failed if the broker is away for a while."""
        return "published" if self._cabinet_messages.coin_pulse(order, now_ms / 1000) else ""

    def _tell(
        self,
        incident_id: str,
        text: str,
        todo: str,
        machine_id: str = "",
        order: Order | None = None,
    ) -> None:
        stamp = self._clock.stamp()
        self._ledger.insert(
            Incident(
                incident_id=incident_id,
                at_ms=stamp.at_ms,
                text=text,
                write_id=stamp.write_id,
                machine_id=order.machine_id if order else machine_id,
                order_id=order.order_id if order else "",
                amount=order.amount if order else 0,
                currency=order.currency if order else "",
                todo=todo,
            )
        )

    def _report_stuck(self, order: Order) -> None:
        minutes = self._schedule.unsettled_ms // 60_000
        self._tell(
            f"{order.order_id}:stuck",
            f"the order is {order.state.value} for more than {minutes} minutes, and each sweep "
            "fails on it",
            "look for its payment in Stripe's dashboard; the cloud's log says why it fails",
            order=order,
        )

    def _report_unreadable(self, order_id: str, error: DamagedRecord) -> None:
        self._tell(
            f"{order_id}:unreadable",
            f"order {order_id} cannot be read: {error}",
            "look for its payment in Stripe's dashboard; restore the record from a backup",
        )

    def _report_unsettled(self, order: Order) -> None:
        self._tell(
            f"{order.order_id}:unsettled",
            "claimed and never settled: its cabinet may be off or broken; "
            + (
                "the credits were free, no money waits for it"
                if order.free
                else "the money is held until the cabinet settles or the hold runs out"
            ),
            "repair the cabinet: it settles the order as soon as it is back",
            order=order,
        )
        stamp = self._clock.stamp()
        reported = orders.report_unsettled(order, stamp, self._schedule)
        if not isinstance(reported, Refused):
            # If the settle was faster, there is nothing more to do here.
            self._ledger.replace(order, reported)

    def _follow_prices(self, cabinet: Cabinet, presence: Presence, now_ms: int) -> int:
        """Takes the link of a happy hour that is over, or has begun, out of service and lets the
        cabinet ask for the other one; returns when to look again."""
        if cabinet.happy_hours and self._links.retire(cabinet):
            self._cabinet_messages.payment(cabinet.machine_id, "offer_changed", now_ms / 1000)
        silent_at_ms = cabinets.silent_from_ms(presence.seen_at_ms, self._silence_ms)
        change_at_ms = price_schedule.next_change_ms(cabinet, now_ms, silent_at_ms)
        return cabinets.look_at_ms(presence.seen_at_ms, self._silence_ms, change_at_ms)

    def _cabinet(self, machine_id: str) -> bool:
        """Switches off what a silent, disabled or removed cabinet sells; returns whether a link was
        on."""
        presence = self._ledger.presence(machine_id)
        stamp = self._clock.stamp()
        if presence is None or presence.due_at_ms is None or presence.due_at_ms > stamp.at_ms:
            return False
        cabinet = self._ledger.cabinet(machine_id)
        was_on, due_at_ms = False, None
        if (
            cabinet
            and not cabinet.removed
            and not cabinet.disabled
            and not cabinets.silent(presence, stamp.at_ms, self._silence_ms)
        ):
            due_at_ms = self._follow_prices(cabinet, presence, stamp.at_ms)
        else:
            if cabinet and not cabinet.removed and presence.healthy:
                self._tell_silent(machine_id, stamp.at_ms)
            was_on = self._links.switch_off(machine_id)
        # If a heartbeat was faster, or a link was switched on, that says when to look again.
        self._ledger.replace(presence, cabinets.due_at(machine_id, presence, due_at_ms, stamp))
        return was_on

    def _tell_silent(self, machine_id: str, now_ms: int) -> None:
        """One line for each silence of a cabinet that said last that it can sell; where its link
        could not be switched off, another one in the next sweep."""
        extra = about(cabinet=machine_id, **metrics.document(now_ms, {"silent": 1}))
        log.warning("the cabinet is silent: its link goes off", extra=extra)
