"""The artwork: coin, bulb, pictograms, drawn in code at the size they are needed in.

Each is drawn some times too large and scaled down once, for clean edges.
"""

from __future__ import annotations

import math
from functools import lru_cache

import pygame

from kiosk.display.theme import Colour, Theme

COIN_FRAMES = 16
CREATURE_FRAMES = 2

# The creature of the arcade, in two steps of its walk.
_CREATURE = (
    (
        "...#....#...",
        "....#..#....",
        "..########..",
        ".##.####.##.",
        "############",
        "#.########.#",
        "#.#......#.#",
        "...##..##...",
    ),
    (
        "..#......#..",
        "#...#..#...#",
        "#.########.#",
        "###.####.###",
        "############",
        "..########..",
        "..#......#..",
        ".#........#.",
    ),
)


@lru_cache(maxsize=64)
def coin(size: int, frame: int, theme: Theme) -> pygame.Surface:
    """A coin of ``size`` pixels in one of ``COIN_FRAMES`` positions of its turn."""
    big, colours = size * 3, theme.colours
    turn = abs(math.cos(math.pi * frame / COIN_FRAMES))
    width = max(big // 10, round(big * turn))
    surface = pygame.Surface((big, big), pygame.SRCALPHA)
    edge = pygame.Rect((big - width) // 2, 0, width, big)
    pygame.draw.ellipse(surface, colours.coin_edge, edge)
    face = edge.inflate(-max(2, width // 14), -big // 14)
    pygame.draw.ellipse(surface, colours.coin, face)
    ring = face.inflate(-width // 5, -big // 5)
    if ring.width > big // 8:
        pygame.draw.ellipse(surface, colours.coin_edge, ring, max(2, big // 36))
        star = _star(ring.center, ring.width * 0.36, ring.height * 0.36)
        pygame.draw.polygon(surface, colours.coin_edge, star)
    shine = pygame.Rect(
        face.x + face.width // 5, face.y + big // 8, max(2, face.width // 9), big // 3
    )
    pygame.draw.ellipse(surface, colours.coin_shine, shine)
    return pygame.transform.smoothscale(surface, (size, size))


def _star(
    centre: tuple[float, float], rx: float, ry: float, inner: float = 0.42
) -> list[tuple[float, float]]:
    points = []
    for corner in range(10):
        radius = 1.0 if corner % 2 == 0 else inner
        angle = math.pi * corner / 5 - math.pi / 2
        points.append(
            (centre[0] + rx * radius * math.cos(angle), centre[1] + ry * radius * math.sin(angle))
        )
    return points


@lru_cache(maxsize=32)
def bulb(size: int, lit: bool, theme: Theme) -> pygame.Surface:
    """A bulb of the marquee, with its glow if it is lit."""
    big, colours = size * 4, theme.colours
    surface = pygame.Surface((big, big), pygame.SRCALPHA)
    centre = (big // 2, big // 2)
    if lit:
        for share, alpha in ((1.0, 40), (0.8, 70), (0.62, 120)):
            pygame.draw.circle(surface, (*colours.coin, alpha), centre, round(big / 2 * share))
        pygame.draw.circle(surface, colours.bulb_lit, centre, big // 5)
    else:
        pygame.draw.circle(surface, colours.bulb_dark, centre, big // 5)
    return pygame.transform.smoothscale(surface, (size, size))


@lru_cache(maxsize=8)
def glow(size: int, colour: Colour) -> pygame.Surface:
    """A soft round light."""
    small = pygame.Surface((48, 48), pygame.SRCALPHA)
    for radius in range(24, 0, -1):
        alpha = round(120 * (1 - radius / 24) ** 2)
        pygame.draw.circle(small, (*colour, alpha), (24, 24), radius)
    return pygame.transform.smoothscale(small, (size, size))


@lru_cache(maxsize=8)
def comet(size: int, colour: Colour) -> pygame.Surface:
    """A round light with a bright centre, for the edge of the code's card."""
    surface = pygame.Surface((size * 4, size * 4), pygame.SRCALPHA)
    centre = (size * 2, size * 2)
    for share, alpha in ((1.0, 50), (0.7, 110)):
        pygame.draw.circle(surface, (*colour, alpha), centre, round(size * 2 * share))
    pygame.draw.circle(surface, (255, 255, 255), centre, round(size * 0.8))
    return pygame.transform.smoothscale(surface, (size, size))


@lru_cache(maxsize=16)
def creature(cell: int, frame: int, colour: Colour) -> pygame.Surface:
    """The creature, ``cell`` pixels to each of its own; 12 wide and 8 high."""
    rows = _CREATURE[frame % CREATURE_FRAMES]
    surface = pygame.Surface((len(rows[0]) * cell, len(rows) * cell), pygame.SRCALPHA)
    for y, row in enumerate(rows):
        for x, mark in enumerate(row):
            if mark == "#":
                surface.fill(colour, (x * cell, y * cell, cell, cell))
    return surface


class _Sheet:
    """A square to draw on, in shares of its side."""

    def __init__(self, size: int, theme: Theme, colour: Colour, line: float = 1 / 22) -> None:
        self.size = size
        self.big = size * 2
        self.colour = colour
        self.ground = theme.colours.sky
        self.line = max(2, round(self.big * line))
        self.surface = pygame.Surface((self.big, self.big), pygame.SRCALPHA)

    def rect(self, x: float, y: float, w: float, h: float) -> pygame.Rect:
        b = self.big
        return pygame.Rect(round(x * b), round(y * b), round(w * b), round(h * b))

    def box(self, rect: pygame.Rect, radius: float = 1 / 13) -> None:
        """A filled box with an outline."""
        corner = round(self.big * radius)
        pygame.draw.rect(self.surface, self.ground, rect, border_radius=corner)
        pygame.draw.rect(self.surface, self.colour, rect, self.line, border_radius=corner)

    def lines(self, points: list[tuple[float, float]], width: float = 1.0) -> None:
        """A line with round ends through points."""
        dots = [(x * self.big, y * self.big) for x, y in points]
        thick = round(self.line * width)
        pygame.draw.lines(self.surface, self.colour, False, dots, thick)
        for dot in dots:
            pygame.draw.circle(self.surface, self.colour, dot, thick / 2)

    def done(self) -> pygame.Surface:
        return pygame.transform.smoothscale(self.surface, (self.size, self.size))


def phone(size: int, theme: Theme, colour: Colour) -> pygame.Surface:
    """A phone with a code on it."""
    s = _Sheet(size, theme, colour)
    body = s.rect(0.27, 0.06, 0.46, 0.88)
    s.box(body, 1 / 12)
    foot = body.bottom / s.big - 0.1
    s.lines([(0.45, foot), (0.55, foot)])
    code = s.rect(0.38, 0.3, 0.24, 0.24)
    cell = code.width // 3
    for x, y in ((0, 0), (2, 0), (0, 2), (1, 1), (2, 2)):
        side = cell - s.line // 3
        s.surface.fill(colour, (code.x + x * cell, code.y + y * cell, side, side))
    return s.done()


def card(size: int, theme: Theme, colour: Colour) -> pygame.Surface:
    """A bank card with a tick."""
    s = _Sheet(size, theme, colour)
    body = s.rect(0.06, 0.2, 0.88, 0.6)
    s.box(body)
    s.surface.fill(colour, (body.x, body.y + body.height // 4, body.width, s.line * 2))
    s.lines([(0.36, 0.62), (0.47, 0.71), (0.66, 0.5)], 1.4)
    return s.done()


def card_returns(size: int, theme: Theme, colour: Colour) -> pygame.Surface:
    """A bank card that comes back: an arrow that turns."""
    s = _Sheet(size, theme, colour)
    body = s.rect(0.06, 0.14, 0.88, 0.56)
    s.box(body)
    s.surface.fill(colour, (body.x, body.y + body.height // 4, body.width, s.line * 2))
    s.lines([(0.74, 0.74), (0.74, 0.88), (0.3, 0.88)], 1.2)
    s.lines([(0.4, 0.79), (0.3, 0.88), (0.4, 0.97)], 1.2)
    return s.done()


def joystick(size: int, theme: Theme, colour: Colour) -> pygame.Surface:
    """A joystick and its button."""
    s = _Sheet(size, theme, colour)
    s.lines([(0.42, 0.68), (0.5, 0.3)], 1.6)
    centre = (round(s.big * 0.52), round(s.big * 0.22))
    pygame.draw.circle(s.surface, colour, centre, round(s.big * 0.15))
    s.box(s.rect(0.1, 0.66, 0.8, 0.26))
    pygame.draw.ellipse(s.surface, colour, s.rect(0.66, 0.6, 0.16, 0.1))
    return s.done()


def plug(size: int, theme: Theme, colour: Colour) -> pygame.Surface:
    """A plug that is out of its socket."""
    s = _Sheet(size, theme, colour, 1 / 20)
    for x in (0.4, 0.6):
        s.lines([(x, 0.3), (x, 0.44)])
    s.box(s.rect(0.28, 0.42, 0.44, 0.26), 1 / 16)
    s.lines([(0.5, 0.7), (0.5, 0.8), (0.42, 0.88), (0.2, 0.9)])
    socket = s.rect(0.28, 0.04, 0.44, 0.18)
    s.box(socket, 1 / 16)
    for x in (0.4, 0.6):
        pygame.draw.circle(s.surface, colour, (x * s.big, socket.centery), s.line * 0.8)
    return s.done()


def wrench(size: int, theme: Theme, colour: Colour) -> pygame.Surface:
    """An open-ended wrench, leaning."""
    s = _Sheet(size, theme, colour)
    b = s.big
    pygame.draw.line(s.surface, colour, (b * 0.3, b * 0.78), (b * 0.66, b * 0.34), round(b * 0.13))
    pygame.draw.circle(s.surface, colour, (b * 0.69, b * 0.29), b * 0.2)
    pygame.draw.circle(s.surface, colour, (b * 0.27, b * 0.81), b * 0.13)
    pygame.draw.circle(s.surface, s.ground, (b * 0.27, b * 0.81), b * 0.055)
    # The jaw opens away from the handle.
    jaw = [(0.66, 0.26), (0.74, 0.33), (0.95, 0.14), (0.86, 0.02)]
    pygame.draw.polygon(s.surface, (0, 0, 0, 0), [(x * b, y * b) for x, y in jaw])
    return s.done()


def star(size: int, theme: Theme, colour: Colour) -> pygame.Surface:
    """A burst with a star in it."""
    s = _Sheet(size, theme, colour)
    b = s.big
    rays = []
    for corner in range(32):
        radius = (0.49 if corner % 2 == 0 else 0.4) * b
        angle = math.pi * corner / 16
        rays.append((b / 2 + radius * math.cos(angle), b / 2 + radius * math.sin(angle)))
    pygame.draw.polygon(s.surface, colour, rays)
    pygame.draw.circle(s.surface, s.ground, (b // 2, b // 2), round(b * 0.34))
    pygame.draw.polygon(s.surface, colour, _star((b / 2, b / 2), b * 0.27, b * 0.27, 0.45))
    return s.done()


def slot(size: int, theme: Theme, colour: Colour) -> pygame.Surface:
    """A coin half in its slot."""
    s = _Sheet(size, theme, colour)
    plate = s.rect(0.16, 0.44, 0.68, 0.5)
    s.box(plate)
    half = pygame.transform.smoothscale(coin(size, 0, theme), (round(s.big * 0.5),) * 2)
    mouth = s.rect(0.2, 0.6, 0.6, 0.07)
    s.surface.blit(half, (round(s.big * 0.25), mouth.centery - round(s.big * 0.36)),
                   (0, 0, half.get_width(), round(s.big * 0.36)))  # fmt: skip
    pygame.draw.rect(s.surface, s.ground, mouth, border_radius=mouth.height // 2)
    pygame.draw.rect(s.surface, colour, mouth, s.line // 2, border_radius=mouth.height // 2)
    s.lines([(0.36, 0.81), (0.64, 0.81)])
    return s.done()
