"""What each event changes in the cabinet's state. What follows from that, the drive starts."""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from kiosk.core import messages, order_book
from kiosk.core.cabinet import answers, claims
from kiosk.core.cabinet.state import (
    NEVER,
    JournalState,
    PaymentState,
    State,
    without,
)
from kiosk.core.cabinet.step import Step
from kiosk.core.effects import (
    Acknowledge,
    Announce,
    Append,
    ClaimCall,
    HeartbeatCall,
    LinkCall,
    Reconnect,
    ReopenRelay,
    SettleCall,
)
from kiosk.core.entries import Entry, Kind
from kiosk.core.events import (
    Answered,
    BrokerDown,
    BrokerUp,
    Event,
    JournalFailed,
    JournalOpened,
    MessageArrived,
    NotAnswered,
    PulseMade,
    RelayFailed,
    RelayReady,
    Tick,
)
from kiosk.core.messages import BadMessage
from kiosk.core.order_book import BadEntry, OrderStage

REMEMBERED = 16  # games that ended


def handle(step: Step, event: Event) -> None:
    """Changes the step's state by what happened."""
    match event:
        case JournalOpened():
            journal_opened(step, event)
        case JournalFailed():
            journal_failed(step, event)
        case RelayReady():
            relay_ready(step)
        case RelayFailed():
            relay_failed(step, event)
        case PulseMade():
            pulse_made(step, event)
        case BrokerUp():
            broker_up(step)
        case BrokerDown():
            broker_down(step, event.reason)
        case MessageArrived():
            message_arrived(step, event)
        case Answered():
            answers.call_answered(step, event)
        case NotAnswered():
            answers.call_failed(step, event.call, event.reason)
        case Tick():
            pass  # the drive does what is due
        case _:
            assert_never(event)


# The journal


def journal_opened(step: Step, event: JournalOpened) -> None:
    try:
        book = order_book.fold(event.entries)
    except BadEntry as error:
        reason = (
            f"the journal is damaged ({error}): end the kiosk, and begin a new journal with "
            "`kiosk new-journal`, which keeps this one"
        )
        step.report("error", reason)
        step.state = replace(
            step.state, journal=replace(step.state.journal, ready=False, problem=reason)
        )
        return
    for order in book.unfinished.values():
        step.report(
            "warning",
            f"order {order.order_id} was left {order.stage.value} with {order.made} of "
            f"{order.pulses} pulses made and {order.ambiguous} ambiguous",
        )
    step.state = replace(
        step.state,
        order_book=book,
        confirmed=frozenset(),
        unreported=frozenset(),
        journal=JournalState(ready=True),
        relay=replace(step.state.relay, pulsing=None),
        game=replace(step.state.game, active_at=step.now),
    )
    _hear_what_was_left(step)
    if event.power_was_lost:
        _power_was_lost(step)


def _hear_what_was_left(step: Step) -> None:
    """Has the broker send again what was left with it while there was no journal.

    A broker sends a message that was not acknowledged again over another connection only, and
    over this one nothing at all once its window of such messages is full.
    """
    broker = step.state.broker
    if not broker.unacknowledged:
        return
    # No entry may stand before the effect: if that could not be written, this would not be done.
    assert not any(isinstance(effect, Append) for effect in step.effects)
    step.report("info", f"asks the broker again for {broker.unacknowledged} messages left with it")
    # Not ready: a connection is being made. What keeps it from that, if it is known, stays known.
    step.state = replace(
        step.state, broker=replace(broker, ready=False, announced="", unacknowledged=0)
    )
    step.effects.append(Reconnect())


def _power_was_lost(step: Step) -> None:
    """The game went dark with the kiosk: it has forgotten every credit it had been given.

    What that means for an order is decided when the cloud has answered its claim.
    """
    lost = [
        order
        for order in step.state.order_book.unfinished.values()
        if order.stage is OrderStage.PULSING
        and order.begun > order.lost_begun
        and not order.undecided
        and step.rules.forgive_lost
    ]
    left = step.state.order_book.credits_left
    # All entries in one commit, and no other before them: they are the first of this boot, and
    # the next start knows by the last entry's boot that the power was lost.
    if left:
        step.append(Entry(Kind.CREDITS_LEFT, number=0))
    for order in lost:
        step.append(Entry(Kind.POWER_LOST, order.order_id, number=order.begun))
    if left:
        step.report("warning", f"the game lost {left} credits with the power")


def journal_failed(step: Step, event: JournalFailed) -> None:
    step.report("error", f"the journal failed: {event.reason}")
    step.state = replace(
        step.state,
        journal=JournalState(problem=event.reason, next_try=step.now + step.rules.reopen_s),
        relay=replace(step.state.relay, pulsing=None),
    )
    # What was not done is not under way: it has to be begun again.
    for effect in event.undone:
        match effect:
            case HeartbeatCall() | LinkCall() | ClaimCall() | SettleCall():
                under_way = without(step.state.cloud.under_way, effect.name)
                step.state = replace(
                    step.state, cloud=replace(step.state.cloud, under_way=under_way)
                )
            case Acknowledge():
                _leave_with_the_broker(step)
            case Announce():
                step.state = replace(step.state, broker=replace(step.state.broker, announced=""))
            case ReopenRelay():
                step.state = replace(step.state, relay=replace(step.state.relay, next_try=step.now))
            case _:
                continue


# The relay


def relay_ready(step: Step) -> None:
    relay = replace(step.state.relay, ready=True, problem="", next_try=NEVER)
    step.state = replace(step.state, relay=relay)


def relay_failed(step: Step, event: RelayFailed) -> None:
    reason, rules = event.reason, step.rules
    if reason != step.state.relay.problem:
        step.report("error", f"the relay failed: {reason}")
    wait = rules.reopen_closed_relay_s if event.may_be_closed else rules.reopen_s
    step.state = replace(
        step.state,
        relay=replace(
            step.state.relay,
            ready=False,
            problem=reason,
            next_try=step.now + wait,
            pulsing=None,
        ),
    )


def pulse_made(step: Step, event: PulseMade) -> None:
    state = step.state
    if not state.journal.ready:
        return  # without its entry the pulse is ambiguous, and the order book will say so
    step.state = replace(
        state,
        relay=replace(state.relay, pulsing=None, next_pulse_at=step.now + step.rules.off_s),
        game=replace(state.game, active_at=step.now),
    )
    step.append(Entry(Kind.PULSE_OVER, event.order_id, number=event.number))
    order = step.state.order_book.unfinished[event.order_id]
    if order.begun == order.last:
        step.settle(order)


# The broker and its messages


def broker_up(step: Step) -> None:
    # A new connection may have missed anything: ask for open orders at once, however often that
    # failed before.
    state = step.state
    step.state = replace(
        state,
        broker=replace(state.broker, ready=True, problem="", announced=""),
        cloud=replace(
            state.cloud,
            heartbeat_at=step.now,
            retries=without(state.cloud.retries, HeartbeatCall.name),
        ),
    )


def broker_down(step: Step, reason: str) -> None:
    broker = step.state.broker
    if reason != broker.problem:
        step.report("warning", reason)
    step.state = replace(step.state, broker=replace(broker, ready=False, problem=reason))


def message_arrived(step: Step, event: MessageArrived) -> None:
    if not step.state.journal.ready:
        # Not acknowledged: the broker keeps it until there is a journal to hold it.
        step.report("warning", f"left a message on {event.topic} with the broker")
        _leave_with_the_broker(step)
        return
    try:
        message = messages.read(event.topic, event.payload, step.rules.machine_id)
    except BadMessage as error:
        broker = step.state.broker
        step.state = replace(step.state, broker=replace(broker, dropped=broker.dropped + 1))
        step.report("warning", f"dropped: {error}")
    else:
        match message:
            case messages.OrderHint():
                claims.note_payment(step, message.payment_id)
                claims.begin_claim(step, message.order_id)
            case messages.GameOver() | messages.PaymentStatus() if event.retained:
                # Neither is ever retained by the cloud, and nobody knows how old it is.
                step.report("warning", f"dropped: a retained message on {event.topic}")
            case messages.GameOver():
                game_over(step, message)
            case messages.PaymentStatus():
                payment_status(step, message)
            case _:
                assert_never(message)
    step.effects.append(Acknowledge(event.receipt))


def _leave_with_the_broker(step: Step) -> None:
    broker = step.state.broker
    broker = replace(broker, unacknowledged=broker.unacknowledged + 1)
    step.state = replace(step.state, broker=broker)


def game_over(step: Step, message: messages.GameOver) -> None:
    left = step.state.order_book.credits_left
    game = step.state.game
    if message.timestamp in game.games_over:
        return
    game = replace(game, games_over=(*game.games_over, message.timestamp)[-REMEMBERED:])
    step.state = replace(step.state, game=game)
    if not left:
        return
    game = replace(game, active_at=step.now)
    if left == 1:
        game = replace(game, game_over_until=step.now + step.rules.game_over_s)
    step.state = replace(step.state, game=game)
    step.append(Entry(Kind.CREDITS_LEFT, number=left - 1))


def payment_status(step: Step, message: messages.PaymentStatus) -> None:
    state, rules = step.state, step.rules
    if message.status != "offer_changed" and _is_no_news(step, message):
        step.report("info", f"the payment status {message.status!r} is no news any more")
        return
    match message.status:
        case "processing":
            # At once: the claim that follows in seconds finds a connection that is open.
            heartbeat_at = min(state.cloud.heartbeat_at, step.now)
            step.state = replace(
                state,
                payment=PaymentState("processing", step.now + rules.paying_s, message.payment_id),
                cloud=replace(state.cloud, heartbeat_at=heartbeat_at),
            )
        case "declined" | "released":
            until = step.now + rules.declined_s
            step.state = replace(state, payment=PaymentState(message.status, until))
        case "cancelled" if not _shows_another(state, message):
            step.state = replace(state, payment=None)
        case "cancelled":
            pass
        case "offer_changed":
            step.state = replace(state, link=replace(state.link, stale=True))
        case _:
            step.report("info", f"the payment status {message.status!r} is unknown here")


def _is_no_news(step: Step, message: messages.PaymentStatus) -> bool:
    """Whether a payment's status is too old for the screen, or its order was found already.

    Stripe sends events in any order and for days, and the broker keeps messages for a cabinet that
    was away. No clock of the cabinet is asked: the cloud's time is that of the last heartbeat.
    Before the first one nobody can tell, and what comes then is mostly what was told while the
    kiosk was not running. Whatever is true of it, its order is in the answer to that heartbeat.
    """
    sent_at, ahead = message.sent_at, step.state.cloud.ahead
    if sent_at is not None and (ahead is None or step.now + ahead - sent_at > step.rules.news_s):
        return True
    return message.status != "released" and message.payment_id in step.state.taken_payments


def _shows_another(state: State, message: messages.PaymentStatus) -> bool:
    """Whether the screen tells of something that the end of this payment does not end.

    A hold that was released is also cancelled: Stripe tells that a moment after the cloud did.
    """
    shown = state.payment
    if shown is None or shown.status != "processing":
        return True
    known = bool(shown.payment_id and message.payment_id)
    return known and shown.payment_id != message.payment_id


# The cloud's answers
