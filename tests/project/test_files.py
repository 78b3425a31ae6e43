"""The repository's files name no machine that they were made on and no registry."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ADDRESS = re.compile(
    r"pypi\.org|pythonhosted\.org|registry\.npmjs|deb\.debian\.org|--(?:extra-)?index-url[ =]\S"
    r"|--find-links[ =]\S|\bfile:/{3}"
    r"|(?<![\w./-])/roo[t]/|(?<![\w./-])/(?:home|Users)/\w"
)
PINS = (
    "requirements.txt",
    "requirements-sam.txt",
    "lambda/requirements.txt",
    "lambda/requirements-serve.txt",
)


def places(files: list[Path]) -> Iterator[str]:
    """``file:line`` of every address or home folder in those of the files that are text."""
    for file in files:
        try:
            text = file.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(text.splitlines(), 1):
            if ADDRESS.search(line):
                yield f"{file}:{number}"


@pytest.fixture
def files(root: Path, need: Callable[..., str]) -> list[Path]:
    """All files that are committed, or would be."""
    if not (root / ".git").exists():
        pytest.skip("this is no clone: which files are the repository's is not known")
    listed = subprocess.run(
        [need("git"), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    named = [root / name for name in listed.stdout.split("\0") if name]
    return [file for file in named if file.is_file()]


def test_no_file_names_a_registry_or_somebodys_home(files: list[Path]) -> None:
    assert Path(__file__).resolve() in [file.resolve() for file in files]
    assert list(places(files)) == []


@pytest.mark.parametrize(
    "line",
    # With a + where nothing stands, or these lines would be found themselves.
    [
        "--extra-index+-url https://example.com/simple",
        "--find+-links /opt/wheels",
        "stripe @ file:+///opt/wheels/stripe.whl",
        "https://files.python+hosted.org/packages/x.whl",
        'open("/ho+me/someone/x")',
        "# see /ro+ot/notes",
        "/Us+ers/someone/arcade",
    ],
)
def test_an_address_or_a_home_would_be_found(line: str, tmp_path: Path) -> None:
    file = tmp_path / "requirements.txt"
    file.write_text(f"segno==1.6.6\n{line.replace('+', '')}\n")
    assert list(places([file])) == [f"{file}:2"]


@pytest.mark.parametrize("name", PINS)
def test_pins_are_exact_versions_and_nothing_else(name: str, root: Path) -> None:
    lines = (root / name).read_text().splitlines()
    assert lines
    for line in lines:
        assert re.fullmatch(r"[a-z0-9][a-z0-9.-]*==[0-9][\w.+!-]*( ; .+)?", line), line
