"""Builds the cloud from its settings: the one place that knows which parts there are."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from cloud import logs
from cloud.core.stamps import to_ms
from cloud.http.api import Api
from cloud.parameter_path import KEPT_ELSEWHERE, is_kept_elsewhere, parameter_path
from cloud.services.clock import Clock
from cloud.services.ledger_log import logged
from cloud.settings import Settings, from_environment, table_of
from cloud.stores.base import Ledger

# A call needs few of these, and each costs a start some milliseconds: they are imported where they
# are made (docs/decisions/0024-the-start.md).
if TYPE_CHECKING:
    from cloud.adapters.emqx_status import BrokerStatus
    from cloud.adapters.publisher import Publisher
    from cloud.adapters.stripe_gateway import Gateway
    from cloud.core.orders import Schedule
    from cloud.services.broker_watch import BrokerWatch
    from cloud.services.cabinet_messages import CabinetMessages
    from cloud.services.claims import Claims
    from cloud.services.disconnects import Disconnects
    from cloud.services.free_credits import FreeCredits
    from cloud.services.going_live import GoingLive
    from cloud.services.hand_refunds import HandRefunds
    from cloud.services.heartbeats import Heartbeats
    from cloud.services.lost_orders import LostOrders
    from cloud.services.payment_links import PaymentLinks
    from cloud.services.reconciliation import Reconciliation
    from cloud.services.refunds import RefundsAndDisputes
    from cloud.services.releases import Releases
    from cloud.services.settlement import Settlement
    from cloud.services.stripe_events import StripeEvents
    from cloud.services.sweep import Sweep, Swept
    from cloud.services.time_budget import TimeBudget

WATCH_WITHIN_MS = 30_000


class Cloud:
    """The whole cloud over the three things that it cannot do itself: keep, charge and publish.

    Its parts are made when they are first asked for. Two threads that ask at once may each get one;
    none of them keeps anything between two calls.
    """

    def __init__(
        self,
        ledger: Ledger,
        stripe: Gateway,
        publisher: Publisher,
        settings: Settings,
        clock: Callable[[], float] = time.time,
        broker_status: Callable[[], BrokerStatus | None] = lambda: None,
    ) -> None:
        self.clock = Clock(clock)
        self.ledger = logged(ledger, self.clock)
        self._stripe = stripe
        self._publisher = publisher
        self._settings = settings
        self._make_status = broker_status
        self._silence_ms = to_ms(settings.times.silence)
        self.api = Api(self, self.ledger, settings.webhook_secret, settings.presence_secret, clock)

    @cached_property
    def claims(self) -> Claims:
        from cloud.services.claims import Claims
        from cloud.services.forgiveness import ForgivenPulses

        return Claims(
            self.ledger,
            lambda: self.settlement,
            ForgivenPulses(self.ledger, self.clock),
            lambda: self._lost_orders,
            self._schedule,
            self.clock,
        )

    @cached_property
    def heartbeats(self) -> Heartbeats:
        from cloud.services.heartbeats import Heartbeats

        return Heartbeats(self.ledger, self.links, self._silence_ms, self.clock)

    @cached_property
    def links(self) -> PaymentLinks:
        return self._links_over(self._stripe)

    @cached_property
    def disconnects(self) -> Disconnects:
        from cloud.services.disconnects import Disconnects

        return Disconnects(self.ledger, self.links, self.clock)

    @cached_property
    def cabinet_messages(self) -> CabinetMessages:
        from cloud.services.cabinet_messages import CabinetMessages

        return CabinetMessages(self._publisher)

    @cached_property
    def stripe_events(self) -> StripeEvents:
        from cloud.services.forgiveness import CardHash
        from cloud.services.stripe_events import StripeEvents

        return StripeEvents(
            self.ledger,
            self._stripe,
            self.cabinet_messages,
            lambda: self.releases,
            lambda: self._refunds,
            self._schedule,
            CardHash(self._settings.webhook_secret),
            self.clock,
        )

    @cached_property
    def releases(self) -> Releases:
        from cloud.services.releases import Releases

        return Releases(self.ledger, self.settlement, self.cabinet_messages, self.clock)

    @cached_property
    def settlement(self) -> Settlement:
        from cloud.services.settlement import Settlement

        return Settlement(self.ledger, self._stripe, self.clock)

    @cached_property
    def free_credits(self) -> FreeCredits:
        from cloud.services.free_credits import FreeCredits

        return FreeCredits(self.ledger, self.cabinet_messages, self.clock)

    @cached_property
    def hand_refunds(self) -> HandRefunds:
        from cloud.services.hand_refunds import HandRefunds

        return HandRefunds(self.ledger, self._stripe, self.clock)

    @cached_property
    def going_live(self) -> GoingLive:
        from cloud.services.going_live import GoingLive

        return GoingLive(
            self.ledger,
            self._stripe,
            self.links,
            self.cabinet_messages,
            self._settings,
            self.clock,
        )

    @cached_property
    def reconciliation(self) -> Reconciliation:
        from cloud.services.reconciliation import Reconciliation

        return Reconciliation(
            self.ledger,
            self._stripe,
            self.stripe_events,
            self.settlement,
            self._refunds,
            self.clock,
        )

    @cached_property
    def _refunds(self) -> RefundsAndDisputes:
        from cloud.services.refunds import RefundsAndDisputes

        return RefundsAndDisputes(self.ledger, self._stripe, self.clock)

    @cached_property
    def _lost_orders(self) -> LostOrders:
        from cloud.services.lost_orders import LostOrders

        return LostOrders(self.ledger, self._stripe, self.clock)

    @cached_property
    def _schedule(self) -> Schedule:
        from cloud.core.orders import Schedule

        times = self._settings.times
        return Schedule(
            deadline_ms=to_ms(times.deadline),
            unsettled_ms=to_ms(times.unsettled),
            abandon_before_ms=to_ms(times.abandon_before),
        )

    def _links_over(self, stripe: Gateway) -> PaymentLinks:
        from cloud.services.payment_links import PaymentLinks

        settings = self._settings
        return PaymentLinks(
            self.ledger, stripe, settings.public_url, settings.payment_methods, self.clock
        )

    @cached_property
    def _budget(self) -> TimeBudget:
        from cloud.services.time_budget import TimeBudget

        return TimeBudget(to_ms(self._settings.times.sweep), self.clock)

    @cached_property
    def _sweep(self) -> Sweep:
        """The sweep over parts of its own, which ask Stripe nothing once its time is over."""
        from cloud.services.cabinet_messages import CabinetMessages
        from cloud.services.hand_refunds import HandRefunds
        from cloud.services.releases import Releases
        from cloud.services.settlement import Settlement
        from cloud.services.sweep import Sweep
        from cloud.services.time_budget import BoundedPublisher, bounded

        patient = bounded(self._stripe, self._budget)
        settlement = Settlement(self.ledger, patient, self.clock)
        messages = CabinetMessages(BoundedPublisher(self._publisher, self._budget))
        return Sweep(
            self.ledger,
            self._links_over(patient),
            settlement,
            Releases(self.ledger, settlement, messages, self.clock),
            HandRefunds(self.ledger, patient, self.clock),
            messages,
            self._schedule,
            self._silence_ms,
            self._budget,
            self.clock,
        )

    @cached_property
    def _broker_status(self) -> BrokerStatus | None:
        return self._make_status()

    @cached_property
    def _broker_watch(self) -> BrokerWatch | None:
        if self._broker_status is None:
            return None
        from cloud.services.broker_watch import BrokerWatch

        minutes = self._settings.emqx_session_minutes
        return BrokerWatch(self.ledger, self._broker_status, minutes, self.clock)

    def sweep(self) -> Swept:
        """Finishes what was left in between; to be called about once a minute."""
        begun_ms = self.clock.now_ms()
        swept = self._sweep.run()
        # The broker is asked for 12 s at most, and Lambda ends all of this after 55.
        if self._broker_watch and self.clock.now_ms() - begun_ms <= WATCH_WITHIN_MS:
            self._broker_watch.run()
        return swept

    def end_sweep(self) -> None:
        """Lets a sweep that runs begin nothing new; what it is at is finished, or left as the
        ledger has it for the next process. Any thread may call it."""
        self._budget.end()

    def close(self) -> None:
        """Ends the connections to the broker and the store."""
        self._publisher.close()
        status = vars(self).get("_broker_status")  # not made only to be closed
        if status:
            status.close()
        self.ledger.close()


def read_settings(environment: Mapping[str, str]) -> Settings:
    """The settings of ``environment``, and of Parameter Store where ``SECRETS`` names a place in
    it; raises :class:`~cloud.settings.SettingsError` with all that is wrong, or
    :class:`~cloud.adapters.parameter_store.ParametersUnavailable`."""
    if not is_kept_elsewhere(environment):
        return from_environment(environment)
    # Late: a cloud with its secrets in its environment needs neither this nor its library.
    from cloud.adapters.parameter_store import ParameterStore

    place = parameter_path(environment)
    found = ParameterStore(place.region, place.endpoint, environment).read(place.path)
    kept = {name: found[name] for name in KEPT_ELSEWHERE if name in found}
    return from_environment({**environment, **kept})


def secrets_of(settings: Settings) -> Iterator[str]:
    """What must be in no log: all that is not printed of the settings, and the passwords in it."""
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        if field.repr or not isinstance(value, str) or not value:
            continue
        yield value
        password = urlsplit(value).password if "://" in value else None
        if password:
            yield password
            yield unquote(password)


def open_ledger(address: str) -> Ledger:
    """The store that ``address`` names: ``sqlite:///`` and a path, or ``dynamodb://`` and a
    table (:func:`cloud.settings.table_of`)."""
    if address.startswith("dynamodb://"):
        from cloud.stores.dynamodb import DynamoDBLedger
        from cloud.stores.dynamodb_client import DynamoDBClient

        table = table_of(address)
        client = DynamoDBClient(table.region, table.endpoint)
        return DynamoDBLedger(client, table.name, table.keep_years)
    from pathlib import Path

    from cloud.stores.sqlite import SqliteLedger

    return SqliteLedger(Path(address.removeprefix("sqlite:///")))


def publisher_of(settings: Settings) -> Publisher:
    """The publisher that the broker's address asks for."""
    if settings.broker_is_emqx_api:
        from cloud.adapters.emqx_api import EmqxApi
        from cloud.adapters.emqx_publisher import EmqxPublisher

        return EmqxPublisher(EmqxApi(settings.mqtt_url, settings.mqtt_ca_file))
    from cloud.adapters.mqtt_publisher import MqttPublisher

    return MqttPublisher(
        settings.mqtt_url, ca_file=settings.mqtt_ca_file, version=settings.mqtt_version
    )


class _LatePublisher:
    """A :class:`Publisher` that is made for the first message; most calls send none."""

    def __init__(self, make: Callable[[], Publisher]) -> None:
        self._make = make
        self._made: Publisher | None = None
        self._lock = threading.Lock()

    def publish(self, topic: str, payload: bytes, expiry_s: int | None = None) -> None:
        with self._lock:
            publisher = self._made = self._made or self._make()
        publisher.publish(topic, payload, expiry_s)

    def close(self) -> None:
        if self._made:
            self._made.close()


def broker_status_of(settings: Settings) -> BrokerStatus | None:
    """What tells how the broker is; a broker over MQTT tells nothing of itself."""
    if not settings.broker_is_emqx_api:
        return None
    from cloud.adapters.emqx_api import EmqxApi
    from cloud.adapters.emqx_status import EmqxStatus

    platform = settings.emqx_platform_url
    return EmqxStatus(
        EmqxApi(settings.mqtt_url, settings.mqtt_ca_file), EmqxApi(platform) if platform else None
    )


def build(settings: Settings) -> Cloud:
    """A cloud with the real parts. But for the ledger, nothing is connected before it is used, nor
    is its library imported.
    """
    from cloud.adapters.stripe_gateway import StripeGateway

    logs.hide(*secrets_of(settings))
    ledger = open_ledger(settings.ledger)
    stripe = StripeGateway(settings.stripe_key, settings.stripe_api_base)
    return Cloud(
        ledger=ledger,
        stripe=stripe,
        publisher=_LatePublisher(lambda: publisher_of(settings)),
        settings=settings,
        broker_status=lambda: broker_status_of(settings),
    )
