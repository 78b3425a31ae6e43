"""A deployment's rules by themselves: answers, addresses, keys, steps, costs."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from cloud.cli import cabinet_config
from cloud.cli.cabinet_config import at_broker
from deploy import answers, broker, cost, plan
from deploy.answers import QUESTIONS, Answers
from deploy.errors import DeployError
from deploy.plan import Step
from deploy.stripe_account import key_mistake
from deploy.trial import simulated
from kiosk.config.loader import load


@pytest.mark.parametrize(
    ("field", "good", "bad"),
    [
        ("region", ["eu-central-1", "us-gov-west-1"], ["", "europe", "eu-west-1 "]),
        ("email", ["me@example.com"], ["", "me", "me@host", "a b@example.com"]),
        ("machine_id", ["cab001", "A_b-9"], ["", "cab 1", "cloud", "monitor", "x" * 65]),
        ("name", ["Galaxy Patrol", "Zürich 2"], ["", "a\nb", "x" * 101]),
        ("price", ["1", "0.50"], ["", "0", "-1", "nan", "1e9", "free"]),
        ("currency", ["USD"], ["", "usd", "DOLLAR"]),
        ("after_power_cut", ["forgive", "charge"], ["", "both"]),
    ],
)
def test_each_answer_is_checked(field: str, good: list[str], bad: list[str]) -> None:
    [question] = [one for one in QUESTIONS if one.field == field]
    assert [text for text in good if question.wrong(text)] == []
    assert [text for text in bad if not question.wrong(text)] == []


def test_every_answer_has_its_question() -> None:
    assert [question.field for question in QUESTIONS] == list(answers.FIELDS)


def test_answers_are_kept_and_those_that_are_no_good_are_asked_again(tmp_path: Path) -> None:
    file = tmp_path / "kept" / "deploy-main.json"
    answers.save(file, Answers(region="eu-west-1", price="1.00"))
    assert answers.load(file) == Answers(region="eu-west-1", price="1.00")
    file.write_text('{"region": "nowhere", "price": "2.00", "from_a_later_version": 1}')
    assert answers.load(file) == Answers(price="2.00")
    assert list(file.parent.iterdir()) == [file]


@pytest.mark.parametrize(
    ("address", "account", "whole"),
    [
        (
            "https://host.example:8443/api/v5/",
            ("id", "a/b@c"),
            "https://id:a%2Fb%40c@host.example:8443/api/v5",
        ),
        ("https://host.example:8443", ("id", "s"), "https://id:s@host.example:8443/api/v5"),
        ("mqtts://host.example:8884", ("cloud", "p"), "mqtts://cloud:p@host.example:8884"),
    ],
)
def test_an_address_and_an_account_make_the_clouds_setting(
    address: str, account: tuple[str, str], whole: str
) -> None:
    assert broker.mistake(address) == ""
    assert broker.with_account(address, *account) == whole


@pytest.mark.parametrize(
    "address",
    ["", "host.example", "mqtt://host.example", "http://host.example", "https://a:b@host.example"],
)
def test_an_address_that_would_not_do_is_told(address: str) -> None:
    assert broker.mistake(address)


def test_where_cabinets_reach_the_broker_is_guessed() -> None:
    assert broker.cabinets_address("https://h.example:8443/api/v5") == "mqtts://h.example:8883"
    assert broker.cabinets_address("mqtts://h.example:8884") == "mqtts://h.example:8884"


def test_a_broker_that_is_not_there_is_one_sentence() -> None:
    with pytest.raises(DeployError, match="cannot be reached") as raised:
        broker.check("mqtt://cloud:hush-hush@127.0.0.1:9")
    assert "hush" not in str(raised.value)


@pytest.mark.parametrize(
    ("key", "live", "says"),
    [
        ("sk_test_" + "x" * 24, False, ""),
        ("rk_live_" + "x" * 24, True, ""),
        ("pk_test_" + "x" * 24, False, "publishable"),
        ("sk_live_" + "x" * 24, False, "must begin with sk_test_"),
        ("sk_test_" + "x" * 24, True, "must begin with sk_live_"),
        ("sk_test_", False, "must begin"),
        ("", False, "must begin"),
    ],
)
def test_a_key_of_the_wrong_kind_is_told_without_asking_stripe(
    key: str, live: bool, says: str
) -> None:
    wrong = key_mistake(key, live)
    assert says in wrong
    assert bool(says) == bool(wrong)


def test_a_step_that_is_right_is_not_done() -> None:
    done: list[str] = []
    steps = [Step("a", lambda: "", lambda: done.append("a"))]
    assert plan.run(steps, lambda _: None) == 0
    assert done == []


def test_a_step_that_is_not_right_after_it_was_done_stops_all() -> None:
    done: list[str] = []
    steps = [
        Step("a", lambda: "" if done else "to do", lambda: done.append("a")),
        Step("b", lambda: "still missing", lambda: done.append("b")),
        Step("c", lambda: "to do", lambda: done.append("c")),
    ]
    with pytest.raises(DeployError, match="b: still missing"):
        plan.run(steps, lambda _: None)
    assert done == ["a", "b"]


def test_a_step_that_cannot_be_asked_is_in_the_table_with_its_reason() -> None:
    def unknown() -> str:
        raise DeployError("there is no stack")

    steps = [Step("a", unknown, lambda: None), Step("b", lambda: "", lambda: None)]
    assert plan.table(steps) == [("a", "there is no stack"), ("b", "")]


def test_a_hall_of_twenty_cabinets_costs_a_few_dollars_and_ten_thousand_more() -> None:
    def total(cabinets: int) -> float:
        return sum(usd for _, usd in cost.month(cabinets, 50))

    assert total(1) < 0.10
    assert dict(cost.month(22, 50))["EMQX Serverless"] == 0
    assert dict(cost.month(22, 50))["AWS Lambda"] == 0
    assert total(22) < 2
    # Less than 1 % of what 10,000 cabinets take at a dollar a play.
    assert total(10_000) < 0.01 * 10_000 * 50 * 31


def test_the_trials_config_is_the_cabinets_with_a_relay_that_only_records(tmp_path: Path) -> None:
    around = at_broker("mqtts://b.example:8883", "https://pay.example.com", "cab001", "hush-hush")
    text = cabinet_config.text("cab001", "Galaxy Patrol", "cab001.secret", "forgive", around)
    file = tmp_path / "kiosk.toml"
    file.write_text(simulated(text, tmp_path / "journal.db"))
    file.chmod(0o600)
    before, now = tomllib.loads(text), tomllib.loads(file.read_text())
    assert now["relay"].pop("driver") == "simulated"
    assert now["broker"] == before["broker"]
    assert now["cloud"] == before["cloud"]
    assert load(file).relay.driver == "simulated"
