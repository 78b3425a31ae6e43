"""Codes as phones see them: two decoders read pictures of the screen that were made worse."""

from __future__ import annotations

import numpy
import pytest

from kiosk.display import qr
from kiosk.display.renderer import Renderer
from tests.kiosk.display.pixels import grey
from tests.marks import slow_after
from tools import distortions
from tools.distortions import Distortion
from tools.views import SIZES, THEMES, URL, VIEWS, drawn, renderer


def photo(on: Renderer, name: str = "ready") -> tuple[numpy.ndarray, float]:
    """A screen's card and what is around it, and a module's width in pixels."""
    picture = grey(drawn(on, VIEWS[name]))
    code, card = on.code, on.composition.card if on.composition else None
    assert code is not None
    assert card is not None
    place = on.on_screen(card).inset(-card.w // 8)
    left, top = max(0, place.x), max(0, place.y)
    return picture[top : place.bottom, left : place.right], code.w / len(qr.matrix(URL))


@pytest.mark.parametrize("kind", slow_after(2, distortions.ALL), ids=lambda kind: kind.name)
@pytest.mark.parametrize("reader", distortions.READERS)
@pytest.mark.parametrize("theme", slow_after(1, THEMES))
def test_a_code_reads_in_a_bad_photograph(theme: str, reader: str, kind: Distortion) -> None:
    read = distortions.READERS[reader]
    for size in SIZES:
        picture, module = photo(renderer(size, theme))
        for step in kind.steps:
            if step <= kind.needed:
                assert read(kind.make(picture, step, module)) == URL, (size, step)


@pytest.mark.parametrize("kind", slow_after(2, distortions.ALL), ids=lambda kind: kind.name)
@pytest.mark.parametrize("reader", distortions.READERS)
def test_the_smaller_code_beside_a_payment_reads_as_well(reader: str, kind: Distortion) -> None:
    read = distortions.READERS[reader]
    for size in SIZES:
        picture, module = photo(renderer(size), "paying")
        for step in kind.steps:
            if step <= kind.needed:
                assert read(kind.make(picture, step, module)) == URL, (size, step)


@pytest.mark.parametrize("kind", distortions.ALL, ids=lambda kind: kind.name)
def test_distortions_do_make_a_code_unreadable_in_the_end(kind: Distortion) -> None:
    """Else they would show nothing."""
    picture, module = photo(renderer((800, 480)))
    hardest = {"tilt": 80.0, "darkness": 0.995}.get(kind.name, kind.steps[-1] * 5)
    for read in distortions.READERS.values():
        assert read(kind.make(picture, hardest, module)) != URL
