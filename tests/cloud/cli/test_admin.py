"""The operator's commands, as they are typed."""

from __future__ import annotations

import io
import json
import os
import re
import stat
import sys
import time
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cloud import admin
from cloud.cli import cabinet_config
from cloud.core.cabinets import Incident, Presence
from cloud.core.orders import OrderState
from cloud.core.prices import Bonus, PriceList
from cloud.services.cabinet_tokens import digest
from cloud.stores.sqlite import SqliteLedger
from kiosk.config import loader
from tests.cloud.stores.test_stores import ORDER
from tests.cloud.test_settings import GOOD
from tests.fakes.arcade import Arcade

FORGIVE = ("--after-power-cut", "forgive")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A sandbox's folder, as a running sandbox leaves it; nothing listens there."""
    told = {
        "api": "http://127.0.0.1:9",
        "stripe": "http://127.0.0.1:9",
        "mqtt": "127.0.0.1:9",
        "webhook_secret": "whsec_x",
        "stripe_key": "sk_test_x",
        "data": str(tmp_path),
        "mqtt_username": "arcade",
        "mqtt_password": "hush",
    }
    (tmp_path / "sandbox.json").write_text(json.dumps(told))
    return tmp_path


def run(data: Path, *words: str) -> int:
    return admin.main(["--data", str(data), *words])


def ledger_of(data: Path) -> SqliteLedger:
    return SqliteLedger(data / "ledger.db")


def test_add_prints_a_config_file_that_the_kiosk_takes(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(data, "add", "cab001", *FORGIVE, "--name", 'The "Big" One', "--bonus", "5=6") == 0
    file = data / "cab001.toml"
    file.write_text(capsys.readouterr().out)
    file.chmod(0o600)
    read = loader.load(file)
    assert read.cabinet.name == 'The "Big" One'
    assert read.cloud.url == "http://127.0.0.1:9"
    assert read.broker.password.get_secret_value() == "hush"
    ledger = ledger_of(data)
    cabinet = ledger.cabinet("cab001")
    assert cabinet is not None
    assert cabinet.prices == PriceList(100, "USD", (Bonus(5, 6),))
    assert read.cloud.token.get_secret_value() not in repr(cabinet)
    ledger.close()


def test_a_cabinet_elsewhere_gets_a_relay_and_a_broker_account_of_its_own(
    root: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in (GOOD | {"LEDGER": f"sqlite:///{tmp_path}/ledger.db"}).items():
        monkeypatch.setenv(name, value)
    assert admin.main(["add", "cab001", *FORGIVE]) == 0
    out = capsys.readouterr()
    read = tomllib.loads(out.out)
    assert read["relay"]["driver"] == "gpio"
    assert read["broker"]["username"] == "cab001"
    assert read["broker"]["password"] not in ("", "hush")
    assert "#" not in out.err
    page = (root / "docs" / "cloud.md").read_text()
    rules = re.findall(r"(?m)^pattern (read|write) (\S+)$", page)
    assert sorted(topic.replace("%u", "cab001") for _access, topic in rules) == sorted(
        re.findall(r"arcade/machine/\w+/\w+", out.err)
    )
    told = out.err.partition(" publish to ")[2]
    assert [topic.replace("%u", "cab001") for access, topic in rules if access == "write"] == (
        re.findall(r"arcade/machine/\w+/\w+", told)
    )


def test_a_cabinet_is_sent_to_the_brokers_address_for_cabinets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told = {"LEDGER": f"sqlite:///{tmp_path}/l.db", "MQTT_CABINET_URL": "mqtts://other.example:1"}
    for name, value in (GOOD | told).items():
        monkeypatch.setenv(name, value)
    assert admin.main(["add", "cab001", *FORGIVE]) == 0
    broker = tomllib.loads(capsys.readouterr().out)["broker"]
    assert (broker["host"], broker["port"], broker["tls"]) == ("other.example", 1, True)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["add", "no spaces", *FORGIVE], "cannot name a cabinet"),
        (["add", "x" * 65, *FORGIVE], "cannot name a cabinet"),
        (["add", "cab002", *FORGIVE, "--price", "a lot"], "no amount"),
        (["add", "cab002", *FORGIVE, "--price", "1.005"], "more decimals"),
        (["add", "cab002", *FORGIVE, "--price", "0.25"], "smallest charge"),
        (["add", "cab002", *FORGIVE, "--price", "100.5", "--currency", "JPY"], "more decimals"),
        (["add", "cab002", *FORGIVE, "--currency", "EUR"], "needs its --price"),
        (["add", "cab002", *FORGIVE, "--price", "NaN"], "no amount"),
        (["add", "cab002", *FORGIVE, "--price", "Infinity"], "no amount"),
        (["add", "cab002", *FORGIVE, "--price=-1"], "no amount"),
        (["add", "cab002", *FORGIVE, "--price", "1e999999"], "no amount"),
        (["add", "cab002", *FORGIVE, "--price", "1_0"], "no amount"),
        (["add", "cab002", *FORGIVE, "--price", ""], "no amount"),
        (["add", "cab002", *FORGIVE, "--price", "9999999999"], "more than Stripe can charge"),
        (["add", "cab002", *FORGIVE, "--most", "0"], "at most 0 plays"),
        (["price", "cab001", "--most", "0"], "at most 0 plays"),
        (["add", "cab002", *FORGIVE, "--currency", "XYZ", "--price", "1"], "no currency XYZ"),
        (
            ["add", "cab002", *FORGIVE, "--currency", "US\n", "--price", "1"],
            "three capital letters",
        ),
        (["add", "cab002", *FORGIVE, "--name", "a\nb"], "--name must be one line"),
        (["add", "cab002", *FORGIVE, "--name", "\udce9"], "--name must be one line"),
        (["add", "cab002", *FORGIVE, "--name", "x" * 101], "--name must be one line"),
        (["add", "cab002", *FORGIVE, "--bonus", "five"], "two numbers"),
        (["add", "cab002", *FORGIVE, "--bonus", "5=4"], "nothing more"),
        (["add", "cab001", *FORGIVE], "there already"),
        (["price", "cab009", "--price", "2.00"], "no cabinet cab009"),
        (["token", "cab009", *FORGIVE], "no cabinet cab009"),
        (["release", "cs_none"], "no order cs_none"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    data: Path, capsys: pytest.CaptureFixture[str], words: list[str], sentence: str
) -> None:
    run(data, "add", "cab001", *FORGIVE)
    capsys.readouterr()
    assert run(data, *words) == 1
    out = capsys.readouterr()
    assert sentence in out.err
    assert "Traceback" not in out.err
    assert out.err.count("\n") == 1
    assert out.out == ""


def test_a_folder_that_is_no_sandboxs_is_named_with_the_remedy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path, "list") == 1
    assert "start `python -m sandbox" in capsys.readouterr().err


def test_without_settings_all_that_are_missing_are_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in GOOD:
        monkeypatch.delenv(name, raising=False)
    assert admin.main(["list"]) == 1
    told = capsys.readouterr().err
    assert all(name in told for name in GOOD)


@pytest.mark.parametrize(
    ("currency", "price", "amount"),
    [("JPY", "100", 100), ("KWD", "0.500", 500), ("EUR", "1.50", 150)],
)
def test_prices_are_typed_as_people_write_them(
    data: Path, currency: str, price: str, amount: int
) -> None:
    assert run(data, "add", "cab001", *FORGIVE, "--currency", currency, "--price", price) == 0
    ledger = ledger_of(data)
    cabinet = ledger.cabinet("cab001")
    ledger.close()
    assert cabinet is not None
    assert (cabinet.prices.amount, cabinet.prices.currency) == (amount, currency)


def test_a_new_token_voids_the_old_one(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(data, "add", "cab001", *FORGIVE)
    old = tomllib.loads(capsys.readouterr().out)["cloud"]["token"]
    assert run(data, "token", "cab001", *FORGIVE) == 0
    new = tomllib.loads(capsys.readouterr().out)["cloud"]["token"]
    ledger = ledger_of(data)
    cabinet = ledger.cabinet("cab001")
    ledger.close()
    assert cabinet is not None
    assert new != old
    assert cabinet.token_hash == digest(new)


def test_a_removed_cabinet_is_gone_from_the_list_and_can_be_added_again(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(data, "add", "cab001", *FORGIVE)
    assert run(data, "remove", "cab001") == 0
    capsys.readouterr()
    run(data, "list")
    assert capsys.readouterr().out == ""
    assert run(data, "add", "cab001", *FORGIVE) == 0


def test_orders_and_problems_are_listed(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ledger = ledger_of(data)
    now_ms = int(time.time() * 1000)
    settled = replace(
        ORDER, state=OrderState.SETTLED, paid_at_ms=now_ms, pulsed=1, pulses=1, charged=100
    )
    ledger.insert(settled)
    ledger.insert(Incident("i", now_ms, "claimed and never settled", "w", "cab001", "cs_1"))
    ledger.close()
    assert run(data, "orders") == 0
    assert "charged 1.00 USD" in capsys.readouterr().out
    assert run(data, "problems") == 0
    assert "claimed and never settled" in capsys.readouterr().out


def read_back(data: Path, name: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert run(data, "add", "cab001", *FORGIVE, "--name", name) == 0
    printed = capsys.readouterr().out
    assert printed.isascii()
    return str(tomllib.loads(printed)["cabinet"]["name"])


@pytest.mark.parametrize(
    "name",
    ["🎮", 'a"b\\c', "\\u0041", "Zoë ☂", "'''", '"""', "#x = 1", "日本", " ", "👨‍👩‍👧", "%(x)s"],
)
def test_any_name_comes_back_from_the_config_file(
    data: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert read_back(data, name, capsys) == name


@pytest.mark.parametrize("code", [*range(1, 0x250), 0x2028, 0xD7FF, 0xE000, 0xFFFF, 0x10FFFF])
def test_the_config_writer_writes_every_letter(code: int) -> None:
    around = cabinet_config.at_broker("mqtt://h", "http://a", "u", f'"{chr(code)}\\', None)
    read = tomllib.loads(cabinet_config.text("cab001", chr(code), "t", "forgive", around))
    assert read["cabinet"]["name"] == chr(code)
    assert read["broker"]["password"] == f'"{chr(code)}\\'


def secret_of(file: Path) -> str:
    return str(tomllib.loads(file.read_text())["cloud"]["token"])


def test_output_writes_a_file_that_only_its_owner_can_read(
    data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[int] = []
    make = os.open

    def watched(path: Any, flags: int, mode: int = 0o777, **more: Any) -> int:
        handle = make(path, flags, mode, **more)
        if str(path).endswith("new.toml"):
            opened.append(stat.S_IMODE(os.fstat(handle).st_mode))
            assert flags & os.O_EXCL
        return handle

    monkeypatch.setattr(os, "open", watched)
    before = os.umask(0)
    try:
        file = data / "new.toml"
        assert run(data, "add", "cab001", *FORGIVE, "--output", str(file)) == 0
        assert run(data, "token", "cab001", *FORGIVE, "--output", str(file), "--overwrite") == 0
    finally:
        os.umask(before)
    assert opened == [0o600]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    told = capsys.readouterr()
    assert secret_of(file) not in told.out + told.err
    assert [path.name for path in data.glob(".new*")] == []
    assert loader.load(file).cabinet.machine_id == "cab001"


def test_output_takes_no_files_place_unasked_and_costs_no_token(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = data / "cab001.toml"
    assert run(data, "add", "cab001", *FORGIVE, "--output", str(file)) == 0
    first = secret_of(file)
    assert run(data, "token", "cab001", *FORGIVE, "--output", str(file)) == 1
    assert "add --overwrite" in capsys.readouterr().err
    ledger = ledger_of(data)
    cabinet = ledger.cabinet("cab001")
    ledger.close()
    assert cabinet is not None
    assert cabinet.token_hash == digest(first)
    link = data / "link.toml"
    link.symlink_to(data / "elsewhere")
    assert run(data, "add", "cab002", *FORGIVE, "--output", str(link)) == 1
    assert not (data / "elsewhere").exists()


def test_an_output_that_fails_leaves_no_file_and_no_cabinet(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(data, "add", "cab009", *FORGIVE, "--output", str(data / "no" / "such.toml")) == 1
    assert "cannot be written" in capsys.readouterr().err
    assert run(data, "token", "cab009", *FORGIVE, "--output", str(data / "x.toml")) == 1
    run(data, "add", "cab001", *FORGIVE)
    assert run(data, "add", "cab001", *FORGIVE, "--output", str(data / "y.toml")) == 1
    assert not list(data.glob("*.toml"))
    run(data, "list")
    assert "cab009" not in capsys.readouterr().out


NASTY = "\x1b[2J\x1b[31mno relay\r\n2026-11-24 07:00  cab002  forged\u202e \ud800 é"


def hostile(data: Path) -> None:
    """A ledger with what an older cloud took from a cabinet without cleaning it."""
    ledger = ledger_of(data)
    now_ms = int(time.time() * 1000)
    ledger.see(Presence("cab001", now_ms, False, "w", NASTY, NASTY, (NASTY,)))
    ledger.insert(replace(ORDER, machine_id="cab001", paid_at_ms=now_ms, reason=NASTY))
    ledger.insert(Incident("i", now_ms, NASTY, "w2", "cab001", ORDER.order_id, todo=NASTY))
    ledger.close()


@pytest.mark.parametrize("words", [["list"], ["problems"], ["orders"], ["order", ORDER.order_id]])
def test_what_cabinets_wrote_forges_no_line_and_crashes_no_command(
    data: Path, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    run(data, "add", "cab001", *FORGIVE)
    hostile(data)
    capsys.readouterr()
    assert run(data, *words) == 0
    printed = capsys.readouterr().out
    assert "no relay" in printed
    assert printed.replace("\n", "").isprintable()
    assert not [line for line in printed.splitlines() if line.startswith("2026-11-24 07:00")]


def test_a_terminal_without_the_letters_gets_others(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(data, "add", "cab001", *FORGIVE)
    hostile(data)
    narrow = io.TextIOWrapper(io.BytesIO(), "ascii", newline="\n")
    monkeypatch.setattr(sys, "stdout", narrow)
    assert run(data, "problems") == 0
    narrow.flush()
    assert b"no relay" in narrow.buffer.getvalue()


def test_nothing_else_of_the_cloud_prints(root: Path) -> None:
    """So there is one place that cleans; the log's lines are JSON."""
    printing = [
        path.name
        for path in (root / "lambda" / "cloud").rglob("*.py")
        if re.search(r"\bprint\(|sys\.std(out|err)\b", path.read_text())
    ]
    assert sorted(printing) == ["logs.py", "output.py"]


def test_an_orders_life_is_told_with_its_times(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arcade = Arcade(data)
    order_id = arcade.pay(quantity=5)
    arcade.now += 0.4
    arcade.claim(order_id)
    arcade.now += 3
    arcade.settle(order_id, 6, 6)
    arcade.stripe.refund(arcade.order(order_id).intent_id, 100, "by hand")
    arcade.now += 3600
    body = arcade.event("charge.refunded", {"payment_intent": arcade.order(order_id).intent_id})
    assert arcade.deliver(body)[0] == 200
    arcade.close()
    assert run(data, "order", order_id) == 0
    told = capsys.readouterr().out.splitlines()
    steps = [" ".join(line.split()[1:]) for line in told[1:-1]]
    assert steps == [
        "08:00:00.000 Stripe the player paid 5.00 USD (reserved by the bank, not charged)",
        "08:00:00.000 cloud the order is stored: 6 plays at cab001",
        "08:00:00.000 broker the hint is sent to the cabinet, and again each minute until the "
        "claim; 120 s are left for that",
        "08:00:00.400 cabinet claims the order, 0.4 s later",
        "08:00:03.400 cabinet reports 6 of 6 pulses to charge",
        "08:00:03.400 Stripe 5.00 USD is charged",
        "09:00:03.400 Stripe by hand or by the bank, 1.00 USD in all has gone back",
    ]
    assert told[-1] == "The player has paid 4.00 USD of 5.00 USD."


def test_an_order_is_found_by_what_its_receipt_shows(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arcade = Arcade(data)
    order_id = arcade.pay()
    arcade.now += 121
    arcade.cloud.sweep()
    arcade.close()
    assert run(data, "order", order_id[-8:]) == 0
    told = capsys.readouterr().out
    assert "gives the money back: no cabinet claimed it in time" in told
    assert told.endswith("The player has paid nothing.\n")
    assert run(data, "order", "1") == 1
    assert run(data, "order", "cs_nobody") == 1
    assert "no order cs_nobody" in capsys.readouterr().err


def test_problems_begin_with_the_most_money_and_say_what_to_do(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger = ledger_of(data)
    now_ms = int(time.time() * 1000)
    day = 86_400_000
    ledger.insert(replace(ORDER, order_id="cs_big", amount=990, currency="USD"))
    for name, at_ms, amount, currency, order_id in (
        ("small", now_ms, 100, "USD", ""),
        ("yen", now_ms, 300, "JPY", ""),
        ("by its order", now_ms, 0, "", "cs_big"),
        ("old", now_ms - 5 * day, 5000, "USD", ""),
    ):
        ledger.insert(
            Incident(name, at_ms, f"it is {name}", name, "cab001", order_id, amount, currency)
        )
    ledger.insert(Incident("free", now_ms, "it is free", "free", todo="mend it"))
    ledger.close()
    assert run(data, "problems", "--since", "yesterday") == 0
    told = capsys.readouterr().out
    shown = re.findall(r"it is ([a-z ]+)", told)
    assert shown == ["by its order", "yen", "small", "free"]
    assert "to do: `order cs_big` tells" in told
    assert "to do: mend it" in told
    assert told.endswith("in all: 4 problems, 300 JPY, 10.90 USD\n")
    assert run(data, "problems") == 0
    assert "60.90 USD" in capsys.readouterr().out


def test_a_cabinet_that_has_gone_silent_is_a_problem(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger = ledger_of(data)
    now_ms = int(time.time() * 1000)
    for machine_id, minutes in (("cab001", 61), ("cab009", 1)):
        run(data, "add", machine_id, "--after-power-cut", "charge")
        seen_at_ms = now_ms - minutes * 60_000
        assert ledger.see(Presence(machine_id, seen_at_ms, True, machine_id, state="ready"))
    ledger.close()
    capsys.readouterr()
    assert run(data, "problems") == 0
    told = capsys.readouterr().out
    assert "now  cab001  it was last heard of 61 minutes ago" in told
    assert "cab009" not in told


def test_problems_fit_a_morning(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ledger = ledger_of(data)
    for number in range(500):
        ledger.insert(Incident(f"i{number}", number, "x", "w", "cab001", "", number, "USD"))
    ledger.close()
    assert run(data, "problems") == 0
    told = capsys.readouterr().out.splitlines()
    assert len(told) < 100
    assert told[0].startswith("4.99 USD")
    assert told[-2].startswith("not shown: 470 problems")
    assert told[-1] == "in all: 500 problems, 1247.50 USD"
    assert run(data, "problems", "--all") == 0
    assert len(capsys.readouterr().out.splitlines()) > 1000


@pytest.mark.parametrize("since", ["soon", "2026-13-01", "-1d", "99999d", "１d"])
def test_a_time_that_is_none_is_one_sentence(
    data: Path, since: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(data, "problems", f"--since={since}") == 1
    assert "names no time" in capsys.readouterr().err


@pytest.mark.parametrize("days", ["nan", "inf", "-1", "1e9"])
def test_days_that_are_none_are_refused(data: Path, days: str) -> None:
    with pytest.raises(SystemExit):
        run(data, "orders", "--days", days)


def test_a_ledger_is_backed_up_and_restored_into_another(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(data, "add", "cab001", *FORGIVE)
    file = tmp_path / "ledger.jsonl"
    assert run(data, "backup", str(file)) == 0
    assert f"{file}: 1 items" in capsys.readouterr().out
    assert file.stat().st_mode & 0o777 == 0o600
    assert run(data, "backup", str(file)) == 1
    assert "is there already" in capsys.readouterr().err
    other = GOOD | {"LEDGER": f"sqlite:///{tmp_path}/other.db"}
    for name, value in other.items():
        monkeypatch.setenv(name, value)
    assert admin.main(["restore", str(file)]) == 0
    assert "restored and compared" in capsys.readouterr().out
    assert admin.main(["add", "cab002", *FORGIVE]) == 0
    assert admin.main(["restore", str(file)]) == 1
    assert "is not empty" in capsys.readouterr().err


def test_a_backup_that_cannot_be_used_is_told_in_a_sentence(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "ledger.jsonl"
    assert run(data, "restore", str(file)) == 1
    assert "cannot be read" in capsys.readouterr().err
    file.write_bytes(b"\xff\xfe")
    assert run(data, "restore", str(file)) == 1
    assert "cannot be read" in capsys.readouterr().err
    file.write_text("{}\n")
    assert run(data, "restore", str(file)) == 1
    assert "line 1 of the backup is damaged" in capsys.readouterr().err
    assert run(data, "backup", str(tmp_path / "no" / "ledger.jsonl")) == 1
    assert "cannot be written" in capsys.readouterr().err
