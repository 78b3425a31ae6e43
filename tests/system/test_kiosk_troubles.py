"""The real kiosk without what it needs: it keeps running, says so, and takes no money."""

from __future__ import annotations

import os
import resource
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cloud.core.limits import LOST_AFTER_S
from cloud.core.orders import OrderState
from demo.processes import Child
from kiosk.core.entries import Kind
from sandbox import ports
from tests.marks import slow_after
from tests.system.hall import Cabinet, Hall, until


@pytest.fixture
def lonely(tmp_path: Path) -> Cabinet:
    """A cabinet whose cloud and broker are not there."""
    mirror = f"127.0.0.1:{ports.free('127.0.0.1')}"
    nobody = ports.free("127.0.0.1")
    config = tmp_path / "cab001.toml"
    config.touch(mode=0o600)
    config.write_text(
        f"""\
[cabinet]
machine_id = "cab001"
[cloud]
url = "http://127.0.0.1:{nobody}"
token = "cab001.a-token"
[broker]
host = "127.0.0.1"
port = {nobody}
tls = false
password = "the-password"
[relay]
driver = "simulated"
[rules]
after_power_cut = "forgive"
[journal]
path = "{tmp_path}/journal/cab001.db"
[screen]
headless = true
fullscreen = false
width = 480
height = 320
[mirror]
listen = "{mirror}"
"""
    )
    journal = tmp_path / "journal" / "cab001.db"
    return Cabinet("cab001", config, tmp_path / "edges.jsonl", journal, f"http://{mirror}")


@pytest.fixture
def running() -> Iterator[list[Child]]:
    children: list[Child] = []
    yield children
    for child in children:
        child.stop()


def start(cabinet: Cabinet, running: list[Child]) -> Child:
    child = Child("kiosk", ["-m", "kiosk", "run", "--config", str(cabinet.config)], verbose=False)
    running.append(child)
    return child


def stopped(child: Child) -> int:
    child.stop()
    return child.ended(0)


def is_out_of_order(cabinet: Cabinet, told: str) -> bool:
    state = cabinet.state()
    return (
        state.get("screen") == "out of order"
        and state["qr"] is None
        and any(told in note for note in state["notes"])
    )


def test_without_broker_and_cloud_it_is_offline_and_ends_well(
    lonely: Cabinet, running: list[Child]
) -> None:
    kiosk = start(lonely, running)
    until(lambda: lonely.state().get("screen") in ("starting", "offline"), "a screen")
    until(lambda: lonely.journal.exists(), "the journal")
    assert lonely.state()["qr"] is None
    assert kiosk.running
    assert stopped(kiosk) == 0


def test_a_wrong_theme_logo_and_reel_are_named_and_the_screen_is_there(
    lonely: Cabinet, running: list[Child], tmp_path: Path
) -> None:
    text = lonely.config.read_text()
    more = f"""theme = "{tmp_path}/no-theme"
logo = "{tmp_path}/no-logo.png"
reel = "{tmp_path}/no-reel"
rotation = 90
languages = ["de", "ja"]"""
    lonely.config.write_text(text.replace("height = 320", f"height = 320\n{more}"))
    kiosk = start(lonely, running)
    until(lambda: lonely.shows("starting"), "a screen")
    state = lonely.state()
    assert (state["width"], state["height"]) == (480, 320)
    assert stopped(kiosk) == 0
    told = "\n".join(kiosk._tail)
    assert f"there is no theme {tmp_path}/no-theme" in told
    assert "the theme night is shown instead" in told
    assert "no-logo.png cannot be shown" in told
    assert "no-reel cannot be read" in told


def test_free_play_and_maintenance_say_so_on_the_screen(
    lonely: Cabinet, running: list[Child]
) -> None:
    text = lonely.config.read_text()
    for mode in ("free play", "maintenance"):
        known = 'machine_id = "cab001"'
        lonely.config.write_text(text.replace(known, f'{known}\nmode = "{mode}"'))
        kiosk = start(lonely, running)
        until(lambda mode=mode: lonely.shows(mode), mode)  # type: ignore[misc]
        assert lonely.state()["qr"] is None
        assert stopped(kiosk) == 0


def test_a_second_kiosk_on_the_same_journal_takes_no_money(
    lonely: Cabinet, running: list[Child]
) -> None:
    start(lonely, running)
    until(lambda: lonely.journal.exists() and lonely.state(), "the first kiosk")
    mirror = f"127.0.0.1:{ports.free('127.0.0.1')}"
    config = lonely.config.with_name("second.toml")
    config.touch(mode=0o600)
    config.write_text(lonely.config.read_text().replace(lonely.mirror[len("http://") :], mirror))
    second = replace(lonely, config=config, mirror=f"http://{mirror}")
    child = start(second, running)
    until(lambda: is_out_of_order(second, "another kiosk runs"), "the second's screen")
    assert stopped(child) == 1


def spoil(path: Path, how: str) -> None:
    """What a bad night leaves where the journal should be."""
    path.parent.mkdir(exist_ok=True)
    match how:
        case "a folder":
            path.mkdir()
        case "not a database":
            path.write_bytes(b"nothing that anybody could read " * 400)
        case "another program's":
            with sqlite3.connect(path) as db:
                db.execute("CREATE TABLE photos (name)")
            db.close()
        case "cannot be written":
            path.parent.rmdir()
            path.parent.write_text("a file where the folder should be")


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("a folder", "cannot be opened"),
        ("not a database", "kiosk new-journal"),
        ("another program's", "another program's database"),
        ("cannot be written", "cannot be written"),
    ],
)
def test_without_a_journal_it_is_out_of_order(
    lonely: Cabinet, running: list[Child], how: str, told: str
) -> None:
    spoil(lonely.journal, how)
    kiosk = start(lonely, running)
    until(lambda: is_out_of_order(lonely, told), "the screen")
    assert stopped(kiosk) == 1


@pytest.mark.slow
def test_a_disk_that_gets_full_closes_the_money_and_opens_it_again(
    tmp_path: Path, running: list[Child]
) -> None:
    """The kiosk may write files of 96 KB only, then of any size: as a disk that somebody cleans."""
    hall = Hall(tmp_path)
    hall.open()
    try:
        cabinet = hall.add("cab001")
        kiosk = hall.kiosk(cabinet)
        until(lambda: cabinet.state().get("qr"), "the code")
        pid = kiosk.pid
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
        order_id = hall.pay(cabinet, 2)
        until(lambda: is_out_of_order(cabinet, "cab001.db"), "the screen")
        assert cabinet.closings() == 0
        assert (order := hall.order(order_id))
        assert order.state is OrderState.OPEN
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
        order = hall.finished(order_id, 40)
        assert (order.state, order.pulsed, order.charged) == (OrderState.SETTLED, 2, 200)
        assert cabinet.closings() == 2
    finally:
        hall.close()


@pytest.mark.parametrize("how", slow_after(1, ["torn", "truncated", "from the future"]))
def test_a_journal_damaged_in_the_middle_of_an_order_costs_the_player_nothing(
    tmp_path: Path, how: str
) -> None:
    hall = Hall(tmp_path)
    hall.open()
    try:
        cabinet = hall.add("cab001", rules="resume_window_s = 1.0\nheartbeat_s = 10\n")
        first = hall.kiosk(cabinet, fail_point="close-after:2")
        order_id = hall.pay(cabinet, 3)
        first.ended(20)
        first.stop()
        assert cabinet.closings() == 2
        damage(cabinet.journal, how)
        before = cabinet.journal.read_bytes()

        second = hall.kiosk(cabinet)
        until(lambda: is_out_of_order(cabinet, "kiosk new-journal"), "the screen")
        assert stopped(second) == 1
        assert cabinet.journal.read_bytes() == before

        done = subprocess.run(
            [sys.executable, "-m", "kiosk", "new-journal", "--config", str(cabinet.config)],
            capture_output=True,
            text=True,
            check=True,
        )
        kept = cabinet.journal.with_name(cabinet.journal.name + ".damaged-1")
        assert str(kept) in done.stdout
        assert kept.read_bytes() == before

        # The cloud takes no order for lost before that.
        hall.age_claim(order_id, LOST_AFTER_S)
        third = hall.kiosk(cabinet)
        order = hall.finished(order_id, 40)
        assert (order.state, order.pulsed, order.charged) == (OrderState.SETTLED, 0, 0)
        assert hall.charged(order_id) == 0
        until(lambda: cabinet.state().get("qr"), "the code")
        assert stopped(third) == 0
        assert cabinet.closings() == 2
        with sqlite3.connect(cabinet.journal) as db:
            told = [kind for (kind,) in db.execute("SELECT kind FROM entries ORDER BY number")]
        db.close()
        assert Kind.PULSE_BEGINS.value not in told
    finally:
        hall.close()


def damage(path: Path, how: str) -> None:
    """The lines go into the file first: what is only in its log would heal it."""
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        if how == "from the future":
            db.execute("PRAGMA user_version = 99")
    db.close()
    size = path.stat().st_size
    with path.open("r+b") as file:
        if how == "torn":
            file.seek(4096)
            file.write(os.urandom(4096))
        elif how == "truncated":
            file.truncate(size - 4096)
