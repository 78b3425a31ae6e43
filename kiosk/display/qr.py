"""The code on the screen: drawn, and read again. The only module that knows segno and zxing-cpp."""

from __future__ import annotations

from functools import lru_cache

import pygame
import segno
import zxingcpp

from kiosk.display.layout import Box, code_box
from kiosk.display.theme import Theme

QUIET = 4  # modules, as ISO/IEC 18004 asks for


@lru_cache(maxsize=8)
def matrix(url: str) -> tuple[tuple[bool, ...], ...]:
    """The modules of a code with its quiet zone, true for dark; error correction M or better."""
    code = segno.make_qr(url, error="m", boost_error=True)
    return tuple(
        tuple(bool(module) for module in row) for row in code.matrix_iter(scale=1, border=QUIET)
    )


def draw(surface: pygame.Surface, url: str, place: Box, theme: Theme) -> Box:
    """Draws the code as large as whole pixels per module allow; returns the square it took."""
    modules = matrix(url)
    box, scale = code_box(place, len(modules))
    paper, ink = theme.colours.paper, theme.colours.ink
    surface.fill(paper, (box.x, box.y, box.w, box.h))
    for y, row in enumerate(modules):
        start = None
        for x, dark in enumerate((*row, False)):
            if dark and start is None:
                start = x
            elif not dark and start is not None:
                area = (box.x + start * scale, box.y + y * scale, (x - start) * scale, scale)
                surface.fill(ink, area)
                start = None
    return box


def read(surface: pygame.Surface, box: Box) -> str:
    """What a phone would read in ``box`` of a frame; empty if it is no code."""
    area = pygame.Rect(box.x, box.y, box.w, box.h).clip(surface.get_rect())
    pixels = pygame.image.tobytes(surface.subsurface(area), "RGB")
    picture = memoryview(pixels).cast("B", (area.h, area.w, 3))
    found = zxingcpp.read_barcodes(
        picture, formats=zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCode)
    )
    return found[0].text if len(found) == 1 else ""
