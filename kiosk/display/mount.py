"""How the screen is mounted: turned, and with edges that its case hides.

The stage draws upright on :attr:`Mount.frame`; :meth:`Mount.bring` brings what changed to the real
screen. Unturned, the frame is a part of the screen itself and nothing is copied.
"""

from __future__ import annotations

from collections.abc import Sequence

import pygame

from kiosk.display.layout import Box

SMALLEST = (320, 240)


class Mount:
    """The way from an upright frame to ``screen``.

    ``rotation`` is how far the picture is turned clockwise, in degrees; ``overscan`` the share of
    the screen's sides, in percent, that is left black at each edge.
    """

    def __init__(self, screen: pygame.Surface, rotation: int, overscan: float) -> None:
        self._screen = screen
        self._rotation = rotation
        w, h = screen.get_size()
        dx, dy = round(w * overscan / 100), round(h * overscan / 100)
        self._at = (dx, dy)
        self._inner = screen.subsurface((dx, dy, w - 2 * dx, h - 2 * dy))
        turned = rotation in (90, 270)
        size = self._inner.get_size()
        self.size = (size[1], size[0]) if turned else size
        # Without a turn no second surface is needed.
        self.frame = pygame.Surface(self.size, 0, screen) if rotation else self._inner

    def copy(self, dirty: Sequence[pygame.Rect]) -> list[pygame.Rect]:
        """Copies what changed on the frame; returns the rectangles on the screen."""
        if not self._rotation:
            return [area.move(self._at) for area in dirty] if any(self._at) else list(dirty)
        found = []
        whole = self.frame.get_rect()
        for area in dirty:
            part = area.clip(whole)
            if part.w == 0 or part.h == 0:
                continue
            turned = pygame.transform.rotate(self.frame.subsurface(part), -self._rotation)
            box = Box(*part).turned(self._rotation, self.size)
            self._inner.blit(turned, (box.x, box.y))
            found.append(pygame.Rect(box.x, box.y, box.w, box.h).move(self._at))
        return found

    def on_screen(self, box: Box) -> Box:
        """Where a box of the frame is on the screen."""
        return box.turned(self._rotation, self.size).moved(*self._at)
