"""One order's life in sentences, as support reads it to a player on the phone."""

from __future__ import annotations

from dataclasses import dataclass

from cloud.core import money
from cloud.core.hand_refunds import of_request
from cloud.core.order_history import Step
from cloud.core.orders import FINISHED, Order, OrderState


@dataclass(frozen=True)
class Told:
    """One sentence, with when and ``where`` it was known: Stripe, cloud, broker or cabinet."""

    at_ms: int
    where: str
    sentence: str


def life(order: Order) -> list[Told]:
    """Everything that is known of an order, in the order in which it happened."""
    history = order.history or _from_fields(order)
    told: list[Told] = []
    for number, step in enumerate(history):
        told += _told(order, step, history[number - 1].at_ms if number else step.at_ms)
    return told


def outcome(order: Order) -> str:
    """Where the player's money is now."""
    whole = _text(order, order.amount)
    if order.free:
        return "The credits are free: there is no payment."
    if order.state not in FINISHED:
        return (
            f"{whole} is reserved at the player's bank and not charged yet."
            if order.held
            else f"{whole} was charged at once; what is not given goes back."
        )
    paid = max(0, order.charged - order.refunded)
    if order.disputed:
        return f"The player's bank disputes the charge of {_text(order, order.charged)}."
    if paid == 0:
        return "The player has paid nothing."
    return f"The player has paid {_text(order, paid)} of {whole}."


def _told(order: Order, step: Step, before_ms: int) -> list[Told]:
    whole = _text(order, order.amount)
    plays = "1 play" if order.credits == 1 else f"{order.credits} plays"

    def say(where: str, sentence: str) -> Told:
        return Told(step.at_ms, where, sentence)

    match step.what:
        case "paid":
            how = "reserved by the bank, not charged" if order.held else "charged at once"
            return [say("Stripe", f"the player paid {whole} ({how})")]
        case "granted":
            reason = f": {order.note}" if order.note else ""
            return [say("cloud", f"{order.by} gives {plays} for nothing{reason}")]
        case "stored":
            stored = say("cloud", f"the order is stored: {plays} at {order.machine_id}")
            if order.credits < 1 or step.at_ms >= order.deadline_ms:
                return [stored]
            seconds = (order.deadline_ms - step.at_ms) / 1000
            # Whether the broker took it costs a write to keep: what follows tells it as well.
            hint = (
                "the hint is sent to the cabinet, and again each minute until the claim; "
                f"{seconds:.0f} s are left for that"
            )
            return [stored, say("broker", hint)]
        case "claimed":
            after = (step.at_ms - before_ms) / 1000
            return [say("cabinet", f"claims the order, {after:.1f} s later")]
        case "unsettled":
            return [say("cloud", "no report came from the cabinet: the operator is told")]
        case "settling":
            return [say("cabinet", f"reports {order.pulsed} of {order.pulses} pulses to charge")]
        case "settled":
            if order.free:
                return [say("cloud", "nothing is charged: the credits were free")]
            return [say("Stripe", _settled(order))]
        case "releasing" if order.free:
            return [say("cloud", f"takes the free credits back: {order.reason}")]
        case "releasing":
            why = order.reason or "no reason is kept"
            if order.by:
                why = f"{order.by} asked for it" + (f" ({order.note})" if order.note else "")
            return [say("cloud", f"gives the money back: {why}")]
        case "released" if order.free:
            return [say("cloud", "nobody got the free credits")]
        case "released":
            back = f"the {'reservation' if order.held else 'charge'} of {whole} is given back"
            if order.charged:
                back = f"{_text(order, order.charged)} of {whole} could not be given back"
            return [say("Stripe", back)]
        case "given away":
            return [
                say("cabinet", f"reports {step.detail} pulses after the money went back: a gift")
            ]
        case "refunded":
            back = _text(order, int(step.detail)) if step.detail.isdecimal() else "money"
            return [say("Stripe", f"by hand or by the bank, {back} in all has gone back")]
        case "refunded by hand":
            refund = of_request(order.refunds, step.detail)
            if refund is None:
                return [say("Stripe", "money was refunded by hand")]
            back = _text(order, refund.amount)
            return [say("Stripe", f"{back} is refunded for {refund.by}: {refund.reason}")]
        case "refund refused":
            return [say("Stripe", f"a refund by hand is not made: {step.detail}")]
        case "disputed":
            return [say("Stripe", "the player's bank disputes the charge")]
        case _:
            return [say("cloud", f"{step.what} {step.detail}".rstrip())]


def _settled(order: Order) -> str:
    if order.charged == 0:
        return f"nothing is charged, all of {_text(order, order.amount)} is given back"
    charged = f"{_text(order, order.charged)} is charged"
    rest = order.amount - order.charged
    return f"{charged}, {_text(order, rest)} is given back" if rest > 0 else charged


def _from_fields(order: Order) -> tuple[Step, ...]:
    """What an order that was stored before steps were kept still tells."""
    steps = [Step(order.paid_at_ms, "paid")]
    if order.claimed_at_ms:
        steps.append(Step(order.claimed_at_ms, "claimed"))
    if order.state not in (OrderState.OPEN, OrderState.CLAIMED):
        steps.append(Step(order.changed_at_ms, order.state.value))
    return tuple(steps)


def _text(order: Order, amount: int) -> str:
    return money.text(amount, order.currency)
