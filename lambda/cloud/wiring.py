"""Builds the cloud from its settings: the one place that knows which parts there are."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from cloud import logs
from cloud.adapters.emqx_api import EmqxApi
from cloud.adapters.emqx_publisher import EmqxPublisher
from cloud.adapters.emqx_status import BrokerStatus, EmqxStatus
from cloud.adapters.mqtt_publisher import MqttPublisher
from cloud.adapters.publisher import Publisher
from cloud.adapters.stripe_gateway import Gateway, StripeGateway
from cloud.core.orders import Schedule
from cloud.core.stamps import to_ms
from cloud.http.api import Api
from cloud.parameter_path import KEPT_ELSEWHERE, is_kept_elsewhere, parameter_path
from cloud.services.broker_watch import BrokerWatch
from cloud.services.cabinet_messages import CabinetMessages
from cloud.services.claims import Claims
from cloud.services.clock import Clock
from cloud.services.disconnects import Disconnects
from cloud.services.forgiveness import CardHash, ForgivenPulses
from cloud.services.free_credits import FreeCredits
from cloud.services.going_live import GoingLive
from cloud.services.hand_refunds import HandRefunds
from cloud.services.heartbeats import Heartbeats
from cloud.services.ledger_log import logged
from cloud.services.lost_orders import LostOrders
from cloud.services.payment_links import PaymentLinks
from cloud.services.reconciliation import Reconciliation
from cloud.services.refunds import RefundsAndDisputes
from cloud.services.releases import Releases
from cloud.services.settlement import Settlement
from cloud.services.stripe_events import StripeEvents
from cloud.services.sweep import Sweep, Swept
from cloud.services.time_budget import BoundedPublisher, TimeBudget, bounded
from cloud.settings import Settings, from_environment, table_of
from cloud.stores.base import Ledger

WATCH_WITHIN_MS = 30_000


class Cloud:
    """The whole cloud over the three things that it cannot do itself: keep, charge and publish."""

    def __init__(
        self,
        ledger: Ledger,
        stripe: Gateway,
        publisher: Publisher,
        settings: Settings,
        clock: Callable[[], float] = time.time,
        broker_status: BrokerStatus | None = None,
    ) -> None:
        self.clock = Clock(clock)
        self.ledger = ledger = logged(ledger, self.clock)
        self._publisher = publisher
        self._broker_status = broker_status
        times = settings.times
        schedule = Schedule(
            deadline_ms=to_ms(times.deadline),
            unsettled_ms=to_ms(times.unsettled),
            abandon_before_ms=to_ms(times.abandon_before),
        )
        silence_ms = to_ms(times.silence)
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
        lost_orders = LostOrders(ledger, stripe, self.clock)
        self.reconciliation = Reconciliation(
            ledger, stripe, stripe_events, settlement, refunds, self.clock
        )
        self.api = Api(
            ledger=ledger,
            stripe_events=stripe_events,
            claims=Claims(ledger, settlement, forgiven, lost_orders, schedule, self.clock),
            links=self.links,
            heartbeats=Heartbeats(ledger, self.links, silence_ms, self.clock),
            disconnects=Disconnects(ledger, self.links, self.clock),
            cabinet_messages=cabinet_messages,
            webhook_secret=settings.webhook_secret,
            presence_secret=settings.presence_secret,
            clock=clock,
        )
        self._sweep = self._sweep_of(stripe, settings, schedule)
        self._broker_watch = (
            BrokerWatch(ledger, broker_status, settings.emqx_session_minutes, self.clock)
            if broker_status
            else None
        )

    def _sweep_of(self, stripe: Gateway, settings: Settings, schedule: Schedule) -> Sweep:
        """The sweep over parts of its own, which ask Stripe nothing once its time is over."""
        budget = self._budget = TimeBudget(to_ms(settings.times.sweep), self.clock)
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
        if self._broker_status:
            self._broker_status.close()
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
    # Late: a start needs one of them, and not the library of the other.
    if address.startswith("dynamodb://"):
        from cloud.stores.dynamodb import DynamoDBLedger
        from cloud.stores.dynamodb_client import DynamoDBClient

        table = table_of(address)
        client = DynamoDBClient(table.region, table.endpoint)
        return DynamoDBLedger(client, table.name, table.keep_years)
    from cloud.stores.sqlite import SqliteLedger

    return SqliteLedger(Path(address.removeprefix("sqlite:///")))


def publisher_of(settings: Settings) -> Publisher:
    """The publisher that the broker's address asks for."""
    if settings.broker_is_emqx_api:
        return EmqxPublisher(EmqxApi(settings.mqtt_url, settings.mqtt_ca_file))
    return MqttPublisher(
        settings.mqtt_url, ca_file=settings.mqtt_ca_file, version=settings.mqtt_version
    )


def broker_status_of(settings: Settings) -> BrokerStatus | None:
    """What tells how the broker is; a broker over MQTT tells nothing of itself."""
    if not settings.broker_is_emqx_api:
        return None
    platform = settings.emqx_platform_url
    return EmqxStatus(
        EmqxApi(settings.mqtt_url, settings.mqtt_ca_file), EmqxApi(platform) if platform else None
    )


def build(settings: Settings) -> Cloud:
    """A cloud with the real parts. But for the ledger, nothing is connected before it is used, nor
    is its library imported.
    """
    logs.hide(*secrets_of(settings))
    ledger = open_ledger(settings.ledger)
    stripe = StripeGateway(settings.stripe_key, settings.stripe_api_base)
    return Cloud(
        ledger=ledger,
        stripe=stripe,
        publisher=publisher_of(settings),
        settings=settings,
        broker_status=broker_status_of(settings),
    )
