"""Words as surfaces: faces, sizes that fit, and lines that wrap."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import pygame

from kiosk.display.layout import Box
from kiosk.display.scenes import Line, Role
from kiosk.display.theme import Colour, Theme

# Of a role: the largest size as a share of the place's height, and its colour.
_STYLES = {
    Role.HEADLINE: (0.46, "headline"),
    Role.PRICE: (0.42, "price"),
    Role.BODY: (0.24, "text"),
    Role.BONUS: (0.27, "bonus"),
}
_IN_DISPLAY_FACE = (Role.HEADLINE, Role.PRICE)
_GAP = 0.24  # of a line's size, between two lines
_SHRINK = 0.94  # the steps in which words get smaller until they fit
_KEPT = 48  # compositions whose drawn words are kept
_UNASSIGNED = "\U000f1234"  # for private use: no face has it, and each draws the same for all such
_CJK = ("zh", "ja")
# Letters of Chinese and Japanese fill their line's height; others leave room above and below.
_CJK_SHARE = 0.86


@dataclass(frozen=True)
class Block:
    """One drawn line and where it goes; ``size`` is the height of its line."""

    text: str
    role: Role | None
    size: int
    box: Box
    surface: pygame.Surface

    @property
    def ink(self) -> Box:
        """Where its letters are: a surface is as tall as the typeface, which they are not."""
        found = self.surface.get_bounding_rect()
        return Box(self.box.x + found.x, self.box.y + found.y, found.w, found.h)


class Lettering:
    """Draws words in a theme's faces. Fonts are kept by size."""

    def __init__(self, theme: Theme) -> None:
        pygame.font.init()
        self._theme = theme
        self._fonts: dict[tuple[Path, int], pygame.font.Font] = {}
        self._letters: dict[tuple[Path, str], bool] = {}
        self._blocks: dict[tuple[object, ...], list[Block]] = {}

    def font(self, face: Path, size: int) -> pygame.font.Font:
        """The font of a file at ``size`` pixels."""
        font = self._fonts.get((face, size))
        if font is None:
            font = pygame.font.Font(face, size)
            self._fonts[face, size] = font
        return font

    def faces(self, language: str) -> tuple[Path, Path]:
        """The faces of big words and of those that are read."""
        theme = self._theme
        if language == "zh":
            return theme.chinese, theme.chinese
        if language == "ja":
            return theme.japanese, theme.japanese
        return theme.display, theme.text

    def can_write(self, text: str, language: str) -> bool:
        """Whether both faces of a language have all letters of ``text``."""
        return all(self._has(face, text) for face in self.faces(language))

    def face_for(self, text: str, *, display: bool) -> Path:
        """The first face that can write a text of any language, such as a cabinet's name."""
        theme = self._theme
        faces = [theme.text, theme.chinese, theme.japanese]
        if display:
            faces.insert(0, theme.display)
        return next((face for face in faces if self._has(face, text)), theme.text)

    def _has(self, face: Path, text: str) -> bool:
        """Whether a face has every letter: one that it lacks looks like one that no face has."""
        for letter in text:
            if letter.isspace() or letter == "|":
                continue
            known = self._letters.get((face, letter))
            if known is None:
                font = self.font(face, 24)
                drawn, missing = (
                    pygame.image.tobytes(font.render(one, True, (255, 255, 255)), "RGBA")
                    for one in (letter, _UNASSIGNED)
                )
                known = self._letters[face, letter] = drawn != missing
            if not known:
                return False
        return True

    def line(
        self, text: str, face: Path, height: int, width: int, colour: Colour
    ) -> pygame.Surface:
        """One line, as tall as ``height`` and no wider than ``width``."""
        size = max(6, height)
        while size > 6 and self.font(face, size).size(text)[0] > width:
            size -= max(1, size // 24)
        return self.font(face, size).render(text, True, colour)

    def fitting(
        self, lines: tuple[Line, ...], place: Box, smallest: int, *, centred: bool, language: str
    ) -> Generator[None, None, list[Block]]:
        """The lines below each other, as large as they fit ``place``, not below ``smallest``.

        Yields while it looks for the size, and returns the lines.
        """
        key = (lines, place, centred, language)
        known = self._blocks.get(key)
        if known is None:
            if len(self._blocks) >= _KEPT:
                self._blocks.pop(next(iter(self._blocks)))
            known = yield from self._fit(lines, place, smallest, centred, language)
            self._blocks[key] = known
        return list(known)

    def _fit(
        self, lines: tuple[Line, ...], place: Box, smallest: int, centred: bool, language: str
    ) -> Generator[None, None, list[Block]]:
        scale = 1.0
        while True:
            wrapped = self._wrap(lines, place, smallest, scale, language)
            if _height(wrapped) <= place.h or scale < 0.1:
                found = self._set(wrapped, place, centred=centred, language=language)
                if scale < 0.1 or all(place.contains(block.ink) for block in found):
                    return found
            scale *= _SHRINK
            yield

    def _set(
        self, wrapped: list[tuple[str, Role, int]], place: Box, *, centred: bool, language: str
    ) -> list[Block]:
        """Wrapped lines below each other, in the middle of ``place``'s height."""
        blocks = []
        y = place.y + (place.h - _height(wrapped)) // 2
        for text, role, size in wrapped:
            font = self.font(self._face(role, language), _points(size, language))
            colour = getattr(self._theme.colours, _STYLES[role][1])
            surface = font.render(text, True, colour)
            x = place.x + ((place.w - surface.get_width()) // 2 if centred else 0)
            box = Box(x, y + (size - surface.get_height()) // 2, *surface.get_size())
            blocks.append(Block(text, role, size, box, surface))
            y += round(size * (1 + _GAP))
        return blocks

    def notes(self, lines: tuple[str, ...], place: Box, size: int) -> list[Block]:
        """The operator's lines, each as long as it fits, from the top of ``place``."""
        found = []
        for number, text in enumerate(lines):
            face = self.face_for(text, display=False)
            surface = self.line(text, face, size, place.w, self._theme.colours.soft)
            y = place.y + round(number * size * 1.2)
            found.append(Block(text, None, size, Box(place.x, y, *surface.get_size()), surface))
        return found

    def wrap(self, text: str, face: Path, size: int, width: int) -> list[str]:
        """A text as lines that fit ``width``, if its words do, and are about equally long."""
        lines = self._greedy(text, face, size, width)
        if len(lines) < 2:
            return lines
        for share in (0.55, 0.65, 0.75, 0.85, 0.93):
            narrow = round(width * share)
            found = self._greedy(text, face, size, narrow)
            fits = max(self.font(face, size).size(line)[0] for line in found) <= width
            if len(found) == len(lines) and fits:
                return found
        return lines

    def _greedy(self, text: str, face: Path, size: int, width: int) -> list[str]:
        font = self.font(face, size)
        lines: list[str] = []
        for word, glue in _words(text):
            longer = f"{lines[-1]}{glue}{word}" if lines else word
            if lines and font.size(longer)[0] <= width:
                lines[-1] = longer
            else:
                lines.append(word)
        return lines

    def _face(self, role: Role, language: str) -> Path:
        display, text = self.faces(language)
        return display if role in _IN_DISPLAY_FACE else text

    def _wrap(
        self, lines: tuple[Line, ...], place: Box, smallest: int, scale: float, language: str
    ) -> list[tuple[str, Role, int]]:
        wrapped: list[tuple[str, Role, int]] = []
        for line in lines:
            face = self._face(line.role, language)
            size = max(smallest, _in_steps(place.h * _STYLES[line.role][0] * scale))
            # A headline stays on one line if it is large enough there, and nothing is ever wider
            # than its place.
            alone = max(smallest, round(size * 0.6)) if line.role is not Role.BODY else size
            fitting = size
            while fitting > alone and self._width(line.text, face, fitting, language) > place.w:
                fitting = max(alone, _in_steps(fitting * _SHRINK))
            if self._width(line.text, face, fitting, language) <= place.w:
                size = fitting
            parts = self.wrap(line.text, face, _points(size, language), place.w)
            while size > smallest and any(
                self._width(part, face, size, language) > place.w for part in parts
            ):
                size = max(smallest, _in_steps(size * _SHRINK))
                parts = self.wrap(line.text, face, _points(size, language), place.w)
            wrapped += [(part, line.role, size) for part in parts]
        return wrapped

    def _width(self, text: str, face: Path, size: int, language: str) -> int:
        return self.font(face, _points(size, language)).size(text.replace("|", ""))[0]


def _points(size: int, language: str) -> int:
    return max(8, round(size * _CJK_SHARE)) if language in _CJK else size


def _in_steps(size: float) -> int:
    """``size`` rounded down to one of few, as each size of a typeface is loaded by itself."""
    step = max(1, int(size) // 32)
    return int(size) // step * step


def _height(wrapped: list[tuple[str, Role, int]]) -> int:
    return sum(round(size * (1 + _GAP)) for _, _, size in wrapped)


def _words(text: str) -> list[tuple[str, str]]:
    """The parts that stay together, each with what joins it to the one before: a space, or none."""
    found = []
    for word in text.split(" "):
        for number, part in enumerate(word.split("|")):
            found.append((part, "" if number else " "))
    return found
