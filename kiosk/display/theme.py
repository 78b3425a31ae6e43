"""The look: colours, typefaces, pictures, sounds and layout switches, from a theme's folder.

A theme is a folder with a ``theme.toml``. Files that it names are looked for in the folder first,
then among the kiosk's own assets. ``docs/themes.md`` tells how to make one.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from kiosk import assets
from kiosk.errors import KioskError

Colour = tuple[int, int, int]
Backdrop = Literal["floor", "rays", "peaks", "plain"]

SHIPPED = ("night", "daylight", "vector")
DEFAULT = "night"
THEME_FILE = "theme.toml"
READABLE = 7.0  # contrast of words, WCAG 2.2's AAA
VEIL = 0.86  # of the sky's colour over a theme's own background picture


class ThemeError(KioskError):
    """A theme's file cannot be used; the message names it and what to mend."""


def _colour(value: object) -> Colour:
    if not isinstance(value, str) or not re.fullmatch("#[0-9a-fA-F]{6}", value):
        raise ValueError('should be a colour like "#ffb000"')
    red, green, blue = bytes.fromhex(value[1:])
    return red, green, blue


_Colour = Annotated[Colour, BeforeValidator(_colour)]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Colours(_Table):
    """Red, green, blue. Words are ``text``, ``soft``, ``headline``, ``price``, ``bonus`` on
    ``sky``, ``ground``, ``lines`` and what is between them, and ``title`` on the ``panel``."""

    sky: _Colour
    ground: _Colour
    lines: _Colour
    floor: _Colour
    text: _Colour
    soft: _Colour
    headline: _Colour
    price: _Colour
    bonus: _Colour
    panel: _Colour
    title: _Colour
    frame: _Colour
    frame_dim: _Colour
    coin: _Colour
    coin_edge: _Colour
    coin_shine: _Colour
    bulb_lit: _Colour
    bulb_dark: _Colour
    glow: _Colour
    spark: _Colour
    paper: _Colour = (255, 255, 255)
    ink: _Colour = (0, 0, 0)


class _Typefaces(_Table):
    display: str
    text: str
    chinese: str = "fonts/NotoSansSC-Bold.ttf"
    japanese: str = "fonts/NotoSansJP-Bold.ttf"


class _Layout(_Table):
    backdrop: Backdrop = "floor"
    bulbs: bool = True
    stars: bool = True
    steps: bool = True


class _Pictures(_Table):
    background: str = ""


class _Sounds(_Table):
    attract: str = "sounds/attract.wav"
    coin: str = "sounds/coin.wav"
    thanks: str = "sounds/thanks.wav"
    declined: str = "sounds/declined.wav"
    game_over: str = "sounds/game-over.wav"


class _File(_Table):
    colours: Colours
    typefaces: _Typefaces
    layout: _Layout = Field(default_factory=_Layout)
    pictures: _Pictures = Field(default_factory=_Pictures)
    sounds: _Sounds = Field(default_factory=_Sounds)


@dataclass(frozen=True)
class Theme:
    """A theme whose colours are readable and whose files are there."""

    name: str
    colours: Colours
    display: Path
    text: Path
    chinese: Path
    japanese: Path
    backdrop: Backdrop
    bulbs: bool
    stars: bool
    steps: bool
    background: Path | None
    sounds: tuple[tuple[str, Path], ...]


def load(name: str) -> Theme:
    """A theme that is shipped, by its name, or an operator's, by its folder.

    Raises :class:`ThemeError` with all that is wrong, a sentence on each line.
    """
    folder = assets.path(f"themes/{name}") if name in SHIPPED else Path(name)
    path = folder / THEME_FILE
    loaded = _read(path, name)
    find = _finder(folder, path)
    problems = _unreadable(loaded.colours)
    files: dict[str, Path] = {}
    wanted = {**loaded.typefaces.model_dump(), **loaded.sounds.model_dump()}
    if loaded.pictures.background:
        wanted["background"] = loaded.pictures.background
    for what, file in wanted.items():
        try:
            files[what] = find(file)
        except KioskError as error:
            problems.append(f"{what}: {error}")
    if problems:
        raise ThemeError("\n".join(f"{path}: {problem}" for problem in problems))
    return Theme(
        name=folder.name,
        colours=loaded.colours,
        display=files["display"],
        text=files["text"],
        chinese=files["chinese"],
        japanese=files["japanese"],
        backdrop=loaded.layout.backdrop,
        bulbs=loaded.layout.bulbs,
        stars=loaded.layout.stars,
        steps=loaded.layout.steps,
        background=files.get("background"),
        sounds=tuple((sound, files[sound]) for sound in loaded.sounds.model_dump()),
    )


def contrast(one: Colour, other: Colour) -> float:
    """The contrast of two colours, 1 to 21, by WCAG 2.2's formula."""
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: Colour) -> float:
    """The relative luminance, 0 to 1, by WCAG 2.2's formula."""
    red, green, blue = (
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4
        for c in (x / 255 for x in colour)
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def mix(one: Colour, other: Colour, share: float) -> Colour:
    """``one`` with ``share`` of ``other`` in it."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue


def words_on(colours: Colours) -> list[tuple[str, str, float]]:
    """Every pair of a word's colour and what it may stand on, with its contrast."""
    pairs = [
        (words, ground)
        for words in ("text", "soft", "headline", "price", "bonus")
        for ground in ("sky", "ground", "lines")
    ]
    pairs += [("title", "panel"), ("ink", "paper")]
    return [(a, b, contrast(getattr(colours, a), getattr(colours, b))) for a, b in pairs]


def _unreadable(colours: Colours) -> list[str]:
    problems = [
        f"{words} on {ground} has a contrast of {found:.1f} and needs {READABLE:.0f}: "
        "take colours further apart"
        for words, ground, found in words_on(colours)
        if found < READABLE
    ]
    if luminance(colours.ink) > luminance(colours.paper):
        problems.append("ink is lighter than paper: many phones read no code that is inverted")
    return problems


def _read(path: Path, name: str) -> _File:
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ThemeError(
            f"there is no theme {name}: take {', '.join(SHIPPED)}, or name a folder with a "
            "theme.toml in it"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise ThemeError(f"{path} cannot be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise ThemeError(f"{path} is not TOML: {error}") from error
    try:
        return _File.model_validate(values)
    except ValidationError as error:
        raise ThemeError("\n".join(_sentence(path, found) for found in error.errors())) from None


def _sentence(path: Path, error: Any) -> str:
    where = ".".join(str(part) for part in error["loc"])
    match error["type"]:
        case "missing":
            problem = "is missing"
        case "extra_forbidden":
            problem = "is no setting of a theme: take it away"
        case _:
            problem = error["msg"].removeprefix("Value error, ").removeprefix("Input ")
    return f"{path}: {where} {problem}"


def _finder(folder: Path, path: Path) -> Callable[[str], Path]:
    def find(file: str) -> Path:
        own = folder / file
        if own.is_file():
            # What a theme names lies in it: a theme is passed on as a folder.
            if own.resolve().is_relative_to(folder.resolve()):
                return own
            raise ThemeError(f"{file} lies outside of {path.parent}")
        try:
            return assets.path(file)
        except KioskError:
            raise ThemeError(f"{file} is neither in {path.parent} nor shipped") from None

    return find
