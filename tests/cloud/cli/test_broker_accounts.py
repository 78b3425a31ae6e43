"""The broker's account of a cabinet: made with it, changed with its token, gone with it."""

from __future__ import annotations

import csv
import re
import stat
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cloud import admin
from cloud.cli import broker_files
from cloud.stores.sqlite import SqliteLedger
from kiosk.config import loader
from tests.cloud.test_settings import GOOD
from tests.fakes.emqx import TOO_MANY, Emqx
from tests.plugins.mosquitto import Certificates

Run = Callable[..., int]
FORGIVE = ("--after-power-cut", "forgive")
OWN = [
    ("arcade/machine/cab001/coinpulse", "sub"),
    ("arcade/machine/cab001/payment", "sub"),
    ("arcade/machine/cab001/gameover", "sub"),
    ("arcade/machine/cab001/status", "pub"),
]
FOR_ALL = [
    {"topic": "arcade/machine/${username}/coinpulse", "action": "subscribe", "permission": "allow"},
    {"topic": "arcade/machine/${username}/payment", "action": "subscribe", "permission": "allow"},
    {"topic": "arcade/machine/${username}/gameover", "action": "subscribe", "permission": "allow"},
    {"topic": "arcade/machine/${username}/status", "action": "publish", "permission": "allow"},
    {"topic": "#", "action": "all", "permission": "deny"},
]


@pytest.fixture
def emqx() -> Iterator[Emqx]:
    made = Emqx()
    yield made
    made.stop()


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A command on a cloud whose broker is a mosquitto, unless the environment says another."""
    for name, value in (GOOD | {"LEDGER": f"sqlite:///{tmp_path}/ledger.db"}).items():
        monkeypatch.setenv(name, value)

    def command(*words: str) -> int:
        return admin.main([*words])

    return command


@pytest.fixture
def over_emqx(run: Run, emqx: Emqx, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A command on a cloud whose broker is this deployment."""
    monkeypatch.setenv("MQTT_URL", emqx.url)
    monkeypatch.setenv("MQTT_CABINET_URL", "mqtts://emqx.example:8883")
    return run


def password_in(config: str) -> str:
    return str(tomllib.loads(config)["broker"]["password"])


def test_add_makes_account_and_rules_with_deny_all_last(
    over_emqx: Run, emqx: Emqx, capsys: pytest.CaptureFixture[str]
) -> None:
    assert over_emqx("add", "cab001", *FORGIVE) == 0
    told = capsys.readouterr()
    assert emqx.users == {"cab001": password_in(told.out)}
    assert emqx.rules == FOR_ALL
    broker = tomllib.loads(told.out)["broker"]
    assert (broker["host"], broker["port"], broker["username"]) == ("emqx.example", 8883, "cab001")
    assert "its account at the broker is made, and the rules for all cabinets" in told.err
    assert "app/secret" not in told.out + told.err
    assert over_emqx("add", "cab002", *FORGIVE) == 0
    assert emqx.rules == FOR_ALL
    assert set(emqx.users) == {"cab001", "cab002"}


def test_a_new_token_is_a_new_password_and_ends_what_connected_with_the_old(
    over_emqx: Run, emqx: Emqx, capsys: pytest.CaptureFixture[str]
) -> None:
    over_emqx("add", "cab001", *FORGIVE)
    first = password_in(capsys.readouterr().out)
    emqx.clients = {"cabinet-cab001": "cab001", "of the thief": "cab001", "cabinet-cab002": "x"}
    assert over_emqx("token", "cab001", *FORGIVE) == 0
    second = password_in(capsys.readouterr().out)
    assert first != second
    assert emqx.users == {"cab001": second}
    assert emqx.clients == {"cabinet-cab002": "x"}


def test_a_cabinet_that_is_removed_has_no_account_and_no_connection_left(
    over_emqx: Run, emqx: Emqx, capsys: pytest.CaptureFixture[str]
) -> None:
    over_emqx("add", "cab001", *FORGIVE)
    over_emqx("add", "cab002", *FORGIVE)
    emqx.clients = {"cabinet-cab001": "cab001", "cabinet-cab002": "cab002"}
    assert over_emqx("remove", "cab001") == 0
    assert set(emqx.users) == {"cab002"}
    assert emqx.clients == {"cabinet-cab002": "cab002"}
    assert "its account at the broker is deleted" in capsys.readouterr().out


@pytest.mark.parametrize(
    "not_there", [(404, b"<html>no such page</html>"), (404, {"message": "Request Path Not Found"})]
)
def test_a_404_of_somebody_else_deletes_nothing(
    over_emqx: Run, emqx: Emqx, capsys: pytest.CaptureFixture[str], not_there: tuple[int, object]
) -> None:
    over_emqx("add", "cab001", *FORGIVE)
    emqx.replies = [not_there]
    assert over_emqx("remove", "cab001") == 1
    told = capsys.readouterr().err
    assert "cab001 is removed here, but not at the broker" in told
    assert "delete the account cab001 in EMQX's console" in told


def test_rules_of_the_operators_own_are_not_touched(
    over_emqx: Run, emqx: Emqx, capsys: pytest.CaptureFixture[str]
) -> None:
    emqx.rules = [{"topic": "hall/#", "action": "all", "permission": "allow"}]
    assert over_emqx("add", "cab001", *FORGIVE) == 1
    told = capsys.readouterr()
    assert "has rules for all users that are not these" in told.err
    assert emqx.rules == [{"topic": "hall/#", "action": "all", "permission": "allow"}]
    assert (emqx.users, told.out) == ({}, "")


def test_where_the_api_makes_no_accounts_the_way_on_is_told_and_works(
    over_emqx: Run, emqx: Emqx, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    emqx.replies = [(404, {"code": "NOT_FOUND"}), (404, {"code": "NOT_FOUND"})]
    assert over_emqx("add", "cab001", *FORGIVE, "--output", str(tmp_path / "c.toml")) == 1
    told = capsys.readouterr().err
    assert "cab001 has no account at the broker yet" in told
    assert "`token cab001`, or add --broker-files FOLDER" in told
    assert not (tmp_path / "c.toml").exists()
    calls = len(emqx.calls)
    words = ("token", "cab001", *FORGIVE, "--broker-files", str(tmp_path))
    assert over_emqx(*words, "--output", str(tmp_path / "c.toml")) == 0
    assert len(emqx.calls) == calls
    accounts = list(csv.reader((tmp_path / "emqx-accounts.csv").read_text().splitlines()))
    assert accounts == [
        ["username", "password"],
        ["cab001", password_in((tmp_path / "c.toml").read_text())],
    ]


def test_a_limit_that_is_reached_is_waited_for(over_emqx: Run, emqx: Emqx) -> None:
    emqx.replies = [TOO_MANY]
    assert over_emqx("add", "cab001", *FORGIVE) == 0
    assert set(emqx.users) == {"cab001"}


def test_tables_for_emqxs_import_have_own_topics_and_deny_all_last(
    over_emqx: Run, emqx: Emqx, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for command, cabinet in (("add", "cab002"), ("add", "cab001"), ("token", "cab001")):
        assert over_emqx(command, cabinet, *FORGIVE, "--broker-files", str(tmp_path)) == 0
    assert emqx.calls == []
    rows = list(csv.reader((tmp_path / "emqx-rules.csv").read_text().splitlines()))
    assert rows[0] == ["clientid", "username", "topic", "action", "access"]
    mine = [row for row in rows if row[1] == "cab001"]
    assert mine == [
        *(["", "cab001", topic, action, "allow"] for topic, action in OWN),
        ["", "cab001", "#", "pubsub", "deny"],
    ]
    assert len(rows) == 1 + 2 * 5
    for name in ("emqx-rules.csv", "emqx-accounts.csv"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
    assert over_emqx("remove", "cab001", "--broker-files", str(tmp_path)) == 0
    assert "Delete the account cab001 at the broker too" in capsys.readouterr().out


def test_mosquittos_files_hold_one_line_for_each_cabinet_and_keep_the_others(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    passwords = tmp_path / "cabinets.password"
    passwords.write_text("game.cab002:$7$101$made$elsewhere\ncab0011:$7$101$an$other\n")
    for command in ("add", "token"):
        assert run(command, "cab001", *FORGIVE, "--broker-files", str(tmp_path)) == 0
    names = [line.partition(":")[0] for line in passwords.read_text().splitlines()]
    assert names == ["game.cab002", "cab0011", "cab001"]
    told = capsys.readouterr()
    config = told.out[told.out.rindex("# The cabinet cab001") :]
    assert password_in(config) not in passwords.read_text()
    for file in ("cabinets.password", "cabinets.acl", "cloud.password", "cloud.acl"):
        assert stat.S_IMODE((tmp_path / file).stat().st_mode) == 0o600
    assert run("remove", "cab001", "--broker-files", str(tmp_path)) == 0
    names = [line.partition(":")[0] for line in passwords.read_text().splitlines()]
    assert names == ["game.cab002", "cab0011"]


def test_the_files_are_those_of_the_page(run: Run, root: Path, tmp_path: Path) -> None:
    assert run("add", "cab001", *FORGIVE, "--broker-files", str(tmp_path)) == 0
    page = (root / "docs" / "cloud.md").read_text()
    for name in ("cabinets.acl", "cloud.acl"):
        [block] = re.findall(rf"(?ms)^```conf\n# /etc/mosquitto/{name}\n(.*?)\n(?:\n|```)", page)
        assert (tmp_path / name).read_text().split() == block.split()


def test_a_line_of_the_password_file_is_mosquittos() -> None:
    line = broker_files.password_line("cab001", "hush", b"123456789012")
    name, _, told = line.partition(":")
    assert (name, told.split("$")[1:4]) == ("cab001", ["7", "1000", "MTIzNDU2Nzg5MDEy"])
    assert len(told.split("$")[4]) == 88


def test_an_acl_file_that_lacks_a_line_is_told_and_left(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    acl = tmp_path / "cabinets.acl"
    acl.write_text("pattern read arcade/machine/%u/coinpulse\n")
    assert run("add", "cab001", *FORGIVE, "--broker-files", str(tmp_path)) == 1
    assert "lacks a line: add `pattern read arcade/machine/%u/payment`" in capsys.readouterr().err
    assert acl.read_text() == "pattern read arcade/machine/%u/coinpulse\n"


def test_a_folder_that_is_not_there_is_told(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "not there"
    assert run("add", "cab001", *FORGIVE, "--broker-files", str(folder)) == 1
    assert f"{folder}/cabinets.password cannot be written" in capsys.readouterr().err
    assert run("remove", "cab001", "--broker-files", str(folder)) == 1
    assert "name the folder of the broker's files" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["cloud", "monitor"])
def test_a_cabinet_cannot_have_another_accounts_name(
    run: Run, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("add", name, *FORGIVE) == 1
    assert f"{name} is the name of another account at the broker" in capsys.readouterr().err
    ledger = SqliteLedger(tmp_path / "ledger.db")
    assert ledger.cabinet(name) is None
    ledger.close()


def test_a_cabinet_cannot_have_the_name_of_the_clouds_own_account(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MQTT_URL", "mqtts://arcade:hush@broker.example")
    assert run("add", "arcade", *FORGIVE) == 1


def test_the_config_names_the_authority_of_a_private_broker(
    run: Run,
    tmp_path: Path,
    certificates: Certificates,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("MQTT_CA_FILE", str(certificates.ca_file))
    assert run("add", "cab001", *FORGIVE) == 0
    file = tmp_path / "cab001.toml"
    file.write_text(capsys.readouterr().out)
    file.chmod(0o600)
    assert loader.load(file).broker.ca_file == certificates.ca_file
    monkeypatch.delenv("MQTT_CA_FILE")
    assert run("add", "cab002", *FORGIVE) == 0
    assert "ca_file" not in tomllib.loads(capsys.readouterr().out)["broker"]
