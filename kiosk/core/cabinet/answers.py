"""What each answer of the cloud, or none, changes in the cabinet's state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import assert_never

from kiosk.core import messages
from kiosk.core.cabinet import claims
from kiosk.core.cabinet.rules import backoff, forgives
from kiosk.core.cabinet.state import (
    LinkState,
    Retry,
    without,
)
from kiosk.core.cabinet.step import Step
from kiosk.core.effects import (
    ArchiveJournal,
    Call,
    ClaimCall,
    HeartbeatCall,
    LinkCall,
    SettleCall,
)
from kiosk.core.entries import Entry, Kind
from kiosk.core.events import (
    Answered,
)
from kiosk.core.limits import LOST_AFTER_S
from kiosk.core.messages import BadMessage
from kiosk.core.order_book import OrderProgress, OrderStage


def call_answered(step: Step, event: Answered) -> None:
    """Only what the cloud itself decided is taken for an answer: success in the form of the
    contract, or an error with one of its own words. Everything else, such as a gateway's own 404,
    is trouble that passes, and the call is made again."""
    call, status, body = event.call, event.status, event.body
    disabled = isinstance(call, LinkCall) and messages.is_disabled(body)
    if status != 200 and messages.decision(body) is None and not disabled:
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
            under_way=without(cloud.under_way, call.name),
            retries=without(cloud.retries, call.name),
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
    """The link that the cabinet shows from now on; none while its operator has it disabled."""
    if messages.is_disabled(body):
        # Asked again when a heartbeat says that it is on, or the cloud that it has changed.
        link = replace(step.state.link, stale=False, active=False)
        step.state = replace(step.state, link=link)
        return
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
    if not link.active or link.offer is None or answer.link_url != link.offer.url:
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
            claims.note_payment(step, hint.payment_id)
            claims.begin_claim(step, hint.order_id)
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
            under_way=without(cloud.under_way, name),
            retries=retries,
            heartbeat_at=heartbeat_at,
        ),
    )


def _error(body: Mapping[str, object]) -> str:
    error = body.get("error")
    return error[:200] if isinstance(error, str) else "no reason given"
