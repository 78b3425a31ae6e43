"""What is behind everything: one picture for a theme and size, drawn once."""

from __future__ import annotations

import math
import random

import pygame

from kiosk.display.layout import Grid
from kiosk.display.reel import smooth
from kiosk.display.theme import VEIL, Colour, Theme, mix

HORIZON = 0.7  # of the height
FOOT = 0.9  # of the height: no words below it, but the operator's, on a ground of their own


def draw(theme: Theme, on: Grid) -> pygame.Surface:
    """The backdrop of a theme, as large as the picture."""
    surface = pygame.Surface((on.picture.w, on.picture.h))
    if theme.background is not None:
        _draw_picture(surface, theme)
        return surface
    match theme.backdrop:
        case "floor":
            _draw_floor(surface, theme)
        case "rays":
            _draw_rays(surface, theme)
        case "peaks":
            _draw_peaks(surface, theme)
        case "plain":
            surface.fill(theme.colours.sky)
    return surface


def _draw_picture(surface: pygame.Surface, theme: Theme) -> None:
    """The theme's own picture, cut to the screen, below a veil that keeps words readable."""
    assert theme.background is not None
    picture = smooth(pygame.image.load(theme.background))
    w, h = surface.get_size()
    scale = max(w / picture.get_width(), h / picture.get_height())
    size = (math.ceil(picture.get_width() * scale), math.ceil(picture.get_height() * scale))
    picture = pygame.transform.smoothscale(picture, size)
    surface.fill(theme.colours.sky)
    surface.blit(picture, ((w - size[0]) // 2, (h - size[1]) // 2))
    veil = pygame.Surface((w, h), pygame.SRCALPHA)
    veil.fill((*theme.colours.sky, round(255 * VEIL)))
    surface.blit(veil, (0, 0))


def _fade(surface: pygame.Surface, top: Colour, bottom: Colour, begin: int, end: int) -> None:
    for y in range(begin, end):
        share = (y - begin) / max(1, end - begin)
        surface.fill(mix(top, bottom, share), (0, y, surface.get_width(), 1))


def _draw_floor(surface: pygame.Surface, theme: Theme) -> None:
    """A sky over a floor of lines that runs away to the horizon."""
    w, h = surface.get_size()
    colours = theme.colours
    horizon = round(h * HORIZON)
    _fade(surface, colours.sky, colours.ground, 0, horizon)
    _fade(surface, colours.ground, colours.sky, horizon, h)
    for depth in range(1, 14):
        share = depth / 13
        y = horizon + (h - horizon) * share**2.2
        pygame.draw.line(surface, _near(theme, y / h, share), (0, y), (w, y), 1 + (h > 900))
    for x in range(-12, 13):
        for part in range(24):
            first, second = part / 24, (part + 1) / 24
            begin, end = (
                (w / 2 + x * w * (0.03 + 0.14 * depth), horizon + (h - horizon) * depth)
                for depth in (first, second)
            )
            pygame.draw.aaline(surface, _near(theme, end[1] / h, 0.2 + first), begin, end)


def _near(theme: Theme, height: float, share: float) -> Colour:
    """A line of the floor: faint where words stand, bright in front of the player's feet."""
    colours = theme.colours
    faint = mix(colours.sky, colours.lines, min(1.0, share))
    return mix(faint, colours.floor, min(1.0, max(0.0, (height - FOOT) / (1 - FOOT))))


def _draw_rays(surface: pygame.Surface, theme: Theme) -> None:
    """Rays of a low sun."""
    w, h = surface.get_size()
    colours = theme.colours
    surface.fill(colours.sky)
    centre = (w / 2, h * 1.15)
    far = math.hypot(w, h) * 1.3
    rays = 26
    for ray in range(0, rays, 2):
        first, second = (math.pi * (1 + (ray + n) / rays) for n in (0, 1))
        points = [
            centre,
            (centre[0] + far * math.cos(first), centre[1] + far * math.sin(first)),
            (centre[0] + far * math.cos(second), centre[1] + far * math.sin(second)),
        ]
        pygame.draw.polygon(surface, colours.ground, points)


def _draw_peaks(surface: pygame.Surface, theme: Theme) -> None:
    """Mountains of lines under a sky with dots."""
    w, h = surface.get_size()
    colours = theme.colours
    _fade(surface, colours.sky, colours.ground, 0, h)
    rng = random.Random(5)
    for share, dim in ((0.62, 0.3), (0.74, 0.5), (0.88, 0.75)):
        line = mix(colours.sky, colours.lines, dim)
        count = 9
        points = [(-w * 0.05, h * share)]
        for n in range(count):
            x = w * (n + 0.5) / count
            points.append((x - w / count * 0.4, h * (share + 0.03 * rng.random())))
            points.append((x, h * (share - 0.05 - 0.09 * rng.random())))
        points.append((w * 1.05, h * share))
        pygame.draw.polygon(surface, colours.sky, [*points, (w, h), (0, h)])
        pygame.draw.aalines(surface, line, False, points)
    for _ in range(60):
        x, y = rng.randrange(w), rng.randrange(round(h * 0.6))
        surface.fill(mix(colours.sky, colours.lines, 0.8), (x, y, 2, 2))
