"""Words as surfaces: faces, sizes that fit, and lines that wrap."""

from __future__ import annotations

from dataclasses import dataclass

import pygame

from kiosk import assets
from kiosk.display.layout import Box
from kiosk.display.scenes import Line, Role
from kiosk.display.theme import Colour, Theme

# Of a role: the largest size as a share of the place's height, its colour, and its face.
_STYLES = {
    Role.HEADLINE: (0.26, "cyan", "display_face"),
    Role.PRICE: (0.30, "amber", "display_face"),
    Role.BODY: (0.16, "text", "text_face"),
    Role.BONUS: (0.20, "rose", "text_face"),
}
_GAP = 0.22  # of a line's size, between two lines


@dataclass(frozen=True)
class Block:
    """One drawn line and where it goes."""

    text: str
    size: int
    box: Box
    surface: pygame.Surface


class Lettering:
    """Draws words in a theme's faces. Fonts are kept by size."""

    def __init__(self, theme: Theme) -> None:
        pygame.font.init()
        self._theme = theme
        self._fonts: dict[tuple[str, int], pygame.font.Font] = {}

    def font(self, face: str, size: int) -> pygame.font.Font:
        """The font of an asset at ``size`` pixels."""
        found = self._fonts.get((face, size))
        if found is None:
            found = pygame.font.Font(assets.path(face), size)
            self._fonts[face, size] = found
        return found

    def can_write(self, text: str) -> bool:
        """Whether both faces have all of its letters."""
        faces = (self._theme.display_face, self._theme.text_face)
        return all(None not in self.font(face, 24).metrics(text) for face in faces)

    def line(self, text: str, face: str, height: int, width: int, colour: Colour) -> pygame.Surface:
        """One line, as tall as ``height`` and no wider than ``width``."""
        size = max(6, height)
        while size > 6 and self.font(face, size).size(text)[0] > width:
            size -= max(1, size // 24)
        return self.font(face, size).render(text, True, colour)

    def blocks(
        self, lines: tuple[Line, ...], place: Box, smallest: int, centred: bool
    ) -> list[Block]:
        """The lines below each other in ``place``, as large as they fit, never below ``smallest``
        while there is room for that."""
        scale = 1.0
        while True:
            wrapped = self._wrap(lines, place, smallest, scale)
            height = sum(round(size * (1 + _GAP)) for _, _, size in wrapped)
            if height <= place.h or scale < 0.2:
                break
            scale *= 0.94
        blocks = []
        y = place.y + max(0, (place.h - height) // 2)
        for text, role, size in wrapped:
            _, colour, face = _STYLES[role]
            font = self.font(getattr(self._theme, face), size)
            surface = font.render(text, True, getattr(self._theme, colour))
            x = place.x + ((place.w - surface.get_width()) // 2 if centred else 0)
            box = Box(x, y + (size - surface.get_height()) // 2, *surface.get_size())
            blocks.append(Block(text, size, box, surface))
            y += round(size * (1 + _GAP))
        return blocks

    def _wrap(
        self, lines: tuple[Line, ...], place: Box, smallest: int, scale: float
    ) -> list[tuple[str, Role, int]]:
        wrapped: list[tuple[str, Role, int]] = []
        for line in lines:
            share, _, face_name = _STYLES[line.role]
            face = getattr(self._theme, face_name)
            size = max(smallest, round(place.h * share * scale))
            if line.role is not Role.BODY:
                # Headlines and prices stay on one line.
                while size > smallest and self.font(face, size).size(line.text)[0] > place.w:
                    size -= max(1, size // 24)
            wrapped += [
                (part, line.role, size) for part in self._parts(line.text, face, size, place.w)
            ]
        return wrapped

    def _parts(self, text: str, face: str, size: int, width: int) -> list[str]:
        font = self.font(face, size)
        parts: list[str] = []
        for word in text.split():
            longer = f"{parts[-1]} {word}" if parts else word
            if parts and font.size(longer)[0] <= width:
                parts[-1] = longer
            else:
                parts.append(word)
        return parts
