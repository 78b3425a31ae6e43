"""Builds the cloud from its settings: the one place that knows which parts there are."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from cloud.adapters.mqtt_publisher import MqttPublisher
from cloud.adapters.publisher import Publisher
from cloud.adapters.stripe_gateway import Gateway, StripeGateway
from cloud.core.orders import Schedule
from cloud.core.stamps import to_ms
from cloud.http.api import Api
from cloud.services.cabinet_messages import CabinetMessages
from cloud.services.claims import Claims
from cloud.services.clock import Clock
from cloud.services.forgiveness import CardHash, ForgivenPulses
from cloud.services.free_credits import FreeCredits
from cloud.services.going_live import GoingLive
from cloud.services.hand_refunds import HandRefunds
from cloud.services.heartbeats import Heartbeats
from cloud.services.payment_links import PaymentLinks
from cloud.services.reconciliation import Reconciliation
from cloud.services.refunds import RefundsAndDisputes
from cloud.services.releases import Releases
from cloud.services.settlement import Settlement
from cloud.services.stripe_events import StripeEvents
from cloud.services.sweep import Sweep, Swept
from cloud.services.time_budget import BoundedPublisher, TimeBudget, bounded
from cloud.settings import Settings
from cloud.stores.base import Ledger
from cloud.stores.sqlite import SqliteLedger


class Cloud:
    """The whole cloud over the three things that it cannot do itself: keep, charge and publish."""

    def __init__(
        self,
        ledger: Ledger,
        stripe: Gateway,
        publisher: Publisher,
        settings: Settings,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.ledger = ledger
        self._publisher = publisher
        times = settings.times
        schedule = Schedule(
            deadline_ms=to_ms(times.deadline),
            unsettled_ms=to_ms(times.unsettled),
            abandon_before_ms=to_ms(times.abandon_before),
        )
        silence_ms = to_ms(times.silence)
        self.clock = Clock(clock)
        cabinet_messages = CabinetMessages(publisher)
        settlement = Settlement(ledger, stripe, self.clock)
        releases = Releases(ledger, settlement, cabinet_messages, self.clock)
        self.cabinet_messages = cabinet_messages
        self.releases = releases
        self.free_credits = FreeCredits(ledger, cabinet_messages, self.clock)
        self.hand_refunds = HandRefunds(ledger, stripe, self.clock)
        self.links = PaymentLinks(
            ledger, stripe, settings.public_url, settings.payment_methods, self.clock
        )
        refunds = RefundsAndDisputes(ledger, stripe, self.clock)
        stripe_events = StripeEvents(
            ledger,
            stripe,
            cabinet_messages,
            releases,
            refunds,
            schedule,
            CardHash(settings.webhook_secret),
            self.clock,
        )
        self.going_live = GoingLive(
            ledger, stripe, self.links, cabinet_messages, settings, self.clock
        )
        forgiven = ForgivenPulses(ledger, self.clock)
        self.reconciliation = Reconciliation(
            ledger, stripe, stripe_events, settlement, refunds, self.clock
        )
        self.api = Api(
            ledger=ledger,
            stripe_events=stripe_events,
            claims=Claims(ledger, settlement, forgiven, schedule, self.clock),
            links=self.links,
            heartbeats=Heartbeats(ledger, self.links, silence_ms, self.clock),
            cabinet_messages=cabinet_messages,
            webhook_secret=settings.webhook_secret,
            clock=clock,
        )
        self._sweep = self._sweep_of(stripe, settings, schedule)

    def _sweep_of(self, stripe: Gateway, settings: Settings, schedule: Schedule) -> Sweep:
        """The sweep over parts of its own, which ask Stripe nothing once its time is over."""
        budget = TimeBudget(to_ms(settings.times.sweep), self.clock)
        patient = bounded(stripe, budget)
        settlement = Settlement(self.ledger, patient, self.clock)
        messages = CabinetMessages(BoundedPublisher(self._publisher, budget))
        return Sweep(
            self.ledger,
            PaymentLinks(
                self.ledger, patient, settings.public_url, settings.payment_methods, self.clock
            ),
            settlement,
            Releases(self.ledger, settlement, messages, self.clock),
            HandRefunds(self.ledger, patient, self.clock),
            messages,
            schedule,
            to_ms(settings.times.silence),
            budget,
            self.clock,
        )

    def sweep(self) -> Swept:
        """Finishes what was left in between; to be called about once a minute."""
        return self._sweep.run()

    def close(self) -> None:
        """Ends the connections to the broker and the store."""
        self._publisher.close()
        self.ledger.close()


def open_ledger(address: str) -> Ledger:
    """The store that ``address`` names: ``sqlite:///`` and a path."""
    return SqliteLedger(Path(address.removeprefix("sqlite:///")))


def build(settings: Settings) -> Cloud:
    """A cloud with the real parts. But for the ledger, nothing is connected before it is used, nor
    is its library imported.
    """
    ledger = open_ledger(settings.ledger)
    stripe = StripeGateway(settings.stripe_key, settings.stripe_api_base)
    return Cloud(
        ledger=ledger,
        stripe=stripe,
        publisher=MqttPublisher(settings.mqtt_url, ca_file=settings.mqtt_ca_file),
        settings=settings,
    )
