"""The small pictures, drawn in code at the size they are needed in."""

from __future__ import annotations

import math
from functools import lru_cache

import pygame

from kiosk.display.theme import Colour, Theme

COIN_FRAMES = 16


@lru_cache(maxsize=64)
def coin(size: int, frame: int, theme: Theme) -> pygame.Surface:
    """A coin of ``size`` pixels in one of ``COIN_FRAMES`` positions of its turn."""
    # Drawn four times too large and scaled down once, for clean edges.
    big = size * 4
    turn = abs(math.cos(math.pi * frame / COIN_FRAMES))
    width = max(big // 10, round(big * turn))
    surface = pygame.Surface((big, big), pygame.SRCALPHA)
    edge = pygame.Rect((big - width) // 2, 0, width, big)
    pygame.draw.ellipse(surface, theme.dark_amber, edge)
    face = edge.inflate(-max(2, width // 14), -big // 14)
    pygame.draw.ellipse(surface, theme.amber, face)
    ring = face.inflate(-width // 5, -big // 5)
    if ring.width > big // 8:
        pygame.draw.ellipse(surface, theme.dark_amber, ring, max(2, big // 36))
        star = _star(ring.center, ring.width * 0.36, ring.height * 0.36)
        pygame.draw.polygon(surface, theme.dark_amber, star)
    shine = pygame.Rect(
        face.x + face.width // 5, face.y + big // 8, max(2, face.width // 9), big // 3
    )
    pygame.draw.ellipse(surface, (255, 224, 140), shine)
    return pygame.transform.smoothscale(surface, (size, size))


def _star(centre: tuple[int, int], rx: float, ry: float) -> list[tuple[float, float]]:
    points = []
    for corner in range(10):
        radius = 1.0 if corner % 2 == 0 else 0.42
        angle = math.pi * corner / 5 - math.pi / 2
        points.append(
            (centre[0] + rx * radius * math.cos(angle), centre[1] + ry * radius * math.sin(angle))
        )
    return points


@lru_cache(maxsize=32)
def bulb(size: int, lit: bool, theme: Theme) -> pygame.Surface:
    """A bulb of the marquee, with its glow if it is lit."""
    big = size * 4
    surface = pygame.Surface((big, big), pygame.SRCALPHA)
    centre = (big // 2, big // 2)
    if lit:
        for share, alpha in ((1.0, 40), (0.8, 70), (0.62, 120)):
            pygame.draw.circle(surface, (*theme.amber, alpha), centre, round(big / 2 * share))
        pygame.draw.circle(surface, (255, 238, 190), centre, big // 5)
    else:
        pygame.draw.circle(surface, theme.bulb_off, centre, big // 5)
    return pygame.transform.smoothscale(surface, (size, size))


@lru_cache(maxsize=8)
def glow(size: int, colour: Colour) -> pygame.Surface:
    """A soft round light."""
    small = pygame.Surface((48, 48), pygame.SRCALPHA)
    for radius in range(24, 0, -1):
        alpha = round(150 * (1 - radius / 24) ** 2)
        pygame.draw.circle(small, (*colour, alpha), (24, 24), radius)
    return pygame.transform.smoothscale(small, (size, size))


def phone(size: int, theme: Theme, colour: Colour) -> pygame.Surface:
    """A phone with a card's waves."""
    big = size * 2
    s = pygame.Surface((big, big), pygame.SRCALPHA)
    line = max(2, big // 22)
    body = pygame.Rect(round(big * 0.27), round(big * 0.06), round(big * 0.46), round(big * 0.88))
    pygame.draw.rect(s, theme.night, body, border_radius=big // 12)
    pygame.draw.rect(s, colour, body, line, border_radius=big // 12)
    pygame.draw.line(
        s,
        colour,
        (big * 0.45, body.bottom - line * 2.4),
        (big * 0.55, body.bottom - line * 2.4),
        line,
    )
    code = pygame.Rect(0, 0, round(big * 0.24), round(big * 0.24))
    code.center = (big // 2, round(big * 0.42))
    cell = code.width // 3
    for x, y in ((0, 0), (2, 0), (0, 2), (1, 1), (2, 2)):
        s.fill(colour, (code.x + x * cell, code.y + y * cell, cell - line // 3, cell - line // 3))
    return pygame.transform.smoothscale(s, (size, size))


def card(size: int, theme: Theme, colour: Colour) -> pygame.Surface:
    """A bank card with a tick."""
    big = size * 2
    s = pygame.Surface((big, big), pygame.SRCALPHA)
    line = max(2, big // 22)
    body = pygame.Rect(round(big * 0.06), round(big * 0.2), round(big * 0.88), round(big * 0.6))
    pygame.draw.rect(s, theme.night, body, border_radius=big // 14)
    pygame.draw.rect(s, colour, body, line, border_radius=big // 14)
    s.fill(colour, (body.x, body.y + body.height // 4, body.width, line * 2))
    tick = [(0.36, 0.62), (0.47, 0.71), (0.66, 0.5)]
    pygame.draw.lines(s, colour, False, [(x * big, y * big) for x, y in tick], round(line * 1.4))
    return pygame.transform.smoothscale(s, (size, size))


def joystick(size: int, theme: Theme, colour: Colour) -> pygame.Surface:
    """A joystick and its button."""
    big = size * 2
    s = pygame.Surface((big, big), pygame.SRCALPHA)
    line = max(2, big // 22)
    base = pygame.Rect(round(big * 0.1), round(big * 0.66), round(big * 0.8), round(big * 0.26))
    pygame.draw.line(s, colour, (big * 0.42, big * 0.68), (big * 0.5, big * 0.3), round(line * 1.6))
    pygame.draw.circle(s, colour, (round(big * 0.52), round(big * 0.22)), round(big * 0.15))
    pygame.draw.rect(s, theme.night, base, border_radius=big // 14)
    pygame.draw.rect(s, colour, base, line, border_radius=big // 14)
    pygame.draw.ellipse(s, colour, (big * 0.66, big * 0.6, big * 0.16, big * 0.1))
    return pygame.transform.smoothscale(s, (size, size))


def plug(size: int, theme: Theme, colour: Colour) -> pygame.Surface:
    """A plug that is out of its socket."""
    big = size * 2
    s = pygame.Surface((big, big), pygame.SRCALPHA)
    line = max(2, big // 20)
    for x in (0.42, 0.58):
        pygame.draw.line(s, colour, (big * x, big * 0.2), (big * x, big * 0.38), line)
    body = pygame.Rect(round(big * 0.3), round(big * 0.36), round(big * 0.4), round(big * 0.26))
    pygame.draw.rect(s, theme.night, body, border_radius=big // 20)
    pygame.draw.rect(s, colour, body, line, border_radius=big // 20)
    pygame.draw.arc(
        s, colour, (big * 0.18, big * 0.5, big * 0.33, big * 0.4), math.pi * 1.05, math.pi * 2, line
    )
    pygame.draw.line(s, colour, (big * 0.5, big * 0.62), (big * 0.5, big * 0.72), line)
    return pygame.transform.smoothscale(s, (size, size))
