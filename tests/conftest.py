"""What all tests share: the screen that is none, programs that must be there, and no leaks."""

from __future__ import annotations

import gc
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest_plugins = [
    "tests.plugins.dynamodb",
    "tests.plugins.mosquitto",
    "tests.plugins.phone",
    "tests.plugins.sam_build",
    "tests.plugins.stripe_description",
]

ROOT = Path(__file__).parent.parent
PATIENCE = 3.0
MANY_FILES = 200

# Before pygame is imported anywhere: tests open no window and make no noise.
os.environ["SDL_VIDEODRIVER"] = "dummy"
os.environ["SDL_AUDIODRIVER"] = "dummy"


@pytest.fixture(scope="session")
def root() -> Path:
    """The top of the repository."""
    return ROOT


@pytest.fixture(scope="session")
def need() -> Callable[..., str]:
    """``need(program, …, package=…)``: the path of the first of these programs that is there.

    Without any of them the test is skipped; where CI is set it fails, as nobody reads what a
    machine skips.
    """
    places = [os.environ.get("PATH", os.defpath), "/usr/sbin", str(ROOT / ".venv-sam" / "bin")]
    beside = os.pathsep.join(places)

    def find(*programs: str, package: str = "") -> str:
        for program in programs:
            if found := shutil.which(program, path=beside):
                return found
        sentence = f"{programs[0]} is not installed: install {package or programs[0]}"
        if os.environ.get("CI"):
            pytest.fail(sentence)
        pytest.skip(sentence)

    return find


def _lasting() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if not thread.daemon}


@pytest.fixture(autouse=True)
def _no_file_is_left_open() -> Iterator[None]:
    """Lets the warning of a file or connection that nobody closed fail the test that opened it.

    One that is held by a cycle, as of an exception and its frames, would else be found within
    whichever test happens to run then. Only what was made lately is looked at: looking at
    everything takes longer than most tests. It is done when many files are open, as each size of
    a typeface is one, and paho's ``select`` takes no file above 1023.
    """
    yield
    gc.collect(2 if _open_files() > MANY_FILES else 1)


def _open_files() -> int:
    """How many files this process has open; 0 where there is no /proc."""
    folder = Path("/proc/self/fd")
    return len(list(folder.iterdir())) if folder.exists() else 0


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    """Fails a test whose threads would keep the program from ending."""
    before = _lasting()
    yield
    deadline = time.monotonic() + PATIENCE
    for thread in _lasting() - before:
        thread.join(max(0.0, deadline - time.monotonic()))
    left = _lasting() - before
    assert not left, f"threads are left running: {sorted(thread.name for thread in left)}"


def children() -> dict[int, str]:
    """This process's children by their id, with their command lines; none where there is no /proc.

    multiprocessing's own helper is none of ours: it stays until Python ends.
    """
    found: dict[int, str] = {}
    for listed in Path("/proc/self/task").glob("*/children"):
        for number in listed.read_text().split():
            line = Path("/proc", number, "cmdline").read_bytes().replace(b"\0", b" ").decode()
            if "multiprocessing.resource_tracker" not in line:
                found[int(number)] = line.strip() or "ended, but nobody waited for it"
    return found


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fails a run that leaves processes behind."""
    deadline = time.monotonic() + PATIENCE
    while (left := children()) and time.monotonic() < deadline:
        time.sleep(0.05)
    if left:
        print(f"\nprocesses are left running: {left}")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
