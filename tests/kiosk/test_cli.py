"""The command ``kiosk``: its exit status, what it prints, and what it does not import."""

from __future__ import annotations

import logging
import sqlite3
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import kiosk
from kiosk import cli
from kiosk.config.schema import Config
from kiosk.core.entries import Entry, Kind
from kiosk.errors import KioskError
from kiosk.hardware import RelayError
from kiosk.journal import archive
from kiosk.journal.store import Journal

TOKEN = "token-0123456789-secret"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "kiosk.toml"
    path.touch(mode=0o600)
    path.write_text(
        f"""\
[cabinet]
machine_id = "cab001"
[cloud]
url = "https://api.example.com"
token = "{TOKEN}"
[broker]
host = "mqtt.example.com"
password = "pass-the-word"
[rules]
after_power_cut = "forgive"
[relay]
driver = "simulated"
"""
    )
    return path


class App(ModuleType):
    """Stands for ``kiosk.app``: keeps the config that it was run with."""

    def __init__(self) -> None:
        super().__init__("kiosk.app")
        self.ran: list[Config] = []
        self.shots: Path | None = None
        self.status = 0
        self.failure: Exception | None = None

    def run(self, settings: Config, shots: Path | None) -> int:
        self.ran.append(settings)
        self.shots = shots
        if self.failure:
            raise self.failure
        return self.status


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> App:
    made = App()
    monkeypatch.setitem(sys.modules, "kiosk.app", made)
    monkeypatch.setattr(kiosk, "app", made, raising=False)
    # What a command says to the log is told by pytest's own handler.
    monkeypatch.setattr(logging, "basicConfig", lambda **_: None)
    return made


def test_run_runs_the_app_with_the_config_and_returns_its_status(app: App, file: Path) -> None:
    app.status = 3
    assert cli.main(["run", "--config", str(file)]) == 3
    (settings,) = app.ran
    assert settings.cabinet.machine_id == "cab001"
    assert settings.screen.fullscreen


def test_run_in_a_window_whatever_the_file_says(app: App, file: Path) -> None:
    assert cli.main(["run", "--config", str(file), "--windowed"]) == 0
    (settings,) = app.ran
    assert not settings.screen.fullscreen
    assert settings.screen.quiet_s == 180


def test_run_saves_shots_only_where_it_is_told(app: App, file: Path, tmp_path: Path) -> None:
    assert cli.main(["run", "--config", str(file)]) == 0
    assert app.shots is None
    assert cli.main(["run", "--config", str(file), "--shots", str(tmp_path)]) == 0
    assert app.shots == tmp_path


def test_run_warns_of_a_file_that_others_may_read(
    app: App, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file.chmod(0o644)
    assert cli.main(["run", "--config", str(file)]) == 0
    assert f"chmod 600 {file}" in caplog.text


def test_a_known_failure_is_one_sentence_and_status_1(
    app: App, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    app.failure = KioskError("the screen is gone: plug it in")
    assert cli.main(["run", "--config", str(file)]) == 1
    assert capsys.readouterr().err == "kiosk: the screen is gone: plug it in\n"


def test_with_debug_a_known_failure_shows_where_it_came_from(app: App, file: Path) -> None:
    app.failure = KioskError("the screen is gone: plug it in")
    with pytest.raises(KioskError):
        cli.main(["run", "--config", str(file), "--debug"])


def test_a_mistake_of_ours_is_not_passed_off_as_a_known_failure(app: App, file: Path) -> None:
    app.failure = ZeroDivisionError()
    with pytest.raises(ZeroDivisionError):
        cli.main(["run", "--config", str(file)])


def test_check_says_ok_and_what_the_file_means_without_its_secrets(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["check", "--config", str(file)]) == 0
    told = capsys.readouterr()
    assert told.out.startswith("ok\n[cabinet]\nmachine_id = cab001\n")
    assert "off_ms = 400" in told.out
    assert TOKEN not in told.out
    assert told.err == ""
    file.chmod(0o644)
    assert cli.main(["check", "--config", str(file)]) == 0
    assert f"chmod 600 {file}" in capsys.readouterr().err


def test_check_names_a_theme_that_cannot_be_used(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    theme = tmp_path / "mine"
    theme.mkdir()
    (theme / "theme.toml").write_text("[colours]\n")
    file.write_text(file.read_text() + f'\n[screen]\ntheme = "{theme}"\n')
    assert cli.main(["check", "--config", str(file)]) == 0
    told = capsys.readouterr().err.splitlines()
    assert len(told) > 5
    assert all(str(theme / "theme.toml") in line for line in told)
    assert all(line.endswith("the theme night is shown") for line in told)


def test_check_tells_each_problem_in_a_line(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(file.read_text() + "on_ms = 1\noff_ms = 1\n")
    assert cli.main(["check", "--config", str(file)]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err == (
        f"kiosk: {file}:13: [relay] on_ms should be greater than or equal to 20, not 1\n"
        f"kiosk: {file}:14: [relay] off_ms should be greater than or equal to 50, not 1\n"
    )


def test_open_relay_opens_the_relay_and_lets_go_of_it(
    app: App, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []

    class Relay:
        def open(self) -> None:
            done.append("open")

        def close(self) -> None:
            done.append("close")

        def shut_down(self) -> None:
            done.append("shut down")

    monkeypatch.setattr("kiosk.hardware.build", lambda *_: Relay())
    assert cli.main(["open-relay", "--config", str(file)]) == 0
    assert done == ["open", "shut down"]
    assert app.ran == []


def test_open_relay_without_a_relay_fails(
    app: App,
    file: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def refuse(*_: object) -> None:
        raise RelayError("there is no GPIO chip")

    monkeypatch.setattr("kiosk.hardware.build", refuse)
    assert cli.main(["open-relay", "--config", str(file)]) == 1
    assert capsys.readouterr().err == "kiosk: there is no GPIO chip\n"


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"kiosk {kiosk.__version__}\n"


@pytest.mark.parametrize(
    "wrong", [[], ["fly"], ["run"], ["check", "--config"], ["check", "--config", "x", "--windowed"]]
)
def test_a_wrong_call_is_status_2(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(wrong)
    assert ended.value.code == 2
    assert "usage: kiosk" in capsys.readouterr().err


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=Path(kiosk.__file__).parents[1],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_module_is_the_command(tmp_path: Path) -> None:
    missing = tmp_path / "none.toml"
    ended = run("-m", "kiosk", "check", "--config", str(missing))
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert ended.stderr == (
        f"kiosk: there is no config file {missing}: `python -m cloud.admin add` prints one\n"
    )


def test_check_and_open_relay_need_neither_screen_nor_network(file: Path) -> None:
    code = (
        "import sys\n"
        "from kiosk import cli\n"
        f"for command in ('check', 'open-relay'):\n"
        f"    assert cli.main([command, '--config', {str(file)!r}]) == 0\n"
        "heavy = {'pygame', 'paho', 'requests', 'RPi', 'sqlite3'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    ended = run("-c", code)
    assert ended.returncode == 0, ended.stderr


@pytest.fixture
def journal(file: Path, tmp_path: Path) -> Path:
    """The journal of the config file, with one order in it."""
    path = tmp_path / "journal.db"
    file.write_text(file.read_text() + f"[journal]\npath = {str(path)!r}\n")
    made = Journal(path, lambda: ("boot", 1.0, 1_800_000_000.0))
    made.open()
    made.append(Entry(Kind.CLAIM, "cs_1", claim_id="mine"))
    made.close()
    return path


def test_ledger_shows_the_book(
    file: Path, journal: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["ledger", "--config", str(file)]) == 0
    assert "cs_1" in capsys.readouterr().out
    assert cli.main(["ledger", "--csv", "--unsettled", "--config", str(file)]) == 0
    head, row = capsys.readouterr().out.splitlines()
    assert head.startswith("order,begun,state")
    assert row.startswith("cs_1,2027-01-15 08:00:00+00:00,claiming")
    assert journal.exists()


def test_ledger_shows_archived_orders_and_those_of_one_year(
    file: Path, journal: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [(1, "claim", "cs_0", "c", 0, 0, 0, "", "boot", 0.0, 1_700_000_000.0)]
    rows += [(2, "refused", "cs_0", "", 0, 0, 0, "", "boot", 0.0, 1_700_000_001.0)]
    archive.add(journal, 2023, rows)
    found = []
    for options in ([], ["--year", "2023"], ["--year", "2027"], ["--year", "2025"]):
        assert cli.main(["ledger", "--csv", *options, "--config", str(file)]) == 0
        lines = capsys.readouterr().out.splitlines()[1:]
        found.append([line.partition(",")[0] for line in lines])
    assert found == [["cs_0", "cs_1"], ["cs_0"], ["cs_1"], []]


def test_ledger_of_a_damaged_book_is_one_sentence(
    file: Path, journal: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with sqlite3.connect(journal) as db:
        db.execute("UPDATE entries SET kind = 'settled'")
    db.close()
    assert cli.main(["ledger", "--config", str(file)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "never claimed" in line
    assert "kiosk new-journal" in line


def test_new_journal_keeps_the_old_one(
    file: Path, journal: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["new-journal", "--config", str(file)]) == 1
    assert "in order" in capsys.readouterr().err
    journal.write_bytes(b"what is left after a bad night " * 200)
    assert cli.main(["new-journal", "--config", str(file)]) == 0
    assert "journal.db.damaged-1" in capsys.readouterr().out
    assert not journal.exists()
