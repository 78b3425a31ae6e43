"""The pictures of the screen: codes that decode, words that fit, and frames that redraw little."""

from __future__ import annotations

import cv2
import numpy
import pygame
import pytest
import zxingcpp

from kiosk.core.view import Offer, Screen, View
from kiosk.display.layout import Box
from kiosk.display.lettering import Block
from kiosk.display.painter import Painter
from tests.kiosk.display.views import SIZES, URL, VIEWS

TITLE = "Galaxy Racer"


def picture(surface: pygame.Surface) -> numpy.ndarray:
    """The surface as rows of grey pixels."""
    pixels = numpy.frombuffer(pygame.image.tobytes(surface, "RGB"), numpy.uint8)
    rows = pixels.reshape(surface.get_height(), surface.get_width(), 3)
    return numpy.asarray(cv2.cvtColor(rows, cv2.COLOR_RGB2GRAY))


def read_with_zxing(surface: pygame.Surface) -> set[str]:
    return {found.text for found in zxingcpp.read_barcodes(picture(surface))}


def read_with_opencv(surface: pygame.Surface) -> str:
    told, _points, _straight = cv2.QRCodeDetector().detectAndDecode(picture(surface))
    return str(told)


def rect(box: Box) -> pygame.Rect:
    return pygame.Rect(box.x, box.y, box.w, box.h)


def ink(block: Block) -> pygame.Rect:
    """Where the letters of a line are: its surface is as tall as the typeface, they are not."""
    return block.surface.get_bounding_rect().move(block.box.x, block.box.y)


@pytest.fixture(scope="module", params=SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def painter(request: pytest.FixtureRequest) -> Painter:
    return Painter(request.param, TITLE)


def drawn(painter: Painter, view: View, t: float = 0.0) -> pygame.Surface:
    surface = pygame.Surface((painter.layout.screen.w, painter.layout.screen.h))
    painter.draw(surface, View(Screen.STARTING, message="another"), 0.0)
    painter.draw(surface, view, t)
    return surface


@pytest.mark.parametrize("name", VIEWS)
class TestEveryScreen:
    def test_shows_a_code_that_two_decoders_read_exactly_when_there_is_an_offer(
        self, painter: Painter, name: str
    ) -> None:
        view = VIEWS[name]
        surface = drawn(painter, view)
        read = read_with_zxing(surface)
        if view.offer is None:
            assert painter.code is None
            assert read == set()
        else:
            assert read == {URL}
            assert read_with_opencv(surface) == URL
            assert painter.code is not None
            assert read_with_zxing(surface.subsurface(rect(painter.code))) == {URL}

    def test_has_words_within_their_place_and_apart(self, painter: Painter, name: str) -> None:
        drawn(painter, VIEWS[name])
        lay = painter.layout
        place = pygame.Rect(lay.column.x, lay.column.y, lay.column.w, lay.column.h)
        letters = [ink(block) for block in painter.blocks]
        assert letters
        for number, area in enumerate(letters):
            assert place.contains(area), painter.blocks[number].text
            assert area.collidelist(letters[number + 1 :]) == -1, painter.blocks[number].text
            if painter.code is not None:
                assert not area.colliderect(rect(painter.code)), painter.blocks[number].text

    def test_has_no_word_below_a_thirtieth_of_the_height(self, painter: Painter, name: str) -> None:
        drawn(painter, VIEWS[name])
        smallest = min(block.size for block in painter.blocks)
        assert smallest * 30 >= painter.layout.screen.h

    def test_tells_all_it_draws_over(self, painter: Painter, name: str) -> None:
        """Every pixel that a frame changed lies in a rectangle that it returned."""
        surface = drawn(painter, VIEWS[name])
        for t in (0.03, 0.11, 0.26, 0.5, 3.97, 60.0):
            before = surface.copy()
            dirty = painter.draw(surface, VIEWS[name], t)
            covered = before.copy()
            for area in dirty:
                covered.blit(surface, area, area)
            assert pygame.image.tobytes(covered, "RGB") == pygame.image.tobytes(surface, "RGB"), t

    def test_looks_the_same_however_many_frames_led_to_it(
        self, painter: Painter, name: str
    ) -> None:
        """Drawing only what moved leaves no trail: it equals the whole picture of that moment."""
        many = drawn(painter, VIEWS[name])
        for t in (0.1, 0.35, 1.9, 2.0):
            painter.draw(many, VIEWS[name], t)
        whole = pygame.Surface(many.get_size())
        again = Painter(many.get_size(), TITLE)
        again.draw(whole, VIEWS[name], 0.0)
        again.draw(whole, VIEWS[name], 2.0)
        assert pygame.image.tobytes(many, "RGB") == pygame.image.tobytes(whole, "RGB")

    def test_never_moves_anything_over_code_or_words(self, painter: Painter, name: str) -> None:
        surface = drawn(painter, VIEWS[name])
        quiet = [ink(block) for block in painter.blocks]
        if painter.code is not None:
            quiet.append(rect(painter.code))
        for step in range(1, 120):
            for area in painter.draw(surface, VIEWS[name], step / 30):
                assert area.collidelist(quiet) == -1, area


def test_the_code_is_at_least_a_third_of_the_shorter_side(painter: Painter) -> None:
    for view in VIEWS.values():
        if view.offer is not None:
            drawn(painter, view)
            assert painter.code is not None
            shorter = min(painter.layout.screen.w, painter.layout.screen.h)
            assert painter.code.w * 3 >= shorter, view.screen


def test_the_code_has_whole_pixels_and_four_modules_of_quiet(painter: Painter) -> None:
    surface = drawn(painter, VIEWS["ready"])
    code = painter.code
    assert code is not None
    grey = picture(surface)[code.y : code.bottom, code.x : code.right]
    assert set(numpy.unique(grey)) == {0, 255}
    dark = numpy.argwhere(grey == 0)
    (top, left), (bottom, right) = dark.min(axis=0), dark.max(axis=0)
    # The finder's border is seven modules wide.
    module = int(numpy.argmax(grey[top, left:] == 255)) // 7
    assert code.w % module == 0
    assert (top, left) == (4 * module, 4 * module)
    assert (code.h - 1 - bottom, code.w - 1 - right) == (4 * module, 4 * module)
    modules = grey.reshape(code.h // module, module, code.w // module, module)
    assert (modules.min(axis=(1, 3)) == modules.max(axis=(1, 3))).all()


def test_a_bulb_changes_less_than_three_times_a_second(painter: Painter) -> None:
    """WCAG 2.2, 2.3.1: nothing flashes more than three times in a second."""
    surface = drawn(painter, VIEWS["ready"])
    marquee = painter.layout.marquee
    changes = numpy.zeros((marquee.h, marquee.w), int)
    before = picture(surface)[: marquee.h]
    for step in range(1, 31):
        painter.draw(surface, VIEWS["ready"], step / 30)
        now = picture(surface)[: marquee.h]
        changes += numpy.abs(now.astype(int) - before) > 25
        before = now
    assert 0 < changes.max() <= 2 * 3  # a flash is two opposing changes


def test_an_idle_frame_draws_a_small_part_of_the_screen() -> None:
    painter = Painter((1920, 1080), TITLE)
    surface = drawn(painter, VIEWS["ready"])
    drawn_pixels = 0
    for step in range(1, 91):
        for area in painter.draw(surface, VIEWS["ready"], step / 30):
            drawn_pixels += area.w * area.h
    assert 0 < drawn_pixels / 90 < 0.01 * 1920 * 1080


def test_a_frame_that_is_not_due_draws_nothing(painter: Painter) -> None:
    surface = drawn(painter, VIEWS["ready"])
    painter.draw(surface, VIEWS["ready"], 10.001)
    wait = painter.next_change(VIEWS["ready"], 10.001)
    assert 0 < wait <= 0.24
    assert painter.draw(surface, VIEWS["ready"], 10.001 + wait * 0.9) == []


def test_a_long_title_is_made_to_fit() -> None:
    painter = Painter((800, 480), "The Incredible Adventures of Captain Quark and His Friends")
    surface = pygame.Surface((800, 480))
    painter.draw(surface, VIEWS["offline"], 0.0)
    edge = picture(surface)[: painter.layout.marquee.h, :4]
    assert edge.max() < 60  # nothing of it reaches the screen's edge


def test_a_long_link_still_makes_a_code_that_reads() -> None:
    url = URL + "?prefilled_promo_code=" + "A" * 120
    for size in SIZES:
        painter = Painter(size, TITLE)
        surface = pygame.Surface(size)
        painter.draw(surface, View(Screen.READY, Offer(url, 100, "USD", 2)), 0.0)
        assert read_with_zxing(surface) == {url}


def test_each_coin_that_falls_is_a_picture_of_its_own(painter: Painter) -> None:
    pictures = set()
    for coin in (1, 2, 3):
        surface = drawn(painter, View(Screen.CREDITING, coin=coin, coins=3), 1.0)
        pictures.add(pygame.image.tobytes(surface, "RGB"))
    assert len(pictures) == 3
