"""Draws compositions: the still layer of a view, and the sprites that move over it.

A composition is drawn in slices (:func:`Composer.slices` yields between them), so that a loop may
show the last one meanwhile and never misses a frame.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pygame

from kiosk.core.view import Alert, Screen, View
from kiosk.display import backdrops, layout, motions, qr, sprites
from kiosk.display.catalogue import Words
from kiosk.display.layout import Box, Grid, Places, card_box
from kiosk.display.lettering import Block, Lettering
from kiosk.display.motions import Live, Sprite
from kiosk.display.scenes import Figure, Form, Scene, scene
from kiosk.display.theme import Colour, Theme, mix

MOST_NOTES = 4  # lines


@dataclass
class Composition:
    """A drawn view. Boxes are places in the picture, which is larger than the screen by its rim.

    ``code`` is the square of the code that was read again, ``card`` the white card below it.
    """

    view: View
    still: pygame.Surface
    live: Live
    places: Places
    blocks: list[Block] = field(default_factory=list)
    sprites: list[Sprite] = field(default_factory=list)
    code: Box | None = None
    card: Box | None = None
    unreadable: bool = False
    stands_in: bool = False  # for a view whose code could not be read


class Composer:
    """Draws for screens of one size in one theme.

    ``title`` or else ``logo`` stands on the marquee; ``calm`` leaves out what only moves.
    """

    def __init__(
        self, on: Grid, theme: Theme, title: str, logo: pygame.Surface | None, calm: bool
    ) -> None:
        self.grid = on
        self.lettering = Lettering(theme)
        self._theme = theme
        self._calm = calm
        self._ground = backdrops.draw(theme, on)
        self._draw_marquee(title, logo)
        self._marquee = motions.bulbs(on, theme, calm) if theme.bulbs else []
        self._marquee.append(motions.shadow(on))
        self._read: dict[tuple[str, Box], bool] = {}
        self._lives: dict[tuple[Box, ...], list[Sprite]] = {}

    def words(self, place: str) -> Words:
        """The words of a language, as the theme's faces can write them."""
        language = place.partition("_")[0]
        return Words(place, lambda text: self.lettering.can_write(text, language))

    def slices(
        self, view: View, words: Words, into: Composition, picture: pygame.Surface | None = None
    ) -> Iterator[None]:
        """Draws ``view`` into a composition; it is done when nothing more is yielded.

        ``picture``, if any, stands in the place of the words.
        """
        told = scene(view, words)
        into.still.blit(self._ground, (0, 0))
        notes = self._notes(view.alerts, told.notes)
        into.places = layout.places(
            self.grid,
            told.form,
            steps=bool(told.steps and self._theme.steps) or told.figure is Figure.DROP,
            code=told.second_code,
            notes=len(notes),
        )
        yield
        if told.stripes:
            self._draw_stripes(into)
        yield from self._draw_figure(told, view, into)
        yield
        if picture is None:
            yield from self._draw_words(told, words, into)
        else:
            yield from self._draw_reel(told, picture, words, into)
        yield
        if told.second_code and view.offer and into.places.code:
            self._draw_code(view.offer.url, into.places.code, into)
            yield
        self._draw_notes(notes, into)
        into.sprites += self._marquee
        if not self._calm:
            yield
            into.sprites += self._life(into, bool(notes))
        if into.code and view.offer:
            yield
            # Read from the very frame that is shown: one that no phone reads is never shown.
            key = (view.offer.url, into.code)
            if key not in self._read:
                if len(self._read) > 64:
                    self._read.clear()
                self._read[key] = qr.read(into.still, into.code) == view.offer.url
            into.unreadable = not self._read[key]

    def blank(self, view: View, live: Live) -> Composition:
        """A composition to draw into."""
        still = pygame.Surface((self.grid.picture.w, self.grid.picture.h))
        return Composition(view, still, live, layout.places(self.grid, Form.STAGE))

    def _draw_marquee(self, title: str, logo: pygame.Surface | None) -> None:
        box, unit, rim = self.grid.marquee, self.grid.unit, self.grid.rim
        colours = self._theme.colours
        panel = pygame.Rect(-3 * unit, -3 * unit, box.w + 6 * unit, box.h + 3 * unit)
        pygame.draw.rect(self._ground, colours.panel, panel)
        line = max(1, unit // 3)
        self._ground.fill(colours.frame_dim, (0, box.h - line, box.w, line))
        safe = Box(2 * rim, 2 * rim, box.w - 4 * rim, box.h - 2 * rim).inset(5 * unit)
        room = safe if safe.h > 2 * unit else Box(safe.x, 2 * rim, safe.w, box.h - 2 * rim)
        x, y = room.centre
        if logo is not None:
            scale = min(room.w / logo.get_width(), (box.h - 2 * rim - 6 * unit) / logo.get_height())
            size = (
                max(1, round(logo.get_width() * scale)),
                max(1, round(logo.get_height() * scale)),
            )
            small = pygame.transform.smoothscale(logo, size)
            self._ground.blit(small, small.get_rect(center=(x, y)))
            return
        shout = title.upper()
        face = self.lettering.face_for(shout, loud=True)
        height = max(round((box.h - 2 * rim) * 0.58), self.grid.smallest_text)
        words = self.lettering.line(shout, face, height, room.w, colours.title)
        shine = pygame.Surface((words.get_width() + 8 * unit, words.get_height() + 8 * unit))
        shine.fill(colours.panel)
        light = self.lettering.line(
            shout, face, height, room.w, mix(colours.panel, colours.glow, 0.8)
        )
        shine.blit(light, (4 * unit, 4 * unit))
        # Blurred small, which looks the same and takes a hundredth of the time.
        quarter = (max(1, shine.get_width() // 4), max(1, shine.get_height() // 4))
        small = pygame.transform.smoothscale(shine, quarter)
        small = pygame.transform.gaussian_blur(small, max(1, unit * 3 // 8))
        shine = pygame.transform.smoothscale(small, shine.get_size())
        self._ground.set_clip((0, 0, box.w, box.h - line))
        self._ground.blit(shine, shine.get_rect(center=(x, y)))
        self._ground.set_clip(None)
        self._ground.blit(words, words.get_rect(center=(x, y)))

    def _draw_stripes(self, into: Composition) -> None:
        """The barrier's stripes, below the marquee and above the strip."""
        colours, unit = self._theme.colours, self.grid.unit
        height = max(4, 2 * unit)
        for top in (self.grid.marquee.bottom, self.grid.picture.h - height - 2 * self.grid.rim):
            width = self.grid.picture.w
            into.still.fill(colours.ink, (0, top, width, height))
            into.still.set_clip((0, top, width, height))
            for x in range(-height, width, 4 * height):
                points = [
                    (x, top + height), (x + height, top), (x + 3 * height, top),
                    (x + 2 * height, top + height),
                ]  # fmt: skip
                pygame.draw.polygon(into.still, colours.coin, points)
            into.still.set_clip(None)

    def _draw_figure(self, told: Scene, view: View, into: Composition) -> Iterator[None]:
        place, colours = into.places.figure, self._theme.colours
        side = min(place.w, place.h)
        match told.figure:
            case Figure.CODE if view.offer:
                self._draw_code(view.offer.url, card_box(place, self.grid.unit), into)
            case Figure.NUMBER:
                self._light(place.square(side), colours.coin, into)
                yield
                into.sprites.append(self._number(place, round(side * 0.72), into.live))
            case Figure.DROP:
                yield from self._draw_drop(view, into)
            case figure:
                draw, colour = {
                    Figure.PHONE: (sprites.phone, colours.headline),
                    Figure.CARD: (sprites.card_returns, colours.bonus),
                    Figure.PLUG: (sprites.plug, colours.bonus),
                    Figure.WRENCH: (sprites.wrench, colours.price),
                    Figure.STAR: (sprites.star, colours.price),
                    Figure.COIN: (sprites.slot, colours.price),
                    Figure.CREATURE: (self._creature, colours.headline),
                }.get(figure, (sprites.joystick, colours.headline))
                self._light(place.square(side), colour, into)
                yield
                picture = draw(round(side * 0.8), self._theme, colour)
                if self._calm or figure in (Figure.PLUG, Figure.WRENCH):
                    into.still.blit(picture, picture.get_rect(center=place.centre))
                else:
                    into.sprites.append(motions.bob(picture, place, max(1, side // 50)))
                if figure in (Figure.PHONE, Figure.STICK) and not self._calm:
                    yield
                    self._draw_waiting(place, side, into)

    def _draw_waiting(self, place: Box, side: int, into: Composition) -> None:
        """Bulbs to the sides of the figure: something is under way."""
        size = max(8, side // 9)
        width = 6 * size
        for x in (place.centre[0] - side * 6 // 10 - width, place.centre[0] + side * 6 // 10):
            box = Box(x, place.centre[1] - size, width, 2 * size)
            if place.contains(box):
                into.sprites += motions.dots(box, size, self._theme)

    def _creature(self, size: int, _theme: Theme, colour: Colour) -> pygame.Surface:
        return sprites.creature(max(2, size // 13), 0, colour)

    def _light(self, box: Box, colour: Colour, into: Composition) -> None:
        into.still.blit(
            sprites.glow(box.w, mix(self._theme.colours.sky, colour, 0.5)), (box.x, box.y)
        )

    def _draw_code(self, url: str, card: Box, into: Composition) -> None:
        unit, colours = self.grid.unit, self._theme.colours
        # The lit coin slot: a warm light falls out of it.
        light = sprites.glow(round(card.w * 1.5), mix(colours.sky, colours.frame, 0.6))
        into.still.blit(light, light.get_rect(center=card.centre))
        frame = pygame.Rect(card.x, card.y, card.w, card.h).inflate(2 * unit, 2 * unit)
        corner, line = 2 * unit, max(2, unit * 2 // 3)
        pygame.draw.rect(into.still, colours.paper, frame, border_radius=corner)
        pygame.draw.rect(into.still, colours.frame_dim, frame, line, border_radius=corner)
        into.code = qr.draw(into.still, url, card, self._theme)
        into.card = Box(frame.x, frame.y, frame.w, frame.h)
        into.sprites += motions.edges(into.card, line, corner, self._theme)
        if not self._calm:
            size = max(6, unit * 2)
            outside = into.card.inset(-max(2, size // 2))
            into.sprites.append(motions.comet(outside, size, self._theme))

    def _number(self, box: Box, height: int, live: Live) -> Sprite:
        face, colour = self._theme.display, self._theme.colours.price
        room = box.square(min(box.w, round(height * 2.4)))
        room = Box(room.x, box.centre[1] - height * 6 // 10, room.w, height * 6 // 5)

        def draw(value: int) -> pygame.Surface:
            return self.lettering.line(str(value), face, height, room.w, colour)

        return motions.counter(room, draw, live, self._calm)

    def _draw_drop(self, view: View, into: Composition) -> Iterator[None]:
        """The coin slot, the coin that drops, how many of how many, and a row of them."""
        place, below = into.places.figure, into.places.steps
        place, beside = place.cut(0.56, 2 * self.grid.unit)
        side = min(place.w, place.h)
        stage = Box(place.right - side, place.centre[1] - side // 2, side, side)
        self._light(stage, self._theme.colours.coin, into)
        mouth = Box(0, 0, round(side * 0.6), max(6, round(side * 0.09)))
        mouth = mouth.moved(stage.centre[0] - mouth.w // 2, stage.y + round(side * 0.8))
        into.sprites += [
            motions.drop(stage, mouth.y, self._theme, into.live, self._calm),
            motions.mouth(mouth, self._theme, into.live),
        ]
        shown, total = beside.cut(0.5)
        face, colours = self._theme.display, self._theme.colours
        height = max(min(beside.h * 2 // 3, beside.w // 3), self.grid.smallest_text)
        of_all = self.lettering.line(f"/{view.coins}", face, height, total.w, colours.soft)
        into.still.blit(of_all, of_all.get_rect(midleft=(total.x, total.centre[1])))
        room = Box(shown.x, shown.centre[1] - height * 6 // 10, shown.w, height * 6 // 5)

        def draw(value: int) -> pygame.Surface:
            return self.lettering.line(str(value), face, height, room.w, colours.price)

        into.sprites.append(motions.counter(room, draw, into.live, self._calm))
        for _ in motions.minted(stage, self._theme):
            yield
        if below is not None:
            into.sprites += motions.coins(below, view.coins, self._theme, into.live, True)

    def _draw_words(self, told: Scene, words: Words, into: Composition) -> Iterator[None]:
        at = into.places
        into.blocks = yield from self.lettering.fitting(
            told.lines,
            at.words,
            self.grid.smallest_text,
            centred=at.centred,
            language=words.language,
        )
        for block in into.blocks:
            into.still.blit(block.surface, (block.box.x, block.box.y))
        if told.steps and at.steps:
            yield
            self._draw_steps(told.steps, words.language, at.steps, into)

    def _draw_reel(
        self, told: Scene, picture: pygame.Surface, words: Words, into: Composition
    ) -> Iterator[None]:
        """An operator's picture where words and steps were, and the price below it."""
        at = into.places
        price = told.lines[1:2]
        bottom = at.steps.bottom if at.steps and at.steps.x == at.words.x else at.words.bottom
        column = Box(at.words.x, at.words.y, at.words.w, bottom - at.words.y)
        above, below = column.split(0.78, self.grid.unit)
        scale = min(above.w / picture.get_width(), above.h / picture.get_height())
        size = (round(picture.get_width() * scale), round(picture.get_height() * scale))
        small = pygame.transform.smoothscale(picture, size)
        into.still.blit(small, small.get_rect(center=above.centre))
        into.blocks = yield from self.lettering.fitting(
            price, below, self.grid.smallest_text, centred=True, language=words.language
        )
        for block in into.blocks:
            into.still.blit(block.surface, (block.box.x, block.box.y))

    def _draw_steps(
        self, names: tuple[str, ...], language: str, place: Box, into: Composition
    ) -> None:
        """Scan, pay, play: three pictograms and their words."""
        colours = self._theme.colours
        each = place.w // 3
        face = self.lettering.faces(language)[1]
        height = max(self.grid.smallest_text, place.h // 6)
        room = round(each * 0.94)
        while (
            height > self.grid.smallest_text
            and max(self.lettering.font(face, height).size(name)[0] for name in names) > room
        ):
            height -= 1
        line = round(height * 1.25)
        side = min(round(each * 0.6), place.h - line - height // 3)
        pictures = (sprites.phone, sprites.card, sprites.joystick)
        inks = (colours.headline, colours.price, colours.bonus)
        top = place.y + max(0, place.h - side - line) // 2
        for number, (name, draw, ink) in enumerate(zip(names, pictures, inks, strict=True)):
            x = place.x + each * number + each // 2
            if side >= 12:
                into.still.blit(draw(side, self._theme, ink), (x - side // 2, top))
            word = self.lettering.font(face, height).render(name, True, colours.text)
            box = Box(
                x - word.get_width() // 2,
                top + max(0, side) + (line - word.get_height()) // 2 + height // 8,
                *word.get_size(),
            )
            into.still.blit(word, (box.x, box.y))
            into.blocks.append(Block(name, None, height, box, word))
            if number and side >= 12:
                middle, tip = x - each // 2, max(3, side // 9)
                points = [
                    (middle + dx * tip // 2, top + side // 2 + dy * tip)
                    for dx, dy in ((-1, -1), (1, 0), (-1, 1))
                ]
                pygame.draw.lines(into.still, colours.soft, False, points, max(2, tip // 3))

    def _notes(self, notes: tuple[Alert, ...], sentences: bool) -> tuple[str, ...]:
        """The operator's lines: their codes, and as many whole sentences as there is room for."""
        if not notes:
            return ()
        codes = " · ".join(note.code for note in notes)
        if not sentences:
            return (codes,)
        width = self.grid.safe.w - 6 * self.grid.unit
        face: Path = self.lettering.face_for(notes[0].text, loud=False)
        wrapped = [
            self.lettering.wrap(f"{note.code} · {note.text}", face, self.grid.smallest_text, width)
            for note in notes
        ]
        if sum(map(len, wrapped)) <= MOST_NOTES:
            return tuple(line for lines in wrapped for line in lines)
        # One line for the codes of those that are left out.
        told: list[str] = []
        left_out: list[str] = []
        for note, lines in zip(notes, wrapped, strict=True):
            if len(told) + len(lines) < MOST_NOTES:
                told += lines
            else:
                left_out.append(note.code)
        return (*told, " · ".join(left_out))

    def _draw_notes(self, notes: tuple[str, ...], into: Composition) -> None:
        strip = into.places.strip
        if notes:
            colours, whole = self._theme.colours, self.grid.picture
            top = strip.y - self.grid.unit
            into.still.fill(colours.sky, (0, top, whole.w, whole.h - top))
            into.still.fill(colours.frame_dim, (0, top, whole.w, max(1, self.grid.unit // 3)))
        blocks = self.lettering.notes(notes, strip, self.grid.smallest_text)
        for block in blocks:
            into.still.blit(block.surface, (block.box.x, block.box.y))
        into.blocks += blocks

    def _life(self, into: Composition, notes: bool) -> list[Sprite]:
        """Stars, sparks and the creature, wherever they are in nobody's way."""
        at, theme = into.places, self._theme
        whole = Box(0, at.figure.y, 0, 0)
        for part in (at.figure, at.words, at.steps, at.code):
            if part is not None:
                left, right = min(whole.x or part.x, part.x), max(whole.right, part.right)
                bottom = max(whole.bottom, part.bottom)
                top = min(whole.y, part.y)
                whole = Box(left, top, right - left, bottom - top)
        busy = [self.grid.marquee, whole, at.strip]
        found = list(self._sky_and_floor(tuple(busy)))
        walker = motions.walk(at.strip, theme)
        if walker and not notes and into.view.screen in _WALKED:
            found.append(walker)
        return found

    def _sky_and_floor(self, busy: tuple[Box, ...]) -> list[Sprite]:
        """Stars and sparks; those of a layout are worked out once."""
        theme = self._theme
        if busy not in self._lives:
            if len(self._lives) >= 32:
                self._lives.clear()
            found = motions.stars(self.grid, theme, busy) if theme.stars else []
            if theme.backdrop == "floor" and theme.background is None:
                found += motions.sparks(self.grid, theme, busy)
            self._lives[busy] = found
        return self._lives[busy]


_WALKED = (Screen.READY, Screen.FREE_PLAY, Screen.GAME_OVER, Screen.OFFLINE)
