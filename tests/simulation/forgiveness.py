"""What is given for nothing after a power cut: within its limits, and known to the operator."""

from __future__ import annotations

from dataclasses import dataclass

from kiosk.core.entries import Entry, Kind
from tests.simulation.cabinetside import Cabinet
from tests.simulation.cloudside import DAY, EPOCH, CloudSide
from tests.simulation.invariants import hold

PER_DAY = 12  # pulses at one cabinet, as a cabinet's config has it by default
KNOWN_S = 600.0  # by then the cloud knows, and every answer of before has arrived


@dataclass(frozen=True)
class _Forgiven:
    at: float
    machine_id: str
    order_id: str
    card: str
    pulses: int


class ForgivenessLimits:
    """Reckons from the journals' lines alone."""

    def __init__(self, cloud: CloudSide) -> None:
        self._cloud = cloud
        self._all: list[_Forgiven] = []

    def at_a_line(self, cabinet: Cabinet, entry: Entry, now: float) -> None:
        """Checked as the journal gets a line."""
        payment = self._cloud.stripe.payments.get(entry.order_id)
        if entry.kind is not Kind.FORGIVEN or payment is None:
            return  # no payment: an operator's free credits, of which nobody owes anything
        name, order_id = "forgiveness has its limits", entry.order_id
        lines = cabinet.lines_of[order_id]
        before = next((i for i, e in enumerate(lines[:-1][::-1]) if e.kind is Kind.FORGIVEN), None)
        since = lines if before is None else lines[len(lines) - 1 - before :]
        pulses = sum(e.kind is Kind.PULSE_OVER for e in since)
        card = payment.fingerprint
        recent = [f for f in self._all if now - f.at < DAY and f.at > self._cloud.restored_at]
        here = [f for f in recent if f.machine_id == cabinet.machine_id]
        lost = cabinet.lost  # with the journal a cabinet forgets what is not settled yet
        total = pulses + sum(f.pulses for f in here if f.order_id not in lost)
        hold(
            name,
            total <= PER_DAY,
            f"{cabinet.machine_id} has forgiven {total} pulses within a day",
        )
        for other in recent:
            is_known = other.order_id == order_id or now - other.at > KNOWN_S
            settled = self._cloud.ledger.inner.order(other.order_id)
            if other.order_id != order_id and not (settled and settled.forgiven):
                is_known = False  # its settle has not arrived
            hold(
                name,
                other.card != card or not is_known or not pulses or not other.pulses,
                f"{card} is forgiven {pulses} pulses of {order_id}, and was forgiven "
                f"{other.pulses} of {other.order_id} {now - other.at:.0f} s ago",
            )
        self._all.append(_Forgiven(now, cabinet.machine_id, order_id, card, pulses))

    def at_the_end(self, cabinets: list[Cabinet]) -> None:
        """Checked once everything is healed: what was free was told, and not late."""
        ledger = self._cloud.ledger.inner
        told = {i.incident_id: i.at_ms / 1000 - EPOCH for i in ledger.lagging_incidents()}
        for cabinet in cabinets:
            for order_id in cabinet.lines_of:
                order = ledger.order(order_id)
                lost = order_id in self._cloud.lost or order_id in cabinet.lost
                if order is None or order.free or lost:
                    continue
                at = cabinet.written_at.get((order_id, Kind.FORGIVEN))
                if order.forgiven and at is not None:
                    told_at = told.get(f"{order_id}:forgiven")
                    hold(
                        "what was given for nothing is told the same day",
                        told_at is not None and told_at - at < DAY,
                        f"{order.forgiven} pulses of {order_id} were forgiven at {at:.0f} s, told "
                        f"at {told_at} s",
                    )
                if order.ambiguous:
                    hold(
                        "an ambiguous pulse is told",
                        f"{order_id}:ambiguous" in told,
                        f"{order.ambiguous} pulses of {order_id} are ambiguous, and no incident "
                        "says so",
                    )
