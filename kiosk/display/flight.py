"""The transition in which a scanned code turns into a coin and flies to the next screen."""

from __future__ import annotations

from collections.abc import Generator, Sequence

import pygame

from kiosk.display import artwork, transitions
from kiosk.display.animation import EPSILON
from kiosk.display.composer import Composition
from kiosk.display.layout import Box
from kiosk.display.sprites import FRAME, Placed, Sprite
from kiosk.display.theme import Theme

_MOSAIC = 14  # pixels across that the flying code has at first: a third of its modules


def prerender(
    composition: Composition, theme: Theme
) -> Generator[None, None, list[pygame.Surface]]:
    """Renders the frames of a flight from the composition's code card, one for each yield."""
    card = composition.card
    assert card is not None
    picture = composition.static.subsurface((card.x, card.y, card.w, card.h))
    size = transitions.coin_size(card)
    frames = []
    for number in range(transitions.FLIGHT_FRAMES):
        box, is_coin = transitions.flight(number, card, card.centre, size)
        if is_coin:
            coin = artwork.coin(size, 0, theme)
            frames.append(pygame.transform.smoothscale(coin, (box.w, box.h)))
        else:
            # In ever larger pixels: only a code that stands at its place is there to be scanned.
            pixels = max(4, _MOSAIC - number)
            coarse = pygame.transform.smoothscale(picture, (pixels, pixels))
            frames.append(pygame.transform.scale(coarse, (box.w, box.h)))
        yield
    return frames


class Flight:
    """One flight from ``card`` to ``target``, which starts at ``t`` seconds."""

    def __init__(
        self, frames: Sequence[pygame.Surface], card: Box, target: tuple[int, int], t: float
    ) -> None:
        self._frames = frames
        self._places = [
            transitions.flight(number, card, target, transitions.coin_size(card))[0]
            for number in range(len(frames))
        ]
        self._first = int(t / FRAME + EPSILON)
        self._ended = False

    def sprite(self, bounds: Box) -> Sprite:
        """The sprite that flies."""
        return Sprite(FRAME, self._at, bounds)

    def is_over(self, t: float) -> bool:
        """Whether the coin has arrived, or the flight was ended."""
        return self._ended or int(t / FRAME + EPSILON) - self._first >= len(self._frames)

    def end(self) -> None:
        """Takes the coin away before it has arrived."""
        self._ended = True

    def _at(self, n: int) -> Placed | None:
        number = n - self._first
        if self._ended or not 0 <= number < len(self._frames):
            return None
        return self._frames[number], self._places[number].x, self._places[number].y
