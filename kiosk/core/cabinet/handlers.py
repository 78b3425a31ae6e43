"""What each event changes in the cabinet's state. What follows from that, the drive starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar, assert_never

from kiosk.core import messages, order_book
from kiosk.core.cabinet.rules import Mode, backoff, forgives
from kiosk.core.cabinet.state import (
    NEVER,
    JournalState,
    LinkState,
    PaymentState,
    Retry,
    State,
)
from kiosk.core.cabinet.step import Step
from kiosk.core.effects import (
    Acknowledge,
    Announce,
    Append,
    ArchiveJournal,
    Call,
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
from kiosk.core.limits import LOST_AFTER_S
from kiosk.core.messages import BadMessage
from kiosk.core.order_book import BadEntry, OrderProgress, OrderStage

REMEMBERED = 16  # games that ended, and payments whose order was found

Value = TypeVar("Value")


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
            call_answered(step, event)
        case NotAnswered():
            call_failed(step, event.call, event.reason)
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
                under_way = _without(step.state.cloud.under_way, effect.name)
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
            retries=_without(state.cloud.retries, HeartbeatCall.name),
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
                note_payment(step, message.payment_id)
                begin_claim(step, message.order_id)
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


def note_payment(step: Step, payment_id: str) -> None:
    """A payment's order is there: what is told of the payment from now on is old."""
    taken = step.state.taken_payments
    if payment_id and payment_id not in taken:
        step.state = replace(step.state, taken_payments=(*taken, payment_id)[-REMEMBERED:])


def begin_claim(step: Step, order_id: str) -> None:
    """An order of this cabinet is open: claims it.

    Without a relay, or if nothing is sold, it is left for the cloud to release.
    """
    state = step.state
    if not state.can_pulse or step.rules.mode is not Mode.SELL:
        return
    if state.order_book.knows(order_id):
        return
    step.state = replace(state, payment=None)
    step.append(Entry(Kind.CLAIM, order_id, claim_id=f"{step.new_id}-{order_id[-12:]}"))


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


def call_answered(step: Step, event: Answered) -> None:
    """Only what the cloud itself decided is taken for an answer: success in the form of the
    contract, or an error with one of its own words. Everything else, such as a gateway's own 404,
    is trouble that passes, and the call is made again."""
    call, status, body = event.call, event.status, event.body
    if status != 200 and messages.decision(body) is None:
        call_failed(step, call, _trouble(status, body))
        return
    try:
        _read_answer(step, call, status, body)
    except BadMessage as error:
        call_failed(step, call, f"the cloud's answer cannot be used: {error}")
        return
    cloud = step.state.cloud
    step.state = replace(
        step.state,
        cloud=replace(
            cloud,
            ready=True,
            problem="",
            under_way=_without(cloud.under_way, call.name),
            retries=_without(cloud.retries, call.name),
        ),
    )


def _read_answer(step: Step, call: Call, status: int, body: Mapping[str, object]) -> None:
    match call:
        case HeartbeatCall():
            heartbeat_answered(step, call, status, body)
        case LinkCall():
            link_answered(step, status, body)
        case ClaimCall() | SettleCall() if not step.state.journal.ready:
            pass  # what cannot be written to the journal is ignored, and asked again
        case ClaimCall():
            order = step.state.order_book.unfinished.get(call.order_id)
            if order and order.stage is not OrderStage.SETTLING:
                claim_answered(step, order, status, body)
        case SettleCall():
            order = step.state.order_book.unfinished.get(call.order_id)
            if order and order.stage is OrderStage.SETTLING:
                settle_answered(step, order, status, body)
            elif call.order_id in step.state.unreported:
                late_settle_answered(step, call.order_id, status, body)
        case _:
            assert_never(call)


def _trouble(status: int, body: Mapping[str, object]) -> str:
    """Why a call is made again, for the operator."""
    if status in (401, 403):
        return f"the cloud refused this cabinet (HTTP {status}): {_error(body)}"
    if status == 429 or status >= 500:
        return f"the cloud is in trouble (HTTP {status})"
    return f"the cloud's address answers HTTP {status}, and not as the cloud does: {_error(body)}"


def link_answered(step: Step, status: int, body: Mapping[str, object]) -> None:
    if status != 200:
        raise BadMessage(f"no payment link (HTTP {status}): {_error(body)}")
    link = LinkState(messages.offer(body), stale=False, active=True)
    step.state = replace(step.state, link=link)


def heartbeat_answered(
    step: Step, call: HeartbeatCall, status: int, body: Mapping[str, object]
) -> None:
    if status != 200:
        raise BadMessage(f"heartbeat refused (HTTP {status}): {_error(body)}")
    answer = messages.heartbeat_answer(body)
    state, rules = step.state, step.rules
    soon = state.payment_is_processing or not state.broker.ready
    wait = rules.ask_s if soon else rules.heartbeat_s
    link = replace(state.link, active=answer.link_active)
    if link.offer and (not link.active or answer.link_url != link.offer.url):
        link = replace(link, stale=True)
    step.state = replace(
        state,
        link=link,
        cloud=replace(
            state.cloud,
            # Up to a twentieth earlier: cabinets that started together do not stay in step.
            heartbeat_at=step.now + wait * (1 - step.jitter / 20),
            reported_problems=call.problems,
            ahead=state.cloud.ahead if answer.time is None else answer.time - step.now,
        ),
    )
    if state.journal.ready:
        for hint in answer.open_orders:
            note_payment(step, hint.payment_id)
            begin_claim(step, hint.order_id)
        for order in answer.claimed:
            if order.order_id in step.state.order_book.done:
                settle_again(step, order)
            elif order.order_id not in step.state.order_book.unfinished:
                settle_lost_order(step, order)
        if not step.state.order_book.unfinished:
            # Nobody waits for anything now.
            step.effects.append(ArchiveJournal())


def settle_again(step: Step, order: messages.ClaimedOrder) -> None:
    """Repeats a settle that the journal takes for heard, and that the cloud still waits for.

    The same numbers again change nothing if the settle and this answer only crossed.
    """
    if order.order_id not in step.state.unreported:
        step.report("warning", f"order {order.order_id}: the cloud has no settle: sent again")
        step.state = replace(step.state, unreported=step.state.unreported | {order.order_id})


def settle_lost_order(step: Step, order: messages.ClaimedOrder) -> None:
    """Settles an order that the cloud says was claimed here, and that the journal does not have.

    The journal is new or an old copy then: nobody can know what was pulsed, so no pulse follows,
    and the player is charged nothing. Not before the resume window is over: the order may be
    another kiosk's that was given this cabinet's name by mistake. The cloud takes this statement
    without the claim id, which only the journal had.
    """
    if order.age <= max(step.rules.resume_window_s, LOST_AFTER_S):
        return
    step.report(
        "error",
        f"order {order.order_id} was claimed here and is not in the journal: nothing of it is "
        "charged",
    )
    pulses = order.credits * step.rules.pulses_per_credit
    step.append(Entry(Kind.CLAIM, order.order_id))
    step.append(Entry(Kind.CLAIMED, order.order_id, credits=order.credits, pulses=pulses))
    step.append(Entry(Kind.SETTLE, order.order_id, number=0, note="not in the journal"))


def claim_answered(
    step: Step, order: OrderProgress, status: int, body: Mapping[str, object]
) -> None:
    order_id = order.order_id
    if status != 200:
        refusal = f"claim refused (HTTP {status}): {_error(body)}"
        step.report("warning", f"order {order_id}: {refusal}")
        if order.stage is OrderStage.CLAIMING:
            step.append(Entry(Kind.REFUSED, order_id, note=refusal))
        else:
            # It was granted once: whatever became of it, the cloud is told what was pulsed.
            step.settle(_without_forgiveness(step, order))
        return
    answer = messages.claim_answer(body, order_id, order.claim_id)
    if order.stage is OrderStage.CLAIMING:
        pulses = answer.credits * step.rules.pulses_per_credit
        step.append(Entry(Kind.CLAIMED, order_id, credits=answer.credits, pulses=pulses))
        order = step.state.order_book.unfinished[order_id]
    step.state = replace(step.state, confirmed=step.state.confirmed | {order_id})
    if answer.state != "claimed":
        step.report("warning", f"order {order_id} is {answer.state} already")
        step.settle(_without_forgiveness(step, order))
        return
    order = _decide_forgiveness(step, order, answer)
    if answer.age > step.rules.resume_window_s or order.begun == order.last:
        step.report(
            "warning", f"order {order_id} is {answer.age:.0f} s old: settled with what was made"
        )
        step.settle(order)


def _decide_forgiveness(
    step: Step, order: OrderProgress, answer: messages.ClaimAnswer
) -> OrderProgress:
    """What becomes of the pulses that were made before the power was lost, if it was."""
    if not order.undecided:
        return order
    pulses = order.made - order.lost_made
    # The cloud does not know yet what was forgiven of the orders that are not settled.
    here = sum(each.lost_made for each in step.state.order_book.unfinished.values())
    card = answer.card_forgiven_today or order.lost_made > 0
    if not forgives(step.rules, pulses, answer.forgiven_today + here, card):
        why = "its card was forgiven today already" if card else "that is enough for a day"
        step.report(
            "warning",
            f"order {order.order_id}: the {pulses} pulses before the power was lost are charged: "
            f"{why}",
        )
        return _without_forgiveness(step, order)
    step.append(Entry(Kind.FORGIVEN, order.order_id, number=order.begun))
    step.report(
        "warning",
        f"order {order.order_id}: the {pulses} pulses before the power was lost are not charged",
    )
    return step.state.order_book.unfinished[order.order_id]


def _without_forgiveness(step: Step, order: OrderProgress) -> OrderProgress:
    """The order, of which what was made before the power was lost is charged."""
    if order.undecided:
        step.append(Entry(Kind.NOT_FORGIVEN, order.order_id, number=order.undecided))
    return step.state.order_book.unfinished[order.order_id]


def settle_answered(
    step: Step, order: OrderProgress, status: int, body: Mapping[str, object]
) -> None:
    note = _settle_note(step, order.order_id, status, body)
    step.append(Entry(Kind.SETTLED, order.order_id, note=note))


def late_settle_answered(
    step: Step, order_id: str, status: int, body: Mapping[str, object]
) -> None:
    _settle_note(step, order_id, status, body)
    step.state = replace(step.state, unreported=step.state.unreported - {order_id})


def _settle_note(step: Step, order_id: str, status: int, body: Mapping[str, object]) -> str:
    """What the journal notes of the answer to a settle: nothing, or why it was refused."""
    if status == 200:
        messages.settle_answer(body, order_id)
        return ""
    note = f"the cloud refused the settle (HTTP {status}): {_error(body)}"
    step.report("error", f"order {order_id}: {note}")
    return note


def call_failed(step: Step, call: Call, reason: str) -> None:
    """The cloud did not answer, or not with anything that can be used: the call is made again."""
    name, cloud = call.name, step.state.cloud
    if reason != cloud.problem:
        step.report("warning", reason)
    tries = cloud.retries[name].tries + 1 if name in cloud.retries else 0
    next_try = step.now + backoff(tries, step.jitter)
    retries = {**cloud.retries, name: Retry(tries, next_try)}
    heartbeat_at = cloud.heartbeat_at
    if isinstance(call, HeartbeatCall):
        heartbeat_at = next_try
    elif HeartbeatCall.name not in retries:
        # The heartbeat finds out when the cloud is back, also if nobody else asks.
        heartbeat_at = min(heartbeat_at, next_try)
    step.state = replace(
        step.state,
        cloud=replace(
            cloud,
            ready=False,
            problem=reason,
            under_way=_without(cloud.under_way, name),
            retries=retries,
            heartbeat_at=heartbeat_at,
        ),
    )


def _error(body: Mapping[str, object]) -> str:
    error = body.get("error")
    return error[:200] if isinstance(error, str) else "no reason given"


def _without(mapping: Mapping[str, Value], key: str) -> Mapping[str, Value]:
    return {name: value for name, value in mapping.items() if name != key}
