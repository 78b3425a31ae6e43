"""The whole loop as a person starts it: real processes, one payment, a picture of every screen."""

from __future__ import annotations

import contextlib
import re
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import pytest
import zxingcpp


def demo(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "demo", *arguments]


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """One purchase, played by itself; what it printed and its pictures."""
    shots = tmp_path_factory.mktemp("shots")
    data = tmp_path_factory.mktemp("data")
    done = subprocess.run(
        demo("--once", "--shots", str(shots), "--data", str(data)),
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, shots


def test_the_summary_says_what_was_paid_pulsed_and_charged(played: tuple[str, Path]) -> None:
    printed, _ = played
    for line in (
        "paid: 3 plays, 3.00 USD",
        "pulsed: 3 times",
        "charged: 3.00 USD",
        "attract again",
    ):
        assert line in printed


def test_every_screen_has_its_picture_in_order(played: tuple[str, Path]) -> None:
    names = [path.stem.partition("-")[2] for path in sorted(played[1].glob("*.png"))]
    wanted = [
        "ready",
        "paying",
        *(f"crediting-{n}-of-3" for n in (1, 2, 3)),
        "playing",
        "game-over",
    ]
    places = [names.index(name) for name in wanted]
    assert places == sorted(places)
    assert names[-1] == "ready"


def test_the_codes_in_the_pictures_lead_to_the_link(played: tuple[str, Path]) -> None:
    printed, shots = played
    link = re.search(r"the code leads to (\S+)", printed)
    assert link
    for path in sorted(shots.glob("*.png")):
        read = [code.text for code in zxingcpp.read_barcodes(cv2.imread(str(path)))]
        shows = path.stem.partition("-")[2] in ("ready", "paying", "playing", "game-over")
        assert read == ([link[1]] if shows else []), path.name


def running(word: str) -> list[str]:
    """The command lines with this word, of all processes; none where there is no /proc."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            found.append(file.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return [line for line in found if word in line]


def test_a_signal_ends_everything_that_was_started(tmp_path: Path) -> None:
    process = subprocess.Popen(
        demo("--no-window", "--data", str(tmp_path)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    for line in process.stdout:
        if "The arcade is open" in line:
            break
    if Path("/proc/self").exists():
        assert running(str(tmp_path)) != []
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert (process.returncode, errors) == (0, "")
    assert running(str(tmp_path)) == []


def test_a_folder_that_cannot_be_used_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = subprocess.run(
        demo("--once", "--data", str(tmp_path / "file")),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("demo: ")
    assert "Traceback" not in done.stderr
