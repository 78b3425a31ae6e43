"""The loop over the real journal and the simulated relay: the entry before the action."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kiosk.core.cabinet.rules import Rules
from kiosk.core.effects import Call
from kiosk.core.entries import Entry, Kind
from kiosk.core.events import Answered, BrokerUp, MessageArrived, NotAnswered, Receipt, Tick
from kiosk.core.view import Screen
from kiosk.engine import Engine, Inbox
from kiosk.hardware import RelayError
from kiosk.hardware.simulated import SimulatedRelay
from kiosk.journal.store import Journal, JournalError
from tests.fakes.bench import OFFER


class Lab:
    """The world around an engine, with a clock that only sleeping and tests move."""

    def __init__(self, folder: Path) -> None:
        self.time = 1000.0
        self.folder = folder
        self.log: list[object] = []
        self.calls: list[Call] = []
        self.acks: list[object] = []
        self.statuses: list[str] = []
        self.count = 0
        self.reconnections = 0
        self.relay = SimulatedRelay(self.now)
        self.relay_error: Exception | None = None
        self.journal = Journal(folder / "journal.db", lambda: ("boot", self.time, 0.0))
        self.views: list[Screen] = []
        self.inbox = Inbox()
        self.engine = self.new_engine()

    def new_engine(self) -> Engine:
        return Engine(
            self.inbox,
            Rules("cab001"),
            0.1,
            self.journal,
            self.make_relay,
            broker=self,
            cloud=self,
            clock=self,
            new_id=self.new_id,
            jitter=lambda: 0.5,
            on_view_change=self.view_changed,
        )

    # The clock and new identifiers
    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds

    def new_id(self) -> str:
        self.count += 1
        return f"new-id-{self.count}"

    # The broker's connection and the cloud's client
    def ack(self, receipt: object) -> None:
        self.acks.append(receipt)

    def announce(self, status: str) -> None:
        self.statuses.append(status)

    def reconnect(self) -> None:
        self.reconnections += 1

    def send(self, call: Call) -> None:
        self.calls.append(call)

    def view_changed(self) -> None:
        self.views.append(self.engine.view.screen)

    def make_relay(self) -> SimulatedRelay:
        if self.relay_error:
            raise self.relay_error
        return self.relay

    # Hands
    def start(self) -> None:
        self.engine.begin()
        self.engine.handle(BrokerUp())
        self.answer("link", OFFER)
        self.answer("heartbeat", self.beat())

    def beat(self) -> dict[str, Any]:
        return {"link": {"state": "active", "url": OFFER["url"]}, "orders": [], "claimed": []}

    def answer(self, name: str, body: dict[str, Any], status: int = 200) -> None:
        call = next(c for c in reversed(self.calls) if c.name == name)
        self.engine.handle(Answered(call, status, body))

    def hint(self, order_id: str) -> None:
        body = {"machineId": "cab001", "credits": 1, "orderId": order_id}
        topic = "arcade/machine/cab001/coinpulse"
        self.engine.handle(MessageArrived(topic, json.dumps(body).encode(), Receipt(1, 1, 1)))

    def grant(self, order_id: str, credits: int) -> None:
        call = next(c for c in reversed(self.calls) if c.name == f"claim {order_id}")
        body = {
            "order_id": order_id,
            "claim_id": call.body["claim_id"],
            "credits": credits,
            "state": "claimed",
            "age_seconds": 0,
        }
        self.engine.handle(Answered(call, 200, body))

    def run_out(self) -> None:
        """Lets everything happen that is due within the next seconds."""
        for _ in range(30):
            wait = self.engine.seconds_to_next_due()
            if wait > 3:
                return
            self.time += wait
            self.engine.handle(Tick())

    def entries(self) -> list[Entry]:
        """What a restarted kiosk would read."""
        return list(self.journal.open())


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    made = Lab(tmp_path)
    yield made
    made.journal.close()


def test_pulses_have_their_length_and_their_distance(lab: Lab) -> None:
    lab.start()
    lab.hint("cs_1")
    lab.grant("cs_1", 3)
    lab.run_out()
    start = lab.relay.edges[0].at
    times = [edge.at - start for edge in lab.relay.edges]
    assert times == pytest.approx([0.0, 0.1, 0.5, 0.6, 1.0, 1.1])
    assert [edge.closed for edge in lab.relay.edges] == [True, False] * 3
    assert lab.engine.pulses_made == 3


def test_the_relay_is_opened_before_the_journal_is_read(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    open_journal = lab.journal.open

    def read() -> tuple[Entry, ...]:
        order.append("journal")
        return open_journal()

    monkeypatch.setattr(lab.relay, "open", lambda: order.append("relay"))
    monkeypatch.setattr(lab.journal, "open", read)
    lab.engine.begin()
    assert order == ["relay", "journal"]


def test_every_entry_is_on_the_disk_before_what_it_records(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.start()
    seen: list[tuple[str, list[Kind]]] = []
    written: list[Kind] = []
    append = lab.journal.append

    def watch(*entries: Entry) -> None:
        append(*entries)
        written.extend(e.kind for e in entries)

    monkeypatch.setattr(lab.journal, "append", watch)
    close, send, ack = lab.relay.close, lab.send, lab.ack

    def saw(what: str) -> None:
        seen.append((what, [*written]))

    def watch_close() -> None:
        saw("close")
        close()

    def watch_send(call: Call) -> None:
        saw(call.name)
        send(call)

    def watch_ack(receipt: object) -> None:
        saw("ack")
        ack(receipt)

    monkeypatch.setattr(lab.relay, "close", watch_close)
    monkeypatch.setattr(lab, "send", watch_send)
    monkeypatch.setattr(lab, "ack", watch_ack)
    lab.hint("cs_1")
    lab.grant("cs_1", 1)
    before = [Kind.CLAIM, Kind.CLAIMED, Kind.PULSE_BEGINS]
    assert seen == [
        ("ack", [Kind.CLAIM]),
        ("claim cs_1", [Kind.CLAIM]),
        ("close", before),
        ("settle cs_1", [*before, Kind.PULSE_OVER, Kind.SETTLE]),
    ]


def test_an_entry_that_cannot_be_written_stops_what_stands_behind_it(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.start()

    def full(*_entries: Entry) -> None:
        raise JournalError("the disk is full: make room")

    monkeypatch.setattr(lab.journal, "append", full)
    lab.hint("cs_1")
    assert lab.acks == []
    assert not [c for c in lab.calls if c.name.startswith("claim")]
    assert lab.engine.view.screen is Screen.OUT_OF_ORDER
    assert [alert.text for alert in lab.engine.view.alerts] == ["the disk is full: make room"]
    monkeypatch.undo()
    lab.time += 11
    lab.engine.handle(Tick())
    assert lab.reconnections == 1  # the message that was not acknowledged comes again
    lab.engine.handle(BrokerUp())
    lab.answer("heartbeat", lab.beat())
    lab.answer("heartbeat", lab.beat())
    assert lab.engine.view.screen is Screen.READY
    lab.hint("cs_1")
    assert len(lab.acks) == 1


def test_a_pulse_whose_end_cannot_be_written_is_not_made_again(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.start()
    lab.hint("cs_1")
    append = lab.journal.append

    def fails_after_the_pulse(*entries: Entry) -> None:
        if entries[0].kind is Kind.PULSE_OVER:
            raise JournalError("the disk is full: make room")
        append(*entries)

    monkeypatch.setattr(lab.journal, "append", fails_after_the_pulse)
    lab.grant("cs_1", 2)
    monkeypatch.undo()
    assert len(lab.relay.edges) == 2
    lab.time += 11
    lab.engine.handle(Tick())
    lab.grant("cs_1", 2)
    lab.run_out()
    assert len(lab.relay.edges) == 4  # the second pulse, and not the first again
    settle = next(c for c in lab.calls if c.name == "settle cs_1")
    assert settle.body["pulsed"] == 1


def test_a_relay_that_fails_in_a_pulse_is_opened_and_the_pulse_is_not_charged(
    lab: Lab,
) -> None:
    lab.start()
    lab.hint("cs_1")
    close = lab.relay.close

    def stuck() -> None:
        close()
        raise RelayError("the relay is stuck: check its wires")

    lab.relay.close = stuck  # type: ignore[method-assign]
    lab.grant("cs_1", 2)
    assert [e.closed for e in lab.relay.edges] == [True, False]
    settle = next(c for c in lab.calls if c.name == "settle cs_1")
    assert settle.body["pulsed"] == 0
    assert lab.engine.view.screen is Screen.OUT_OF_ORDER


def test_without_a_relay_nobody_is_asked_for_money(lab: Lab) -> None:
    lab.relay_error = RelayError("there is no GPIO chip: run on a Raspberry Pi")
    lab.engine.begin()
    lab.engine.handle(BrokerUp())
    assert lab.engine.view.screen is Screen.OUT_OF_ORDER
    assert not [c for c in lab.calls if c.name == "link"]
    lab.relay_error = None
    lab.time += 11
    lab.engine.handle(Tick())
    assert [c for c in lab.calls if c.name == "link"]


def test_a_restart_goes_on_where_the_journal_ends(lab: Lab) -> None:
    lab.start()
    lab.hint("cs_1")
    lab.grant("cs_1", 3)
    assert lab.engine.pulses_made == 1
    lab.engine = lab.new_engine()  # as after a kill: nothing of the old one is used
    lab.engine.begin()
    assert lab.engine.view.screen is Screen.CREDITING
    lab.grant("cs_1", 3)
    lab.run_out()
    assert lab.engine.pulses_made == 2
    settle = next(c for c in reversed(lab.calls) if c.name == "settle cs_1")
    assert (settle.body["pulsed"], settle.body["pulses"]) == (3, 3)


def test_the_thread_ends_when_asked_and_opens_the_relay(lab: Lab) -> None:
    shut: list[bool] = []
    lab.relay.shut_down = lambda: shut.append(True)  # type: ignore[method-assign]
    thread = threading.Thread(target=lab.engine.run)
    thread.start()
    lab.inbox.put(BrokerUp())
    lab.engine.stop()
    thread.join(5)
    assert not thread.is_alive()
    assert shut == [True]
    assert lab.engine.state.broker.ready


def test_views_change_as_things_happen(lab: Lab) -> None:
    lab.start()
    lab.hint("cs_1")
    lab.grant("cs_1", 1)
    lab.answer("settle cs_1", {"order_id": "cs_1", "state": "settled"})
    order = list(dict.fromkeys(lab.views))
    assert order == [Screen.READY, Screen.PAYING, Screen.CREDITING, Screen.PLAYING]


def test_a_call_that_was_not_made_for_a_full_disk_is_made_when_there_is_room(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.start()
    lab.hint("cs_1")
    append = lab.journal.append

    def full_at_the_settle(*entries: Entry) -> None:
        if any(e.kind is Kind.PULSE_OVER for e in entries):
            raise JournalError("the disk is full: make room")
        append(*entries)

    monkeypatch.setattr(lab.journal, "append", full_at_the_settle)
    lab.grant("cs_1", 1)
    assert not [c for c in lab.calls if c.name == "settle cs_1"]
    monkeypatch.undo()
    lab.time += 11
    lab.engine.handle(Tick())
    lab.grant("cs_1", 1)
    assert [c for c in lab.calls if c.name == "settle cs_1"]


def test_the_views_of_a_payment_go_from_paying_to_crediting(lab: Lab) -> None:
    lab.start()
    lab.views.clear()
    seen_by_the_relay: list[Screen] = []
    close = lab.relay.close

    def look_and_close() -> None:
        seen_by_the_relay.append(lab.engine.view.screen)
        close()

    lab.relay.close = look_and_close  # type: ignore[method-assign]
    body = {"machineId": "cab001", "status": "processing"}
    topic = "arcade/machine/cab001/payment"
    lab.engine.handle(MessageArrived(topic, json.dumps(body).encode(), Receipt(1, 1, 1)))
    lab.hint("cs_1")
    claim = next(c for c in lab.calls if c.name == "claim cs_1")
    lab.engine.handle(NotAnswered(claim, "the cloud does not answer"))
    lab.run_out()
    lab.answer("heartbeat", lab.beat())
    lab.grant("cs_1", 3)
    lab.run_out()
    order = [screen for screen, _ in itertools.groupby(lab.views)]
    assert order == [Screen.PAYING, Screen.CREDITING, Screen.PLAYING]
    assert seen_by_the_relay == [Screen.CREDITING] * 3
