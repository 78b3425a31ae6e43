"""The operator's commands, as they are typed."""

from __future__ import annotations

import json
import time
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from cloud import admin
from cloud.core.cabinets import Incident
from cloud.core.orders import OrderState
from cloud.core.prices import Bonus, PriceList
from cloud.services.cabinet_tokens import digest
from cloud.stores.sqlite import SqliteLedger
from kiosk.config import loader
from tests.cloud.stores.test_stores import ORDER
from tests.cloud.test_settings import GOOD

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
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in (GOOD | {"LEDGER": f"sqlite:///{tmp_path}/ledger.db"}).items():
        monkeypatch.setenv(name, value)
    assert admin.main(["add", "cab001", *FORGIVE]) == 0
    out = capsys.readouterr()
    read = tomllib.loads(out.out)
    assert read["relay"]["driver"] == "gpio"
    assert read["broker"]["username"] == "cab001"
    assert read["broker"]["password"] not in ("", "hush")
    assert "arcade/machine/cab001/#" in out.err


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
