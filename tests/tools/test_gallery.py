"""The gallery: a picture of every screen, and a page that shows them and the limits."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from kiosk.display.catalogue import LANGUAGES
from tools import gallery
from tools.views import SIZES, THEMES, VIEWS


def test_the_page_names_pictures_that_are_there_and_the_limits(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--out", str(tmp_path), "--theme", "vector", "--size", "320x240"]
    assert gallery.main(words) == 0
    page = (tmp_path / "index.html").read_text()
    found = re.search(r"const pictures = \[(.*)\]\.flat\(\);", page)
    assert found is not None
    pictures = json.loads(found[1])
    assert {picture["screen"] for picture in pictures} == set(VIEWS)
    assert all((tmp_path / picture["file"]).stat().st_size > 500 for picture in pictures)
    assert re.search(r"<td>vector</td><td>320 × 240</td><td>\d+</td><td>0\.\d / 0\.\d</td>", page)
    assert f"{len(VIEWS)} pictures" in capsys.readouterr().out


def test_every_combination_is_drawn_if_asked_for() -> None:
    assert len(set(gallery.sets(True))) == len(SIZES) * len(THEMES) * len(LANGUAGES)
    some = set(gallery.sets(False))
    assert {(size, theme) for size, theme, _ in some} == {(s, t) for s in SIZES for t in THEMES}
    assert {place for *_, place in some} == set(LANGUAGES)
