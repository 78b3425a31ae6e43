"""Programs that the demo starts: ready, failing, and gone when they should be."""

from __future__ import annotations

import pytest

from demo.processes import Child, ChildFailed


def test_a_line_comes_when_the_program_prints_it() -> None:
    child = Child("it", ["-c", "print('ready', flush=True); import time; time.sleep(60)"], False)
    try:
        assert child.line(10.0) == "ready\n"
        assert child.running
    finally:
        child.stop()
    assert not child.running


def test_a_program_that_ends_by_itself_is_named_with_its_last_words() -> None:
    child = Child("it", ["-c", "import sys; sys.exit('no room at the inn')"], False)
    try:
        with pytest.raises(ChildFailed, match="it ended with status 1") as failure:
            child.line(10.0)
        assert "no room at the inn" in str(failure.value)
    finally:
        child.stop()


def test_a_program_that_says_nothing_is_not_waited_for_for_ever() -> None:
    child = Child("it", ["-c", "import time; time.sleep(60)"], False)
    try:
        with pytest.raises(ChildFailed, match="did not get ready"):
            child.line(0.05)
    finally:
        child.stop()


def test_a_program_that_does_not_want_to_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("demo.processes.STOP_TIMEOUT", 0.3)
    stubborn = (
        "import signal, time; signal.signal(15, signal.SIG_IGN); "
        "print(1, flush=True); time.sleep(60)"
    )
    child = Child("it", ["-c", stubborn], False)
    child.line(10.0)
    child.stop()
    assert not child.running


def test_stopping_twice_does_no_harm() -> None:
    child = Child("it", ["-c", "pass"], False)
    child.stop()
    child.stop()
