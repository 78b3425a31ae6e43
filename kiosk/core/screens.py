"""Which screen the cabinet's state is shown as.

The first that applies:

1. OUT_OF_ORDER  the journal or the relay does not work: no money can be taken
2. CREDITING     coins are dropping
3. PAYING        a payment is being made, or its order is being claimed
4. MAINTENANCE   the operator works on the cabinet
5. DECLINED      a payment failed, or went back, a moment ago
6. PLAYING       the game still owes the player credits
7. GAME_OVER     the last of them ended a moment ago
8. FREE_PLAY     the operator lets everybody play for nothing
9. READY         a payment could succeed now
10. STARTING     the kiosk has just started, and was never ready yet
11. OFFLINE      something that a payment needs is away; coins still work
"""

from __future__ import annotations

from kiosk.core.cabinet.rules import Mode, Rules, State
from kiosk.core.order_book import Job, Stage
from kiosk.core.view import Note, Screen, View


def view(state: State, now: float, rules: Rules) -> View:
    """What the screen is to show at ``now``."""
    screen = _screen(state, now, rules)
    sells = state.can_sell(rules) and screen not in (
        Screen.CREDITING,
        Screen.PAYING,
        Screen.MAINTENANCE,
    )
    job = _pulsing(state) if screen is Screen.CREDITING else None
    return View(
        screen=screen,
        offer=state.offer if sells else None,
        coin=job.begun if job else 0,
        coins=job.pulses if job else 0,
        closed=job is not None and state.pulsing is not None,
        credits_left=state.book.credits_left,
        reason=state.news.reason if state.news and screen is Screen.DECLINED else None,
        notes=_notes(state, rules) if screen is not Screen.STARTING else (),
    )


def _screen(state: State, now: float, rules: Rules) -> Screen:
    if state.journal_problem or state.relay_problem:
        return Screen.OUT_OF_ORDER
    if _pulsing(state):
        return Screen.CREDITING
    news = state.news
    claiming = any(job.stage is not Stage.SETTLING for job in state.book.jobs.values())
    if claiming or (news and news.status == "processing"):
        return Screen.PAYING
    if rules.mode is Mode.MAINTENANCE:
        return Screen.MAINTENANCE
    if news:
        return Screen.DECLINED
    if state.book.credits_left:
        return Screen.PLAYING
    if now < state.game_over_until:
        return Screen.GAME_OVER
    if rules.mode is Mode.FREE_PLAY:
        return Screen.FREE_PLAY
    if state.can_sell(rules):
        return Screen.READY
    if not state.was_ready and now < state.started_at + rules.starting_s:
        return Screen.STARTING
    return Screen.OFFLINE


def _pulsing(state: State) -> Job | None:
    """The order whose coins drop."""
    jobs = state.book.jobs.values()
    return next((job for job in jobs if job.stage is Stage.PULSING and job.begun), None)


def _notes(state: State, rules: Rules) -> tuple[Note, ...]:
    if state.notes or rules.mode is not Mode.SELL or not state.cloud_ready:
        return state.notes
    if state.offer and not state.link_active:
        return (Note("E5", "the cloud has switched this cabinet's payment link off"),)
    return ()
