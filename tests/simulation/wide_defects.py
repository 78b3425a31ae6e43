"""Deliberate defects of the wider world: each brings back what once went wrong there.

What the simulation cannot see is held by tests of the real parts:

======================================================  =========================================
a game over counts twice after a 503 that was sent      tests/kiosk/core/test_old_news.py
"released" is shown for a moment only                   tests/kiosk/core/test_old_news.py
a relay that fails to open once stays closed            tests/kiosk/test_stuck_relay.py
the journal grows for ever, and a start checks it all   tests/kiosk/journal/test_archive.py
publishing from a Lambda that was frozen takes seconds  tests/cloud/adapters/test_mqtt_publisher.py
a code stays while the engine is stuck                  tests/kiosk/test_watchdog.py
the sweep takes longer than Lambda's limit              tests/cloud/services/test_sweep_time.py
a link's wish is stored after Stripe was asked          tests/cloud/services/test_payment_links.py
======================================================  =========================================
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cloud.adapters.stripe_gateway import StripeRefused
from cloud.cli import output, prices
from cloud.core import cabinets
from cloud.core.cabinets import PaymentLink
from cloud.core.orders import Order, SettleRequest
from cloud.core.payments import Intent
from cloud.http import api, requests
from cloud.services import claims, settlement, stripe_events, sweep
from cloud.services.forgiveness import ForgivenPulses
from cloud.services.payment_links import PaymentLinks
from cloud.services.refunds import RefundsAndDisputes
from cloud.stores.base import Ledger
from kiosk.core import screens
from kiosk.core.cabinet import answers, drive, handlers
from kiosk.core.cabinet.step import Step
from kiosk.core.effects import SettleCall
from kiosk.core.events import Answered
from kiosk.core.messages import Decision
from kiosk.core.view import Screen, View
from tests.simulation.defects import DEFECTS, Plant, defect

# Each of them, and the first ones.
ALL_DEFECTS: dict[str, Plant] = DEFECTS


# Money that leaks


@defect("the settle does not say what was forgiven")
def _silent_forgiveness(monkeypatch: pytest.MonkeyPatch) -> None:
    settle_call = drive.settle_call
    monkeypatch.setattr(
        drive,
        "settle_call",
        lambda machine_id, order: replace(settle_call(machine_id, order), forgiven=0, made=0),
    )


@defect(
    "a cabinet forgives as much as is asked",
    "plug pulled at the best moment",
    "power cut after a pulse",
)
def _no_daily_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "forgives", lambda *_: True)


@defect(
    "the same card is forgiven again and again",
    "plug pulled at the best moment",
    "power cut after a pulse",
)
def _any_card(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ForgivenPulses, "card_was_forgiven", lambda _self, _card: False)


@defect(
    "what was captured before the ledger was restored goes back", "operator restores the ledger"
)
def _refund_what_was_earned(monkeypatch: pytest.MonkeyPatch) -> None:
    def release(self: stripe_events.StripeEvents, order: Order) -> str:
        self._ledger.insert(order)
        self._releases().release(order, "its event never came")
        return "the order is stored and released"

    monkeypatch.setattr(stripe_events.StripeEvents, "_rebuild", release)
    monkeypatch.setattr(Intent, "settled", property(lambda _self: False))


@defect("a gateway's own answer ends a settle", "gateway answers by itself")
def _believe_the_gateway(monkeypatch: pytest.MonkeyPatch) -> None:
    answered = answers.call_answered

    def trusting(step: Step, event: Answered) -> None:
        if isinstance(event.call, SettleCall) and 400 <= event.status < 500:
            event = replace(event, body={**event.body, "code": next(iter(Decision)).value})
        answered(step, event)

    monkeypatch.setattr(answers, "call_answered", trusting)
    monkeypatch.setattr(answers, "settle_again", lambda _step, _order: None)


@defect("a price list sells more credits than a cabinet takes", "operator types 5=1200")
def _no_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prices, "_raise_mistakes", lambda _found: None)
    monkeypatch.setattr("cloud.core.orders.MOST_CREDITS", 1_000_000)


@defect("claims and settles that contradict the ledger are told to nobody", "thief with a token")
def _silent_contradictions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        claims.Claims, "_refused", lambda _self, _order, _call, refused, _told="": refused
    )


@defect("a heartbeat's answer shows the claim ids", "thief with a token")
def _show_claim_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    claimed = api._claimed_order

    def open_hearted(order: Order, now: float) -> dict[str, Any]:
        return claimed(order, now) | {"claim_id": order.claim_id}

    monkeypatch.setattr(api, "_claimed_order", open_hearted)


@defect("a capture that Stripe refuses is told to nobody")
def _silent_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settlement.Settlement, "_refused", lambda _self, order, _due, _error: order)
    monkeypatch.setattr(sweep.Sweep, "_report_stuck", lambda _self, _order: None)


@defect("a dispute is told to nobody", "bank disputes")
def _silent_dispute(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RefundsAndDisputes, "_report_dispute", lambda _self, _order: None)


@defect(
    "switching a link off leaves its checkout pages open",
    "tab left open",
    "operator raises the price",
)
def _old_tabs_sell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PaymentLinks, "_expire_sessions", lambda _self, _link: False)


@defect(
    "a hold that was cancelled in the dashboard can be claimed",
    "dashboard cancels at once",
    "message lost",
    "message late",
)
def _claim_what_is_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stripe_events.StripeEvents, "_cancelled", lambda _self, _event: "seen")


# Stuck, deaf, blind


@defect(
    "what was left with the broker is not asked for again",
    "disk stays full",
    "payments begun and left",
)
def _deaf(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handlers, "_hear_what_was_left", lambda _step: None)


@defect(
    "a link of another Stripe account is asked about for ever",
    "operator changes the Stripe account",
)
def _insist_on_the_old_account(monkeypatch: pytest.MonkeyPatch) -> None:
    def insist(_self: PaymentLinks, link: PaymentLink) -> PaymentLink:
        raise StripeRefused(f"No such payment link: {link.link_id}", "resource_missing", 404)

    monkeypatch.setattr(PaymentLinks, "_not_known", insist)


@defect("a link keeps the receipt's address that it was made with", "operator changes PUBLIC_URL")
def _old_receipts(monkeypatch: pytest.MonkeyPatch) -> None:
    made_with = PaymentLinks._made_with

    def forgetful(self: PaymentLinks, cabinet: cabinets.Cabinet) -> str:
        receipt, self._receipt = self._receipt, ""
        try:
            return made_with(self, cabinet)
        finally:
            self._receipt = receipt

    monkeypatch.setattr(PaymentLinks, "_made_with", forgetful)


@defect("nobody looks whether Stripe still has a link on", "dashboard switches a link off")
def _never_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PaymentLinks, "_looked_at", lambda _self, link: link)


@defect("the sweep ends at an error that nobody expects", "Stripe answers nonsense")
def _fragile_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    def fragile(self: sweep.Sweep, order_id: str) -> str:
        order = self._ledger.order(order_id)
        return self._order(order) if order else ""

    monkeypatch.setattr(sweep.Sweep, "_sweep_order", fragile)


@defect(
    "an order that fails stays in front of the others, and nobody is told",
    "Stripe answers nonsense",
)
def _unfair_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep.Sweep, "_put_behind", lambda _self, _order_id: None)


@defect("a payment's status is news however old it is", "event of three days ago")
def _old_news(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stripe_events, "NEWS_MS", 30 * 86_400_000)
    monkeypatch.setattr(handlers, "_is_no_news", lambda _step, _message: False)


@defect(
    "an order that waits for the cloud is shown as under way for ever",
    "power cut in a pulse",
    "network away",
)
def _paying_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    view = screens.view

    def patient(state: Any, now: float, rules: Any) -> View:
        return view(state, now, replace(rules, waiting_s=86_400.0))

    monkeypatch.setattr(screens, "view", patient)


@defect("somebody else's payment hides the code")
def _hide_the_code(monkeypatch: pytest.MonkeyPatch) -> None:
    view = screens.view

    def shy(state: Any, now: float, rules: Any) -> View:
        shown = view(state, now, rules)
        return replace(shown, offer=None) if shown.screen is Screen.PAYING else shown

    monkeypatch.setattr(screens, "view", shy)


@defect("a link keeps the name that it was made with", "operator renames")
def _old_name(monkeypatch: pytest.MonkeyPatch) -> None:
    made_with = PaymentLinks._made_with
    monkeypatch.setattr(
        PaymentLinks, "_made_with", lambda self, cabinet: made_with(self, replace(cabinet, name=""))
    )


@defect("a cabinet that has gone silent is no problem", "power cut before a call")
def _silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cabinets, "silent", lambda _presence, _now_ms, _silence_ms: False)


@defect("an ambiguous pulse is told to nobody")
def _silent_ambiguity(monkeypatch: pytest.MonkeyPatch) -> None:
    note = claims.Claims._note_what_is_free

    def forgetful(self: claims.Claims, order: Order, request: SettleRequest) -> None:
        note(self, order, replace(request, ambiguous=0))

    monkeypatch.setattr(claims.Claims, "_note_what_is_free", forgetful)


# Strangers


@defect("a cabinet's words are printed as they came")
def _print_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (requests, output):
        monkeypatch.setattr(module, "one_line", lambda text, _most=0: text)


@defect("a cabinet's token is good for every cabinet", "thief with a token")
def _any_token(monkeypatch: pytest.MonkeyPatch) -> None:
    def trusting(ledger: Ledger, _header: str, machine_id: str) -> cabinets.Cabinet:
        cabinet = ledger.cabinet(machine_id)
        assert cabinet is not None
        return cabinet

    monkeypatch.setattr(api, "authenticate", trusting)
