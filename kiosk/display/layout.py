"""Where everything stands, by rules from the screen's size. Pure: no pygame.

The picture is larger than the screen by a rim, in which it drifts against burn-in; what matters
stands within ``Grid.safe``, which is on the screen wherever the picture has drifted to.

offer, landscape          reversed                  centred               very wide
┌──────────────────────┐  ┌──────────────────────┐  ┌─────────────────┐  ┌──────────────────────┐
│       marquee        │  │       marquee        │  │     marquee     │  │       marquee        │
├─────────┬────────────┤  ├────────────┬─────────┤  ├─────────────────┤  ├──────┬───────┬───────┤
│ figure  │   words    │  │   words    │ figure  │  │     figure      │  │figure│ words │ steps │
│         ├────────────┤  │            │         │  │     words       │  │      │       │       │
│         │   steps    │  │            │         │  │     steps       │  ├──────┴───────┴───────┤
├─────────┴────────────┤  ├────────────┴─────────┤  ├─────────────────┤  │        strip         │
│        strip         │  │        strip         │  │      strip      │  └──────────────────────┘
└──────────────────────┘  └──────────────────────┘  └─────────────────┘

In portrait the parts of the first two stand below each other, in the same order.
"""

from __future__ import annotations

from dataclasses import dataclass

from kiosk.display.scenes import Arrangement

SMALLEST_TEXT = 11  # pixels: below it no typeface is read
NEARLY_SQUARE = 1.2  # height by width up to which a screen is laid out as landscape
VERY_WIDE = 2.5  # width by height of what is left below the marquee


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels."""

    x: int
    y: int
    w: int
    h: int

    @property
    def right(self) -> int:
        return self.x + self.w

    @property
    def bottom(self) -> int:
        return self.y + self.h

    @property
    def centre(self) -> tuple[int, int]:
        return self.x + self.w // 2, self.y + self.h // 2

    def inset(self, by: int) -> Box:
        """The box without a border of ``by`` pixels."""
        return Box(self.x + by, self.y + by, self.w - 2 * by, self.h - 2 * by)

    def overlaps(self, other: Box) -> bool:
        return (
            self.x < other.right
            and other.x < self.right
            and self.y < other.bottom
            and other.y < self.bottom
        )

    def contains(self, other: Box) -> bool:
        return (
            self.x <= other.x
            and self.y <= other.y
            and other.right <= self.right
            and other.bottom <= self.bottom
        )

    def square(self, side: int) -> Box:
        """A square of ``side`` in the middle of the box."""
        x, y = self.centre
        return Box(x - side // 2, y - side // 2, side, side)

    def split(self, share: float, gap: int = 0) -> tuple[Box, Box]:
        """The upper ``share`` and the rest, ``gap`` pixels apart."""
        upper = round((self.h - gap) * share)
        return Box(self.x, self.y, self.w, upper), Box(
            self.x, self.y + upper + gap, self.w, self.h - upper - gap
        )

    def cut(self, share: float, gap: int = 0) -> tuple[Box, Box]:
        """The left ``share`` and the rest, ``gap`` pixels apart."""
        left = round((self.w - gap) * share)
        return Box(self.x, self.y, left, self.h), Box(
            self.x + left + gap, self.y, self.w - left - gap, self.h
        )

    def turned(self, degrees: int, whole: tuple[int, int]) -> Box:
        """Where the box comes to lie when the picture, ``whole`` large, is turned clockwise."""
        w, h = whole
        match degrees:
            case 90:
                return Box(h - self.y - self.h, self.x, self.h, self.w)
            case 180:
                return Box(w - self.x - self.w, h - self.y - self.h, self.w, self.h)
            case 270:
                return Box(self.y, w - self.x - self.w, self.h, self.w)
            case _:
                return self

    def moved(self, x: int, y: int) -> Box:
        """The box ``x`` further right and ``y`` further down."""
        return Box(self.x + x, self.y + y, self.w, self.h)


@dataclass(frozen=True)
class Grid:
    """What is the same on every screen of a size.

    ``picture`` is what is drawn, ``rim`` how far it drifts to each side, ``unit`` a hundredth of
    the shorter side. ``smallest_text`` is the least height of a line.
    """

    picture: Box
    safe: Box
    marquee: Box
    rim: int
    unit: int
    smallest_text: int

    @property
    def portrait(self) -> bool:
        return self.safe.h > NEARLY_SQUARE * self.safe.w


@dataclass(frozen=True)
class Places:
    """The places of one composition; ``centred`` words stand in the middle of theirs.

    ``code`` is the second, smaller code's card; ``steps`` and it may be missing. ``strip`` is the
    ground that the operator's lines stand on, or else the creature.
    """

    figure: Box
    words: Box
    strip: Box
    centred: bool
    steps: Box | None = None
    code: Box | None = None


def grid(width: int, height: int, drifts: bool = True) -> Grid:
    """The grid of a screen of ``width`` by ``height`` pixels."""
    shorter = min(width, height)
    unit = max(2, shorter // 100)
    rim = max(2, shorter // 80) if drifts else 0
    smallest = max(SMALLEST_TEXT, -(-height // 30))
    safe = Box(2 * rim, 2 * rim, width - 2 * rim, height - 2 * rim)
    picture = Box(0, 0, width + 2 * rim, height + 2 * rim)
    share = 0.11 if height > NEARLY_SQUARE * width else 0.19 if width > 2.2 * height else 0.16
    bottom = safe.y + max(round(safe.h * share), 2 * smallest)
    return Grid(picture, safe, Box(0, 0, picture.w, bottom), rim, unit, smallest)


def places(
    on: Grid, arrangement: Arrangement, *, steps: bool = False, code: bool = False, notes: int = 0
) -> Places:
    """The places of a composition with ``notes`` operator's lines on the strip."""
    margin = 3 * on.unit
    safe = on.safe
    line = round(on.smallest_text * 1.2)
    strip_height = max(notes * line + line // 3 if notes else 0, 8 * on.unit)
    strip = Box(safe.x + margin, safe.bottom - strip_height, safe.w - 2 * margin, strip_height)
    top = on.marquee.bottom + margin
    room = Box(safe.x + margin, top, safe.w - 2 * margin, strip.y - top - margin // 3)
    gap = 2 * margin
    wide = room.w > VERY_WIDE * room.h
    if arrangement is Arrangement.CENTRED and not wide:
        return _centred(on, room, strip, steps)
    if on.portrait:
        return _stacked(on, room, strip, arrangement, steps, code)
    if wide and code:
        figure, rest = room.cut(0.2, gap)
        words, third = rest.cut(0.58, gap)
        card = third.square(min(third.w, third.h) - 4 * on.unit)
        return Places(figure, words, strip, False, code=card)
    if wide and steps and arrangement is Arrangement.CENTRED:
        figure, rest = room.cut(0.36, gap)
        words, third = rest.cut(0.6, gap)
        return Places(figure, words, strip, False, third)
    share = min(0.47 if safe.w > 1.3 * safe.h else 0.54, room.h * 1.04 / room.w)
    figure, side = room.cut(share, gap)
    if arrangement is Arrangement.REVERSED:
        side, figure = room.cut(1 - share, gap)
        side = Box(side.x + margin, side.y, side.w - margin, side.h)
    if wide and steps:
        words, third = side.cut(0.62, gap)
        return Places(figure, words, strip, False, third)
    if steps:
        words, below = side.split(0.68, margin)
        return Places(figure, words, strip, False, below)
    if code:
        left, side = room.cut(0.54, gap)
        figure, words = left.split(0.5, on.unit)
        frame = 2 * on.unit
        card = side.square(min(side.w, side.h, round(min(safe.w, safe.h) * 0.62)) - 2 * frame)
        return Places(figure, words, strip, True, code=card)
    return Places(figure, side, strip, False)


def _centred(on: Grid, room: Box, strip: Box, steps: bool) -> Places:
    figure, rest = room.split(0.42 if on.portrait or steps else 0.5, on.unit)
    if not steps:
        return Places(figure, rest, strip, True)
    words, below = rest.split(0.6, on.unit)
    return Places(figure, words, strip, True, below)


def _stacked(
    on: Grid, room: Box, strip: Box, arrangement: Arrangement, steps: bool, code: bool
) -> Places:
    gap = 2 * on.unit
    if arrangement is Arrangement.REVERSED:
        words, figure = room.split(0.46, gap)
        return Places(figure, words, strip, True)
    # The figure is as tall as it is wide, if the words leave it that.
    figure, rest = room.split(max(0.36, min(0.54, room.w / room.h)) if not code else 0.26, gap)
    if steps:
        words, below = rest.split(0.62, gap)
        return Places(figure, words, strip, True, below)
    if code:
        words, below = rest.split(0.4, gap)
        side = min(below.w, below.h, round(min(on.safe.w, on.safe.h) * 0.66)) - 4 * on.unit
        return Places(figure, words, strip, True, code=below.square(side))
    return Places(figure, rest, strip, True)


def code_box(place: Box, modules: int) -> tuple[Box, int]:
    """The square that a code of ``modules`` (with its quiet zone) takes in ``place``.

    Also returns the pixels of a module, which are whole, so the square may be a little smaller
    than the place.
    """
    scale = max(1, min(place.w, place.h) // modules)
    return place.square(scale * modules), scale


def card_box(figure: Box, unit: int) -> Box:
    """The white card of the code: the largest square that leaves room for its frame."""
    return figure.square(min(figure.w, figure.h) - 5 * unit)
