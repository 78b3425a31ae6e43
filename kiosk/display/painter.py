"""Turns a view into pixels, and redraws only what moves.

A view's picture has two layers. The *still* one (night, floor, marquee, words, code) is drawn once
for each view. Over it move *sprites* (bulbs, stars, sparks, a coin), each a small picture at a
place that depends on the time alone; a frame takes those that changed from their old places and
puts them to their new ones. Nothing ever moves over the code, the words or the notes.

Times are seconds since any beginning.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass

import pygame

from kiosk.core.view import View
from kiosk.display import qr, sprites
from kiosk.display.layout import Box, card_box, layout
from kiosk.display.lettering import Block, Lettering
from kiosk.display.scenes import STEPS, Figure, Scene, scene
from kiosk.display.theme import NIGHT, Theme

BULB_STEP = 0.24  # seconds for the light to travel from one bulb to the next
STAR_STEP = 0.1
SPARK_STEP = 1 / 24
COIN_STEP = 1 / 16
DROP_SECONDS = 0.42
STARS = 16
SPARKS = 7


@dataclass(frozen=True)
class Sprite:
    """A moving picture: ``at(t)`` gives what is shown and where, or nothing; it changes every
    ``step`` seconds."""

    step: float
    at: Callable[[float], tuple[pygame.Surface, int, int] | None]


class Painter:
    """Draws views for screens of one size. ``title`` stands on the marquee."""

    def __init__(self, size: tuple[int, int], title: str, theme: Theme = NIGHT) -> None:
        self.layout = layout(*size)
        self.blocks: list[Block] = []
        self.code: Box | None = None
        self._title = title
        self._theme = theme
        self._lettering = Lettering(theme)
        self._night = self._draw_night()
        self._still = self._night.copy()
        self._view: View | None = None
        self._since = 0.0
        self._sprites: list[Sprite] = []
        self._shown: list[tuple[pygame.Surface, int, int] | None] = []
        self._marquee_bulbs = self._bulbs()

    def draw(self, surface: pygame.Surface, view: View, t: float) -> list[pygame.Rect]:
        """Draws what changed since the last call; returns those rectangles."""
        if view != self._view:
            self._compose(view, t)
            surface.blit(self._still, (0, 0))
            for number, sprite in enumerate(self._sprites):
                self._shown[number] = sprite.at(t)
                self._put(surface, self._shown[number])
            return [surface.get_rect()]
        dirty: list[pygame.Rect] = []
        for number, sprite in enumerate(self._sprites):
            before, now = self._shown[number], sprite.at(t)
            if now == before:
                continue
            if before is not None:
                area = pygame.Rect(before[1], before[2], *before[0].get_size())
                surface.blit(self._still, area, area)
                dirty.append(area)
            self._shown[number] = now
            if now is not None:
                dirty.append(pygame.Rect(now[1], now[2], *now[0].get_size()))
        if dirty:
            self._mend(surface, dirty)
        return dirty

    def next_change(self, view: View, t: float) -> float:
        """Seconds until something moves."""
        if view != self._view or not self._sprites:
            return 0.0
        return min(sprite.step - t % sprite.step for sprite in self._sprites)

    def _put(self, surface: pygame.Surface, shown: tuple[pygame.Surface, int, int] | None) -> None:
        if shown is not None:
            surface.blit(shown[0], (shown[1], shown[2]))

    def _mend(self, surface: pygame.Surface, dirty: list[pygame.Rect]) -> None:
        """Puts every sprite into the dirty places again, in order, and into those only."""
        for area in dirty:
            surface.blit(self._still, area, area)
        # Places may overlap: each is mended whole, clipped to itself, so that no half-transparent
        # pixel is laid over itself.
        for number, area in enumerate(dirty):
            earlier = dirty[:number]
            if any(other.contains(area) for other in earlier):
                continue
            surface.set_clip(area)
            surface.blit(self._still, area, area)
            for shown in self._shown:
                if shown is not None:
                    picture, x, y = shown
                    if area.colliderect((x, y, *picture.get_size())):
                        surface.blit(picture, (x, y))
        surface.set_clip(None)

    # The still layer

    def _compose(self, view: View, t: float) -> None:
        if self._view is None or view.screen != self._view.screen or view.coin != self._view.coin:
            self._since = t
        self._view = view
        told = scene(view, self._lettering.can_write)
        self.code = None
        self._still.blit(self._night, (0, 0))
        self._sprites = list(self._marquee_bulbs)
        self._draw_figure(told, view)
        self._draw_words(told)
        self._draw_notes(view.notes)
        self._sprites += self._sky() + self._floor_sparks()
        self._shown = [None] * len(self._sprites)

    def _draw_night(self) -> pygame.Surface:
        """Sky, floor and marquee: the same in every view."""
        w, h = self.layout.screen.w, self.layout.screen.h
        night = pygame.Surface((w, h))
        theme = self._theme
        horizon = self._horizon()
        for y in range(h):
            share = (
                (y / horizon) ** 2 if y < horizon else max(0.0, 1 - (y - horizon) / (h - horizon))
            )
            colour = [
                round(a + (b - a) * share) for a, b in zip(theme.night, theme.dusk, strict=True)
            ]
            night.fill(colour, (0, y, w, 1))
        for depth in range(1, 14):
            y = horizon + (h - horizon) * (depth / 13) ** 2.2
            pygame.draw.line(night, self._grid(depth / 13), (0, y), (w, y))
        for x in range(-12, 13):
            pygame.draw.aaline(
                night, self._grid(0.45), (w / 2 + x * w * 0.03, horizon), (w / 2 + x * w * 0.17, h)
            )
        self._draw_marquee(night)
        return night

    def _horizon(self) -> int:
        return round(self.layout.screen.h * 0.7)

    def _grid(self, share: float) -> tuple[int, int, int]:
        theme = self._theme
        mixed = [
            round(a + (b - a) * share * 0.7) for a, b in zip(theme.night, theme.grid, strict=True)
        ]
        return mixed[0], mixed[1], mixed[2]

    def _draw_marquee(self, night: pygame.Surface) -> None:
        box, unit = self.layout.marquee, self.layout.unit
        theme = self._theme
        panel = pygame.Rect(unit, unit, box.w - 2 * unit, box.h - unit)
        pygame.draw.rect(night, (28, 12, 52), panel, border_radius=2 * unit)
        pygame.draw.rect(night, theme.dark_amber, panel, max(1, unit // 3), border_radius=2 * unit)
        room = box.inset(5 * unit)
        words = self._lettering.line(
            self._title.upper(), theme.display_face, round(box.h * 0.6), room.w, theme.amber
        )
        x, y = box.centre
        shine = sprites.glow(box.h, theme.rose)
        wide = pygame.transform.smoothscale(shine, (min(room.w, words.get_width() * 5 // 4), box.h))
        night.blit(wide, wide.get_rect(center=(x, y + unit // 2)))
        night.blit(words, words.get_rect(center=(x, y + unit // 2)))

    def _draw_figure(self, told: Scene, view: View) -> None:
        place, unit, theme = self.layout.figure, self.layout.unit, self._theme
        match told.figure:
            case Figure.CODE if view.offer:
                card = card_box(place, unit)
                self._draw_code(view.offer.url, card)
            case Figure.NUMBER:
                side = min(place.w, place.h)
                self._light(place.square(side), theme.amber)
                number = self._lettering.line(
                    str(told.number), theme.display_face, round(side * 0.7), place.w, theme.amber
                )
                self._still.blit(number, number.get_rect(center=place.centre))
            case Figure.COIN:
                self._draw_slot()
            case figure:
                side = round(min(place.w, place.h) * 0.72)
                draw, colour = {
                    Figure.PHONE: (sprites.phone, theme.cyan),
                    Figure.PLUG: (sprites.plug, theme.rose),
                }.get(figure, (sprites.joystick, theme.cyan))
                self._light(place.square(min(place.w, place.h)), colour)
                picture = draw(side, theme, colour)
                self._still.blit(picture, picture.get_rect(center=place.centre))

    def _light(self, box: Box, colour: tuple[int, int, int]) -> None:
        self._still.blit(sprites.glow(box.w, colour), (box.x, box.y))

    def _draw_code(self, url: str, card: Box) -> None:
        unit, theme = self.layout.unit, self._theme
        frame = pygame.Rect(card.x, card.y, card.w, card.h).inflate(2 * unit, 2 * unit)
        pygame.draw.rect(self._still, theme.paper, frame, border_radius=2 * unit)
        pygame.draw.rect(
            self._still, theme.amber, frame, max(2, unit * 2 // 3), border_radius=2 * unit
        )
        self.code = qr.draw(self._still, url, card, theme)

    def _draw_slot(self) -> None:
        """The coin slot, and the coin that drops into it."""
        place, theme, unit = self.layout.figure, self._theme, self.layout.unit
        side = min(place.w, place.h)
        stage = place.square(side)
        size = round(side * 0.42)
        slot = pygame.Rect(0, 0, round(side * 0.56), max(4, round(side * 0.07)))
        slot.center = (stage.centre[0], stage.y + round(side * 0.74))
        self._light(stage, theme.amber)
        pygame.draw.rect(self._still, theme.ink, slot, border_radius=slot.height // 2)
        pygame.draw.rect(
            self._still, theme.amber, slot, max(2, unit // 2), border_radius=slot.height // 2
        )
        since = self._since
        x, top, way = stage.centre[0] - size // 2, stage.y, slot.centery - size // 2 - stage.y
        cuts: dict[tuple[int, int], pygame.Surface] = {}

        def at(t: float) -> tuple[pygame.Surface, int, int] | None:
            # In whole frames, so that a frame that is not due changes nothing.
            frame = int(max(0.0, t - since) * 30)
            share = min(1.0, frame / 30 / DROP_SECONDS)
            if share >= 1.0:
                return None
            y = top + round(way * share * share)
            whole = sprites.coin(size, frame % sprites.COIN_FRAMES, theme)
            height = min(size, slot.centery - y)
            if height <= 0:
                return None
            key = (frame % sprites.COIN_FRAMES, height)
            if key not in cuts:
                cuts[key] = whole.subsurface((0, 0, size, height))
            return cuts[key], x, y

        self._sprites.append(Sprite(1 / 30, at))

    def _draw_words(self, told: Scene) -> None:
        lay = self.layout
        words = lay.words
        if told.small_code:
            words, place = lay.column_with_code
        elif not told.steps and not told.coins[1]:
            words = lay.column
        self.blocks = self._lettering.blocks(
            told.lines, words, lay.smallest_text, centred=lay.portrait
        )
        for block in self.blocks:
            self._still.blit(block.surface, (block.box.x, block.box.y))
        if told.steps:
            self._draw_steps()
        if told.coins[1]:
            self._draw_coins(*told.coins)
        if told.small_code and self._view and self._view.offer:
            self._draw_code(self._view.offer.url, place)

    def _draw_steps(self) -> None:
        """Scan, pay, play: three pictograms and their words."""
        lay, theme = self.layout, self._theme
        place = lay.steps
        each = place.w // 3
        height = max(lay.smallest_text, place.h // 5)
        side = min(round(each * 0.62), place.h - round(height * 1.3))
        pictures = (sprites.phone, sprites.card, sprites.joystick)
        colours = (theme.cyan, theme.amber, theme.rose)
        for number, (name, draw, colour) in enumerate(zip(STEPS, pictures, colours, strict=True)):
            x = place.x + each * number + each // 2
            picture = draw(side, theme, colour)
            y = place.y + (place.h - side - round(height * 1.2)) // 2
            self._still.blit(picture, (x - side // 2, y))
            word = self._lettering.line(name, theme.text_face, height, each, theme.text)
            self._still.blit(word, word.get_rect(midtop=(x, y + side + height // 8)))
            if number:
                middle, tip = x - each // 2, max(3, side // 9)
                points = [
                    (middle + dx * tip // 2, y + side // 2 + dy * tip)
                    for dx, dy in ((-1, -1), (1, 0), (-1, 1))
                ]
                pygame.draw.lines(self._still, theme.soft, False, points, max(2, tip // 3))

    def _draw_coins(self, lit: int, all_: int) -> None:
        """A row of coins, those that fell lit; long rows wrap."""
        place, theme = self.layout.steps, self._theme
        columns = min(all_, 10)
        rows = -(-all_ // columns)
        side = min(place.w // columns, place.h // max(1, rows), place.h // 2)
        if side < 4:
            return
        left = place.x + ((place.w - columns * side) // 2 if self.layout.portrait else 0)
        for number in range(all_):
            x = left + (number % columns) * side
            y = place.y + (number // columns) * side
            if number < lit:
                self._still.blit(sprites.coin(side * 9 // 10, 0, theme), (x, y))
            else:
                pygame.draw.circle(
                    self._still, theme.dark_amber, (x + side // 2, y + side // 2), side * 2 // 5,
                    max(1, side // 14),
                )  # fmt: skip

    def _draw_notes(self, notes: tuple[str, ...]) -> None:
        """The operator's lines, small, in the lower corner."""
        lay, theme = self.layout, self._theme
        for number, note in enumerate(notes[:3]):
            words = self._lettering.line(note, theme.text_face, lay.note, lay.notes.w, theme.soft)
            self._still.blit(words, (lay.notes.x, lay.notes.y + number * lay.note))

    # The sprites

    def _bulbs(self) -> list[Sprite]:
        """The marquee's chain of bulbs, in which one light in five travels."""
        box, unit = self.layout.marquee, self.layout.unit
        size = max(6, 5 * unit // 2)
        gap = 5 * unit
        inner = pygame.Rect(2 * unit, 2 * unit, box.w - 4 * unit, box.h - 3 * unit)
        across, down = max(2, inner.w // gap), max(1, inner.h // gap)
        ring = [(inner.x + inner.w * n // across, inner.y) for n in range(across)]
        ring += [(inner.right, inner.y + inner.h * n // down) for n in range(down)]
        ring += [(inner.right - inner.w * n // across, inner.bottom) for n in range(across)]
        ring += [(inner.x, inner.bottom - inner.h * n // down) for n in range(down)]
        on, off = sprites.bulb(size, True, self._theme), sprites.bulb(size, False, self._theme)

        def bulb(number: int, x: int, y: int) -> Sprite:
            lit = (on, x - size // 2, y - size // 2)
            dark = (off, x - size // 2, y - size // 2)
            return Sprite(
                BULB_STEP, lambda t: lit if (int(t / BULB_STEP) - number) % 5 == 0 else dark
            )

        return [bulb(number, x, y) for number, (x, y) in enumerate(ring)]

    def _busy(self) -> list[Box]:
        """Where nothing may move."""
        lay = self.layout
        return [lay.marquee, lay.figure, lay.column, lay.notes]

    def _sky(self) -> list[Sprite]:
        """Stars that drift and breathe in the free parts of the sky."""
        lay = self.layout
        chance = random.Random(7)
        size = max(3, lay.unit * 2 // 3)
        pictures = [self._star(size, shade) for shade in range(6)]
        found = []
        for _ in range(STARS * 12):
            x, y = (
                chance.randrange(lay.screen.w),
                chance.randrange(lay.marquee.bottom, self._horizon()),
            )
            phase, slow = chance.random() * 12, 3 + chance.random() * 4
            way = Box(x, y, size + 6 * lay.unit, size)
            if way.right > lay.screen.w or any(way.overlaps(b) for b in self._busy()):
                continue

            def at(
                t: float, x: int = x, y: int = y, phase: float = phase, slow: float = slow
            ) -> tuple[pygame.Surface, int, int]:
                t = math.floor(t / STAR_STEP) * STAR_STEP
                shade = round(2.5 + 2.5 * math.sin((t + phase) / slow * 2 * math.pi))
                drift = (t * 0.35 + phase) % 6.0
                return pictures[shade], x + int(drift * lay.unit), y

            found.append(Sprite(STAR_STEP, at))
            if len(found) == STARS:
                break
        return found

    def _star(self, size: int, shade: int) -> pygame.Surface:
        picture = pygame.Surface((size, size), pygame.SRCALPHA)
        share = 0.15 + 0.17 * shade
        colour = (*self._theme.text, round(255 * share))
        middle = size // 2
        picture.fill(colour, (middle, 0, max(1, size // 3), size))
        picture.fill(colour, (0, middle, size, max(1, size // 3)))
        return picture

    def _floor_sparks(self) -> list[Sprite]:
        """Lights that run along the floor's lines toward the player."""
        lay, theme = self.layout, self._theme
        chance = random.Random(11)
        horizon, w, h = self._horizon(), lay.screen.w, lay.screen.h
        busy = self._busy()
        pictures = {
            size: self._spark(size, colour)
            for size in range(2, max(4, lay.unit) + 1)
            for colour in (theme.cyan,)
        }
        largest = max(pictures)
        found = []
        for line in chance.sample(range(-12, 13), SPARKS):
            phase, slow = chance.random() * 9, 6 + chance.random() * 5

            def at(
                t: float, line: int = line, phase: float = phase, slow: float = slow
            ) -> tuple[pygame.Surface, int, int] | None:
                t = math.floor(t / SPARK_STEP) * SPARK_STEP
                way = ((t + phase) % slow) / slow
                depth = way**2.2
                y = horizon + (h - horizon) * depth
                x = w / 2 + line * w * (0.03 + 0.14 * depth)
                size = max(2, round(largest * depth))
                box = Box(round(x) - size, round(y) - size, size * 2, size * 2)
                if box.x < 0 or box.right > w or box.bottom > h:
                    return None
                if any(box.overlaps(b) for b in busy):
                    return None
                return pictures[size], box.x, box.y

            found.append(Sprite(SPARK_STEP, at))
        return found

    def _spark(self, size: int, colour: tuple[int, int, int]) -> pygame.Surface:
        picture = pygame.Surface((size * 2, size * 2), pygame.SRCALPHA)
        pygame.draw.circle(picture, (*colour, 70), (size, size), size)
        pygame.draw.circle(picture, colour, (size, size), max(1, size // 2))
        return picture
