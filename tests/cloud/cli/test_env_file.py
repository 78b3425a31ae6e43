"""The commands work from any folder, with their settings in a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from cloud import admin
from cloud.cli import env_file
from cloud.cli.desk import AdminError
from tests.cloud.test_settings import GOOD


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cloud's settings; nothing of them is in the environment, and the folder is another."""
    for name in (*GOOD, env_file.VARIABLE):
        monkeypatch.delenv(name, raising=False)
    settings = GOOD | {"LEDGER": f"sqlite:///{tmp_path}/ledger.db"}
    made = tmp_path / "cloud.env"
    made.write_text("# the hall\n\n" + "".join(f"{n}={v}\n" for n, v in settings.items()))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    return made


def test_the_file_is_named_by_an_option_or_by_arcade_env(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert admin.main(["list"]) == 1
    assert "LEDGER is not set" in capsys.readouterr().err
    assert admin.main(["--env-file", str(file), "list"]) == 0
    monkeypatch.setenv(env_file.VARIABLE, str(file))
    assert admin.main(["list"]) == 0


def test_the_environment_itself_comes_first(file: Path) -> None:
    found = env_file.environment(file, {"STRIPE_KEY": "other", "X": "y"})
    assert (found["STRIPE_KEY"], found["X"], found["PUBLIC_URL"]) == (
        "other", "y", GOOD["PUBLIC_URL"]
    )  # fmt: skip


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("A=b", "b"),
        ("export A=b", "b"),
        ("A = b ", "b"),
        ('A="b c"', "b c"),
        ("A='b # c'", "b # c"),
        ("A=b=c", "b=c"),
        ("A=", ""),
        ('A="', '"'),
    ],
)
def test_lines_are_read_as_systemd_writes_them(tmp_path: Path, line: str, value: str) -> None:
    file = tmp_path / "x.env"
    file.write_text(f"{line}\n")
    assert env_file.read(file) == {"A": value}


def test_a_line_that_is_no_setting_is_told_without_what_it_says(tmp_path: Path) -> None:
    file = tmp_path / "x.env"
    file.write_text("A=b\nsk_live_hush\n1X=sk_live_hush\n")
    with pytest.raises(AdminError) as told:
        env_file.read(file)
    assert str(told.value).count("is no setting") == 2
    assert "hush" not in str(told.value)


def test_a_file_that_is_not_there_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert admin.main(["--env-file", str(tmp_path / "none"), "list"]) == 1
    assert capsys.readouterr().err == (
        f"the settings in {tmp_path}/none cannot be read: No such file or directory\n"
    )
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    assert admin.main(["--env-file", str(tmp_path / "bytes"), "list"]) == 1
    assert "it is no text" in capsys.readouterr().err
