"""What Stripe, the ledger and a cabinet's journal say of the same order, compared.

Each comparison is a pure function that returns what does not agree, in words for an operator.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum

from cloud.core.orders import FINISHED, Order, OrderState
from cloud.core.payments import Intent, Payment, settled_charge


class Repair(Enum):
    """What has one right answer, and may be done without a person."""

    NONE = "none"
    STORE = "store the order, and give the money back"
    REBUILD = "store the order as it was settled"
    FINISH = "finish the order"
    CORRECT = "charge what the ledger says"
    RECORD = "record it"
    TELL = "tell the operator of it"


@dataclass(frozen=True)
class Finding:
    """One exception. ``amount`` is the money it is about, in the currency's smallest unit; ``todo``
    is for the operator, ``repair`` is what ``--fix`` does. ``held`` says that the money is reserved
    and nobody was charged."""

    order_id: str
    machine_id: str
    amount: int
    currency: str
    reason: str
    todo: str
    repair: Repair = Repair.NONE
    held: bool = False


def against_stripe(order: Order, intent: Intent) -> Finding | None:
    """A finished order beside its PaymentIntent; ``None`` if they agree."""

    def finding(amount: int, reason: str, todo: str, repair: Repair) -> Finding:
        return Finding(
            order.order_id, order.machine_id, amount, order.currency, reason, todo, repair
        )

    if order.state not in FINISHED:
        return None
    if not intent.over:
        return finding(
            intent.amount,
            f"the order is {order.state.value}, and the bank still holds the money",
            "--fix charges what the ledger says, and gives the rest back",
            Repair.CORRECT,
        )
    if intent.charged > order.charged:
        return finding(
            intent.charged - order.charged,
            "the player was charged more than the ledger says",
            "--fix gives the difference back",
            Repair.CORRECT,
        )
    back = order.charged - intent.charged
    if back and back != order.refunded:
        return finding(
            back,
            "money went back in Stripe's dashboard",
            "nothing: it is recorded, no pulse is taken back",
            Repair.RECORD,
        )
    if intent.disputed and not order.disputed:
        return finding(
            order.charged,
            "the player's bank disputes the charge",
            "answer the dispute in Stripe's dashboard; `kiosk ledger` has the pulses",
            Repair.RECORD,
        )
    return None


def not_stored(payment: Payment, intent: Intent | None, machine_id: str) -> Finding | None:
    """A payment that the ledger has no order for. ``intent`` is ``None`` while it is held."""

    def finding(amount: int, reason: str, todo: str, repair: Repair) -> Finding:
        return Finding(
            payment.session_id,
            machine_id,
            amount,
            payment.currency,
            reason,
            todo,
            repair,
            held=intent is None,
        )

    if intent and (intent.settled or payment.manual):
        given = f"{intent.pulsed} of {intent.pulses} pulses" if intent.pulses else "a settle"
        return finding(
            settled_charge(intent, payment.currency),
            f"the player was charged for {given}, and the ledger has no order: it has lost it, "
            "as after a restored backup",
            "--fix stores it as settled; no money moves",
            Repair.REBUILD,
        )
    if intent and not intent.charged:
        return None
    return finding(
        intent.charged if intent else payment.amount,
        "the player paid, and the ledger has no order: its event never came",
        "--fix stores it and gives the money back; then look at Stripe's webhooks",
        Repair.STORE,
    )


def beside_journal(finding: Finding, row: Mapping[str, str]) -> Finding:
    """A finding about an order that a row of its cabinet's ``kiosk ledger --csv`` is about, too:
    what its machine gave is not given back.

    An order that is not settled is still reported by its cabinet. One that is settled is not, and
    if its money is only held, no settle has reached Stripe: the hold goes back.
    """
    is_reported = row["state"] not in ("claiming", "refused", "settled")
    is_earned = row["state"] == "settled" and int(row["charged"]) and not finding.held
    if finding.repair is not Repair.STORE or not (is_reported or is_earned):
        return finding
    return replace(
        finding,
        reason="the player paid, the ledger has no order, and the cabinet's journal has it: the "
        "ledger has lost it, as after a restored backup",
        todo="start the cabinet: it reports the order, which is stored and charged then"
        if is_reported
        else f"{row['charged']} pulses are to be charged: give the rest back in Stripe's dashboard",
        repair=Repair.NONE,
    )


def of_unknown_link(payment: Payment, machine_id: str) -> Finding:
    """A payment that names a cabinet of this ledger, over a link that is not in it."""
    given = f", for {payment.pulsed} of {payment.pulses} pulses" if payment.pulses else ""
    return Finding(
        payment.session_id,
        machine_id,
        payment.amount,
        payment.currency,
        f"a payment names this cabinet{given}, but its link is not in this ledger: the link was "
        "lost with it, as after a restored backup, or is another installation's on this account",
        "--fix puts it into `problems`; if no other installation uses the account, give back in "
        "Stripe's dashboard what the machine did not give",
        Repair.TELL,
    )


def unknown_to_stripe(order: Order, reason: str) -> Finding:
    """An order whose PaymentIntent Stripe does not show."""
    return Finding(
        order.order_id,
        order.machine_id,
        order.amount,
        order.currency,
        f"Stripe does not know its payment: {reason}",
        "check that the cloud's Stripe key is of the account that took the payment",
    )


def unfinished(order: Order, now_ms: int, patience_ms: int) -> Finding | None:
    """An order that should have come to its end ``patience_ms`` ago."""
    changed_at_ms = max(order.paid_at_ms, order.changed_at_ms)
    if order.state in FINISHED or now_ms - changed_at_ms <= patience_ms:
        return None
    claimed = order.state is OrderState.CLAIMED
    return Finding(
        order.order_id,
        order.machine_id,
        order.amount,
        order.currency,
        f"the order is {order.state.value} since {(now_ms - order.changed_at_ms) / 1000:.0f} s",
        "repair the cabinet: it settles the order as soon as it is back"
        if claimed
        else "--fix finishes it; then look why the sweep does not run",
        Repair.NONE if claimed else Repair.FINISH,
    )


def against_journal(order: Order | None, row: Mapping[str, str], machine_id: str) -> Finding | None:
    """A row of ``kiosk ledger --csv`` beside the order in the ledger."""
    order_id, state = row["order"], row["state"]

    def finding(reason: str, todo: str) -> Finding:
        return Finding(
            order_id,
            machine_id,
            order.amount if order else 0,
            order.currency if order else "",
            reason,
            todo,
        )

    if order is None or order.machine_id != machine_id:
        return finding(
            "the journal has an order of this cabinet that the ledger does not know",
            "after a restored backup it is one that was lost, and whose money is gone or in "
            "another finding; else find out whether the cabinet belongs to another cloud",
        )
    if state == "refused":
        return None
    if state != "settled":
        if order.state in FINISHED:
            return finding(
                f"the journal says {state}, the ledger {order.state.value}",
                "start the cabinet: it asks the cloud and comes to its end",
            )
        return None
    charged = int(row["charged"])
    if order.rebuilt and not order.pulses:
        return None  # nobody but the journal knows the pulses
    known = order.pulsed if order.state is not OrderState.RELEASED else order.given_away
    if charged != known:
        return finding(
            f"the journal has {charged} pulses to charge, the ledger {known}",
            "compare both with the game's own counter; refund in Stripe's dashboard if need be",
        )
    forgiven = row.get("forgiven") or "0"
    if forgiven.isdecimal() and order.made and int(forgiven) != order.forgiven:
        return finding(
            f"the journal has {forgiven} pulses forgiven, the ledger {order.forgiven}",
            "compare both with the game's own counter",
        )
    return None
