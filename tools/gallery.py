"""Pictures of every screen, and a page to look at them: ``python -m tools.gallery``.

Writes ``out/gallery/index.html``: every screen in every size and theme in English, and in every
language at 800×480; ``--all`` writes every combination. The page also has how far each code can be
blurred, tilted and so on until two decoders no longer read it.
"""

from __future__ import annotations

import argparse
import html
import json
import multiprocessing
import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy
import pygame

from kiosk.display import qr
from tools import distortions
from tools.views import LOCALES, SIZES, THEMES, URL, VIEWS, drawn, renderer

TYPICAL = (800, 480)
PAGE = Path(__file__).with_name("gallery.html")


def sets(everything: bool) -> Iterator[tuple[tuple[int, int], str, str]]:
    """The combinations of size, theme and language that are drawn."""
    for size in SIZES:
        for theme in THEMES:
            for locale in LOCALES:
                if everything or locale == "en" or size == TYPICAL:
                    yield size, theme, locale


def draw(folder: Path, size: tuple[int, int], theme: str, locale: str) -> list[dict[str, Any]]:
    """Every screen of one set as a picture; returns what the page says of each."""
    on = renderer(size, theme, locale)
    pictures = []
    for number, (name, view) in enumerate(VIEWS.items()):
        surface = drawn(on, view, number * 5.0)
        words = name.replace(",", "").replace(" ", "-")
        file = f"{theme}-{size[0]}x{size[1]}-{locale}-{words}.png"
        pygame.image.save(surface, str(folder / file))
        pictures.append(
            {
                "file": file,
                "screen": name,
                "theme": theme,
                "size": f"{size[0]} × {size[1]}",
                "language": locale,
            }
        )
    return pictures


def measure(size: tuple[int, int], theme: str) -> dict[str, Any]:
    """How far the attract screen's code reads, for each distortion and decoder."""
    on = renderer(size, theme)
    surface = drawn(on, VIEWS["ready"])
    assert on.code is not None
    assert on.composition is not None
    assert on.composition.card is not None
    pixels = numpy.frombuffer(pygame.image.tobytes(surface, "RGB"), numpy.uint8)
    rows = pixels.reshape(surface.get_height(), surface.get_width(), 3)
    grey = numpy.asarray(cv2.cvtColor(rows, cv2.COLOR_RGB2GRAY))
    card = on.on_screen(on.composition.card)
    place = card.inset(-card.w // 8)
    photo = grey[max(0, place.y) : place.bottom, max(0, place.x) : place.right]
    module = on.code.w / len(qr.matrix(URL))
    row: dict[str, Any] = {"theme": theme, "size": f"{size[0]} × {size[1]}", "module": module}
    for kind in distortions.ALL:
        row[kind.name] = {
            name: distortions.limit(photo, module, URL, kind, read)
            for name, read in distortions.READERS.items()
        }
    return row


def table(rows: list[dict[str, Any]]) -> str:
    """The limits as an HTML table."""
    heads = "".join(
        f"<th>{html.escape(kind.name)}<br><small>{html.escape(kind.unit)}</small></th>"
        for kind in distortions.ALL
    )
    lines = []
    for row in rows:
        cells = "".join(
            "<td>" + " / ".join(f"{row[kind.name][name]:g}" for name in distortions.READERS)
            + "</td>"
            for kind in distortions.ALL
        )  # fmt: skip
        lines.append(
            f"<tr><td>{row['theme']}</td><td>{row['size']}</td><td>{row['module']:.0f}</td>"
            f"{cells}</tr>"
        )
    readers = " / ".join(distortions.READERS)
    return (
        f"<p>The strongest step that still reads: {readers}.</p><table><thead><tr><th>theme</th>"
        f"<th>size</th><th>pixels a module</th>{heads}</tr></thead><tbody>"
        + "".join(lines)
        + "</tbody></table>"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Draws, measures, and writes the page."""
    parser = argparse.ArgumentParser(prog="python -m tools.gallery", description=__doc__)
    parser.add_argument("--theme", action="append", choices=THEMES, help="only this one")
    parser.add_argument("--size", action="append", help="only this one, as in 800x480")
    parser.add_argument("--out", type=Path, default=Path("out/gallery"), metavar="DIR")
    parser.add_argument("--all", action="store_true", help="every combination, some gigabytes")
    chosen = parser.parse_args(arguments)
    themes = chosen.theme or THEMES
    sizes = [size for size in SIZES if not chosen.size or f"{size[0]}x{size[1]}" in chosen.size]
    folder: Path = chosen.out
    folder.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(os.cpu_count(), multiprocessing.get_context("spawn")) as pool:
        wanted = [one for one in sets(chosen.all) if one[0] in sizes and one[1] in themes]
        drawing = [pool.submit(draw, folder, *one) for one in wanted]
        measuring = [pool.submit(measure, size, theme) for theme in themes for size in sizes]
        pictures = [picture for done in drawing for picture in done.result()]
        limits = [done.result() for done in measuring]
    page = PAGE.read_text(encoding="utf-8")
    page = page.replace("<!-- limits -->", table(limits))
    page = page.replace("/* pictures */", json.dumps(pictures))
    (folder / "index.html").write_text(page, encoding="utf-8")
    print(f"{len(pictures)} pictures: {folder / 'index.html'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
