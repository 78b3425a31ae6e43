"""Where everything stands, by rules from the screen's size. Pure: no pygame.

landscape                          portrait
┌───────────────────────────┐      ┌───────────┐
│         marquee           │      │  marquee  │
├────────────┬──────────────┤      ├───────────┤
│            │    words     │      │  figure   │
│   figure   ├──────────────┤      │           │
│            │    steps     │      ├───────────┤
├────────────┴──────────────┤      │   words   │
│           notes           │      ├───────────┤
└───────────────────────────┘      │   steps   │
                                   ├───────────┤
                                   │   notes   │
                                   └───────────┘
"""

from __future__ import annotations

from dataclasses import dataclass


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

    def square(self, side: int) -> Box:
        """A square of ``side`` in the middle of the box."""
        x, y = self.centre
        return Box(x - side // 2, y - side // 2, side, side)

    def split(self, share: float) -> tuple[Box, Box]:
        """The upper ``share`` and the rest."""
        upper = round(self.h * share)
        return Box(self.x, self.y, self.w, upper), Box(
            self.x, self.y + upper, self.w, self.h - upper
        )


@dataclass(frozen=True)
class Layout:
    """The places of a screen. ``unit`` is a hundredth of the shorter side, 1 at least.

    ``smallest_text`` is the least height of a line that players read, ``note`` that of the
    operator's.
    """

    screen: Box
    marquee: Box
    figure: Box
    words: Box
    steps: Box
    notes: Box
    unit: int
    smallest_text: int
    note: int

    @property
    def portrait(self) -> bool:
        return self.screen.h > self.screen.w

    @property
    def column(self) -> Box:
        """The words' place and the steps' as one, for a scene without steps."""
        return Box(self.words.x, self.words.y, self.words.w, self.steps.bottom - self.words.y)

    @property
    def column_with_code(self) -> tuple[Box, Box]:
        """The column for a scene with a second, smaller code: its words, and the code's card.

        The code is more than a third of the shorter side, as a smaller one is not read from a metre
        and a half.
        """
        column, frame = self.column, self.unit * 2
        side = min(round(min(self.screen.w, self.screen.h) * 0.44), column.w, column.h) - 2 * frame
        y = column.bottom - side - frame
        above = Box(column.x, column.y, column.w, y - 2 * frame - column.y)
        if self.portrait and above.h < 4 * self.smallest_text:
            # Nearly square: the words stand beside the card instead of above it.
            card = Box(column.right - side - frame, column.centre[1] - side // 2, side, side)
            return Box(column.x, column.y, card.x - 2 * frame - column.x, column.h), card
        x = column.centre[0] - side // 2 if self.portrait else column.x + frame
        return above, Box(x, y, side, side)


def layout(width: int, height: int) -> Layout:
    """The layout of a screen of ``width`` by ``height`` pixels."""
    screen = Box(0, 0, width, height)
    unit = max(1, min(width, height) // 100)
    margin = 3 * unit
    smallest = -(-height // 30)
    note = max(10, height // 50)
    notes_height = 3 * note
    notes = Box(margin, height - notes_height - margin // 2, width - 2 * margin, notes_height)
    if width >= height:
        marquee = Box(0, 0, width, round(height * 0.17))
        top, bottom = marquee.bottom + margin, notes.y - margin // 2
        left = min(round(width * 0.44), round((bottom - top) * 1.05))
        figure = Box(margin * 2, top, left, bottom - top)
        side = Box(figure.right + margin * 2, top, width - figure.right - margin * 4, bottom - top)
        words, steps = side.split(0.66)
    else:
        marquee = Box(0, 0, width, round(height * 0.12))
        top, bottom = marquee.bottom + margin, notes.y - margin // 2
        room = Box(margin, top, width - 2 * margin, bottom - top)
        figure, rest = room.split(0.5)
        words, steps = rest.split(0.64)
    gap = margin // 2
    return Layout(
        screen=screen,
        marquee=marquee,
        figure=figure,
        words=Box(words.x, words.y + gap, words.w, words.h - 2 * gap),
        steps=Box(steps.x, steps.y + gap, steps.w, steps.h - 2 * gap),
        notes=notes,
        unit=unit,
        smallest_text=smallest,
        note=note,
    )


def code_box(place: Box, modules: int) -> tuple[Box, int]:
    """The square that a code of ``modules`` (with its quiet zone) takes in ``place``.

    Also returns the pixels of a module, which are whole, so the square may be a little smaller
    than the place.
    """
    scale = max(1, min(place.w, place.h) // modules)
    return place.square(scale * modules), scale


def card_box(figure: Box, unit: int) -> Box:
    """The white card of the code: the largest square that leaves room for its frame."""
    return figure.square(min(figure.w, figure.h) - 4 * unit)
