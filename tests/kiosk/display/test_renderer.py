"""Frames: they redraw little, leave no trail, and show a code only if it can be read."""

from __future__ import annotations

import gc
import tracemalloc
from dataclasses import replace

import numpy
import pygame
import pytest

from kiosk.core.view import Alert, Offer, Screen, View
from kiosk.display import qr, sprites
from kiosk.display.layout import Box
from kiosk.display.renderer import Renderer
from tests.kiosk.display.pixels import grey, luminance, rect, with_opencv, with_zxing
from tools.views import OFFER, SIZES, THEMES, URL, VIEWS, drawn, renderer

WIDE = (640, 400)
names = pytest.mark.parametrize("name", VIEWS)


@pytest.fixture(scope="module", params=[*SIZES[:4], (1920, 1080), (480, 800)], ids=str)
def on(request: pytest.FixtureRequest) -> Renderer:
    return renderer(request.param)


def same(one: pygame.Surface, other: pygame.Surface) -> bool:
    return pygame.image.tobytes(one, "RGB") == pygame.image.tobytes(other, "RGB")


def after(on: Renderer, view: View, *times: float) -> pygame.Surface:
    surface = pygame.Surface(on.size)
    for t in times:
        on.draw(surface, view, t)
    return surface


@names
def test_shows_a_code_that_two_decoders_read_exactly_when_there_is_an_offer(
    on: Renderer, name: str
) -> None:
    view = VIEWS[name]
    picture = grey(drawn(on, view, 100.0))
    if view.offer is None:
        assert on.code is None
        assert with_zxing(picture) == set()
        return
    assert with_zxing(picture) == {URL}
    assert with_opencv(picture) == URL
    assert on.code is not None
    code = on.code
    assert with_zxing(picture[code.y : code.bottom, code.x : code.right]) == {URL}


@names
def test_tells_all_it_draws_over(name: str) -> None:
    """Every pixel that a frame changed lies in a rectangle that it returned."""
    on = renderer(WIDE)
    surface = pygame.Surface(WIDE)
    on.draw(surface, View(Screen.STARTING), 0.0)
    for t in (1.0, 1.03, 1.11, 1.26, 1.5, 3.97, 61.0, 155.0, 400.0):
        before = surface.copy()
        dirty = on.draw(surface, VIEWS[name], t)
        for area in dirty:
            before.blit(surface, area, area)
        assert same(before, surface), t


@names
def test_looks_the_same_however_many_frames_led_to_it(name: str) -> None:
    """Drawing only what moved leaves no trail: it equals the whole picture of that moment."""
    on, again = renderer(WIDE), renderer(WIDE)
    view = VIEWS[name]
    many = after(on, view, *(n / 30 for n in range(120)), 155.0, 155.1, 155.9, 180.0)
    whole = pygame.Surface(WIDE)
    again.draw(whole, view, 0.0)
    again.draw(pygame.Surface(WIDE), view, 180.0)
    again.draw(whole, view, 180.0)
    assert again.composition is not None
    # The whole picture anew, from the same composition.
    again.redraw(whole)
    assert same(many, whole)


@names
@pytest.mark.parametrize("theme", THEMES)
def test_never_moves_anything_over_code_or_words(theme: str, name: str) -> None:
    on = renderer(WIDE, theme)
    surface = drawn(on, VIEWS[name])
    shown = on.composition
    assert shown is not None
    quiet = [rect(on.on_screen(block.ink)) for block in shown.blocks]
    if on.code is not None:
        quiet.append(rect(on.code))
    for step in range(1, 120):
        for area in on.draw(surface, VIEWS[name], 1 + step / 30):
            assert area.collidelist(quiet) == -1, area


def test_the_code_has_whole_pixels_and_four_modules_of_quiet(on: Renderer) -> None:
    surface = drawn(on, VIEWS["ready"], 200.0)
    code = on.code
    assert code is not None
    picture = grey(surface)[code.y : code.bottom, code.x : code.right]
    assert set(numpy.unique(picture)) == {0, 255}
    dark = numpy.argwhere(picture == 0)
    (top, left), (bottom, right) = dark.min(axis=0), dark.max(axis=0)
    # The finder's border is seven modules wide.
    module = int(numpy.argmax(picture[top, left:] == 255)) // 7
    assert code.w % module == 0
    assert (top, left) == (4 * module, 4 * module)
    assert (code.h - 1 - bottom, code.w - 1 - right) == (4 * module, 4 * module)
    modules = picture.reshape(code.h // module, module, code.w // module, module)
    assert (modules.min(axis=(1, 3)) == modules.max(axis=(1, 3))).all()


def test_a_code_that_cannot_be_read_is_never_shown(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(qr, "read", lambda _surface, _box: "")
    on = renderer(WIDE)
    surface = drawn(on, VIEWS["ready"])
    assert on.code is None
    assert with_zxing(grey(surface)) == set()
    assert on.view is not None
    assert on.view.screen is Screen.OFFLINE
    assert [note.code for note in on.view.alerts] == ["E6"]
    assert "cannot be read from this screen" in caplog.text
    # The next view is drawn as ever, and a code that reads is shown again.
    drawn(on, View(Screen.PAYING), 10.0)
    assert on.view.screen is Screen.PAYING
    monkeypatch.undo()
    drawn(on, View(Screen.READY, replace(OFFER, url=URL + "2")), 20.0)
    assert on.code is not None


def test_the_code_is_read_from_the_frame_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is drawn over a code by a mistake keeps it from being shown."""
    draw = qr.draw

    def smeared(surface: pygame.Surface, *more: object) -> object:
        box = draw(surface, *more)  # type: ignore[arg-type]
        surface.fill((255, 255, 255), (box.x, box.y, box.w, box.h // 2))
        return box

    monkeypatch.setattr(qr, "draw", smeared)
    on = renderer(WIDE)
    drawn(on, VIEWS["ready"])
    assert on.code is None


def test_an_idle_frame_draws_a_small_part_of_the_screen() -> None:
    on = renderer((1920, 1080))
    surface = drawn(on, VIEWS["ready"])
    pixels = 0
    for step in range(1, 91):
        for area in on.draw(surface, VIEWS["ready"], 1 + step / 30):
            pixels += area.w * area.h
    assert 0 < pixels / 90 < 0.01 * 1920 * 1080


def test_a_frame_that_is_not_due_draws_nothing() -> None:
    on = renderer(WIDE)
    surface = drawn(on, VIEWS["ready"])
    on.draw(surface, VIEWS["ready"], 10.001)
    wait = on.next_change(10.001)
    assert 0 < wait <= sprites.FRAME
    assert on.draw(surface, VIEWS["ready"], 10.001 + wait * 0.9) == []


def test_a_new_view_is_drawn_in_slices_and_the_old_one_moves_meanwhile() -> None:
    on = renderer((1280, 720))
    surface = pygame.Surface(on.size)
    paying = View(Screen.PAYING)
    on.draw(surface, VIEWS["ready"], 0.0)
    frames = 0
    t = 1.0
    while on.view is not paying:
        # No time at all: a slice for each frame.
        on.draw(surface, paying, t, 0.0)
        frames += 1
        t += 0.03
        if on.busy:
            assert on.view is VIEWS["ready"]
            assert on.code is not None
    assert frames > 3


def test_a_view_that_came_late_takes_the_place_of_one_that_is_not_shown_yet() -> None:
    on = renderer(WIDE)
    surface = pygame.Surface(WIDE)
    on.draw(surface, VIEWS["starting"], 0.0)
    on.draw(surface, VIEWS["ready"], 1.0, 0.0)
    assert on.busy
    on.draw(surface, VIEWS["offline"], 1.1)
    assert on.view == VIEWS["offline"]
    assert on.code is None


class TestCrediting:
    def view(self, coin: int, closed: bool) -> View:
        return View(Screen.CREDITING, coin=coin, coins=3, closed=closed)

    def test_each_coin_is_a_picture_of_its_own(self) -> None:
        on, pictures, t = renderer(WIDE), set(), 0.0
        for coin in (1, 2, 3):
            for closed in (True, False):
                surface = pygame.Surface(WIDE)
                on.draw(surface, self.view(coin, closed), t)
                on.draw(surface, self.view(coin, closed), t + 2.0)
                on.redraw(surface)
                pictures.add(pygame.image.tobytes(surface, "RGB"))
                t += 3.0
        assert len(pictures) == 6

    def test_the_same_composition_serves_all_coins(self) -> None:
        on, surface = renderer(WIDE), pygame.Surface(WIDE)
        on.draw(surface, self.view(1, True), 0.0)
        first = on.composition
        for coin in (1, 2, 3):
            on.draw(surface, self.view(coin, False), float(coin), 0.0)
            assert not on.busy
            assert on.composition is first
            assert on.view == self.view(coin, False)

    def test_a_coin_drops_when_the_relay_closes(self) -> None:
        on, surface = renderer(WIDE), pygame.Surface(WIDE)
        on.draw(surface, self.view(1, False), 0.0)
        on.draw(surface, self.view(1, False), 5.0)
        still = surface.copy()
        on.draw(surface, self.view(2, True), 5.1)
        on.draw(surface, self.view(2, True), 5.2)
        assert on.composition is not None
        slot = on.on_screen(on.composition.places.figure)
        assert not same(surface.subsurface(rect(slot)), still.subsurface(rect(slot)))

    def test_the_first_coin_drops_while_its_screen_comes(self) -> None:
        on, surface = renderer(WIDE), pygame.Surface(WIDE)
        on.draw(surface, VIEWS["paying"], 0.0)
        on.draw(surface, VIEWS["paying"], 2.0)
        pictures = set()
        for n in range(12):
            on.draw(surface, self.view(1, True), 3 + n / 30)
            assert on.composition is not None
            slot = rect(on.on_screen(on.composition.places.figure).cut(0.5)[0])
            if n >= 5:
                pictures.add(pygame.image.tobytes(surface.subsurface(slot), "RGB"))
        assert len(pictures) > 4

    def test_the_coins_stay_lit_until_the_next_screen_comes(self) -> None:
        on, surface = renderer((1280, 720)), pygame.Surface((1280, 720))
        on.draw(surface, self.view(3, False), 0.0)
        on.draw(surface, self.view(3, False), 5.0)
        on.draw(surface, self.view(3, False), 5.1)
        assert on.composition is not None
        assert on.composition.places.steps is not None
        row = rect(on.on_screen(on.composition.places.steps))
        before = pygame.image.tobytes(surface.subsurface(row), "RGB")
        playing = View(Screen.PLAYING, OFFER, credits_left=3)
        t = 5.2
        while on.view is not playing:
            assert pygame.image.tobytes(surface.subsurface(row), "RGB") == before
            on.draw(surface, playing, t, 0.0)
            t += 0.03

    def test_the_slot_is_lit_exactly_while_the_relay_is_closed(self) -> None:
        live = sprites.LiveValues()
        look = renderer(WIDE).look.theme
        mouth = sprites.coin_slot(Box(0, 0, 40, 10), look, live)
        dark = mouth.at(0)
        live.closed = True
        lit = mouth.at(1)
        live.closed = False
        assert dark is not None
        assert lit is not None
        assert mouth.at(2) == dark != lit


def test_the_number_of_credits_rolls_to_the_next() -> None:
    on, surface = renderer(WIDE), pygame.Surface(WIDE)
    on.draw(surface, View(Screen.PLAYING, OFFER, credits_left=3), 0.0)
    on.draw(surface, View(Screen.PLAYING, OFFER, credits_left=3), 5.0)
    two = View(Screen.PLAYING, OFFER, credits_left=2)
    pictures = []
    for n in range(30):
        on.draw(surface, two, 6.0 + n / 30)
        pictures.append(pygame.image.tobytes(surface, "RGB"))
    assert len(set(pictures[:20])) > 5


def test_a_code_that_was_scanned_becomes_a_coin() -> None:
    on, surface = renderer(WIDE), pygame.Surface(WIDE)
    for n in range(60):
        on.draw(surface, VIEWS["ready"], n / 30, 0.002)
    assert on._scheduler.has_flight()
    on.draw(surface, View(Screen.PAYING), 3.0)
    # It flies, and there is nothing to scan any more.
    assert with_zxing(grey(surface)) == set()
    assert on.composition is not None
    flying = on.composition.sprites[-1]
    shown = [flying.at(int(3.0 * 30) + n) for n in range(20)]
    assert shown[0] is not None
    assert shown[-1] is None
    assert shown[0][0].get_width() > 2 * min(s[0].get_width() for s in shown if s)


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("size", [(320, 240), WIDE, (1920, 360), (240, 320)], ids=str)
def test_a_code_can_be_scanned_in_every_frame_while_a_payment_begins(
    size: tuple[int, int], theme: str
) -> None:
    on, surface = renderer(size, theme), pygame.Surface(size)
    for n in range(60):
        on.draw(surface, VIEWS["ready"], n / 30, 0.002)
    while not on._scheduler.has_flight():
        on.draw(surface, VIEWS["ready"], 2.0, 0.002)
    for n in range(20):
        on.draw(surface, VIEWS["paying"], 3.0 + n / 30)
        assert with_zxing(grey(surface)) == {URL}, n
        assert on.code is not None
        code = on.code
        only = grey(surface)[code.y : code.bottom, code.x : code.right]
        assert with_zxing(only) == {URL}, n
    assert on.settled


@pytest.mark.parametrize("name", ["playing", "paying"])
def test_a_code_that_stays_at_its_place_can_be_scanned_in_every_frame(name: str) -> None:
    """From the game to the payment and back."""
    on, surface = renderer(WIDE), drawn(renderer(WIDE), VIEWS["playing"])
    other = {"playing": "paying", "paying": "playing"}[name]
    on.draw(surface, VIEWS[name], 0.0)
    for n in range(20):
        on.draw(surface, VIEWS[other], 3.0 + n / 30)
        assert with_zxing(grey(surface)) == {URL}, n


@pytest.mark.parametrize(
    "name", ["paying, no offer", "offline", "crediting", "maintenance", "ready, two bonuses"]
)
def test_a_code_that_is_worth_nothing_any_more_goes_with_the_first_frame(name: str) -> None:
    on, surface = renderer(WIDE), pygame.Surface(WIDE)
    on.draw(surface, VIEWS["ready"], 0.0)
    assert with_zxing(grey(surface)) == {URL}
    view = VIEWS[name]
    if view.offer:
        view = replace(view, offer=replace(view.offer, url=URL + "other"))
    on.draw(surface, view, 5.0)
    assert on.view is view
    assert URL not in with_zxing(grey(surface))


class TestReducedMotion:
    @names
    def test_only_what_tells_something_moves(self, name: str) -> None:
        on = renderer(WIDE, reduced_motion=True)
        surface = drawn(on, VIEWS[name])
        changed = [
            area for step in range(1, 100) for area in on.draw(surface, VIEWS[name], 1 + step / 30)
        ]
        assert changed == []

    def test_a_screen_comes_at_once(self) -> None:
        on, surface = renderer(WIDE, reduced_motion=True), pygame.Surface(WIDE)
        on.draw(surface, VIEWS["ready"], 0.0)
        assert on.draw(surface, VIEWS["paying"], 1.0) == [surface.get_rect()]


class TestFlashing:
    """WCAG 2.2, 2.3.1: nothing flashes more than three times in a second."""

    @pytest.mark.parametrize("theme", THEMES)
    @names
    def test_no_part_of_a_screen_flashes(self, theme: str, name: str) -> None:
        on = renderer((320, 240), theme)
        surface = drawn(on, VIEWS[name])
        turns = numpy.zeros((240, 320), int)
        heading = numpy.zeros((240, 320), int)
        corner = luminance(surface)
        for step in range(1, 31):
            on.draw(surface, VIEWS[name], 1 + step / 30)
            now = luminance(surface)
            # A flash is a pair of opposing changes of a tenth or more.
            up, down = now - corner >= 0.1, corner - now >= 0.1
            turns += (up & (heading == -1)) | (down & (heading == 1))
            heading = numpy.where(up, 1, numpy.where(down, -1, heading))
            corner = numpy.where(up | down, now, corner)
        # What is small cannot harm: a quarter of ten degrees of view, some 21,824 of 1024 × 768.
        flashing = (turns > 2 * 3).sum()
        assert flashing < 240 * 320 * 21824 / (1024 * 768)


class TestBurnIn:
    @pytest.mark.slow
    @pytest.mark.parametrize("theme", THEMES)
    def test_no_pixel_of_the_marquee_is_lit_for_ten_minutes(self, theme: str) -> None:
        on = renderer((320, 240), theme)
        surface = drawn(on, VIEWS["ready"])
        height = on.grid.marquee.h - 2 * on.grid.rim
        lit_since = numpy.zeros((height, 320))
        longest = 0.0
        t = 1.0
        while t < 1500:
            on.draw(surface, VIEWS["ready"], t)
            if int(t * 4) % 2 == 0:
                lit = luminance(surface)[:height] > 0.02
                lit_since = numpy.where(lit, lit_since, t)
                longest = max(longest, float((t - lit_since).max()))
            t += 0.25
        assert longest < 600

    def test_the_whole_picture_drifts_and_the_code_with_it(self) -> None:
        on = renderer(WIDE)
        places = set()
        surface = pygame.Surface(WIDE)
        for minute in range(0, 60, 2):
            on.draw(surface, VIEWS["ready"], minute * 60.0)
            assert on.code is not None
            places.add((on.code.x, on.code.y))
            assert with_zxing(grey(surface)) == {URL}
        assert len(places) > 8

    def test_frames_are_dim_every_other_minute(self) -> None:
        on = renderer(WIDE)
        look = on.look.theme
        edges = sprites.frame_edges(Box(0, 0, 90, 60), 2, 6, look)
        assert all(edge.at(0) is not None and edge.at(1) is None for edge in edges)

    def test_the_nightly_cycle_shows_plain_colours_and_ends(self) -> None:
        on, surface = renderer(WIDE), drawn(renderer(WIDE), VIEWS["ready"])
        on.draw(surface, VIEWS["ready"], 0.0)
        on.start_colour_cycle(10.0)
        colours = set()
        for t in range(10, 120, 2):
            on.draw(surface, VIEWS["ready"], float(t))
            assert on.code is None
            colours.add(tuple(surface.get_at((5, 5))))
            assert surface.get_at((5, 5)) == surface.get_at((600, 390))
        assert len(colours) == 5
        on.draw(surface, VIEWS["ready"], 131.0)
        assert on.code is not None
        assert with_zxing(grey(surface)) == {URL}

    def test_the_nightly_cycle_waits_for_nobody_who_plays(self) -> None:
        on, surface = renderer(WIDE), pygame.Surface(WIDE)
        on.draw(surface, VIEWS["playing"], 0.0)
        on.start_colour_cycle(1.0)
        assert on.code is not None
        on.draw(surface, VIEWS["ready"], 2.0)
        on.start_colour_cycle(5.0)
        on.draw(surface, VIEWS["ready"], 5.1)
        on.draw(surface, VIEWS["paying"], 6.0)
        on.draw(surface, VIEWS["paying"], 7.0)
        assert on.view == VIEWS["paying"]
        assert len(numpy.unique(grey(surface))) > 20


def test_languages_alternate_and_the_code_stays_where_it_is() -> None:
    on, surface = renderer(WIDE), pygame.Surface(WIDE)
    on = Renderer(WIDE, "G", replace(on.look, languages=("en", "de"), language_s=10.0))
    told, places = [], set()
    for t in (0.0, 5.0, 11.0, 21.0, 31.0):
        on.draw(surface, VIEWS["ready"], t)
        on.draw(surface, VIEWS["ready"], t + 0.5)
        assert on.composition is not None
        assert on.composition.code is not None
        told.append(on.composition.blocks[0].text)
        places.add(on.composition.code)
    assert told[0] == told[1] == told[3] == "Scan to play"
    assert told[2] == told[4] != told[0]
    assert len(places) == 1


def test_a_reel_takes_turns_with_the_words_and_the_code_and_price_stay() -> None:
    picture = pygame.Surface((300, 200))
    picture.fill((200, 30, 30))
    on = renderer(WIDE)
    on = Renderer(WIDE, "G", replace(on.look, reel=lambda: (picture,)))
    surface = pygame.Surface(WIDE)
    seen = []
    for t in (0.0, 20.0, 31.0, 37.0, 39.0, 70.0):
        on.draw(surface, VIEWS["ready"], t)
        on.draw(surface, VIEWS["ready"], t + 0.5)
        assert with_zxing(grey(surface)) == {URL}
        assert on.composition is not None
        assert any("$1.00" in block.text for block in on.composition.blocks)
        seen.append(any(tuple(surface.get_at((x, 200)))[:3] == (200, 30, 30) for x in range(640)))
    assert seen == [False, False, True, True, False, True]


def test_a_logo_stands_for_the_name() -> None:
    logo = pygame.Surface((200, 100), pygame.SRCALPHA)
    logo.fill((10, 250, 10))
    on = renderer(WIDE)
    on = Renderer(WIDE, "G", replace(on.look, logo=logo))
    surface = drawn(on, VIEWS["ready"])
    red, green, blue, _ = surface.get_at((320, 30))
    assert green > 200 > 60 > red + blue


def test_a_long_title_is_made_to_fit() -> None:
    look = renderer((800, 480)).look
    on = Renderer((800, 480), "The Incredible Adventures of Captain Quark and His Friends", look)
    surface = drawn(on, VIEWS["offline"], 3.0)
    edge = grey(surface)[20 : on.grid.marquee.h - 25, :4]
    assert edge.max() < 60  # nothing of it reaches the screen's edge


@pytest.mark.parametrize("title", ["银河巡逻", "ギャラクシー", "Ärger & Söhne", "🚀"])
def test_a_name_in_any_of_the_languages_stands_on_the_marquee(title: str) -> None:
    drawn(Renderer(WIDE, title, renderer(WIDE).look), VIEWS["ready"])


def test_a_long_link_still_makes_a_code_that_reads() -> None:
    url = URL + "?prefilled_promo_code=" + "A" * 120
    for size in SIZES:
        on = renderer(size)
        surface = drawn(on, View(Screen.READY, Offer(url, 100, "USD", 2)))
        if on.code is None:
            # Too many modules for so few pixels: it is not shown.
            assert min(size) <= 240
        else:
            assert with_zxing(grey(surface)) == {url}


def test_as_many_notes_as_fit_are_told_and_the_others_by_their_code() -> None:
    long = "this is a rather long sentence for an operator " * 3
    notes = tuple(Alert(f"E{n}", long) for n in (1, 2, 3))
    on = renderer((480, 320))
    drawn(on, View(Screen.OUT_OF_ORDER, alerts=notes))
    assert on.composition is not None
    told = " ".join(block.text for block in on.composition.blocks)
    assert all(note.code in told for note in notes)
    drawn(on, View(Screen.PLAYING, credits_left=2, alerts=notes), 9.0)
    assert on.composition.blocks[-1].text == "E1 · E2 · E3"


def surface_bytes() -> int:
    """The memory of all surfaces that anything holds; Python's own figures do not count it."""
    gc.collect()
    surfaces = {
        id(held): held
        for holder in gc.get_objects()
        for held in gc.get_referents(holder)
        if isinstance(held, pygame.Surface)
    }
    return sum(surface.get_pitch() * surface.get_height() for surface in surfaces.values())


@pytest.mark.slow
def test_hours_of_the_same_screen_hold_no_more_memory() -> None:
    on, surface = renderer((320, 240)), pygame.Surface((320, 240))

    def hour(begin: float) -> None:
        for view in (VIEWS["ready"], VIEWS["paying"], VIEWS["crediting"], VIEWS["playing"]):
            for n in range(200):
                on.draw(surface, view, begin + n * 4.5)
            begin += 900

    for number in range(3):
        hour(number * 3600.0)
    surfaces = surface_bytes()
    assert surfaces > 3 * 320 * 240 * 4
    tracemalloc.start()
    hour(3 * 3600.0)
    before, _ = tracemalloc.get_traced_memory()
    for number in range(4, 9):
        hour(number * 3600.0)
    now, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert now - before < 40_000
    # Not even one surface of an hour's twenty compositions.
    assert surface_bytes() - surfaces < 40_000
