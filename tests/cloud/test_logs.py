"""The log's lines: one JSON object each, with what they are about, and without secrets."""

from __future__ import annotations

import io
import json
import logging
from typing import Any

import pytest

from cloud import logs
from cloud.logs import about, during, note
from cloud.settings import from_environment
from cloud.wiring import secrets_of
from tests.cloud.test_settings import GOOD


class Written:
    """A log of its own, and what it wrote."""

    def __init__(self, formatter: logging.Formatter) -> None:
        self.stream = io.StringIO()
        handler = logging.StreamHandler(self.stream)
        handler.setFormatter(formatter)
        self.log = logging.Logger("cloud.test")
        self.log.addHandler(handler)

    @property
    def text(self) -> str:
        return self.stream.getvalue()

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text.splitlines()]


@pytest.fixture
def written() -> Written:
    return Written(logs.JsonFormatter())


@pytest.fixture
def plain() -> Written:
    return Written(logs.PlainFormatter())


@pytest.fixture(autouse=True)
def _no_secret_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "_secrets", ())


def test_a_line_has_its_time_its_level_and_what_it_is_about(written: Written) -> None:
    written.log.warning("no %s", "relay", extra=about(order="cs_1", cabinet="cab001", reason=""))
    [line] = written.lines
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "WARNING", "logger": "cloud.test", "message": "no relay", "order": "cs_1",
        "cabinet": "cab001",
    }  # fmt: skip


def test_what_is_known_of_a_call_is_in_all_its_lines_and_in_no_other(written: Written) -> None:
    with during(route="POST /claim"):
        written.log.info("a")
        note(order="cs_1", cabinet="")
        written.log.info("b")
        with during(route="sweep"):
            note(order="cs_2")
            written.log.info("c")
        written.log.info("d", extra=about(order="cs_3"))
    note(order="cs_4")
    written.log.info("e")
    told = [(line.get("route"), line.get("order")) for line in written.lines]
    assert told == [
        ("POST /claim", None), ("POST /claim", "cs_1"), ("sweep", "cs_2"), ("POST /claim", "cs_3"),
        (None, None),
    ]  # fmt: skip


HOSTILE = 'x"}\n{"level":"ERROR","order":"cs_forged"}\r\u2028\u202e\x1b[2J\ud800'


def test_nothing_from_outside_can_forge_a_line_or_a_field(written: Written) -> None:
    written.log.info("said: %s", HOSTILE, extra=about(order=HOSTILE))
    [line] = written.lines
    assert (line["level"], line["order"]) == ("INFO", HOSTILE)
    assert written.text.isascii()
    assert written.text.count("\n") == 1


def test_a_terminals_line_is_one_line_with_what_it_is_about(plain: Written) -> None:
    metrics = {"_aws": {"Timestamp": 1}}
    plain.log.info("said: %s", HOSTILE, extra=about(order="cs_1", **metrics))
    assert plain.text.count("\n") == 1
    assert plain.text.endswith("  order=cs_1\n")
    assert "\x1b" not in plain.text


def test_a_failure_is_one_line_with_its_traceback(written: Written) -> None:
    try:
        raise ValueError("what a defect says")
    except ValueError:
        written.log.exception("a call failed", extra=about(status=500))
    [line] = written.lines
    assert line["exception"].startswith("Traceback")
    assert line["exception"].endswith("ValueError: what a defect says")
    assert line["status"] == 500


def test_a_message_without_end_is_cut(written: Written) -> None:
    written.log.info("x" * 1_000_000)
    assert len(written.text) < 5000


@pytest.mark.parametrize("form", ["written", "plain"])
def test_secrets_are_blotted_out_wherever_they_come_from(
    form: str, request: pytest.FixtureRequest
) -> None:
    log: Written = request.getfixturevalue(form)
    broker = "mqtts://cloud:p%22%2Fss%20w%40rd@b:8883"
    secrets = set(secrets_of(from_environment(GOOD | {"MQTT_URL": broker})))
    passwords = {'p"/ss w@rd', "p%22%2Fss%20w%40rd"}
    assert secrets >= passwords | {GOOD["STRIPE_KEY"], GOOD["STRIPE_WEBHOOK_SECRET"], broker}
    logs.hide(*secrets)
    for secret in secrets:
        log.log.info("an address: %s", secret, extra=about(reason=f"<{secret}>"))
        try:
            raise ValueError(secret)
        except ValueError:
            log.log.exception("failed")
    for secret in secrets:
        assert secret not in log.text
        assert json.dumps(secret)[1:-1] not in log.text
    assert logs.BLOT in log.text


def test_a_short_word_is_no_secret(written: Written) -> None:
    logs.hide("", "a")
    written.log.info("a banana")
    assert written.lines[0]["message"] == "a banana"
