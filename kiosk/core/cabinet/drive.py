"""What should be under way, and is started if it is not; nothing here depends on an event."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from kiosk.core.cabinet.rules import Mode, Rules
from kiosk.core.cabinet.state import NEVER, State
from kiosk.core.cabinet.step import Step
from kiosk.core.effects import (
    Announce,
    Call,
    ClaimCall,
    HeartbeatCall,
    LinkCall,
    Pulse,
    ReopenJournal,
    ReopenRelay,
    SettleCall,
)
from kiosk.core.entries import Entry, Kind
from kiosk.core.limits import LONGEST_PROBLEM
from kiosk.core.order_book import OrderProgress, OrderStage


def drive(step: Step) -> None:
    """Starts what should be under way."""
    _expire(step)
    _reopen_parts(step)
    wanted: set[str] = set()
    if step.state.journal.ready:
        for order in tuple(step.state.order_book.unfinished.values()):
            _drive_order(step, order, wanted)
        for order_id in step.state.unreported:
            if done := step.state.order_book.done.get(order_id):
                _call(step, settle_call(step.rules.machine_id, done), wanted)
        _start_pulse(step)
    _drive_heartbeat(step, wanted)
    _drive_link(step, wanted)
    _announce(step)
    _note_waiting(step)
    if not step.state.was_ready and step.state.can_sell(step.rules):
        step.state = replace(step.state, was_ready=True)
    _forget_retries(step, wanted)


def next_due(state: State, now: float, rules: Rules) -> float:
    """When a ``Tick`` has something to do, if nothing else happens before."""
    return min(_times(state, now, rules))


def _times(state: State, now: float, rules: Rules) -> Iterator[float]:
    cloud = state.cloud
    yield state.journal.next_try
    yield state.relay.next_try
    if _parts_have_reported(state) and HeartbeatCall.name not in cloud.under_way:
        yield _heartbeat_due(state)
    for name, retry in cloud.retries.items():
        if name not in cloud.under_way:
            yield retry.next_try
    if state.payment:
        yield state.payment.until
    if state.game.game_over_until:
        yield state.game.game_over_until
    if state.order_book.credits_left and state.journal.ready:
        yield state.game.active_at + rules.quiet_s
    if now < state.started_at + rules.starting_s:
        yield state.started_at + rules.starting_s
    if state.relay.pulsing is None and _next_to_pulse(state):
        yield state.relay.next_pulse_at
    for since in state.waiting_since.values():
        if now < since + rules.waiting_s:
            yield since + rules.waiting_s


def _expire(step: Step) -> None:
    """Ends what the screen has shown for long enough."""
    state = step.state
    if state.payment and state.payment.until <= step.now:
        step.state = replace(step.state, payment=None)
    if state.game.game_over_until and state.game.game_over_until <= step.now:
        step.state = replace(step.state, game=replace(state.game, game_over_until=0.0))
    quiet = step.now - state.game.active_at >= step.rules.quiet_s
    if quiet and state.order_book.credits_left and state.journal.ready:
        step.append(Entry(Kind.CREDITS_LEFT, number=0))


def _reopen_parts(step: Step) -> None:
    journal, relay = step.state.journal, step.state.relay
    if journal.next_try <= step.now:
        step.state = replace(step.state, journal=replace(journal, next_try=NEVER))
        step.effects.append(ReopenJournal())
    if relay.next_try <= step.now:
        step.state = replace(step.state, relay=replace(relay, next_try=NEVER))
        step.effects.append(ReopenRelay())


def _drive_order(step: Step, order: OrderProgress, wanted: set[str]) -> None:
    """Claims an order, or settles it."""
    confirmed = order.order_id in step.state.confirmed
    if order.stage is OrderStage.PULSING and confirmed and step.state.relay.problem:
        step.settle(order)
        order = step.state.order_book.unfinished[order.order_id]
    machine_id, order_id, claim_id = step.rules.machine_id, order.order_id, order.claim_id
    if order.stage is OrderStage.SETTLING:
        _call(step, settle_call(machine_id, order), wanted)
    elif order.stage is OrderStage.CLAIMING or not confirmed:
        _call(step, ClaimCall(machine_id, order_id, claim_id), wanted)


def settle_call(machine_id: str, order: OrderProgress) -> SettleCall:
    """The report of an order, the same whenever it is made."""
    return SettleCall(
        machine_id,
        order.order_id,
        order.claim_id,
        order.pulsed,
        order.pulses,
        made=order.made,
        forgiven=order.lost_made,
        ambiguous=order.begun - order.made,
    )


def _next_to_pulse(state: State) -> OrderProgress | None:
    """The order that the next pulse is for."""
    if not state.can_pulse:
        return None
    for order in state.order_book.unfinished.values():
        if (
            order.stage is OrderStage.PULSING
            and order.order_id in state.confirmed
            and order.begun < order.last
        ):
            return order
    return None


def _start_pulse(step: Step) -> None:
    """Closes the relay, if an order has pulses left and the pause after the last one is over."""
    relay = step.state.relay
    order = _next_to_pulse(step.state)
    if order is None or relay.pulsing or step.now < relay.next_pulse_at:
        return
    pulse = Pulse(order.order_id, order.begun + 1)
    step.append(Entry(Kind.PULSE_BEGINS, pulse.order_id, number=pulse.number))
    step.state = replace(
        step.state,
        relay=replace(relay, pulsing=pulse),
        game=replace(step.state.game, active_at=step.now),
    )
    step.effects.append(pulse)


def _parts_have_reported(state: State) -> bool:
    """Whether a heartbeat would say something: the cloud's own problem is nothing new to it."""
    return state.journal.has_reported and state.relay.has_reported and state.broker.has_reported


def _heartbeat_due(state: State) -> float:
    """When the next heartbeat is sent: not before the wait after a failed one is over."""
    retry = state.cloud.retries.get(HeartbeatCall.name)
    return max(state.cloud.heartbeat_at, retry.next_try) if retry else state.cloud.heartbeat_at


def _drive_heartbeat(step: Step, wanted: set[str]) -> None:
    if not _parts_have_reported(step.state):
        return
    wanted.add(HeartbeatCall.name)
    # What is sent is what is remembered, so it is cut to the cloud's limit here.
    problems = tuple(a.text[:LONGEST_PROBLEM] for a in step.state.alerts if a.code != "E4")
    cloud = step.state.cloud
    if (
        problems != cloud.reported_problems
        and HeartbeatCall.name not in cloud.retries
        and cloud.heartbeat_at > step.now
    ):
        step.state = replace(step.state, cloud=replace(cloud, heartbeat_at=step.now))
    if _heartbeat_due(step.state) > step.now:
        return
    sells = step.rules.mode is Mode.SELL
    _call(
        step,
        HeartbeatCall(
            step.rules.machine_id,
            state="troubled" if problems else "ready" if sells else step.rules.mode.value,
            version=step.rules.version,
            # A cabinet that sells nothing must not be paid: the cloud switches its link off.
            healthy=sells and not problems,
            problems=problems,
        ),
        wanted,
    )


def _drive_link(step: Step, wanted: set[str]) -> None:
    if step.state.can_pulse and step.state.link.stale and step.rules.mode is Mode.SELL:
        _call(step, LinkCall(step.rules.machine_id), wanted)


def _announce(step: Step) -> None:
    """Publishes the retained status, if it is another one than before."""
    broker, mode = step.state.broker, step.rules.mode
    if not broker.ready:
        return
    online = "online" if mode is Mode.SELL else mode.name.lower()
    status = online if step.state.can_pulse else "out_of_order"
    if status != broker.announced:
        step.state = replace(step.state, broker=replace(broker, announced=status))
        step.effects.append(Announce(status))


def _note_waiting(step: Step) -> None:
    """Notes since when each order has waited for the cloud."""
    before = step.state.waiting_since
    waiting = {
        order.order_id: before.get(order.order_id, step.now)
        for order in step.state.order_book.unfinished.values()
        if order.stage is not OrderStage.SETTLING and order.order_id not in step.state.confirmed
    }
    if waiting != before:
        step.state = replace(step.state, waiting_since=waiting)


def _call(step: Step, call: Call, wanted: set[str]) -> None:
    """Asks the cloud, unless that is under way or it is not yet time to try again."""
    name, cloud = call.name, step.state.cloud
    wanted.add(name)
    retry = cloud.retries.get(name)
    if name not in cloud.under_way and not (retry and retry.next_try > step.now):
        under_way = {**cloud.under_way, name: call}
        step.state = replace(step.state, cloud=replace(cloud, under_way=under_way))
        step.effects.append(call)


def _forget_retries(step: Step, wanted: set[str]) -> None:
    """A call that is not wanted any more has no next try."""
    cloud = step.state.cloud
    if not cloud.retries.keys() <= wanted:
        retries = {name: retry for name, retry in cloud.retries.items() if name in wanted}
        step.state = replace(step.state, cloud=replace(cloud, retries=retries))
