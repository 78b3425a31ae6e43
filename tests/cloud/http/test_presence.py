"""What the broker says of lost connections: true, forged, twice, late and out of order."""

from __future__ import annotations

import hashlib
import json
import logging
import re
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cloud.adapters.stripe_gateway import StripeUnavailable
from cloud.core.cabinets import Disconnect, Presence, client_id
from cloud.http import presence_signature
from cloud.stores.sqlite import SqliteLedger
from kiosk.adapters.broker import Broker
from kiosk.config.schema import BrokerConfig
from tests.fakes.arcade import PRESENCE_SECRET, SETTINGS, Arcade
from tests.fakes.ledgers import CountingLedger


def told(
    arcade: Arcade,
    secret: str = PRESENCE_SECRET,
    *,
    ago: float = 0.0,
    signed: dict[str, Any] | None = None,
    **changed: Any,
) -> tuple[int, Any]:
    """The broker's rule calls: ``signed`` is what its signature is for, if not for what it says."""
    body: dict[str, Any] = {
        "username": "cab001",
        "clientid": "cabinet-cab001",
        "reason": "keepalive_timeout",
        "disconnected_at": round((arcade.now - ago) * 1000),
    } | changed
    said = body | (signed or {})
    lost = Disconnect(said["username"], said["clientid"], said["reason"], said["disconnected_at"])
    headers = {"x-arcade-signature": presence_signature.sign(lost, secret)}
    return arcade.http("POST", "/presence", json.dumps(body), headers)


def is_on(arcade: Arcade) -> bool:
    return any(link["active"] for link in arcade.stripe.links.values())


@pytest.fixture
def selling(arcade: Arcade) -> Arcade:
    """Its cabinet is there, and its link can be paid."""
    arcade.link()
    arcade.ask("/status", {"healthy": True})
    arcade.now += 10
    return arcade


def test_a_lost_cabinets_link_is_off_at_once_and_on_with_its_next_heartbeat(
    selling: Arcade,
) -> None:
    assert told(selling) == (200, {"message": "its link is off"})
    assert not is_on(selling)
    selling.now += 40
    selling.cloud.sweep()
    assert not is_on(selling)
    selling.now += 1
    status, beat = selling.ask("/status", {"healthy": True})
    assert (status, beat["link"]["state"]) == (200, "active")
    assert is_on(selling)


def test_told_twice_it_asks_stripe_once(selling: Arcade) -> None:
    assert told(selling)[0] == 200
    calls = list(selling.stripe.calls)
    selling.now += 1
    assert told(selling, ago=1) == (200, {"message": "known already"})
    assert selling.stripe.calls == calls


@pytest.mark.parametrize("ago", [12, 200])
def test_what_comes_after_the_cabinet_is_back_changes_nothing(selling: Arcade, ago: int) -> None:
    selling.now += 200
    selling.ask("/status", {"healthy": True})
    assert told(selling, ago=ago) == (200, {"message": "heard of since"})
    assert is_on(selling)


def test_the_same_call_again_by_a_listener_changes_nothing(selling: Arcade) -> None:
    at = round(selling.now * 1000)
    assert told(selling, disconnected_at=at)[0] == 200
    selling.now += 5
    selling.ask("/status", {"healthy": True})
    selling.now += 5
    assert told(selling, disconnected_at=at) == (200, {"message": "heard of since"})
    assert is_on(selling)
    selling.now += 400
    status, answer = told(selling, disconnected_at=at)
    assert (status, answer["error"]) == (401, "disconnected_at is 410 s ago, 300 s are allowed")


@pytest.mark.parametrize("reason", ["takenover", "discarded"])
def test_a_connection_that_a_newer_one_replaced_is_no_loss(selling: Arcade, reason: str) -> None:
    assert told(selling, reason=reason) == (200, {"message": "it has a newer connection"})
    assert is_on(selling)


def test_a_thief_with_the_cabinets_login_cannot_be_lost_in_its_place(selling: Arcade) -> None:
    for other in ("mqttx_1", "cabinet-cab002", ""):
        status, answer = told(selling, clientid=other)
        assert (status, answer["message"]) == (200, "not the cabinet's own connection")
    assert is_on(selling)


@pytest.mark.parametrize("username", ["monitor", "cab999", "", "a/b", "undefined"])
def test_clients_that_are_no_cabinets_are_left_alone(selling: Arcade, username: str) -> None:
    status, answer = told(selling, username=username, clientid=f"cabinet-{username}")
    assert (status, answer["message"]) == (200, "no cabinet")
    assert is_on(selling)


def test_a_removed_and_an_unseen_cabinet_need_nothing(arcade: Arcade) -> None:
    assert told(arcade) == (200, {"message": "never seen"})


@pytest.mark.parametrize(
    "signed",
    [{"username": "cab002"}, {"clientid": "x"}, {"reason": "normal"}, {"disconnected_at": 1}],
)
def test_a_stranger_cannot_say_anything(
    selling: Arcade, signed: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        status, answer = told(selling, signed=signed)
    assert status == 401
    assert "does not sign this body" in answer["error"]
    assert 'refused status=401 route="POST /presence" cause="wrong signature"' in caplog.text
    assert PRESENCE_SECRET not in caplog.text + str(answer)
    assert is_on(selling)


def test_another_secret_and_no_signature_are_refused(selling: Arcade) -> None:
    assert told(selling, "x" * 32)[0] == 401
    body = {"username": "cab001", "clientid": "c", "reason": "r", "disconnected_at": 1}
    status, answer = selling.http("POST", "/presence", json.dumps(body), {})
    assert (status, answer["error"]) == (401, "the X-Arcade-Signature header is missing")
    status, answer = selling.http(
        "POST", "/presence", json.dumps(body), {"x-arcade-signature": "é"}
    )
    assert status == 401
    assert is_on(selling)


def test_a_clock_that_is_far_ahead_is_refused(selling: Arcade) -> None:
    assert told(selling, ago=-29)[0] == 200
    status, answer = told(selling, ago=-31)
    assert (status, answer["error"]) == (401, "disconnected_at is in the future: check the clocks")


def test_a_body_that_is_none_is_told_what_it_lacks(selling: Arcade) -> None:
    status, answer = selling.http("POST", "/presence", '{"username": 1}', {})
    assert status == 400
    assert "username must be a string" in answer["error"]
    assert "disconnected_at must be a whole number" in answer["error"]


def test_without_a_secret_there_is_no_such_call(selling: Arcade) -> None:
    selling.use(selling.ledger, replace(SETTINGS, presence_secret=""))
    assert told(selling, "")[0] == 404
    assert is_on(selling)


def test_with_stripe_away_the_sweep_switches_the_link_off(
    selling: Arcade, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_arguments: object) -> None:
        raise StripeUnavailable("Stripe is away")

    with monkeypatch.context() as patched:
        patched.setattr(selling.stripe, "switch_link", away)
        assert told(selling)[0] == 503
    assert is_on(selling)
    selling.now += 60
    selling.cloud.sweep()
    assert not is_on(selling)


def test_an_older_program_that_leaves_the_mark_in_its_place_loses_no_cabinet(
    selling: Arcade,
) -> None:
    told(selling)
    selling.now += 60
    selling.ask("/status", {"healthy": True})
    presence = selling.ledger.presence("cab001")
    assert presence is not None
    left = replace(presence, gone_at_ms=presence.seen_at_ms - 60_000, write_id="w", due_at_ms=1)
    assert selling.ledger.replace(presence, left)
    selling.cloud.sweep()
    assert is_on(selling)


class _Interrupted(CountingLedger):
    """Lets something happen after the loss was written down."""

    after: Callable[[], object] | None = None

    def replace(self, old: Any, new: Any) -> Any:
        done = super().replace(old, new)
        if self.after and isinstance(new, Presence) and new.gone_at_ms:
            after, self.after = self.after, None
            after()
        return done


def test_a_heartbeat_at_the_same_moment_leaves_the_link_on(tmp_path: Path) -> None:
    ledger = _Interrupted(SqliteLedger(tmp_path / "ledger.db"))
    arcade = Arcade(tmp_path, ledger)
    arcade.link()
    arcade.ask("/status", {"healthy": True})
    arcade.now += 10

    def back() -> None:
        arcade.now += 1
        arcade.ask("/status", {"healthy": True})

    ledger.after = back
    assert told(arcade) == (200, {"message": "back already"})
    assert is_on(arcade)
    arcade.close()


def test_the_rule_in_the_contract_signs_as_the_cloud_does(root: Path) -> None:
    page = (root / "docs" / "protocol.md").read_text()
    [sql] = re.findall(r"(?ms)^```sql\n(.*?)^```", page)
    said = Disconnect("cab001", "cabinet-cab001", "tcp_closed", 1_800_000_000_000)
    values = {
        "username": said.username,
        "clientid": said.client_id,
        "reason": said.reason,
        "disconnected_at": said.at_ms,
    }
    assert evaluated(sql, "SECRET", values) == presence_signature.sign(said, "SECRET")
    for name in values:
        assert re.search(rf"(?m)^\s*{name},$", sql), name


def evaluated(sql: str, secret: str, values: dict[str, Any]) -> str:
    """What the rule's SQL selects as ``signature``, by the functions that EMQX documents: each of
    them does what Python's function here does."""
    expression = sql.partition("disconnected_at,\n")[2].partition(" AS signature")[0]
    assert re.fullmatch(r"[\w\s(),':]+", expression), expression
    return str(
        eval(
            expression,
            {
                "__builtins__": {},
                "concat": lambda one, two: one + two,
                "str": str,
                "sha256": lambda text: hashlib.sha256(text.encode()).hexdigest(),
                **values,
            },
        )
    )


def test_the_kiosks_client_id_is_the_one_that_the_cloud_expects() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        settings = BrokerConfig.model_validate(
            {
                "host": "127.0.0.1",
                "port": listener.getsockname()[1],
                "tls": False,
                "password": "hush",
            }
        )
        kiosk = Broker(settings, "cab001", lambda _event: None)
        kiosk.start()
        connection, _ = listener.accept()
        with connection:
            # MQTT 3.1.1, 3.1: what comes after the ten bytes of the variable header.
            packet = connection.recv(1024)
            kiosk.stop()
    length = int.from_bytes(packet[12:14], "big")
    assert packet[14 : 14 + length].decode() == client_id("cab001")
