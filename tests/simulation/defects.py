"""Deliberate defects, to prove that the simulation can fail: each breaks the code in one way."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from cloud.adapters.stripe_gateway import StripeUnavailable
from cloud.core import orders
from cloud.core.money import part
from cloud.core.orders import Order, OrderState
from cloud.http import api
from cloud.http.api_gateway import Request, Response, json_response
from cloud.services import refunds, settlement, stripe_events, sweep
from cloud.stores import sqlite
from cloud.stores.base import WriteResult
from kiosk import engine
from kiosk.core import order_book
from kiosk.core.cabinet import answers, claims, handlers
from kiosk.core.cabinet.step import Step
from kiosk.core.effects import Acknowledge, Append, Call, Effect, Pulse, SettleCall
from kiosk.core.entries import Entry, Kind
from kiosk.core.order_book import OrderBook
from kiosk.journal.store import Journal

Plant = Callable[[pytest.MonkeyPatch], None]
DEFECTS: dict[str, Plant] = {}
OFTEN: dict[str, tuple[str, ...]] = {}


def defect(name: str, *often: str) -> Callable[[Plant], Plant]:
    """Gives a defect its name, and the faults that strike ten times as often while it is looked
    for: those without which it shows nothing, and that are rare."""

    def keep(plant: Plant) -> Plant:
        DEFECTS[name] = plant
        OFTEN[name] = often
        return plant

    return keep


@defect("a message is acknowledged before the journal holds it")
def _acknowledge_first(monkeypatch: pytest.MonkeyPatch) -> None:
    do = engine.Engine._perform

    def hasty(self: engine.Engine, effects: Sequence[Effect]) -> None:
        first = [e for e in effects if isinstance(e, Acknowledge)]
        do(self, [*first, *(e for e in effects if e not in first)])

    monkeypatch.setattr(engine.Engine, "_perform", hasty)


@defect("a hint makes pulses without a claim")
def _pulse_without_claim(monkeypatch: pytest.MonkeyPatch) -> None:
    begin_claim = claims.begin_claim

    def trusting(step: Step, order_id: str) -> None:
        new = not step.state.order_book.knows(order_id)
        begin_claim(step, order_id)
        if new and order_id in step.state.order_book.unfinished:
            step.append(Entry(Kind.CLAIMED, order_id, credits=1, pulses=1))
            step.state = replace(step.state, confirmed=step.state.confirmed | {order_id})

    monkeypatch.setattr(claims, "begin_claim", trusting)


@defect("the relay closes before its entry is written")
def _pulse_before_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    do = engine.Engine._perform

    def hasty(self: engine.Engine, effects: Sequence[Effect]) -> None:
        pulses = [e for e in effects if isinstance(e, Pulse)]
        lines = [e for e in effects if isinstance(e, Append)]
        if pulses:
            rest = [e for e in effects if e not in pulses and e not in lines]
            do(self, [*pulses, *lines, *rest])
        else:
            do(self, effects)

    monkeypatch.setattr(engine.Engine, "_perform", hasty)


@defect("a power cut is taken for a crash of the process alone")
def _power_is_eternal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Journal, "_boot_has_changed", lambda _self, _db: False)


@defect("an order that a lost journal held is never settled", "journal lost")
def _lost_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    # The hold would run out after days, so the ledger finds an end; but not this cabinet.
    monkeypatch.setattr(answers, "settle_lost_order", lambda _step, _order: None)


@defect("a refund carries no idempotency key and looks at nothing")
def _no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = itertools.count()

    def blind(self: settlement.Settlement, order: Order, due: int, key: str) -> int:
        give_back = order.amount - due
        if give_back:
            self._stripe.refund(order.intent_id, give_back, f"{key}:{next(numbers)}")
        return due

    monkeypatch.setattr(settlement.Settlement, "_refund", blind)


@defect(
    "the ledger replaces an order without its condition",
    "two Lambdas at once",
    "claim at the deadline",
)
def _no_condition(monkeypatch: pytest.MonkeyPatch) -> None:
    strict = sqlite.SqliteLedger.replace

    def lax(self: sqlite.SqliteLedger, old: Any, new: Any) -> WriteResult:
        stored = self.order(old.order_id) if isinstance(old, Order) else None
        first = stored is not None and stored.write_id != new.write_id
        return strict(self, stored if stored and first else old, new)

    monkeypatch.setattr(sqlite.SqliteLedger, "replace", lax)


@defect("a restart forgets the pulse that was under way, and makes it again")
def _repeat_a_pulse(monkeypatch: pytest.MonkeyPatch) -> None:
    fold = order_book.fold

    def forgetful(entries: Any) -> OrderBook:
        book = fold(entries)
        orders = {name: replace(o, begun=o.made) for name, o in book.unfinished.items()}
        return replace(book, unfinished=orders)

    monkeypatch.setattr(order_book, "fold", forgetful)


@defect("a settle that got no answer is never sent again", "request lost")
def _settle_once(monkeypatch: pytest.MonkeyPatch) -> None:
    call_failed = answers.call_failed

    def careless(step: Step, call: Call, reason: str) -> None:
        call_failed(step, call, reason)
        state = step.state
        if not isinstance(call, SettleCall) or not state.journal.ready:
            return
        if call.order_id in state.order_book.unfinished:
            step.append(Entry(Kind.SETTLED, call.order_id))

    monkeypatch.setattr(answers, "call_failed", careless)
    # What the cloud lists as claimed would mend it.
    monkeypatch.setattr(answers, "settle_again", lambda _step, _order: None)


@defect("every webhook is answered with 200, also if nothing was stored")
def _always_200(monkeypatch: pytest.MonkeyPatch) -> None:
    take = api.Api._webhook

    def polite(self: api.Api, request: Request) -> Response:
        try:
            return take(self, request)
        except Exception:  # noqa: BLE001 – that is the defect
            return json_response({"message": "thank you"})

    monkeypatch.setattr(api.Api, "_webhook", polite)


@defect("an event that comes again makes its order again")
def _insert_again(monkeypatch: pytest.MonkeyPatch) -> None:
    paid = stripe_events.StripeEvents._paid
    insert = sqlite.SqliteLedger.insert

    def forgetful(self: stripe_events.StripeEvents, event: Any) -> str:
        known = self._ledger.order
        self._ledger.order = lambda order_id: None  # type: ignore[method-assign]
        try:
            return paid(self, event)
        finally:
            self._ledger.order = known  # type: ignore[method-assign]

    def overwrite(self: sqlite.SqliteLedger, item: Any) -> WriteResult:
        stored = self.order(item.order_id) if isinstance(item, Order) else None
        first = stored is not None and stored.write_id != item.write_id
        return self.replace(stored, item) if stored and first else insert(self, item)

    monkeypatch.setattr(stripe_events.StripeEvents, "_paid", forgetful)
    monkeypatch.setattr(sqlite.SqliteLedger, "insert", overwrite)


@defect("the whole amount is charged, however few pulses were made")
def _charge_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        orders,
        "amount_due",
        lambda order: 0 if order.state.value.startswith("releas") else order.amount,
    )


@defect("an ambiguous pulse is charged")
def _charge_ambiguous(monkeypatch: pytest.MonkeyPatch) -> None:
    settle = Step.settle

    def greedy(self: Step, order: Any) -> None:
        self.rules = replace(self.rules, charge_ambiguous=True)
        settle(self, order)

    monkeypatch.setattr(Step, "settle", greedy)


@defect("the sweep does not finish what a crash left")
def _lazy_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    look = sweep.Sweep._order

    def lazy(self: sweep.Sweep, order: Order) -> str:
        if order.state in (OrderState.SETTLING, OrderState.RELEASING):
            return ""
        return look(self, order)

    monkeypatch.setattr(sweep.Sweep, "_order", lazy)


@defect("an order is called settled although Stripe did not answer")
def _settled_on_trust(monkeypatch: pytest.MonkeyPatch) -> None:
    charge = settlement.Settlement._charge

    def hopeful(self: settlement.Settlement, order: Order, due: int) -> int:
        try:
            return charge(self, order, due)
        except StripeUnavailable:
            return due

    monkeypatch.setattr(settlement.Settlement, "_charge", hopeful)


@defect("a restart goes on without asking the cloud how old the order is")
def _resume_blindly(monkeypatch: pytest.MonkeyPatch) -> None:
    journal_opened = handlers.journal_opened

    def confident(step: Step, event: Any) -> None:
        journal_opened(step, event)
        confirmed = frozenset(step.state.order_book.unfinished)
        step.state = replace(step.state, confirmed=confirmed)

    monkeypatch.setattr(handlers, "journal_opened", confident)


@defect("an entry that could not be written is taken for written")
def _ignore_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    append = engine.Engine._append

    def careless(self: engine.Engine, entries: Any, undone: Any) -> bool:
        before = len(self._pending)
        if not append(self, entries, undone):
            while len(self._pending) > before:
                self._pending.pop()
        return True

    monkeypatch.setattr(engine.Engine, "_append", careless)


@defect("a refund made in the dashboard is not recorded")
def _refund_unseen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refunds.RefundsAndDisputes, "record", lambda _self, _order: False)


@defect("a hold that somebody captured in the dashboard stays charged")
def _capture_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settlement.Settlement, "_refund", lambda _self, _order, due, _key: due)


@defect("pulses that the game forgot with the power are charged")
def _charge_forgiven(monkeypatch: pytest.MonkeyPatch) -> None:
    apply = order_book.apply

    def forgetful(book: OrderBook, entry: Entry) -> OrderBook:
        return book if entry.kind is Kind.FORGIVEN else apply(book, entry)

    monkeypatch.setattr(order_book, "apply", forgetful)


@defect("a release leaves the hold with the bank")
def _keep_the_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    charge = settlement.Settlement._charge

    def lazy(self: settlement.Settlement, order: Order, due: int) -> int:
        return 0 if order.state is OrderState.RELEASING else charge(self, order, due)

    monkeypatch.setattr(settlement.Settlement, "_charge", lazy)


@defect("a part of the amount is rounded up")
def _round_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def dearer(amount: int, pulsed: int, pulses: int, currency: str) -> int:
        exact = bool(amount * pulsed % pulses == 0)
        return part(amount, pulsed, pulses, currency) + (not exact)

    monkeypatch.setattr(orders, "part", dearer)
