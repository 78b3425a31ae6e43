"""Draws compositions: the static layer of a view, and the sprites that move over it.

A composition is drawn in slices (:meth:`Composer.slices` yields between them), so that a loop may
show the last one meanwhile and never misses a frame.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pygame

from kiosk.core.view import Alert, Screen, View
from kiosk.display import artwork, backdrops, layout, qr, sprites
from kiosk.display.catalogue import Words
from kiosk.display.layout import Box, Grid, Places, card_box
from kiosk.display.lettering import Block, Lettering
from kiosk.display.scenes import Arrangement, Figure, Scene, scene_of
from kiosk.display.sprites import LiveValues, Sprite
from kiosk.display.theme import Colour, Theme, mix

MOST_NOTES = 4  # lines


@dataclass
class Composition:
    """A drawn view. Boxes are places in the picture, which is larger than the screen by its rim.

    ``code`` is the square of the code that was read again, ``card`` the white card below it.
    """

    view: View
    static: pygame.Surface
    live: LiveValues
    places: Places
    blocks: list[Block] = field(default_factory=list)
    sprites: list[Sprite] = field(default_factory=list)
    code: Box | None = None
    card: Box | None = None
    unreadable: bool = False
    is_substitute: bool = False  # for a view whose code could not be read


class Composer:
    """Draws for screens of one size in one theme.

    ``title`` or else ``logo`` stands on the marquee; ``reduced_motion`` leaves out what only moves.
    """

    def __init__(
        self, on: Grid, theme: Theme, title: str, logo: pygame.Surface | None, reduced_motion: bool
    ) -> None:
        self.grid = on
        self.lettering = Lettering(theme)
        self._theme = theme
        self._reduced_motion = reduced_motion
        self._ground = backdrops.draw(theme, on)
        self._draw_marquee(title, logo)
        self._marquee = sprites.bulbs(on, theme, reduced_motion) if theme.bulbs else []
        self._marquee.append(sprites.shadow(on))
        self._read: dict[tuple[str, Box], bool] = {}
        self._ambient: dict[tuple[Box, ...], list[Sprite]] = {}

    def words(self, locale: str) -> Words:
        """The words of a language, as the theme's faces can write them."""
        language = locale.partition("_")[0]
        return Words(locale, lambda text: self.lettering.can_write(text, language))

    def slices(
        self, view: View, words: Words, into: Composition, picture: pygame.Surface | None = None
    ) -> Iterator[None]:
        """Draws ``view`` into a composition; it is done when nothing more is yielded.

        ``picture``, if any, stands in the place of the words.
        """
        scene = scene_of(view, words)
        into.static.blit(self._ground, (0, 0))
        notes = self._notes(view.alerts, scene.notes)
        into.places = layout.places(
            self.grid,
            scene.arrangement,
            steps=bool(scene.steps and self._theme.steps) or scene.figure is Figure.DROP,
            code=scene.second_code,
            notes=len(notes),
        )
        yield
        if scene.stripes:
            self._draw_stripes(into)
        yield from self._draw_figure(scene, view, into)
        yield
        if picture is None:
            yield from self._draw_words(scene, words, into)
        else:
            yield from self._draw_reel(scene, picture, words, into)
        yield
        if scene.second_code and view.offer and into.places.code:
            self._draw_code(view.offer.url, into.places.code, into)
            yield
        self._draw_notes(notes, into)
        into.sprites += self._marquee
        if not self._reduced_motion:
            yield
            into.sprites += self._ambient_sprites(into, bool(notes))
        if into.code and view.offer:
            yield
            # Read from the very frame that is shown: one that no phone reads is never shown.
            key = (view.offer.url, into.code)
            if key not in self._read:
                if len(self._read) > 64:
                    self._read.clear()
                self._read[key] = qr.read(into.static, into.code) == view.offer.url
            into.unreadable = not self._read[key]

    def blank(self, view: View, live: LiveValues) -> Composition:
        """A composition to draw into."""
        static = pygame.Surface((self.grid.picture.w, self.grid.picture.h))
        return Composition(view, static, live, layout.places(self.grid, Arrangement.CENTRED))

    def _draw_marquee(self, title: str, logo: pygame.Surface | None) -> None:
        box, unit, rim = self.grid.marquee, self.grid.unit, self.grid.rim
        colours = self._theme.colours
        panel = pygame.Rect(-3 * unit, -3 * unit, box.w + 6 * unit, box.h + 3 * unit)
        pygame.draw.rect(self._ground, colours.panel, panel)
        line = max(1, unit // 3)
        self._ground.fill(colours.frame_dim, (0, box.h - line, box.w, line))
        safe = Box(2 * rim, 2 * rim, box.w - 4 * rim, box.h - 2 * rim).inset(5 * unit)
        bounds = safe if safe.h > 2 * unit else Box(safe.x, 2 * rim, safe.w, box.h - 2 * rim)
        x, y = bounds.centre
        if logo is not None:
            scale = min(
                bounds.w / logo.get_width(), (box.h - 2 * rim - 6 * unit) / logo.get_height()
            )
            size = (
                max(1, round(logo.get_width() * scale)),
                max(1, round(logo.get_height() * scale)),
            )
            small = pygame.transform.smoothscale(logo, size)
            self._ground.blit(small, small.get_rect(center=(x, y)))
            return
        name = title.upper()
        face = self.lettering.face_for(name, display=True)
        height = max(round((box.h - 2 * rim) * 0.58), self.grid.smallest_text)
        words = self.lettering.line(name, face, height, bounds.w, colours.title)
        halo = pygame.Surface((words.get_width() + 8 * unit, words.get_height() + 8 * unit))
        halo.fill(colours.panel)
        light = self.lettering.line(
            name, face, height, bounds.w, mix(colours.panel, colours.glow, 0.8)
        )
        halo.blit(light, (4 * unit, 4 * unit))
        # Blurred small, which looks the same and takes a hundredth of the time.
        quarter = (max(1, halo.get_width() // 4), max(1, halo.get_height() // 4))
        small = pygame.transform.smoothscale(halo, quarter)
        small = pygame.transform.gaussian_blur(small, max(1, unit * 3 // 8))
        halo = pygame.transform.smoothscale(small, halo.get_size())
        self._ground.set_clip((0, 0, box.w, box.h - line))
        self._ground.blit(halo, halo.get_rect(center=(x, y)))
        self._ground.set_clip(None)
        self._ground.blit(words, words.get_rect(center=(x, y)))

    def _draw_stripes(self, into: Composition) -> None:
        """The barrier's stripes, below the marquee and above the strip."""
        colours, unit = self._theme.colours, self.grid.unit
        height = max(4, 2 * unit)
        for top in (self.grid.marquee.bottom, self.grid.picture.h - height - 2 * self.grid.rim):
            width = self.grid.picture.w
            into.static.fill(colours.ink, (0, top, width, height))
            into.static.set_clip((0, top, width, height))
            for x in range(-height, width, 4 * height):
                points = [
                    (x, top + height), (x + height, top), (x + 3 * height, top),
                    (x + 2 * height, top + height),
                ]  # fmt: skip
                pygame.draw.polygon(into.static, colours.coin, points)
            into.static.set_clip(None)

    def _draw_figure(self, scene: Scene, view: View, into: Composition) -> Iterator[None]:
        place, colours = into.places.figure, self._theme.colours
        side = min(place.w, place.h)
        match scene.figure:
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
                    Figure.PHONE: (artwork.phone, colours.headline),
                    Figure.CARD: (artwork.card_returns, colours.bonus),
                    Figure.PLUG: (artwork.plug, colours.bonus),
                    Figure.WRENCH: (artwork.wrench, colours.price),
                    Figure.STAR: (artwork.star, colours.price),
                    Figure.COIN: (artwork.slot, colours.price),
                    Figure.CREATURE: (self._creature, colours.headline),
                }.get(figure, (artwork.joystick, colours.headline))
                self._light(place.square(side), colour, into)
                yield
                picture = draw(round(side * 0.8), self._theme, colour)
                if self._reduced_motion or figure in (Figure.PLUG, Figure.WRENCH):
                    into.static.blit(picture, picture.get_rect(center=place.centre))
                else:
                    into.sprites.append(sprites.bobbing(picture, place, max(1, side // 50)))
                if figure in (Figure.PHONE, Figure.STICK) and not self._reduced_motion:
                    yield
                    self._draw_waiting(place, side, into)

    def _draw_waiting(self, place: Box, side: int, into: Composition) -> None:
        """Bulbs to the sides of the figure: something is under way."""
        size = max(8, side // 9)
        width = 6 * size
        for x in (place.centre[0] - side * 6 // 10 - width, place.centre[0] + side * 6 // 10):
            box = Box(x, place.centre[1] - size, width, 2 * size)
            if place.contains(box):
                into.sprites += sprites.progress_bulbs(box, size, self._theme)

    def _creature(self, size: int, _theme: Theme, colour: Colour) -> pygame.Surface:
        return artwork.creature(max(2, size // 13), 0, colour)

    def _light(self, box: Box, colour: Colour, into: Composition) -> None:
        into.static.blit(
            artwork.glow(box.w, mix(self._theme.colours.sky, colour, 0.5)), (box.x, box.y)
        )

    def _draw_code(self, url: str, card: Box, into: Composition) -> None:
        unit, colours = self.grid.unit, self._theme.colours
        # The lit coin slot: a warm light falls out of it.
        light = artwork.glow(round(card.w * 1.5), mix(colours.sky, colours.frame, 0.6))
        into.static.blit(light, light.get_rect(center=card.centre))
        frame = pygame.Rect(card.x, card.y, card.w, card.h).inflate(2 * unit, 2 * unit)
        corner, line = 2 * unit, max(2, unit * 2 // 3)
        pygame.draw.rect(into.static, colours.paper, frame, border_radius=corner)
        pygame.draw.rect(into.static, colours.frame_dim, frame, line, border_radius=corner)
        into.code = qr.draw(into.static, url, card, self._theme)
        into.card = Box(frame.x, frame.y, frame.w, frame.h)
        into.sprites += sprites.frame_edges(into.card, line, corner, self._theme)
        if not self._reduced_motion:
            size = max(6, unit * 2)
            outside = into.card.inset(-max(2, size // 2))
            into.sprites.append(sprites.comet(outside, size, self._theme))

    def _number(self, box: Box, height: int, live: LiveValues) -> Sprite:
        face, colour = self._theme.display, self._theme.colours.price
        bounds = box.square(min(box.w, round(height * 2.4)))
        bounds = Box(bounds.x, box.centre[1] - height * 6 // 10, bounds.w, height * 6 // 5)

        def draw(value: int) -> pygame.Surface:
            return self.lettering.line(str(value), face, height, bounds.w, colour)

        return sprites.counter(bounds, draw, live, self._reduced_motion)

    def _draw_drop(self, view: View, into: Composition) -> Iterator[None]:
        """The coin slot, the coin that drops, how many of how many, and a row of them."""
        place, below = into.places.figure, into.places.steps
        place, beside = place.cut(0.56, 2 * self.grid.unit)
        side = min(place.w, place.h)
        area = Box(place.right - side, place.centre[1] - side // 2, side, side)
        self._light(area, self._theme.colours.coin, into)
        slot = Box(0, 0, round(side * 0.6), max(6, round(side * 0.09)))
        slot = slot.moved(area.centre[0] - slot.w // 2, area.y + round(side * 0.8))
        into.sprites += [
            sprites.falling_coin(area, slot.y, self._theme, into.live, self._reduced_motion),
            sprites.coin_slot(slot, self._theme, into.live),
        ]
        shown, total = beside.cut(0.5)
        face, colours = self._theme.display, self._theme.colours
        height = max(min(beside.h * 2 // 3, beside.w // 3), self.grid.smallest_text)
        of_all = self.lettering.line(f"/{view.coins}", face, height, total.w, colours.soft)
        into.static.blit(of_all, of_all.get_rect(midleft=(total.x, total.centre[1])))
        bounds = Box(shown.x, shown.centre[1] - height * 6 // 10, shown.w, height * 6 // 5)

        def draw(value: int) -> pygame.Surface:
            return self.lettering.line(str(value), face, height, bounds.w, colours.price)

        into.sprites.append(sprites.counter(bounds, draw, into.live, self._reduced_motion))
        for _ in sprites.prerender_coin(area, self._theme):
            yield
        if below is not None:
            into.sprites += sprites.coin_row(below, view.coins, self._theme, into.live, True)

    def _draw_words(self, scene: Scene, words: Words, into: Composition) -> Iterator[None]:
        at = into.places
        into.blocks = yield from self.lettering.fitting(
            scene.lines,
            at.words,
            self.grid.smallest_text,
            centred=at.centred,
            language=words.language,
        )
        for block in into.blocks:
            into.static.blit(block.surface, (block.box.x, block.box.y))
        if scene.steps and at.steps:
            yield
            self._draw_steps(scene.steps, words.language, at.steps, into)

    def _draw_reel(
        self, scene: Scene, picture: pygame.Surface, words: Words, into: Composition
    ) -> Iterator[None]:
        """An operator's picture where words and steps were, and the price below it."""
        at = into.places
        price = scene.lines[1:2]
        bottom = at.steps.bottom if at.steps and at.steps.x == at.words.x else at.words.bottom
        column = Box(at.words.x, at.words.y, at.words.w, bottom - at.words.y)
        above, below = column.split(0.78, self.grid.unit)
        scale = min(above.w / picture.get_width(), above.h / picture.get_height())
        size = (round(picture.get_width() * scale), round(picture.get_height() * scale))
        small = pygame.transform.smoothscale(picture, size)
        into.static.blit(small, small.get_rect(center=above.centre))
        into.blocks = yield from self.lettering.fitting(
            price, below, self.grid.smallest_text, centred=True, language=words.language
        )
        for block in into.blocks:
            into.static.blit(block.surface, (block.box.x, block.box.y))

    def _draw_steps(
        self, names: tuple[str, ...], language: str, place: Box, into: Composition
    ) -> None:
        """Scan, pay, play: three pictograms and their words."""
        colours = self._theme.colours
        each = place.w // 3
        face = self.lettering.faces(language)[1]
        height = max(self.grid.smallest_text, place.h // 6)
        bounds = round(each * 0.94)
        while (
            height > self.grid.smallest_text
            and max(self.lettering.font(face, height).size(name)[0] for name in names) > bounds
        ):
            height -= 1
        line = round(height * 1.25)
        side = min(round(each * 0.6), place.h - line - height // 3)
        pictures = (artwork.phone, artwork.card, artwork.joystick)
        inks = (colours.headline, colours.price, colours.bonus)
        top = place.y + max(0, place.h - side - line) // 2
        for number, (name, draw, ink) in enumerate(zip(names, pictures, inks, strict=True)):
            x = place.x + each * number + each // 2
            if side >= 12:
                into.static.blit(draw(side, self._theme, ink), (x - side // 2, top))
            word = self.lettering.font(face, height).render(name, True, colours.text)
            box = Box(
                x - word.get_width() // 2,
                top + max(0, side) + (line - word.get_height()) // 2 + height // 8,
                *word.get_size(),
            )
            into.static.blit(word, (box.x, box.y))
            into.blocks.append(Block(name, None, height, box, word))
            if number and side >= 12:
                middle, tip = x - each // 2, max(3, side // 9)
                points = [
                    (middle + dx * tip // 2, top + side // 2 + dy * tip)
                    for dx, dy in ((-1, -1), (1, 0), (-1, 1))
                ]
                pygame.draw.lines(into.static, colours.soft, False, points, max(2, tip // 3))

    def _notes(self, notes: tuple[Alert, ...], sentences: bool) -> tuple[str, ...]:
        """The operator's lines: their codes, and as many whole sentences as there is room for."""
        if not notes:
            return ()
        codes = " · ".join(note.code for note in notes)
        if not sentences:
            return (codes,)
        width = self.grid.safe.w - 6 * self.grid.unit
        face: Path = self.lettering.face_for(notes[0].text, display=False)
        wrapped = [
            self.lettering.wrap(f"{note.code} · {note.text}", face, self.grid.smallest_text, width)
            for note in notes
        ]
        if sum(map(len, wrapped)) <= MOST_NOTES:
            return tuple(line for lines in wrapped for line in lines)
        # One line for the codes of those that are left out.
        result: list[str] = []
        left_out: list[str] = []
        for note, lines in zip(notes, wrapped, strict=True):
            if len(result) + len(lines) < MOST_NOTES:
                result += lines
            else:
                left_out.append(note.code)
        return (*result, " · ".join(left_out))

    def _draw_notes(self, notes: tuple[str, ...], into: Composition) -> None:
        strip = into.places.strip
        if notes:
            colours, whole = self._theme.colours, self.grid.picture
            top = strip.y - self.grid.unit
            into.static.fill(colours.sky, (0, top, whole.w, whole.h - top))
            into.static.fill(colours.frame_dim, (0, top, whole.w, max(1, self.grid.unit // 3)))
        blocks = self.lettering.notes(notes, strip, self.grid.smallest_text)
        for block in blocks:
            into.static.blit(block.surface, (block.box.x, block.box.y))
        into.blocks += blocks

    def _ambient_sprites(self, into: Composition, notes: bool) -> list[Sprite]:
        """Stars, sparks and the creature, wherever they cover nothing."""
        at, theme = into.places, self._theme
        whole = Box(0, at.figure.y, 0, 0)
        for part in (at.figure, at.words, at.steps, at.code):
            if part is not None:
                left, right = min(whole.x or part.x, part.x), max(whole.right, part.right)
                bottom = max(whole.bottom, part.bottom)
                top = min(whole.y, part.y)
                whole = Box(left, top, right - left, bottom - top)
        busy = [self.grid.marquee, whole, at.strip]
        result = list(self._sky_and_floor(tuple(busy)))
        walker = sprites.walking_creature(at.strip, theme)
        if walker and not notes and into.view.screen in _WITH_CREATURE:
            result.append(walker)
        return result

    def _sky_and_floor(self, busy: tuple[Box, ...]) -> list[Sprite]:
        """Stars and sparks; those of a layout are worked out once."""
        theme = self._theme
        if busy not in self._ambient:
            if len(self._ambient) >= 32:
                self._ambient.clear()
            result = sprites.stars(self.grid, theme, busy) if theme.stars else []
            if theme.backdrop == "floor" and theme.background is None:
                result += sprites.sparks(self.grid, theme, busy)
            self._ambient[busy] = result
        return self._ambient[busy]


_WITH_CREATURE = (Screen.READY, Screen.FREE_PLAY, Screen.GAME_OVER, Screen.OFFLINE)
