"""The look: an arcade at night. Every colour and typeface of the screen is named here."""

from __future__ import annotations

from dataclasses import dataclass

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Theme:
    """Colours as red, green, blue; typefaces as names of assets."""

    night: Colour = (11, 7, 20)
    dusk: Colour = (38, 20, 72)
    grid: Colour = (92, 44, 150)
    text: Colour = (246, 240, 255)
    soft: Colour = (196, 184, 220)
    amber: Colour = (255, 176, 0)
    cyan: Colour = (53, 224, 255)
    rose: Colour = (255, 140, 188)
    dark_amber: Colour = (150, 92, 0)
    bulb_off: Colour = (66, 40, 20)
    paper: Colour = (255, 255, 255)
    ink: Colour = (0, 0, 0)
    display_face: str = "fonts/Bungee-Regular.ttf"
    text_face: str = "fonts/ChakraPetch-SemiBold.ttf"


NIGHT = Theme()
TEXT_COLOURS = ("text", "soft", "amber", "cyan", "rose")


def contrast(one: Colour, other: Colour) -> float:
    """The contrast of two colours, 1 to 21, by WCAG 2.2's formula."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: Colour) -> float:
    red, green, blue = (
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4
        for c in (x / 255 for x in colour)
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
