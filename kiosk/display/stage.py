"""Puts compositions on the screen, and redraws only what moves.

A composition's picture has a still layer, drawn once, and *sprites* that move over it: a frame
takes those that changed from their old places and puts them to their new ones. The next composition
is drawn in slices while the last one is shown, and comes with a transition.

Times are seconds since any beginning, which is the same for all calls.
"""

from __future__ import annotations

import heapq
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import pygame

from kiosk.core.view import Alert, Screen, View
from kiosk.display import burn_in, sprites, transitions
from kiosk.display.catalogue import Words
from kiosk.display.composer import Composer, Composition
from kiosk.display.layout import Box, grid
from kiosk.display.motions import FRAME, Live, Shown, Sprite
from kiosk.display.theme import Theme
from kiosk.display.transitions import Transition

log = logging.getLogger(__name__)

_EPSILON = 1e-6  # seconds: a step that is due is due, whatever floats say
_MOSAIC = 14  # pixels across that a flying code has at first: a third of its modules
_UNREADABLE = Alert(
    "E6", "the payment code cannot be read from this screen: take a larger size or less overscan"
)


@dataclass(frozen=True)
class Look:
    """What the operator chose of the screen's looks. Times in seconds.

    ``languages`` alternate every ``language_s``; ``reel`` gives the pictures that take turns with
    the words of the attract screen, each for ``reel_s``, every ``reel_every_s``.
    """

    theme: Theme
    languages: tuple[str, ...] = ("en",)
    language_s: float = 12.0
    calm: bool = False
    drifts: bool = True
    logo: pygame.Surface | None = None
    reel: Callable[[], tuple[pygame.Surface, ...]] = tuple
    reel_s: float = 8.0
    reel_every_s: float = 30.0


class Stage:
    """Draws views on surfaces of one size. ``title`` stands on the marquee."""

    def __init__(self, size: tuple[int, int], title: str, look: Look) -> None:
        self._look = look
        self.grid = grid(*size, drifts=look.drifts)
        self._screen = Box(0, 0, *size)
        self._composer = Composer(self.grid, look.theme, title, look.logo, look.calm)
        self._words: dict[str, Words] = {}
        self._live = Live()
        self._now: Composition | None = None
        self._asked: tuple[View, int, int] | None = None  # what is shown or being drawn
        self._asked_view: View | None = None
        self._turn_at = 0.0
        self._since = 0.0
        self._next: Composition | None = None
        self._slices: Iterator[None] | None = None
        self._spare: Composition | None = None
        self._offset = (0, 0)
        self._drift_at = 0.0
        self._shown: list[Shown | None] = []
        self._near: list[list[int]] = []
        self._due: list[tuple[float, int]] = []
        self._wipe: tuple[Transition, float, float] | None = None
        self._flight: list[pygame.Surface] = []
        self._preparing: Iterator[None] | None = None
        self._cycle_since: float | None = None
        self._rehearsed: set[str] = set()

    # What is shown

    @property
    def view(self) -> View | None:
        """The view on the screen: not the last one that was asked for, while that is drawn."""
        return self._now.view if self._now else None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self._screen.w, self._screen.h

    @property
    def composition(self) -> Composition | None:
        """The composition on the screen."""
        return self._now

    @property
    def code(self) -> Box | None:
        """Where the code is on the screen, if there is one and all of it is seen."""
        if self._now is None or self._now.code is None or self._cycle_since is not None:
            return None
        if self._wipe is not None:
            return None
        return self._now.code.moved(-self._offset[0], -self._offset[1])

    def place(self, box: Box) -> Box:
        """Where a box of the composition is on the screen now."""
        return box.moved(-self._offset[0], -self._offset[1])

    @property
    def busy(self) -> bool:
        """Whether a composition is being drawn, so that the last view is not yet shown."""
        return self._slices is not None

    def begin_cycle(self, t: float) -> None:
        """Begins the nightly cycle of plain colours, if nobody plays or pays."""
        if self._now and self._now.view.screen in burn_in.IDLE:
            self._cycle_since = t

    def next_change(self, t: float) -> float:
        """Seconds until something moves."""
        if self._slices or self._wipe:
            return 0.0
        if self._cycle_since is not None:
            return 0.25
        due = min(self._turn_at, self._drift_at)
        if self._due:
            due = min(due, self._due[0][0])
        return max(0.0, due - t)

    # Drawing

    def draw(
        self, surface: pygame.Surface, view: View, t: float, budget: float | None = None
    ) -> list[pygame.Rect]:
        """Draws what changed since the last call; returns those rectangles.

        With a ``budget`` of seconds, a new view may take some calls until it is shown.
        """
        if view is not self._asked_view or t >= self._turn_at:
            self._ask(view, t)
        if self._slices is not None and self._draw_slices(budget):
            return self._enter(surface, t)
        if self._preparing is not None and self._wipe is None and not self._is_flying(t):
            self._prepare(budget)
        if self._cycle_since is not None:
            return self._cycle(surface, t)
        if self._wipe is not None:
            return self._go_on(surface, t)
        if t >= self._drift_at and self._has_drifted(t):
            self._refresh(t)
            return self._whole(surface)
        return self._move(surface, t)

    def _ask(self, view: View, t: float) -> None:
        """Notes what ``view`` changes; begins to draw another composition if it needs one."""
        if view is not self._asked_view:
            if self._asked_view is None or view.screen is not self._asked_view.screen:
                self._since = t
            self._cycle_since = None
        self._asked_view = view
        if self._now is None or view.screen is self._now.view.screen:
            self._follow(view, t)
        language, picture = self._turns(view, t)
        steady = replace(view, coin=0, closed=False, offer=view.offer)
        if view.screen is not Screen.PLAYING:
            steady = replace(steady, credits_left=0)
        key = (steady, language, picture)
        if key == self._asked:
            shown = self._next or self._now
            if shown and not shown.stands_in:
                shown.view = view
            return
        self._asked = key
        self._begin(view, language, picture)

    def _follow(self, view: View, t: float) -> None:
        """Lets what is live follow a view: only that of the screen that is shown, or now comes."""
        live = self._live
        number = view.coin if view.screen is Screen.CREDITING else view.credits_left
        if view.coin != live.coin:
            live.coin_at = t
        live.coin, live.closed = view.coin, view.closed
        if number != live.number:
            live.number_before, live.number, live.number_at = live.number, number, t

    def _turns(self, view: View, t: float) -> tuple[int, int]:
        """Whose turn it is: a language, and a picture of the reel or -1. Notes when that ends."""
        look, ends = self._look, [float("inf")]
        since = t - self._since + _EPSILON
        language = 0
        if len(look.languages) > 1:
            turn = int(since / look.language_s)
            language = turn % len(look.languages)
            ends.append(self._since + (turn + 1) * look.language_s)
        picture = -1
        if view.screen is Screen.READY:
            count = len(look.reel())
            round_, rest = divmod(since, look.reel_every_s + look.reel_s)
            begins = self._since + round_ * (look.reel_every_s + look.reel_s)
            if rest < look.reel_every_s:
                ends.append(begins + look.reel_every_s)
            else:
                picture = int(round_) % count if count else -1
                ends.append(begins + look.reel_every_s + look.reel_s)
        self._turn_at = min(ends)
        return language, picture

    def _begin(self, view: View, language: int, picture: int) -> None:
        place = self._look.languages[language]
        if place not in self._words:
            self._words[place] = self._composer.words(place)
        target = self._spare or self._composer.blank(view, self._live)
        self._spare = None
        if self._next is not None:
            target = self._next
        self._next = Composition(view, target.still, self._live, target.places)
        reel = self._look.reel()
        shown = reel[picture] if 0 <= picture < len(reel) else None
        self._slices = self._composer.slices(view, self._words[place], self._next, shown)

    def _draw_slices(self, budget: float | None) -> bool:
        """Goes on with the composition; returns whether it is done."""
        assert self._slices is not None
        until = None if budget is None or self._now is None else time.perf_counter() + budget
        for _ in self._slices:
            if until is not None and time.perf_counter() > until:
                return False
        assert self._next is not None
        assert self._asked is not None
        if self._next.unreadable:
            log.error("%s", _UNREADABLE.text)
            view = self._next.view
            screen = Screen.OFFLINE if view.screen is Screen.READY else view.screen
            view = replace(view, screen=screen, offer=None, alerts=(*view.alerts, _UNREADABLE))
            self._begin(view, self._asked[1], -1)
            self._next.stands_in = True
            return self._draw_slices(budget)
        self._slices = None
        return True

    def _enter(self, surface: pygame.Surface, t: float) -> list[pygame.Rect]:
        """The new composition takes the stage."""
        before, now = self._now, self._next
        assert now is not None
        self._next, self._now, self._spare = None, now, before
        kind = Transition.CUT
        if before is not None:
            had_code = bool(before.code and self._flight)
            kind = transitions.transition(
                before.view.screen, now.view.screen, had_code, self._look.calm
            )
        else:
            self._has_drifted(t)
        # What began while this was drawn begins now.
        self._follow(now.view, t)
        flight = self._flight if kind is Transition.FLIGHT else []
        if flight and before and before.card:
            now.sprites.append(self._flying(flight, before.card, now.places.figure.centre, t))
        self._flight = []
        self._preparing = self._foresee(now)
        self._near = _neighbours(now.sprites)
        self._refresh(t)
        if kind in (Transition.CUT, Transition.FLIGHT):
            return self._whole(surface)
        # A frame's worth at once: however soon the next view comes, this one was shown.
        self._wipe = (kind, t - FRAME, 0.0)
        dirty = self._go_on(surface, t)
        if before is not None and before.card and before.view.offer != now.view.offer:
            # A code that is worth nothing any more goes at once, and not with the transition.
            card = self.place(before.card)
            self._reveal(surface, card)
            dirty.append(pygame.Rect(card.x, card.y, card.w, card.h))
        return dirty

    def _refresh(self, t: float) -> None:
        """Every sprite as it is now."""
        assert self._now is not None
        all_ = self._now.sprites
        self._shown = [sprite.at(int(t / sprite.step + _EPSILON)) for sprite in all_]
        self._due = [(0.0, number) for number in range(len(all_))]

    def _whole(self, surface: pygame.Surface) -> list[pygame.Rect]:
        self._wipe = None
        self._reveal(surface, self._screen)
        return [pygame.Rect(0, 0, self._screen.w, self._screen.h)]

    def _go_on(self, surface: pygame.Surface, t: float) -> list[pygame.Rect]:
        """The next strip of a transition."""
        assert self._wipe is not None
        kind, begun, before = self._wipe
        share = min(1.0, (t - begun) / transitions.SECONDS)
        strip = transitions.newly(kind, before, share, self._screen)
        self._wipe = (kind, begun, share) if share < 1 else None
        # What is seen already moves: the first coin does not wait for the last strip.
        dirty = self._move_within(surface, t, transitions.revealed(kind, before, self._screen))
        if strip.w > 0 and strip.h > 0:
            self._reveal(surface, strip)
            dirty.append(pygame.Rect(strip.x, strip.y, strip.w, strip.h))
        return dirty

    def _move_within(self, surface: pygame.Surface, t: float, seen: Box) -> list[pygame.Rect]:
        """Moves the sprites that are wholly in the part that is seen."""
        assert self._now is not None
        dirty: list[pygame.Rect] = []
        for number, sprite in enumerate(self._now.sprites):
            if seen.contains(self.place(sprite.room)):
                now, before = sprite.at(int(t / sprite.step + _EPSILON)), self._shown[number]
                if now is not before and now != before:
                    self._change(surface, number, before, now, dirty)
        return dirty

    def _reveal(self, surface: pygame.Surface, part: Box) -> None:
        """Draws a part of the screen with all that is on it."""
        assert self._now is not None
        x, y = self._offset
        surface.set_clip((part.x, part.y, part.w, part.h))
        surface.blit(self._now.still, (-x, -y))
        for shown in self._shown:
            if shown is not None:
                surface.blit(shown[0], (shown[1] - x, shown[2] - y))
        surface.set_clip(None)

    def _move(self, surface: pygame.Surface, t: float) -> list[pygame.Rect]:
        """Moves the sprites that are due."""
        assert self._now is not None
        dirty: list[pygame.Rect] = []
        due, all_, shown = self._due, self._now.sprites, self._shown
        soon = t + _EPSILON
        while due and due[0][0] <= soon:
            number = due[0][1]
            sprite = all_[number]
            n = int(t / sprite.step + _EPSILON)
            heapq.heapreplace(due, ((n + 1) * sprite.step, number))
            now, before = sprite.at(n), shown[number]
            if now is not before and now != before:
                self._change(surface, number, before, now, dirty)
        return dirty

    def _change(
        self,
        surface: pygame.Surface,
        number: int,
        before: Shown | None,
        now: Shown | None,
        dirty: list[pygame.Rect],
    ) -> None:
        """Takes a sprite from its old place, and puts it to its new one."""
        assert self._now is not None
        still, (x, y) = self._now.still, self._offset
        self._shown[number] = now
        near = [other for other in self._near[number] if self._shown[other] is not None]
        if not near and before and now and before[1:] == now[1:]:
            # In its old place, by itself, as most are.
            picture, at = now[0], (now[1] - x, now[2] - y)
            surface.blit(still, at, (now[1], now[2], *before[0].get_size()))
            dirty.append(surface.blit(picture, at))
            return
        areas = []
        if before is not None:
            areas.append(pygame.Rect((before[1], before[2]), before[0].get_size()))
        if now is not None:
            area = pygame.Rect((now[1], now[2]), now[0].get_size())
            if areas and areas[0].colliderect(area):
                areas[0].union_ip(area)
            else:
                areas.append(area)
        for area in areas:
            there = area.move(-x, -y)
            dirty.append(there)
            surface.blit(still, there, area)
            if not near:
                continue
            surface.set_clip(there)
            for other in sorted((*near, number)):
                shown = self._shown[other]
                if shown is not None:
                    surface.blit(shown[0], (shown[1] - x, shown[2] - y))
            surface.set_clip(None)
        if now is not None and not near:
            surface.blit(now[0], (now[1] - x, now[2] - y))

    def _has_drifted(self, t: float) -> bool:
        offset = burn_in.drift(t, self.grid.rim)
        self._drift_at = t + burn_in.DRIFT_STEP
        if offset == self._offset:
            return False
        self._offset = offset
        return True

    def _cycle(self, surface: pygame.Surface, t: float) -> list[pygame.Rect]:
        assert self._cycle_since is not None
        colour = burn_in.cycle_colour(t - self._cycle_since)
        if colour is None:
            self._cycle_since = None
            return self._whole(surface)
        if surface.get_at((0, 0))[:3] == colour and surface.get_at((9, 9))[:3] == colour:
            return []
        surface.fill(colour)
        return [surface.get_rect()]

    # What is made ready while nothing happens

    def _is_flying(self, t: float) -> bool:
        return t - self._since < transitions.FLIGHT_FRAMES * FRAME

    def _prepare(self, budget: float | None) -> None:
        """Goes on with what may be needed soon, as a scan must not wait for it."""
        assert self._preparing is not None
        until = None if budget is None else time.perf_counter() + budget / 2
        for _ in self._preparing:
            if until is not None and time.perf_counter() > until:
                return
        self._preparing = None

    def _is_needed(self) -> bool:
        """Whether the spare picture is needed for what is really shown."""
        return self._slices is not None or self._spare is None

    def _foresee(self, now: Composition) -> Iterator[None]:
        """Makes the pictures of the flight, and once those that a payment's screens are made of."""
        if now.card and not self._look.calm:
            yield from self._flight_pictures(now)
        assert self._asked is not None
        place = self._look.languages[self._asked[1]]
        offer = now.view.offer
        if offer is None or place in self._rehearsed:
            return
        for view in (
            View(Screen.PAYING),
            View(Screen.CREDITING, coins=1),
            View(Screen.PLAYING, offer, credits_left=1),
            View(Screen.GAME_OVER, offer),
        ):
            if self._is_needed() or self._spare is None:
                return
            scratch = Composition(view, self._spare.still, Live(), self._spare.places)
            for _ in self._composer.slices(view, self._words[place], scratch):
                yield
                if self._is_needed():
                    return
        self._rehearsed.add(place)

    def _flight_pictures(self, now: Composition) -> Iterator[None]:
        card = now.card
        assert card is not None
        whole = now.still.subsurface((card.x, card.y, card.w, card.h))
        size = _coin_size(card)
        pictures = []
        for frame in range(transitions.FLIGHT_FRAMES):
            box, is_coin = transitions.flight(frame, card, card.centre, size)
            if is_coin:
                turning = pygame.transform.smoothscale(
                    sprites.coin(size, 0, self._look.theme), (box.w, box.h)
                )
                pictures.append(turning)
            else:
                # In ever larger pixels: a code that was scanned is not to be scanned again.
                pixels = max(4, _MOSAIC - frame)
                coarse = pygame.transform.smoothscale(whole, (pixels, pixels))
                pictures.append(pygame.transform.scale(coarse, (box.w, box.h)))
            yield
        self._flight = pictures

    def _flying(
        self, pictures: list[pygame.Surface], card: Box, target: tuple[int, int], t: float
    ) -> Sprite:
        first = int(t / FRAME + _EPSILON)
        places = [
            transitions.flight(frame, card, target, _coin_size(card))[0]
            for frame in range(len(pictures))
        ]

        def at(n: int) -> Shown | None:
            frame = n - first
            if not 0 <= frame < len(pictures):
                return None
            return pictures[frame], places[frame].x, places[frame].y

        return Sprite(FRAME, at, self.grid.picture)


def _coin_size(card: Box) -> int:
    return max(12, card.w // 3)


def _neighbours(all_: list[Sprite]) -> list[list[int]]:
    """For each sprite, those whose rooms overlap its own."""
    near: list[list[int]] = [[] for _ in all_]
    for number, sprite in enumerate(all_):
        for other in range(number + 1, len(all_)):
            if sprite.room.overlaps(all_[other].room):
                near[number].append(other)
                near[other].append(number)
    return near
