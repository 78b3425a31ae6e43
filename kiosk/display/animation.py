"""Moves the sprites of one composition over its static layer, and redraws only what moved.

Each step restores the static layer where a sprite was, draws the sprite where it is now, and
returns these dirty rectangles. Times are seconds since any origin that is the same for all calls.
"""

from __future__ import annotations

import heapq

import pygame

from kiosk.display.composer import Composition
from kiosk.display.layout import Box
from kiosk.display.sprites import Placed, Sprite

EPSILON = 1e-6  # seconds: a step that is due must not wait for a rounding error


class Animation:
    """The sprites of ``composition``; ``offset`` is where the screen's corner lies in it."""

    def __init__(self, composition: Composition, offset: tuple[int, int], t: float) -> None:
        self.composition = composition
        self.offset = offset
        self._neighbours = _neighbours(composition.sprites)
        self._placed: list[Placed | None] = []
        self._due: list[tuple[float, int]] = []
        self.reset(t)

    def reset(self, t: float) -> None:
        """Takes every sprite's place at ``t``, without drawing any."""
        sprites = self.composition.sprites
        self._placed = [sprite.at(int(t / sprite.step + EPSILON)) for sprite in sprites]
        # All zero, so a heap already.
        self._due = [(0.0, number) for number in range(len(sprites))]

    @property
    def next_due(self) -> float:
        """The time of the next step of any sprite."""
        return self._due[0][0] if self._due else float("inf")

    def on_screen(self, box: Box) -> Box:
        """Where a box of the composition is on the screen."""
        return box.moved(-self.offset[0], -self.offset[1])

    def reveal(self, surface: pygame.Surface, area: Box) -> pygame.Rect:
        """Draws an area of the screen with the sprites in it; returns its rectangle."""
        x, y = self.offset
        rect = pygame.Rect(area.x, area.y, area.w, area.h)
        surface.set_clip(rect)
        surface.blit(self.composition.static, (-x, -y))
        for placed in self._placed:
            if placed is not None:
                surface.blit(placed[0], (placed[1] - x, placed[2] - y))
        surface.set_clip(None)
        return rect

    def move(self, surface: pygame.Surface, t: float) -> list[pygame.Rect]:
        """Moves the sprites whose step has come; returns the dirty rectangles."""
        dirty: list[pygame.Rect] = []
        due, sprites, all_placed = self._due, self.composition.sprites, self._placed
        soon = t + EPSILON
        while due and due[0][0] <= soon:
            number = due[0][1]
            sprite = sprites[number]
            n = int(t / sprite.step + EPSILON)
            heapq.heapreplace(due, ((n + 1) * sprite.step, number))
            now, before = sprite.at(n), all_placed[number]
            if now is not before and now != before:
                self._redraw(surface, number, before, now, dirty)
        return dirty

    def move_within(self, surface: pygame.Surface, t: float, visible: Box) -> list[pygame.Rect]:
        """Moves the sprites that lie wholly in ``visible``; returns the dirty rectangles."""
        dirty: list[pygame.Rect] = []
        for number, sprite in enumerate(self.composition.sprites):
            if visible.contains(self.on_screen(sprite.bounds)):
                now, before = sprite.at(int(t / sprite.step + EPSILON)), self._placed[number]
                if now is not before and now != before:
                    self._redraw(surface, number, before, now, dirty)
        return dirty

    def _redraw(
        self,
        surface: pygame.Surface,
        number: int,
        before: Placed | None,
        now: Placed | None,
        dirty: list[pygame.Rect],
    ) -> None:
        """Takes a sprite from its old place and draws it at its new one."""
        static, (x, y) = self.composition.static, self.offset
        self._placed[number] = now
        near = [other for other in self._neighbours[number] if self._placed[other] is not None]
        if not near and before and now and before[1:] == now[1:]:
            # In the same place and covered by no other, as most are.
            picture, at = now[0], (now[1] - x, now[2] - y)
            surface.blit(static, at, (now[1], now[2], *before[0].get_size()))
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
            surface.blit(static, there, area)
            if not near:
                continue
            surface.set_clip(there)
            for other in sorted((*near, number)):
                placed = self._placed[other]
                if placed is not None:
                    surface.blit(placed[0], (placed[1] - x, placed[2] - y))
            surface.set_clip(None)
        if now is not None and not near:
            surface.blit(now[0], (now[1] - x, now[2] - y))


def _neighbours(sprites: list[Sprite]) -> list[list[int]]:
    """For each sprite, those whose bounds overlap its own."""
    result: list[list[int]] = [[] for _ in sprites]
    for number, sprite in enumerate(sprites):
        for other in range(number + 1, len(sprites)):
            if sprite.bounds.overlaps(sprites[other].bounds):
                result[number].append(other)
                result[other].append(number)
    return result
