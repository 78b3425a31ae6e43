"""``python -m cloud.serve`` as a process: a payment, a kill, a graceful end, the sweep, its log."""

from __future__ import annotations

import json
import re
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.cloud.server.own_machine import (
    BROKER_PASSWORD,
    HOST,
    STRIPE_KEY,
    WAIT,
    WEBHOOK_SECRET,
    Listener,
    OwnMachine,
)


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[OwnMachine]:
    made = OwnMachine(tmp_path)
    yield made
    made.stop()


def settle(machine: OwnMachine, order_id: str, pulsed: int, pulses: int) -> requests.Response:
    return machine.ask(
        "/settle", order_id=order_id, claim_id="c1", pulsed=pulsed, pulses=pulses, made=pulsed
    )


def test_a_payment_is_served_and_each_hop_is_in_the_log_without_a_secret(
    machine: OwnMachine,
) -> None:
    machine.start()
    machine.add_cabinet()
    listener = Listener(machine)
    try:
        order_id = machine.pay(2)
        assert listener.heard.get(timeout=WAIT)["orderId"] == order_id
    finally:
        listener.stop()
    assert machine.ask("/claim", order_id=order_id, claim_id="c1").status_code == 200
    assert settle(machine, order_id, 1, 2).json()["charged"] == 100
    assert machine.charged(order_id) == ("succeeded", 100)
    status, told = machine.end()
    assert (status, told) == (0, "")

    lines = machine.lines(order=order_id)
    hops = [line.get("state") or line.get("topic") or line["message"] for line in lines]
    # Stored before it is told: the first thing that is known of an order is that it is safe.
    for earlier, later in [
        ("open", "coinpulse"), ("coinpulse", "claimed"), ("claimed", "settling"),
        ("settling", "settled"),
    ]:  # fmt: skip
        assert hops.index(earlier) < hops.index(later)
    [webhook] = [line for line in lines if line["message"].startswith("checkout.session.completed")]
    assert (webhook["route"], webhook["status"]) == ("POST /addCredit", 200)
    assert webhook["event"].startswith("evt_")
    [stored] = machine.lines(order=order_id, state="open")
    assert stored["event"] == webhook["event"]
    [granted] = machine.lines(order=order_id, message="the claim is granted")
    assert (granted["route"], granted["cabinet"]) == ("POST /claim", "cab001")
    assert {line["cabinet"] for line in lines if "state" in line} == {"cab001"}
    counted = {name for line in lines if "_aws" in line for name in names(line)}
    assert counted == {
        "paid", "claimed", "settled", "event_to_claim_ms", "claim_to_settle_ms"
    }  # fmt: skip

    text = "".join(machine.log)
    for secret in (
        STRIPE_KEY, WEBHOOK_SECRET, BROKER_PASSWORD, machine.broker.url, machine.token,
        machine.token.partition(".")[2], "4242",
    ):  # fmt: skip
        assert secret not in text
    # Neither a card's fingerprint nor the hash that the ledger has of it.
    assert not re.search("fingerprint|[0-9a-f]{64}", text)


def names(line: dict[str, dict[str, list[dict[str, list[dict[str, str]]]]]]) -> list[str]:
    [directive] = line["_aws"]["CloudWatchMetrics"]
    return [metric["Name"] for metric in directive["Metrics"]]


def test_what_was_paid_before_a_kill_is_served_after_it(machine: OwnMachine) -> None:
    machine.start()
    machine.add_cabinet()
    order_id = machine.pay(1)
    assert machine.end(signal.SIGKILL)[0] == -signal.SIGKILL
    machine.start()
    assert [o["order_id"] for o in beat(machine)["orders"]] == [order_id]
    assert machine.ask("/claim", order_id=order_id, claim_id="c1").status_code == 200
    assert machine.end(signal.SIGKILL)[0] == -signal.SIGKILL
    machine.start()
    assert settle(machine, order_id, 1, 1).json()["state"] == "settled"
    assert machine.charged(order_id) == ("succeeded", 100)


def beat(machine: OwnMachine) -> dict[str, list[dict[str, str]]]:
    answer = machine.ask("/status", state="ready", version="1", healthy=True, problems=[])
    return dict(answer.json())


def test_the_sweep_gives_back_what_nobody_claims(machine: OwnMachine) -> None:
    machine.environment["ORDER_DEADLINE_SECONDS"] = "1"
    machine.start("--sweep-seconds", "0.2")
    machine.add_cabinet()
    order_id = machine.pay(1)
    machine.until(lambda: machine.lines(order=order_id, state="released"), "the release")
    assert machine.charged(order_id) == ("canceled", 0)


def test_a_call_that_is_under_way_is_answered_before_it_ends(machine: OwnMachine) -> None:
    machine.start()
    machine.add_cabinet()
    order_id = machine.pay(1)
    machine.ask("/claim", order_id=order_id, claim_id="c1")
    machine.fail(kind="timeout", path="/v1/payment_intents", method="POST", seconds=1.5)
    answers: list[requests.Response] = []
    caller = threading.Thread(target=lambda: answers.append(settle(machine, order_id, 1, 1)))
    caller.start()
    machine.until(lambda: machine.lines(order=order_id, state="settling"), "the settle")
    status, told = machine.end()
    caller.join(WAIT)
    assert (status, told) == (0, "")
    assert [(a.status_code, a.json()["state"]) for a in answers] == [(200, "settled")]
    assert machine.lines(message="stopped")


def test_a_second_one_on_the_same_ledger_is_refused_in_one_sentence(machine: OwnMachine) -> None:
    machine.start()
    second = machine.run("--port", "0")
    out, told = second.communicate(timeout=WAIT)
    assert (second.returncode, out) == (1, "")
    assert told == (
        f"another cloud uses the ledger {machine.ledger}: end it first "
        "(systemctl stop arcade-cloud)\n"
    )
    # The operator's commands are no second one.
    machine.add_cabinet()


def test_settings_that_are_missing_are_told_at_once(machine: OwnMachine) -> None:
    del machine.environment["STRIPE_KEY"]
    machine.environment["MQTT_URL"] = "mqtt://broker"
    process = machine.run()
    out, told = process.communicate(timeout=WAIT)
    assert (process.returncode, out) == (1, "")
    assert "STRIPE_KEY is not set" in told
    assert "MQTT_URL" in told
    assert "Traceback" not in told


def test_a_taken_port_is_told_in_one_sentence(machine: OwnMachine) -> None:
    with socket.create_server((HOST, 0)) as taken:
        process = machine.run("--port", str(taken.getsockname()[1]))
        _out, told = process.communicate(timeout=WAIT)
    assert process.returncode == 1
    assert re.fullmatch(r"port \d+ of 127\.0\.0\.1 is taken: .*\n", told)


def test_large_bodies_strange_paths_and_floods_are_refused(machine: OwnMachine) -> None:
    machine.start()
    large = requests.post(f"{machine.api}/claim", data=b"x" * (1024 * 1024 + 1), timeout=WAIT)
    assert large.status_code == 413
    assert requests.get(f"{machine.api}/etc", timeout=WAIT).json() == {
        "error": "there is no such call"
    }
    heads = requests.get(f"{machine.api}/status", headers={"x": "y" * 20_000}, timeout=WAIT)
    assert heads.status_code == 431
    up = [requests.get(f"{machine.api}/status", timeout=WAIT).status_code for _ in range(30)]
    assert up[0] == 200
    assert 429 in up
    machine.end()
    [first, *_] = machine.lines(cause="above the limit")
    assert (first["status"], first["route"]) == (429, "GET /status")
    # Nobody's address is in the log.
    assert not [line for line in machine.log if "x-forwarded" in line.lower()]
    assert all(json.loads(line) for line in machine.log)


def test_it_ends_while_the_sweep_waits_for_stripe_and_goes_on_after_the_next_start(
    machine: OwnMachine,
) -> None:
    machine.environment["ORDER_DEADLINE_SECONDS"] = "1"
    machine.start("--sweep-seconds", "0.2")
    machine.add_cabinet()
    machine.fail(kind="hang", path="/v1/payment_intents", method="POST", seconds=1.0)
    order_id = machine.pay(1)
    machine.until(lambda: machine.lines(order=order_id, state="releasing"), "the release")
    status, told = machine.end()
    assert (status, told) == (0, "")
    assert machine.lines(message="stopped")
    machine.start("--sweep-seconds", "0.2")
    machine.until(lambda: machine.lines(order=order_id, state="released"), "the rest of it")
    assert machine.charged(order_id) == ("canceled", 0)
