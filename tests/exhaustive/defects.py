"""Which deliberate defects the exhaustive check can see, and with which faults it finds each.

Most are the simulation's (``tests.simulation.defects``); those that are here break the order's
arrows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from cloud.core import orders
from cloud.core.orders import ClaimRequest, Order, OrderState, Refused, Schedule, SettleRequest
from cloud.core.stamps import Stamp
from cloud.services.stripe_events import StripeEvents
from tests.exhaustive.model import Model
from tests.exhaustive.world import FAULTS, Draft
from tests.simulation.defects import Plant
from tests.simulation.wide_defects import ALL_DEFECTS

_claim, _settle = orders.claim, orders.settle


@dataclass(frozen=True)
class Planted:
    """A defect; ``faults`` is how many it takes at least, with ``held`` money or not."""

    name: str
    plant: Plant
    faults: tuple[str, ...] = ()
    held: bool = True


def _no_condition(monkeypatch: pytest.MonkeyPatch) -> None:
    def lax(model: Model, draft: Draft, index: int, old: int, new: int) -> int:
        draft.orders[index] = new
        return model._written

    monkeypatch.setattr(Model, "_replace", lax)


def _claim_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def generous(
        order: Order, request: ClaimRequest, stamp: Stamp, schedule: Schedule
    ) -> Order | Refused:
        if order.state is OrderState.CLAIMED and order.claim_id != request.claim_id:
            return replace(order, claim_id=request.claim_id, version=order.version + 1)
        return _claim(order, request, stamp, schedule)

    monkeypatch.setattr(orders, "claim", generous)


def _settle_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def anyones(order: Order, request: SettleRequest, stamp: Stamp) -> Order | Refused:
        return _settle(order, replace(request, pulsed=request.pulses), stamp)

    monkeypatch.setattr(orders, "settle", anyones)


def _known(name: str, *faults: str, held: bool = True) -> Planted:
    assert set(faults) <= set(FAULTS)
    return Planted(name, ALL_DEFECTS[name], faults, held)


def _blind_to_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    # Stripe was asked, and said that the money is there: but the answer is a moment old.
    monkeypatch.setattr(StripeEvents, "_was_cancelled", lambda _self, _order: False)


def _cancelled_makes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(StripeEvents, "_cancelled_first", lambda *_arguments: None)


PLANTED = (
    _known("a message is acknowledged before the journal holds it"),
    _known("a hint makes pulses without a claim"),
    _known("the relay closes before its entry is written"),
    Planted("the ledger replaces an order whatever is stored", _no_condition),
    Planted("a settle counts as all pulses", _settle_again, ("process killed",)),
    Planted("another claim id is granted", _claim_again, ("process killed", "journal lost")),
    _known("a restart forgets the pulse that was under way, and makes it again", "process killed"),
    _known("a restart goes on without asking the cloud how old the order is", "process killed"),
    _known("an ambiguous pulse is charged", "process killed"),
    _known("the whole amount is charged, however few pulses were made", "process killed"),
    _known("a settle that got no answer is never sent again", "request lost"),
    _known("the sweep does not finish what a crash left", "Lambda dies"),
    _known("an order is called settled although Stripe did not answer", "Stripe away"),
    _known("an entry that could not be written is taken for written", "journal fails"),
    _known("a refund carries no idempotency key and looks at nothing", "Lambda dies", held=False),
    _known("what was left with the broker is not asked for again", "journal fails"),
    _known("a gateway's own answer ends a settle", "gateway answers"),
    _known("a cabinet forgives as much as is asked", "power cut", "day's limit reached"),
    Planted(
        "what Stripe said is taken for so while the order is stored",
        _blind_to_cancelled,
        ("hold cancelled by hand",),
    ),
    Planted(
        "a hold that is cancelled before its order is forgotten",
        _cancelled_makes_nothing,
        ("hold cancelled by hand",),
    ),
    # A hold would run out, and end the order without its cabinet.
    _known(
        "an order that a lost journal held is never settled",
        "process killed",
        "journal lost",
        held=False,
    ),
)
