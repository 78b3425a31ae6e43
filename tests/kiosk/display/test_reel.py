"""The operator's pictures."""

from __future__ import annotations

from pathlib import Path

import pygame
import pytest

from kiosk.display.reel import LARGEST, MOST, Reel, logo


def save(path: Path, size: tuple[int, int] = (40, 30)) -> None:
    pygame.image.save(pygame.Surface(size), str(path))


def read(folder: Path) -> tuple[pygame.Surface, ...]:
    reel = Reel(folder)
    reel.start()
    reel.join()
    return reel.pictures()


def test_a_folders_pictures_are_read_by_their_names(tmp_path: Path) -> None:
    save(tmp_path / "b.png", (50, 30))
    save(tmp_path / "a.jpg", (40, 30))
    (tmp_path / "notes.txt").write_text("no picture")
    assert [p.get_size() for p in read(tmp_path)] == [(40, 30), (50, 30)]


def test_a_large_picture_is_made_small_once(tmp_path: Path) -> None:
    save(tmp_path / "a.png", (3000, 1500))
    assert [p.get_size() for p in read(tmp_path)] == [(LARGEST, LARGEST // 2)]


def test_a_file_that_is_no_picture_is_named_and_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "bad.png").write_text("this is text")
    save(tmp_path / "good.png")
    assert len(read(tmp_path)) == 1
    assert f"the picture {tmp_path / 'bad.png'} cannot be shown" in caplog.text


def test_a_folder_that_is_missing_or_empty_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert read(tmp_path / "gone") == ()
    assert "gone cannot be read" in caplog.text
    assert read(tmp_path) == ()
    assert "there is no picture in the reel's folder" in caplog.text


def test_too_many_pictures_are_left_out_and_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(MOST + 2):
        save(tmp_path / f"{number:02}.png", (4, 4))
    assert len(read(tmp_path)) == MOST
    assert f"the first {MOST} of {MOST + 2}" in caplog.text


def test_a_logo_that_cannot_be_shown_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert logo(None) is None
    assert logo(tmp_path / "logo.png") is None
    assert "logo.png cannot be shown" in caplog.text
    save(tmp_path / "logo.png")
    assert logo(tmp_path / "logo.png") is not None
