"""A token is rotated without a moment in which the cabinet is locked out."""

from __future__ import annotations

import stat
import tomllib
from pathlib import Path

import pytest

from cloud.cli.desk import AdminError
from tests.fakes.arcade import Arcade
from tests.fakes.ledgers import AnswerLostLedger

HEALTHY = {"state": "ready", "version": "1", "healthy": True}


def rotate(arcade: Arcade, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """Returns the new token; the cabinet keeps the old one."""
    capsys.readouterr()
    arcade.type("rotate", "cab001", *words)
    return str(tomllib.loads(capsys.readouterr().out)["token"])


def beat(arcade: Arcade, token: str) -> int:
    return arcade.ask("/status", HEALTHY, token)[0]


def test_both_count_until_a_heartbeat_comes_with_the_new_one(
    arcade: Arcade, capsys: pytest.CaptureFixture[str]
) -> None:
    old = arcade.tokens["cab001"]
    new = rotate(arcade, capsys)
    assert beat(arcade, old) == 200
    order_id = arcade.pay()
    assert arcade.claim(order_id, token=None)[0] == 200
    assert arcade.ask("/create-payment-link", {}, new)[0] == 200
    assert beat(arcade, old) == 200, "only a heartbeat ends it"
    assert beat(arcade, new) == 200
    assert beat(arcade, old) == 401
    assert beat(arcade, new) == 200


def test_the_old_one_ends_by_itself_after_its_hours(
    arcade: Arcade, capsys: pytest.CaptureFixture[str]
) -> None:
    old = arcade.tokens["cab001"]
    new = rotate(arcade, capsys, "--hours", "2")
    arcade.now += 2 * 3600 - 1
    assert beat(arcade, old) == 200
    arcade.now += 1
    assert beat(arcade, old) == 401
    assert beat(arcade, new) == 200


def test_to_rotate_again_locks_out_no_cabinet_that_has_the_first_token(
    arcade: Arcade, capsys: pytest.CaptureFixture[str]
) -> None:
    old = arcade.tokens["cab001"]
    lost = rotate(arcade, capsys)
    new = rotate(arcade, capsys)
    assert beat(arcade, old) == 200
    assert beat(arcade, lost) == 401
    assert beat(arcade, new) == 200
    assert beat(arcade, old) == 401


def test_a_stolen_token_is_replaced_at_once_also_within_a_rotation(
    arcade: Arcade, capsys: pytest.CaptureFixture[str]
) -> None:
    old = arcade.tokens["cab001"]
    rotated = rotate(arcade, capsys)
    arcade.type("token", "cab001", "--after-power-cut", "forgive")
    newest = str(tomllib.loads(capsys.readouterr().out)["cloud"]["token"])
    assert [beat(arcade, token) for token in (old, rotated, newest)] == [401, 401, 200]


def test_a_removed_cabinet_has_no_token_that_counts(
    arcade: Arcade, capsys: pytest.CaptureFixture[str]
) -> None:
    old = arcade.tokens["cab001"]
    new = rotate(arcade, capsys)
    arcade.type("remove", "cab001")
    assert [beat(arcade, token) for token in (old, new)] == [401, 401]


def test_the_end_of_a_rotation_whose_write_got_no_answer_comes_with_the_next_heartbeat(
    arcade: Arcade, capsys: pytest.CaptureFixture[str]
) -> None:
    old = arcade.tokens["cab001"]
    new = rotate(arcade, capsys)
    lossy = AnswerLostLedger(arcade.ledger, 2)
    arcade.use(lossy)
    assert beat(arcade, new) == 503
    arcade.use(lossy.inner)
    assert beat(arcade, new) == 200
    assert beat(arcade, old) == 401
    assert arcade.cabinet().old_token_hash == ""


def test_a_heartbeat_outside_of_a_rotation_writes_no_cabinet(arcade: Arcade) -> None:
    before = arcade.cabinet().version
    assert beat(arcade, arcade.tokens["cab001"]) == 200
    assert arcade.cabinet().version == before


def test_no_token_is_kept_and_the_file_is_its_owners(
    arcade: Arcade, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "new-token.toml"
    arcade.type("rotate", "cab001", "--output", str(file))
    token = tomllib.loads(file.read_text())["token"]
    told = capsys.readouterr()
    assert token not in told.out + told.err
    assert token not in repr(arcade.cabinet())
    assert arcade.cabinet().old_token_hash not in repr(arcade.cabinet())
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert beat(arcade, token) == 200


@pytest.mark.parametrize("hours", ["0", "-1", "nan", "inf", "99999"])
def test_hours_that_are_none_are_one_sentence(arcade: Arcade, hours: str) -> None:
    with pytest.raises(AdminError, match="--hours must be"):
        arcade.type("rotate", "cab001", f"--hours={hours}")
