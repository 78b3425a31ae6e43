"""What the pages say is there: commands, files and links."""

from __future__ import annotations

import argparse
import ast
import contextlib
import io
import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cloud import serve
from cloud.cli import admin
from demo import __main__ as demo
from kiosk import cli
from sandbox import __main__ as sandbox

PARSERS: dict[str, Callable[[], argparse.ArgumentParser]] = {
    "kiosk": cli._parser,
    "python -m kiosk": cli._parser,
    "python -m cloud.admin": admin.parser,
    "arcade-cloud-admin": admin.parser,
    "arcade-admin": admin.parser,
    "python -m cloud.serve": serve.parser,
    "python -m demo": demo.parser,
    "python -m sandbox": sandbox.parser,
}
# The targets that hand their ARGS to one of these.
HANDED_ON = {"demo": "python -m demo"}
FOLDERS = r"(?:\.ci|assets|benchmarks|demo|docs|kiosk|lambda|systemd|tests)"


@pytest.fixture(scope="session")
def pages(root: Path) -> list[Path]:
    return [*sorted(root.glob("*.md")), *sorted((root / "docs").rglob("*.md"))]


@pytest.fixture(scope="session")
def targets(root: Path) -> set[str]:
    """What ``make`` can be asked for."""
    return set(re.findall(r"^([a-z-]+):", (root / "Makefile").read_text(), re.MULTILINE))


def commands(page: str) -> Iterator[str]:
    """The commands of the fenced blocks: behind a prompt in ``console``, all lines in ``sh``."""
    for language, block in re.findall(r"^```(\w+)\n(.*?)^```", page, re.MULTILINE | re.DOTALL):
        lines = block.replace("\\\n", " ").splitlines()
        if language == "console":
            yield from (line[2:] for line in lines if line.startswith(("$ ", "# ")))
        elif language in ("sh", "bash", "shell"):
            yield from (line for line in lines if line.strip() and not line.startswith("#"))


def wrong(command: str, targets: set[str]) -> str:
    """What is not so in ``command``; nothing, if it would be taken or is none of ours."""
    words = shlex.split(command.partition(" > ")[0], comments=True)
    while words and (words[0] in ("sudo", "&&") or re.match(r"[A-Z_]+=", words[0])):
        words.pop(0)
    if words and "/" in words[0]:
        words[0] = words[0].rpartition("/")[2]
    if words[:1] == ["make"]:
        return _wrong_make(words[1:], targets)
    for name, parser in PARSERS.items():
        if words[: len(name.split())] == name.split():
            return _refused(parser(), words[len(name.split()) :])
    return ""


def _wrong_make(words: list[str], targets: set[str]) -> str:
    given = dict(word.split("=", 1) for word in words if "=" in word)
    asked = [word for word in words if "=" not in word and not word.startswith("-")]
    for target in asked:
        if target not in targets:
            return f"make knows no {target}"
        if target in HANDED_ON:
            handed = shlex.split(given.get("ARGS", ""))
            if told := _refused(PARSERS[HANDED_ON[target]](), handed):
                return told
    return ""


def _refused(parser: argparse.ArgumentParser, words: list[str]) -> str:
    told = io.StringIO()
    with contextlib.redirect_stderr(told), contextlib.redirect_stdout(io.StringIO()):
        try:
            parser.parse_args(words)
        except SystemExit as end:
            if end.code:
                return told.getvalue().strip().splitlines()[-1]
    return ""


def anchors(page: str) -> set[str]:
    """The places in a page that a link can name, made as GitHub makes them."""
    bare = re.sub(r"^```.*?^```", "", page, flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ +(.*?) *$", bare, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken(page: Path) -> Iterator[str]:
    """The links of a page that lead to no file or heading of the repository."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    for link in re.findall(r"\]\(([^)\s]+)\)|(?:src|href)=\"([^\"]+)\"", text):
        target = link[0] or link[1]
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        if not file.exists() or (
            anchor and file.suffix == ".md" and anchor not in anchors(file.read_text())
        ):
            yield target


def missing(text: str, root: Path) -> Iterator[str]:
    """The paths between backticks that begin with a folder of ours and are not there."""
    for path in re.findall(rf"`({FOLDERS}/[\w./-]*)`", text):
        if not (root / path).exists():
            yield path


def test_every_command_of_the_pages_would_be_taken(pages: list[Path], targets: set[str]) -> None:
    said = [(page.name, command) for page in pages for command in commands(page.read_text())]
    assert said
    assert [(page, c, told) for page, c in said if (told := wrong(c, targets))] == []


def test_every_target_that_a_sentence_names_is_there(pages: list[Path], targets: set[str]) -> None:
    named = {
        (page.name, name)
        for page in pages
        for name in re.findall(r"`make ([a-z-]+)", page.read_text())
    }
    assert named
    assert {(page, name) for page, name in named if name not in targets} == set()


def test_every_link_leads_somewhere(pages: list[Path]) -> None:
    assert [(page.name, link) for page in pages for link in broken(page)] == []


def test_every_file_that_is_named_is_there(pages: list[Path], root: Path) -> None:
    assert [(p.name, path) for p in pages for path in missing(p.read_text(), root)] == []


def unknown_tests(text: str, root: Path) -> Iterator[str]:
    """The tests between backticks, as in ``tests/x.py::test_y``, that are not there."""
    for file, name in re.findall(r"`(tests/[\w/.]+\.py)::(\w+)`", text):
        path = root / file
        if not path.exists() or f"def {name}(" not in path.read_text():
            yield f"{file}::{name}"


def test_every_test_that_is_named_is_there(pages: list[Path], root: Path) -> None:
    text = "".join(page.read_text() for page in pages)
    assert "::test_" in text
    assert list(unknown_tests(text, root)) == []
    assert list(unknown_tests("`tests/conftest.py::test_nothing`", root))


def test_every_failure_of_the_money_page_names_its_test(root: Path) -> None:
    rows = [
        line
        for line in (root / "docs" / "money.md").read_text().splitlines()
        if line.startswith("| ") and not line.startswith(("| failure", "| ---"))
    ]
    assert len(rows) > 30
    assert [row for row in rows if "::test_" not in row] == []


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("make", ""),
        ("make demo", ""),
        ('make demo ARGS="--once --shots out"', ""),
        ("kiosk run --config cab001.toml", ""),
        ("kiosk --help", ""),
        ("/opt/arcade-kiosk/bin/kiosk check --config cab001.toml", ""),
        ("python -m cloud.admin --data D add cab001 --after-power-cut forgive > cab001.toml", ""),
        ("cp a b", ""),
        ("make coffee", "make knows no coffee"),
        ('make demo ARGS="--twice"', "unrecognized arguments: --twice"),
        ("kiosk fly --config cab001.toml", "invalid choice: 'fly'"),
        ("kiosk run", "--config"),
        (".venv/bin/python -m sandbox --prot 1", "unrecognized arguments: --prot"),
        ("python -m cloud.admin --data D sing", "invalid choice: 'sing'"),
    ],
)
def test_a_wrong_command_would_be_found(command: str, told: str, targets: set[str]) -> None:
    found = wrong(command, targets)
    assert told in found
    assert bool(told) == bool(found)


def test_commands_are_read_from_fenced_blocks() -> None:
    console = "```console\n$ make demo\nhere it is\n```\n"
    shell = "```sh\n# first\nkiosk check \\\n--config x\n```\n"
    assert list(commands(console + shell)) == ["make demo", "kiosk check  --config x"]


def test_broken_links_and_missing_files_would_be_found(tmp_path: Path) -> None:
    (tmp_path / "other.md").write_text("# The *one* heading\n")
    page = tmp_path / "page.md"
    page.write_text(
        "[a](other.md) [b](other.md#the-one-heading) [c](https://example.com) [d](gone.md) "
        '[e](other.md#no-such) ![f](gone.png) <img src="gone.svg"> `kiosk/gone.py` `other/x`'
    )
    assert list(broken(page)) == ["gone.md", "other.md#no-such", "gone.png", "gone.svg"]
    assert list(missing(page.read_text(), tmp_path)) == ["kiosk/gone.py"]


WALK = re.compile(r"^\| \d+ \| `(\S+\.py)` `([\w.]+)` \|", re.MULTILINE)
MOST_STOPS = 25


def unknown_stops(page: str, root: Path) -> list[str]:
    """The stops of a walk whose file does not define what they name."""
    found = []
    for file, name in WALK.findall(page):
        owner: ast.AST = ast.parse((root / file).read_text())
        for part in name.split("."):
            owner = next(
                (
                    node
                    for node in ast.iter_child_nodes(owner)
                    if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == part
                ),
                ast.Pass(),
            )
        if isinstance(owner, ast.Pass):
            found.append(f"{file} {name}")
    return found


def test_one_payment_is_a_walk_of_few_stops_that_exist(root: Path) -> None:
    page = (root / "docs/architecture.md").read_text()
    assert 10 < len(WALK.findall(page)) <= MOST_STOPS
    assert unknown_stops(page, root) == []


def test_a_stop_that_does_not_exist_is_found(root: Path) -> None:
    page = (
        "| 1 | `kiosk/engine.py` `Engine.handle` | a |\n| 2 | `kiosk/engine.py` `Engine.fly` | b |"
    )
    assert unknown_stops(page, root) == ["kiosk/engine.py Engine.fly"]


def test_every_folder_of_the_programs_has_a_row_in_contributing(root: Path) -> None:
    page = (root / "CONTRIBUTING.md").read_text()
    folders = {
        path.parent.relative_to(root).as_posix()
        for top in ("kiosk", "lambda/cloud")
        for path in (root / top).rglob("*.py")
    }
    assert [folder for folder in sorted(folders) if f"`{folder}/" not in page] == []
