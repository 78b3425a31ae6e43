"""What the cloud counts, in CloudWatch's embedded metric format: a log line that is a metric too.

Source: AWS, "Specification: Embedded metric format" (CloudWatch's user guide). Without dimensions,
so that each name is one metric. An amount of money is in the currency's smallest unit, and the
metric's sample count is how often it happened: so one metric has both.
"""

from __future__ import annotations

from typing import Any

from cloud.core.money import part
from cloud.core.orders import Order, OrderState, amount_due

NAMESPACE = "arcade-kiosk"

# Names with CloudWatch's units. What comes with play, then what comes with trouble: CloudWatch
# bills a metric for the hours in which it has a value.
METRICS = {
    "paid": "None",
    "claimed": "None",
    "settled": "None",
    "released": "None",
    "forgiven": "None",
    "event_to_claim_ms": "Milliseconds",
    "claim_to_settle_ms": "Milliseconds",
    "failed": "None",
    "unfinished": "None",
    "silent": "Count",
    "refused": "Count",
}

# Incidents that say that an order was not finished in time, or a link not switched off, by the part
# of their id that says so.
_UNFINISHED = frozenset({"stuck", "unsettled", "unreadable", "link-stays-on"})


def document(at_ms: int, values: dict[str, int]) -> dict[str, Any]:
    """The members of a log line that make it the metrics ``values`` at ``at_ms``; none without."""
    if not values:
        return {}
    definitions = [{"Name": name, "Unit": METRICS[name]} for name in values]
    directive = {"Namespace": NAMESPACE, "Dimensions": [[]], "Metrics": definitions}
    return values | {"_aws": {"Timestamp": at_ms, "CloudWatchMetrics": [directive]}}


def of_order(before: Order | None, after: Order) -> dict[str, int]:
    """What a stored write of an order counts; each arrow once, however often it was asked for.

    ``settled`` is what was charged, ``released`` what went back, ``forgiven`` what was made and not
    charged after a power cut, ``failed`` what Stripe refused to move. ``event_to_claim_ms`` begins
    when the order was stored, since Stripe's events are dated to the second. An order that is
    rebuilt from Stripe's books was counted in the life of the ledger that was lost.
    """
    if after.rebuilt:
        return {}
    if before is None:
        return {"paid": after.amount} if after.state is OrderState.OPEN else {}
    if after.refusals > before.refusals:
        return {"failed": amount_due(after) or after.amount}
    match before.state, after.state:
        case OrderState.OPEN, OrderState.CLAIMED:
            waited = max(0, after.claimed_at_ms - _stored_at_ms(after))
            return {"claimed": after.amount, "event_to_claim_ms": waited}
        case OrderState.CLAIMED, OrderState.SETTLING:
            took = {"claim_to_settle_ms": max(0, after.changed_at_ms - after.claimed_at_ms)}
            if not after.forgiven:
                return took
            worth = part(after.amount, after.forgiven, after.pulses, after.currency)
            return took | {"forgiven": worth}
        case OrderState.SETTLING, OrderState.SETTLED:
            return {"settled": after.charged}
        case OrderState.RELEASING, OrderState.RELEASED:
            return {"released": after.amount - after.charged}
        case _:
            return {}


def of_incident(incident_id: str, amount: int) -> dict[str, int]:
    """What an incident counts that was stored for the first time."""
    kinds = incident_id.split(":")[1:]
    return {"unfinished": amount} if not _UNFINISHED.isdisjoint(kinds) else {}


def _stored_at_ms(order: Order) -> int:
    stored = (step.at_ms for step in order.history if step.what == "stored")
    return next(stored, order.paid_at_ms)
