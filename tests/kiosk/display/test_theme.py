"""Themes: those that are shipped are readable, and wrong ones are named whole."""

from __future__ import annotations

from pathlib import Path

import numpy
import pytest

from kiosk.display import backdrops, theme
from kiosk.display.layout import grid
from kiosk.display.theme import THEME_FILE, ThemeError, contrast, luminance
from tests.kiosk.display import pixels
from tools.views import THEMES

NIGHT = Path(__file__).parents[3] / "assets" / "themes" / "night" / THEME_FILE


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / THEME_FILE).write_text(NIGHT.read_text())
    return tmp_path


def change(folder: Path, old: str, new: str) -> None:
    path = folder / THEME_FILE
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.mark.parametrize("name", THEMES)
def test_every_word_stands_out_seven_to_one(name: str) -> None:
    for words, ground, found in theme.words_on(theme.load(name).colours):
        assert found >= 7.0, (words, ground)


@pytest.mark.parametrize("size", [(320, 240), (1920, 1080), (480, 800)], ids=str)
@pytest.mark.parametrize("name", THEMES)
def test_words_stand_out_from_every_pixel_of_the_backdrop(name: str, size: tuple[int, int]) -> None:
    look, on = theme.load(name), grid(*size)
    surface = backdrops.draw(look, on)
    grounds = pixels.luminance(surface)[on.marquee.h : round(on.picture.h * backdrops.FOOT)]
    for words in ("text", "soft", "headline", "price", "bonus"):
        word = luminance(getattr(look.colours, words))
        ratio = (numpy.maximum(word, grounds) + 0.05) / (numpy.minimum(word, grounds) + 0.05)
        assert ratio.min() >= 7.0, words


def test_one_theme_is_for_a_bright_room() -> None:
    assert luminance(theme.load("daylight").colours.sky) > 0.7
    assert all(luminance(theme.load(n).colours.sky) < 0.05 for n in ("night", "vector"))


def test_a_theme_is_a_folder_of_ones_own(folder: Path) -> None:
    (folder / "loud.wav").touch()
    path = folder / THEME_FILE
    path.write_text(path.read_text() + 'steps = false\n[sounds]\ncoin = "loud.wav"\n')
    look = theme.load(str(folder))
    assert look.name == folder.name
    assert not look.steps
    assert dict(look.sounds)["coin"] == folder / "loud.wav"
    assert dict(look.sounds)["thanks"].name == "thanks.wav"


def test_a_theme_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ThemeError, match=r"there is no theme \S*gone: take night, daylight, vec"):
        theme.load(str(tmp_path / "gone"))


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('text = "#f6f0ff"', 'text = "f6f0ff"', r"colours.text should be a colour like"),
        ('text = "#f6f0ff"', 'text = "#f6f0fg"', r"colours.text should be a colour like"),
        ('text = "#f6f0ff"', "text = 7", r"colours.text should be a colour like"),
        ('text = "#f6f0ff"\n', "", r"colours.text is missing"),
        (
            'text = "#f6f0ff"',
            'text = "#555555"',
            r"text on sky has a contrast of 2\.\d ",
        ),
        ("[colours]", "[colours]\nbeige = 1", r"colours.beige is no setting of a theme"),
        ("[colours]", "[colours", r"theme.toml is not TOML"),
        ('backdrop = "floor"', 'backdrop = "sea"', r"layout.backdrop should be 'floor', 'rays'"),
        ("fonts/Bungee-Regular.ttf", "Bungee.ttf", r"display: Bungee.ttf is neither in"),
        ("fonts/Bungee-Regular.ttf", "../../x.ttf", r"display: ../../x.ttf "),
        ("[colours]", '[colours]\nink = "#ffffff"\npaper = "#000000"', r"inverted"),
    ],
)
def test_what_is_wrong_is_named_with_its_file(folder: Path, old: str, new: str, told: str) -> None:
    change(folder, old, new)
    with pytest.raises(ThemeError, match=told) as caught:
        theme.load(str(folder))
    assert str(folder / THEME_FILE) in str(caught.value)


def test_all_that_is_wrong_is_told_at_once(folder: Path) -> None:
    change(folder, 'text = "#f6f0ff"\n', "")
    change(folder, 'price = "#ffb000"', 'price = "gold"')
    with pytest.raises(ThemeError) as caught:
        theme.load(str(folder))
    assert len(str(caught.value).splitlines()) == 2


def test_a_theme_takes_no_file_from_elsewhere(folder: Path, tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    (inner / THEME_FILE).write_text(NIGHT.read_text())
    (tmp_path / "secret.ttf").touch()
    change(inner, "fonts/Bungee-Regular.ttf", "../secret.ttf")
    with pytest.raises(ThemeError, match="lies outside of"):
        theme.load(str(inner))


def test_a_background_of_ones_own_keeps_words_readable(folder: Path) -> None:
    import pygame

    picture = pygame.Surface((30, 20))
    picture.fill((255, 255, 255))
    picture.fill((255, 0, 0), (0, 0, 15, 20))
    pygame.image.save(picture, str(folder / "wall.png"))
    path = folder / THEME_FILE
    path.write_text(path.read_text() + '[pictures]\nbackground = "wall.png"\n')
    look = theme.load(str(folder))
    grounds = pixels.luminance(backdrops.draw(look, grid(320, 240)))
    for words in ("text", "soft", "headline", "price", "bonus"):
        word = luminance(getattr(look.colours, words))
        assert (word + 0.05) / (grounds.max() + 0.05) >= 7.0, words


def test_contrast_is_that_of_wcag() -> None:
    assert contrast((255, 255, 255), (0, 0, 0)) == pytest.approx(21.0)
    assert contrast((119, 119, 119), (255, 255, 255)) == pytest.approx(4.48, abs=0.01)
