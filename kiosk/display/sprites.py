"""The sprites of the screens: pictures that move, and whose places follow from the time alone.

A sprite stays within its bounds, so only those whose bounds overlap have to be redrawn together.
No sprite moves over a code or over text.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import pygame

from kiosk.display import artwork, backdrops
from kiosk.display.layout import Box, Grid
from kiosk.display.theme import Theme

FRAME = 1 / 30  # seconds: nothing moves faster
BULB_STEP = 0.45  # seconds for the light to travel from one bulb to the next
STAR_STEP = 0.4
SPARK_STEP = 1 / 10
WALK_STEP = 0.25
STARS = 10
SPARKS = 3
DROP_SECONDS = 0.34
ROLL_SECONDS = 0.3
SHADOW_EVERY = 300.0  # seconds: half of what a pixel of the marquee may stay lit
SHADOW_SECONDS = 8.0
EDGE_STEP = 60.0  # seconds that a frame is bright, and then dim

Placed = tuple[pygame.Surface, int, int]


@dataclass(frozen=True)
class Sprite:
    """A moving picture: ``at(n)`` gives its picture and place in step ``n``, or ``None``.

    Steps are ``step`` seconds long. ``bounds`` contains every place it moves to.
    """

    step: float
    at: Callable[[int], Placed | None]
    bounds: Box


@dataclass
class LiveValues:
    """The values that change without a new composition: the relay's coins, the number of credits.

    The times are those at which they changed, in seconds of the renderer's time.
    """

    coin: int = 0
    closed: bool = False
    coin_at: float = -9.0
    number_before: int = 0
    number: int = 0
    number_at: float = -9.0


def bulbs(grid: Grid, theme: Theme, reduced_motion: bool) -> list[Sprite]:
    """The marquee's bulbs: one in five is lit, and the lit ones travel, if they may."""
    box, unit = grid.marquee, grid.unit
    inset = 2 * grid.rim
    size, gap = max(6, 3 * unit), 7 * unit
    inner = pygame.Rect(
        inset + 2 * unit, inset + 2 * unit, box.w - 2 * inset - 4 * unit, box.h - inset - 3 * unit
    )
    across, down = max(2, inner.w // gap), max(1, inner.h // gap)
    ring = [(inner.x + inner.w * n // across, inner.y) for n in range(across)]
    ring += [(inner.right, inner.y + inner.h * n // down) for n in range(down)]
    ring += [(inner.right - inner.w * n // across, inner.bottom) for n in range(across)]
    ring += [(inner.x, inner.bottom - inner.h * n // down) for n in range(down)]
    lit, dark = artwork.bulb(size, True, theme), artwork.bulb(size, False, theme)

    def bulb(number: int, x: int, y: int) -> Sprite:
        on, off = (
            (lit, x - size // 2, y - size // 2),
            (dark, x - size // 2, y - size // 2),
        )
        bounds = Box(x - size // 2, y - size // 2, size, size)
        if reduced_motion:
            return Sprite(3600.0, lambda _: on if number % 5 == 0 else off, bounds)
        return Sprite(BULB_STEP, lambda n: on if (n - number) % 5 == 0 else off, bounds)

    return [bulb(number, x, y) for number, (x, y) in enumerate(ring)]


def shadow(on: Grid) -> Sprite:
    """A shadow that passes over the marquee, so that none of its pixels is lit for ever."""
    box = on.marquee
    width = max(8, box.w // 6)
    dark = pygame.Surface((width, box.h))
    step = 1 / 10
    steps, every = round(SHADOW_SECONDS / step), round(SHADOW_EVERY / step)
    cuts: dict[tuple[int, int], pygame.Surface] = {}

    def at(n: int) -> Placed | None:
        way = (n + every // 2) % every
        if way > steps:
            return None
        left = -width + (box.w + width) * way // steps
        x, right = max(0, left), min(box.w, left + width)
        if right <= x:
            return None
        if (0, right - x) not in cuts:
            cuts[0, right - x] = dark.subsurface((0, 0, right - x, box.h))
        return cuts[0, right - x], x, 0

    return Sprite(step, at, box)


def frame_edges(frame: Box, width: int, corner: int, theme: Theme) -> list[Sprite]:
    """A frame in four pieces, bright for a minute and dim for the next."""
    bright = pygame.Surface((frame.w, frame.h), pygame.SRCALPHA)
    pygame.draw.rect(bright, theme.colours.frame, bright.get_rect(), width, border_radius=corner)
    pieces = (
        Box(0, 0, frame.w, corner),
        Box(0, frame.h - corner, frame.w, corner),
        Box(0, corner, width, frame.h - 2 * corner),
        Box(frame.w - width, corner, width, frame.h - 2 * corner),
    )
    result = []
    for piece in pieces:
        picture = bright.subsurface((piece.x, piece.y, piece.w, piece.h)).copy()
        shown = (picture, frame.x + piece.x, frame.y + piece.y)
        bounds = piece.moved(frame.x, frame.y)
        result.append(
            Sprite(EDGE_STEP, lambda n, shown=shown: shown if n % 2 == 0 else None, bounds)  # type: ignore[misc]
        )
    return result


def comet(frame: Box, size: int, theme: Theme) -> Sprite:
    """A light that runs around the code's card, outside of it."""
    picture = artwork.comet(size, theme.colours.spark)
    half = size // 2
    around = 2 * (frame.w + frame.h)
    every = 150  # frames for one round

    def at(n: int) -> Placed:
        way = around * (n % every) / every
        if way < frame.w:
            x, y = frame.x + way, float(frame.y)
        elif way < frame.w + frame.h:
            x, y = float(frame.right), frame.y + way - frame.w
        elif way < 2 * frame.w + frame.h:
            x, y = frame.right - (way - frame.w - frame.h), float(frame.bottom)
        else:
            x, y = float(frame.x), frame.bottom - (way - 2 * frame.w - frame.h)
        return picture, round(x) - half, round(y) - half

    return Sprite(FRAME, at, frame.inset(-half - 1))


def stars(on: Grid, theme: Theme, busy: Sequence[Box]) -> list[Sprite]:
    """Stars that drift and twinkle in the free parts of the sky."""
    random_ = random.Random(7)
    unit = on.unit
    size = max(3, unit * 2 // 3)
    pictures = [_star(size, shade, theme) for shade in range(6)]
    horizon = round(on.picture.h * backdrops.HORIZON)
    result: list[Sprite] = []
    for _ in range(STARS * 16):
        x = random_.randrange(on.picture.w)
        y = random_.randrange(on.marquee.bottom, max(on.marquee.bottom + 1, horizon))
        phase, slow = random_.randrange(40), 10 + random_.randrange(14)
        bounds = Box(x, y, size + 6 * unit, size)
        taken = any(bounds.overlaps(b) for b in (*busy, *(s.bounds for s in result)))
        if bounds.right > on.picture.w or taken:
            continue

        def at(n: int, x: int = x, y: int = y, phase: int = phase, slow: int = slow) -> Placed:
            shade = round(2.5 + 2.5 * math.sin((n + phase) / slow * 2 * math.pi))
            drift = (n + phase * 3) % 120 / 20
            return pictures[shade], x + int(drift * unit), y

        result.append(Sprite(STAR_STEP, at, bounds))
        if len(result) == STARS:
            break
    return result


def _star(size: int, shade: int, theme: Theme) -> pygame.Surface:
    picture = pygame.Surface((size, size), pygame.SRCALPHA)
    colour = (*theme.colours.text, round(255 * (0.15 + 0.17 * shade)))
    middle = size // 2
    picture.fill(colour, (middle, 0, max(1, size // 3), size))
    picture.fill(colour, (0, middle, size, max(1, size // 3)))
    return picture


def sparks(on: Grid, theme: Theme, busy: Sequence[Box]) -> list[Sprite]:
    """Lights that run along the floor's lines toward the player, where the floor is free."""
    random_ = random.Random(11)
    w, h = on.picture.w, on.picture.h
    horizon = round(h * backdrops.HORIZON)
    largest = max(4, on.unit)
    pictures = {size: _spark(size, theme) for size in range(2, largest + 1)}
    result: list[Sprite] = []
    for line in random_.sample(range(-12, 13), 25):
        phase, slow = random_.randrange(90), 80 + random_.randrange(70)
        way: list[Placed | None] = []
        for n in range(slow):
            depth = (n / slow) ** 2.2
            size = max(2, round(largest * depth))
            x = round(w / 2 + line * w * (0.03 + 0.14 * depth))
            y = round(horizon + (h - horizon) * depth)
            box = Box(x - size, y - size, size * 2, size * 2)
            free = on.picture.contains(box) and not any(box.overlaps(b) for b in busy)
            way.append((pictures[size], box.x, box.y) if free else None)
        if sum(step is not None for step in way) < slow // 4:
            continue
        boxes = [Box(s[1], s[2], *s[0].get_size()) for s in way if s is not None]
        left, top = min(b.x for b in boxes), min(b.y for b in boxes)
        bounds = Box(
            left, top, max(b.right for b in boxes) - left, max(b.bottom for b in boxes) - top
        )
        if any(bounds.overlaps(s.bounds) for s in result):
            continue
        result.append(
            Sprite(SPARK_STEP, lambda n, way=way, phase=phase: way[(n + phase) % len(way)], bounds)  # type: ignore[misc]
        )
        if len(result) == SPARKS:
            break
    return result


def _spark(size: int, theme: Theme) -> pygame.Surface:
    colour = theme.colours.spark
    picture = pygame.Surface((size * 2, size * 2), pygame.SRCALPHA)
    pygame.draw.circle(picture, (*colour, 70), (size, size), size)
    pygame.draw.circle(picture, colour, (size, size), max(1, size // 2))
    return picture


def walking_creature(strip: Box, theme: Theme) -> Sprite | None:
    """The creature that walks to and fro at the foot of the screen."""
    cell = max(1, strip.h // 11)
    width, height = 12 * cell, 8 * cell
    y = strip.bottom - height
    turns = (strip.w - width) // (2 * cell)
    if turns < 4:
        return None
    pictures = [artwork.creature(cell, n, theme.colours.headline) for n in range(2)]

    def at(n: int) -> Placed:
        way = n % (2 * turns)
        x = way if way < turns else 2 * turns - way
        return pictures[n % 2], strip.x + x * 2 * cell, y

    return Sprite(WALK_STEP, at, Box(strip.x, y, strip.w, height))


def bobbing(picture: pygame.Surface, box: Box, by: int, step: float = 0.1) -> Sprite:
    """A picture that rises and sinks by a few pixels, within ``box``."""
    x, y = box.centre[0] - picture.get_width() // 2, box.centre[1] - picture.get_height() // 2
    places = [(picture, x, y + round(by * math.sin(2 * math.pi * n / 24))) for n in range(24)]
    bounds = Box(x, y - by, picture.get_width(), picture.get_height() + 2 * by)
    return Sprite(step, lambda n: places[n % 24], bounds)


def progress_bulbs(box: Box, size: int, theme: Theme) -> list[Sprite]:
    """Five bulbs of which one is lit: something is under way."""
    lit, dark = artwork.bulb(size, True, theme), artwork.bulb(size, False, theme)
    result = []
    for number in range(5):
        x = box.centre[0] + round((number - 2) * size * 1.1) - size // 2
        y = box.centre[1] - size // 2
        on, off = (lit, x, y), (dark, x, y)
        result.append(
            Sprite(
                0.4,
                lambda n, number=number, on=on, off=off: (  # type: ignore[misc]
                    on if n % 5 == number else off
                ),
                Box(x, y, size, size),
            )
        )
    return result


def prerender_coin(area: Box, theme: Theme) -> Iterator[None]:
    """Renders the frames of the falling coin ahead, one for each step of the iterator."""
    for frame in range(min(artwork.COIN_FRAMES, int(DROP_SECONDS / FRAME) + 2)):
        artwork.coin(_coin_size(area), frame, theme)
        yield


def _coin_size(area: Box) -> int:
    return round(area.w * 0.44)


def falling_coin(
    area: Box, mouth: int, theme: Theme, live: LiveValues, reduced_motion: bool
) -> Sprite:
    """The coin that falls into the slot at height ``mouth`` when the relay closes."""
    size = _coin_size(area)
    x, top = area.centre[0] - size // 2, area.y
    way = mouth - top
    cuts: dict[tuple[int, int], pygame.Surface] = {}

    def at(n: int) -> Placed | None:
        since = n * FRAME - live.coin_at
        share = since / DROP_SECONDS
        if reduced_motion or not 0 <= share < 1:
            return None
        y = top + round(way * share * share)
        frame = int(since / FRAME) % artwork.COIN_FRAMES
        height = min(size, mouth - y)
        if height <= 0:
            return None
        if (frame, height) not in cuts:
            cuts[frame, height] = artwork.coin(size, frame, theme).subsurface((0, 0, size, height))
        return cuts[frame, height], x, y

    return Sprite(FRAME, at, Box(x, top, size, way))


def coin_slot(box: Box, theme: Theme, live: LiveValues) -> Sprite:
    """The slot's mouth, which is lit exactly while the relay is closed."""
    pictures = {}
    for lit in (False, True):
        picture = pygame.Surface((box.w, box.h), pygame.SRCALPHA)
        area = picture.get_rect()
        colours = theme.colours
        pygame.draw.rect(
            picture, colours.coin if lit else colours.ink, area, border_radius=box.h // 2
        )
        pygame.draw.rect(picture, colours.frame, area, max(2, box.h // 6), border_radius=box.h // 2)
        pictures[lit] = (picture, box.x, box.y)
    return Sprite(FRAME, lambda _: pictures[live.closed], box)


def coin_row(box: Box, count: int, theme: Theme, live: LiveValues, centred: bool) -> list[Sprite]:
    """A row of coins, those that have dropped lit; long rows wrap."""
    columns = max(range(1, count + 1), key=lambda c: min(box.w // c, box.h // -(-count // c)))
    rows = -(-count // columns)
    side = min(box.w // columns, box.h // rows, box.h * 3 // 4)
    if side < 3:
        return []
    width = columns * side
    left = box.x + ((box.w - width) // 2 if centred else 0)
    top = box.y + (box.h - rows * side) // 2
    full = artwork.coin(max(3, side * 9 // 10), 0, theme)
    empty = pygame.Surface(full.get_size(), pygame.SRCALPHA)
    radius = full.get_width() // 2
    pygame.draw.circle(empty, theme.colours.coin_edge, (radius, radius), radius, max(1, side // 12))
    result = []
    for number in range(count):
        x, y = left + (number % columns) * side, top + (number // columns) * side
        on, off = (full, x, y), (empty, x, y)

        def at(
            _: int,
            number: int = number,
            on: Placed = on,
            off: Placed = off,
        ) -> Placed:
            # The coin that drops now counts when the contact opens again.
            return on if number < live.coin - live.closed else off

        result.append(Sprite(FRAME, at, Box(x, y, *full.get_size())))
    return result


def counter(
    box: Box, draw: Callable[[int], pygame.Surface], live: LiveValues, reduced_motion: bool
) -> Sprite:
    """A number that rolls to its next value within ``box``. ``draw`` makes its picture."""
    known: dict[int, pygame.Surface] = {}
    pages = [pygame.Surface((box.w, box.h), pygame.SRCALPHA) for _ in range(2)]
    last: list[object] = [None, None]

    def picture(value: int) -> pygame.Surface:
        if value not in known:
            if len(known) > 8:
                known.clear()
            known[value] = draw(value)
        return known[value]

    def at(n: int) -> Placed:
        share = min(1.0, max(0.0, (n * FRAME - live.number_at) / ROLL_SECONDS))
        if reduced_motion or live.number_before == live.number:
            share = 1.0
        key = (live.number_before if share < 1 else live.number, live.number, share)
        if last[0] != key:
            # Two pages in turns, so that what is shown differs from what was shown.
            pages.reverse()
            page = pages[0]
            page.fill((0, 0, 0, 0))
            eased = 1 - (1 - share) ** 2
            for value, shift in ((live.number_before, -eased), (live.number, 1 - eased)):
                if -1 < shift < 1:
                    number = picture(value)
                    page.blit(
                        number,
                        ((box.w - number.get_width()) // 2,
                         round((box.h - number.get_height()) / 2 + shift * box.h)),
                    )  # fmt: skip
            last[0] = key
        return pages[0], box.x, box.y

    return Sprite(FRAME, at, box)
