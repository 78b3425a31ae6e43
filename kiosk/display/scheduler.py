"""Decides which composition is wanted, and draws it in slices while the last one is shown.

A view needs another composition if it differs from the last one in more than the live values, or
if it is another language's or picture's turn. While nothing happens, what a payment needs soon is
rendered ahead. Times are seconds since any origin that is the same for all calls.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from dataclasses import replace

import pygame

from kiosk.core.view import Alert, Screen, View
from kiosk.display import flight, transitions
from kiosk.display.animation import EPSILON
from kiosk.display.catalogue import Words
from kiosk.display.composer import Composer, Composition
from kiosk.display.look import Look
from kiosk.display.sprites import FRAME, ROLL_SECONDS, LiveValues

log = logging.getLogger(__name__)

_UNREADABLE = Alert(
    "E6", "the payment code cannot be read from this screen: take a larger size or less overscan"
)
_REST = transitions.FLIGHT_FRAMES * FRAME  # seconds after a new screen before work is done ahead


class Scheduler:
    """Draws compositions with ``composer``, two surfaces in turns."""

    def __init__(self, composer: Composer, look: Look) -> None:
        self._composer = composer
        self._look = look
        self._live = LiveValues()
        self._words: dict[str, Words] = {}
        self._shown: Composition | None = None
        self._requested_view: View | None = None
        self._requested: tuple[View, int, int] | None = None  # with its language and picture
        self._screen_since = 0.0
        self._turn_at = 0.0
        self._next: Composition | None = None
        self._slices: Iterator[None] | None = None
        self._spare: Composition | None = None
        self._ahead: Iterator[None] | None = None
        self._flight_frames: list[pygame.Surface] = []
        self._rehearsed: set[str] = set()

    @property
    def drawing(self) -> bool:
        """Whether a composition is being drawn."""
        return self._slices is not None

    def number_rolls(self, t: float) -> bool:
        """Whether the number on the screen is on its way to its next value at ``t``."""
        if self._look.reduced_motion or self._live.number_before == self._live.number:
            return False
        return int(t / FRAME + EPSILON) * FRAME - self._live.number_at < ROLL_SECONDS

    @property
    def turn_at(self) -> float:
        """When it is another language's or picture's turn."""
        return self._turn_at

    def wants(self, view: View, t: float) -> bool:
        """Whether :meth:`request` has anything to do."""
        return view is not self._requested_view or t >= self._turn_at

    def is_new(self, view: View) -> bool:
        """Whether ``view`` is another one than that of the last request."""
        return view is not self._requested_view

    def request(self, view: View, t: float) -> None:
        """Updates the live values; begins another composition if ``view`` needs one."""
        before = self._requested_view
        if before is None or view.screen is not before.screen:
            self._screen_since = t
        self._requested_view = view
        if self._shown is None or view.screen is self._shown.view.screen:
            self._update_live(view, t)
        language, picture = self._turns(view, t)
        static = replace(view, coin=0, closed=False)
        if view.screen is not Screen.PLAYING:
            static = replace(static, credits_left=0)
        request = (static, language, picture)
        if request == self._requested:
            current = self._next or self._shown
            if current and not current.is_substitute:
                current.view = view
            return
        self._requested = request
        self._begin(view, language, picture)

    def draw(self, budget: float | None) -> Composition | None:
        """Draws slices for ``budget`` seconds; returns the composition when it is finished."""
        assert self._slices is not None
        until = None if budget is None or self._shown is None else time.perf_counter() + budget
        for _ in self._slices:
            if until is not None and time.perf_counter() > until:
                return None
        assert self._next is not None
        assert self._requested is not None
        if self._next.unreadable:
            log.error("%s", _UNREADABLE.text)
            view = self._next.view
            screen = Screen.OFFLINE if view.screen is Screen.READY else view.screen
            view = replace(view, screen=screen, offer=None, alerts=(*view.alerts, _UNREADABLE))
            self._begin(view, self._requested[1], -1)
            self._next.is_substitute = True
            return self.draw(budget)
        self._slices = None
        return self._next

    def show(self, t: float) -> list[pygame.Surface]:
        """The finished composition is shown from now on.

        Returns the frames of the flight from the one before, if they are rendered.
        """
        assert self._next is not None
        self._shown, self._next, self._spare = self._next, None, self._shown
        # What changed while it was drawn changes now, so that it is seen.
        self._update_live(self._shown.view, t)
        frames, self._flight_frames = self._flight_frames, []
        self._ahead = self._work_ahead(self._shown)
        return frames

    def has_flight(self) -> bool:
        """Whether the frames of a flight from the composition that is shown are rendered."""
        return bool(self._shown and self._shown.code and self._flight_frames)

    def work_ahead(self, t: float, budget: float | None) -> None:
        """Renders what may be needed soon, as a player who scans must not wait for it."""
        if self._ahead is None or t - self._screen_since < _REST:
            return
        until = None if budget is None else time.perf_counter() + budget / 2
        for _ in self._ahead:
            if until is not None and time.perf_counter() > until:
                return
        self._ahead = None

    def _update_live(self, view: View, t: float) -> None:
        live = self._live
        number = view.coin if view.screen is Screen.CREDITING else view.credits_left
        if view.coin != live.coin:
            live.coin_at = t
        live.coin, live.closed = view.coin, view.closed
        if number != live.number:
            live.number_before, live.number, live.number_at = live.number, number, t

    def _turns(self, view: View, t: float) -> tuple[int, int]:
        """Whose turn it is: a language, and a picture of the reel or -1. Sets when that ends."""
        look, ends = self._look, [float("inf")]
        since = t - self._screen_since + EPSILON
        language = 0
        if len(look.languages) > 1:
            turn = int(since / look.language_s)
            language = turn % len(look.languages)
            ends.append(self._screen_since + (turn + 1) * look.language_s)
        picture = -1
        if view.screen is Screen.READY:
            count = len(look.reel())
            round_, rest = divmod(since, look.reel_every_s + look.reel_s)
            begins = self._screen_since + round_ * (look.reel_every_s + look.reel_s)
            if rest < look.reel_every_s:
                ends.append(begins + look.reel_every_s)
            else:
                picture = int(round_) % count if count else -1
                ends.append(begins + look.reel_every_s + look.reel_s)
        self._turn_at = min(ends)
        return language, picture

    def _begin(self, view: View, language: int, picture: int) -> None:
        locale = self._look.languages[language]
        if locale not in self._words:
            self._words[locale] = self._composer.words(locale)
        target = self._next or self._spare or self._composer.blank(view, self._live)
        self._spare = None
        self._next = Composition(view, target.static, self._live, target.places)
        reel = self._look.reel()
        shown = reel[picture] if 0 <= picture < len(reel) else None
        self._slices = self._composer.slices(view, self._words[locale], self._next, shown)

    def _work_ahead(self, shown: Composition) -> Iterator[None]:
        """The frames of the flight, and once the artwork and words of a payment's screens."""
        ready = shown.view.screen is Screen.READY
        if shown.card and ready and not self._look.reduced_motion:
            self._flight_frames = yield from flight.prerender(shown, self._look.theme)
        assert self._requested is not None
        locale = self._look.languages[self._requested[1]]
        offer = shown.view.offer
        if offer is None or locale in self._rehearsed:
            return
        for view in (
            View(Screen.PAYING, offer),
            View(Screen.CREDITING, coins=1),
            View(Screen.PLAYING, offer, credits_left=1),
            View(Screen.GAME_OVER, offer),
        ):
            spare = self._spare
            if self._slices is not None or spare is None:
                return
            scratch = Composition(view, spare.static, LiveValues(), spare.places)
            for _ in self._composer.slices(view, self._words[locale], scratch):
                yield
                # The spare surface is wanted for what is really shown next.
                if self._slices is not None or self._spare is None:
                    return
        self._rehearsed.add(locale)
