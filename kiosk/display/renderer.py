"""Puts compositions on the screen, with transitions, and redraws only what changes.

The next composition is drawn in slices (``kiosk.display.scheduler``) while the sprites of the last
one go on moving (``kiosk.display.animation``); then it comes with a transition. A transition that
is overtaken by another screen is completed first: at most two pictures, which follow each other,
are on the screen at once, and every screen is shown whole for a frame at least.

Times are seconds since any origin that is the same for all calls.
"""

from __future__ import annotations

from dataclasses import dataclass

import pygame

from kiosk.core.view import Screen, View
from kiosk.display import burn_in, transitions
from kiosk.display.animation import Animation
from kiosk.display.composer import Composer, Composition
from kiosk.display.flight import Flight
from kiosk.display.layout import Box, grid
from kiosk.display.look import Look
from kiosk.display.scheduler import Scheduler
from kiosk.display.sprites import FRAME
from kiosk.display.transitions import Transition

# The screens with a number that rolls to its next value.
_NUMBERED = frozenset({Screen.CREDITING, Screen.PLAYING})


@dataclass
class _Wipe:
    """A transition that reveals the composition; ``share`` (0 to 1) of it is done."""

    kind: Transition
    begun: float
    share: float = 0.0


class Renderer:
    """Draws views on surfaces of one size. ``title`` is the name on the marquee."""

    def __init__(self, size: tuple[int, int], title: str, look: Look) -> None:
        self.look = look
        self.grid = grid(*size, drifts=look.drifts)
        self._screen = Box(0, 0, *size)
        composer = Composer(self.grid, look.theme, title, look.logo, look.reduced_motion)
        self._scheduler = Scheduler(composer, look)
        self._animation: Animation | None = None
        self._transition: _Wipe | Flight | None = None
        self._postponed = False
        self._offset = (0, 0)
        self._drift_at = 0.0
        self._cycle_since: float | None = None
        self._drawn_at = 0.0

    # What is shown

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self._screen.w, self._screen.h

    @property
    def composition(self) -> Composition | None:
        """The composition on the screen."""
        return self._animation.composition if self._animation else None

    @property
    def view(self) -> View | None:
        """The view on the screen: not the last one that was requested, while that is drawn."""
        return self._animation.composition.view if self._animation else None

    @property
    def settled(self) -> bool:
        """Whether the composition is shown whole, with no transition going on."""
        return (
            self._animation is not None and self._transition is None and self._cycle_since is None
        )

    @property
    def number_rolls(self) -> bool:
        """Whether a number is on its way to its next value, and partly hidden."""
        view = self.view
        return (
            view is not None
            and view.screen in _NUMBERED
            and self._scheduler.number_rolls(self._drawn_at)
        )

    @property
    def code(self) -> Box | None:
        """Where the code is on the screen, if there is one and all of it is visible."""
        composition = self.composition
        if composition is None or composition.code is None or self._cycle_since is not None:
            return None
        # A flight covers no code; a wipe may.
        if isinstance(self._transition, _Wipe):
            return None
        return self.on_screen(composition.code)

    def on_screen(self, box: Box) -> Box:
        """Where a box of the composition is on the screen now."""
        return box.moved(-self._offset[0], -self._offset[1])

    @property
    def drawing(self) -> bool:
        """Whether a composition is being drawn and wants to be continued soon."""
        return self._scheduler.drawing

    @property
    def busy(self) -> bool:
        """Whether the last view is not shown yet: the next call of :meth:`draw` takes it again."""
        return self._scheduler.drawing or self._postponed

    def next_change(self, t: float) -> float:
        """Seconds until something changes."""
        if self.busy or isinstance(self._transition, _Wipe):
            return 0.0
        if self._cycle_since is not None:
            return 0.25
        due = min(self._scheduler.turn_at, self._drift_at)
        if self._animation:
            due = min(due, self._animation.next_due)
        return max(0.0, due - t)

    # Drawing

    def start_colour_cycle(self, t: float) -> None:
        """Starts the nightly cycle of plain colours, unless somebody plays or pays."""
        if self.view and self.view.screen in burn_in.IDLE:
            self._transition = None
            self._cycle_since = t

    def draw(
        self, surface: pygame.Surface, view: View, t: float, budget: float | None = None
    ) -> list[pygame.Rect]:
        """Draws what changed since the last call; returns the dirty rectangles.

        With a ``budget`` of seconds, a new view may take several calls until it is shown.
        """
        self._drawn_at = t
        if isinstance(self._transition, Flight) and self._transition.is_over(t):
            self._transition = None
        if self._scheduler.wants(view, t):
            self._postponed = budget is not None and self._is_overtaken_by(view)
            if self._postponed:
                return self._complete(surface, t)
            if self._scheduler.is_new(view):
                self._cycle_since = None
            self._scheduler.request(view, t)
        if self._scheduler.drawing:
            composition = self._scheduler.draw(budget)
            if composition is not None:
                return self._show(surface, composition, t)
        animation = self._animation
        assert animation is not None
        if not isinstance(self._transition, _Wipe):
            self._scheduler.work_ahead(t, budget)
        if self._cycle_since is not None:
            return self._cycle(surface, t)
        if isinstance(self._transition, _Wipe):
            return self._wipe(surface, animation, self._transition, t)
        if t >= self._drift_at and self._has_drifted(t):
            animation.offset = self._offset
            animation.reset(t)
            return self._redraw(surface, animation)
        return animation.move(surface, t)

    def redraw(self, surface: pygame.Surface) -> list[pygame.Rect]:
        """Draws the whole screen again, with every sprite where it was drawn last."""
        assert self._animation is not None
        return self._redraw(surface, self._animation)

    def _redraw(self, surface: pygame.Surface, animation: Animation) -> list[pygame.Rect]:
        return [animation.reveal(surface, self._screen)]

    def _is_overtaken_by(self, view: View) -> bool:
        """Whether the transition must be completed before ``view`` is taken.

        Not if the screen that comes has a code that is worth nothing any more. A payment's is
        worth what it was, though none is shown while its coins drop.
        """
        shown = self.view
        if self._transition is None or shown is None:
            return False
        return (view.screen, view.coin) != (shown.screen, shown.coin) and (
            shown.offer is None or shown.offer == view.offer or view.screen is Screen.CREDITING
        )

    def _complete(self, surface: pygame.Surface, t: float) -> list[pygame.Rect]:
        """Ends the transition at once; the composition is shown whole."""
        assert self._animation is not None
        if isinstance(self._transition, Flight):
            self._transition.end()
        self._transition = None
        self._animation.reset(t)
        return self._redraw(surface, self._animation)

    def _show(
        self, surface: pygame.Surface, composition: Composition, t: float
    ) -> list[pygame.Rect]:
        """Begins the transition to a composition that is drawn."""
        dirty = self._complete(surface, t) if self._transition is not None else []
        before = self.composition
        kind = Transition.CUT
        if before is not None:
            kind = transitions.transition(
                before.view.screen,
                composition.view.screen,
                self._scheduler.has_flight(),
                self.look.reduced_motion,
            )
        else:
            self._has_drifted(t)
        frames = self._scheduler.show(t)
        if kind is Transition.FLIGHT and before and before.card:
            flight = Flight(frames, before.card, composition.places.figure.centre, t)
            composition.sprites.append(flight.sprite(self.grid.picture))
            self._transition = flight
        animation = self._animation = Animation(composition, self._offset, t)
        if kind in (Transition.CUT, Transition.FLIGHT):
            return self._redraw(surface, animation)
        # A frame's worth at once, so that something of every screen is seen.
        self._transition = _Wipe(kind, t - FRAME)
        dirty += self._wipe(surface, animation, self._transition, t)
        if before is not None and before.card and before.view.offer != composition.view.offer:
            # A code that is worth nothing any more goes at once, and not with the transition.
            dirty.append(animation.reveal(surface, self.on_screen(before.card)))
        return dirty

    def _wipe(
        self, surface: pygame.Surface, animation: Animation, wipe: _Wipe, t: float
    ) -> list[pygame.Rect]:
        """The next strip of a transition."""
        before = wipe.share
        wipe.share = min(1.0, (t - wipe.begun) / transitions.SECONDS)
        strip = transitions.newly_revealed(wipe.kind, before, wipe.share, self._screen)
        if wipe.share >= 1:
            self._transition = None
        # What is visible already moves: the first coin does not wait for the last strip.
        visible = transitions.revealed(wipe.kind, before, self._screen)
        dirty = animation.move_within(surface, t, visible)
        if strip.w > 0 and strip.h > 0:
            dirty.append(animation.reveal(surface, strip))
        return dirty

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
            return self.redraw(surface)
        if surface.get_at((0, 0))[:3] == colour and surface.get_at((9, 9))[:3] == colour:
            return []
        surface.fill(colour)
        return [surface.get_rect()]
