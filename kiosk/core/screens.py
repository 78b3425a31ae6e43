"""Which screen the cabinet's state is shown as.

The first that applies:

1. OUT_OF_ORDER  the journal or the relay does not work: no money can be taken
2. CREDITING     coins are dropping
3. PAYING        a payment is being made, or its order is being claimed
4. DECLINED      a payment failed, or went back, a moment ago
5. PLAYING       the game still owes the player credits
6. GAME_OVER     the last of them ended a moment ago
7. READY         a payment could succeed now
8. STARTING      the kiosk has just started, and was never ready yet
9. OFFLINE       something that a payment needs is away; coins still work
"""

from __future__ import annotations

from kiosk.core.cabinet import Rules, State
from kiosk.core.till import Stage
from kiosk.core.view import Screen, View


def view(state: State, now: float, rules: Rules) -> View:
    """What the screen is to show at ``now``."""
    screen, coin, coins, message = _screen(state, now, rules)
    sells = state.can_sell and screen not in (Screen.CREDITING, Screen.PAYING)
    return View(
        screen=screen,
        offer=state.offer if sells else None,
        coin=coin,
        coins=coins,
        credits_left=state.book.credits_left,
        message=message,
        notes=state.problems if screen is not Screen.STARTING else (),
    )


def _screen(state: State, now: float, rules: Rules) -> tuple[Screen, int, int, str]:
    if state.journal_problem or state.relay_problem:
        return Screen.OUT_OF_ORDER, 0, 0, ""
    jobs = state.book.jobs.values()
    pulsing = [job for job in jobs if job.stage is Stage.PULSING and job.begun]
    if pulsing:
        return Screen.CREDITING, pulsing[0].begun, pulsing[0].pulses, ""
    if any(job.stage is not Stage.SETTLING for job in jobs):
        return Screen.PAYING, 0, 0, ""
    news = state.news
    if news and news.status == "processing":
        return Screen.PAYING, 0, 0, ""
    if news:
        return Screen.DECLINED, 0, 0, _sentence(news.status, news.reason)
    if state.book.credits_left:
        return Screen.PLAYING, 0, 0, ""
    if now < state.game_over_until:
        return Screen.GAME_OVER, 0, 0, ""
    if state.can_sell:
        return Screen.READY, 0, 0, ""
    if not state.was_ready and now < state.started_at + rules.starting_s:
        return Screen.STARTING, 0, 0, ""
    return Screen.OFFLINE, 0, 0, ""


def _sentence(status: str, reason: str) -> str:
    if status == "released":
        return "Your payment was given back."
    return reason or "The card was declined."
