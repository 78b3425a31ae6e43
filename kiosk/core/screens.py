"""Which screen the cabinet's state is shown as.

The first that applies:

1. OUT_OF_ORDER  the journal or the relay does not work: no money can be taken
2. CREDITING     coins are dropping
3. PAYING        a payment is being made, or its order is being claimed; both only for a while
                 without a word from the cloud. Whoever has a photo of the code can begin one and
                 leave it, so it keeps no other player from paying
4. MAINTENANCE   the operator works on the cabinet
5. DECLINED      a payment failed, or went back, a moment ago
6. PLAYING       the game still owes the player credits
7. GAME_OVER     the last of them ended a moment ago
8. FREE_PLAY     the operator lets everybody play for nothing
9. OFFLINE       an order has waited for the cloud for too long: its player is told so
10. READY        a payment could succeed now
11. STARTING     the kiosk has just started, and was never ready yet
12. OFFLINE      something that a payment needs is away; coins still work
"""

from __future__ import annotations

from kiosk.core.cabinet.rules import Mode, Rules
from kiosk.core.cabinet.state import State
from kiosk.core.effects import ClaimCall
from kiosk.core.order_book import OrderProgress, OrderStage
from kiosk.core.view import Alert, Screen, View


def view(state: State, now: float, rules: Rules) -> View:
    """What the screen is to show at ``now``."""
    screen = _screen(state, now, rules)
    waits = _waits_too_long(state, now, rules)
    # Where the cloud does not answer this order's claim, it would not answer the next one's.
    stuck = waits or _claim_failed(state, rules)
    sells = state.can_sell(rules) and not stuck and screen is not Screen.CREDITING
    order = _pulsing(state, now, rules) if screen is Screen.CREDITING else None
    failed = state.payment if screen is Screen.DECLINED else None
    return View(
        screen=screen,
        offer=state.link.offer if sells else None,
        coin=order.begun if order else 0,
        coins=order.pulses if order else 0,
        closed=order is not None and state.relay.pulsing is not None,
        credits_left=state.order_book.credits_left,
        payment_waits=waits and screen is Screen.OFFLINE,
        released=failed is not None and failed.status == "released",
        alerts=_alerts(state, rules) if screen is not Screen.STARTING else (),
    )


def _screen(state: State, now: float, rules: Rules) -> Screen:
    if state.journal.problem or state.relay.problem:
        return Screen.OUT_OF_ORDER
    if _pulsing(state, now, rules):
        return Screen.CREDITING
    if state.payment_is_processing or _claiming(state, now, rules):
        return Screen.PAYING
    if rules.mode is Mode.MAINTENANCE:
        return Screen.MAINTENANCE
    if state.payment:
        return Screen.DECLINED
    if state.order_book.credits_left:
        return Screen.PLAYING
    if now < state.game.game_over_until:
        return Screen.GAME_OVER
    if rules.mode is Mode.FREE_PLAY:
        return Screen.FREE_PLAY
    if _waits_too_long(state, now, rules):
        return Screen.OFFLINE
    if state.can_sell(rules):
        return Screen.READY
    if not state.was_ready and now < state.started_at + rules.starting_s:
        return Screen.STARTING
    return Screen.OFFLINE


def _waits_too_long(state: State, now: float, rules: Rules) -> bool:
    """Whether an order has waited for the cloud for longer than a screen may say "in a moment"."""
    return any(now >= since + rules.waiting_s for since in state.waiting_since.values())


def _claim_failed(state: State, rules: Rules) -> bool:
    """Whether a claim was not answered, and is to be made again."""
    return any(
        ClaimCall(rules.machine_id, order.order_id, order.claim_id).name in state.cloud.retries
        for order in state.order_book.unfinished.values()
    )


def _under_way(state: State, now: float, rules: Rules) -> list[OrderProgress]:
    """The orders that something happens to, or did a moment ago."""
    return [
        order
        for order in state.order_book.unfinished.values()
        if order.stage is not OrderStage.SETTLING
        and now < state.waiting_since.get(order.order_id, now) + rules.waiting_s
    ]


def _claiming(state: State, now: float, rules: Rules) -> bool:
    """Whether an order is being claimed, or is about to be pulsed."""
    return bool(_under_way(state, now, rules))


def _pulsing(state: State, now: float, rules: Rules) -> OrderProgress | None:
    """The order whose coins drop."""
    orders = _under_way(state, now, rules)
    return next((o for o in orders if o.stage is OrderStage.PULSING and o.begun), None)


def _alerts(state: State, rules: Rules) -> tuple[Alert, ...]:
    if state.alerts or rules.mode is not Mode.SELL or not state.cloud.ready:
        return state.alerts
    if not state.link.active and (state.link.offer or not state.link.stale):
        return (Alert("E5", "the cloud has switched this cabinet's payment link off"),)
    return ()
