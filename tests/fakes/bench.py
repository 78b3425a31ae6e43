"""A cabinet's rules on a bench: no threads, a clock that only tests move, a journal in a list."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from kiosk.core import screens
from kiosk.core.cabinet.advance import advance
from kiosk.core.cabinet.drive import next_due
from kiosk.core.cabinet.rules import Rules
from kiosk.core.cabinet.state import State
from kiosk.core.cabinet.step import Context
from kiosk.core.effects import (
    Acknowledge,
    Announce,
    Append,
    Call,
    ClaimCall,
    Effect,
    Pulse,
    Report,
)
from kiosk.core.entries import Entry
from kiosk.core.events import (
    Answered,
    BrokerUp,
    Event,
    JournalOpened,
    MessageArrived,
    NotAnswered,
    PulseMade,
    Receipt,
    RelayReady,
    Tick,
)
from kiosk.core.view import View

OFFER: dict[str, Any] = {
    "url": "https://buy.example/plink_1",
    "price_id": "price_1",
    "amount": 100,
    "currency": "USD",
    "decimals": 2,
    "quantity": 1,
    "most": 10,
    "bonuses": [{"quantity": 5, "credits": 6}],
}


class Bench:
    """Feeds events and keeps the effects; pulses are made as soon as they are asked for."""

    def __init__(self, jitter: float = 0.0, **rules: Any) -> None:
        self.jitter = jitter
        self.rules = Rules("cab001", version="1", **rules)
        self.now = 1000.0
        self.state = State(started_at=self.now)
        self.effects: list[Effect] = []
        self.views: list[View] = []  # after each event
        self.entries: list[Entry] = []
        self.mid = 0
        self.count = 0
        self.makes_pulses = True

    def feed(self, event: Event) -> list[Effect]:
        """One event; returns the effects that it and the pulses it caused had."""
        self.count += 1
        context = Context(self.now, f"new-id-{self.count}", self.jitter)
        self.state, made = advance(self.state, event, context, self.rules)
        self.views.append(self.view)
        done = list(made)
        self.effects += made
        for effect in made:
            if isinstance(effect, Append):
                self.entries.append(effect.entry)
            if isinstance(effect, Pulse) and self.makes_pulses:
                done += self.feed(PulseMade(effect.order_id, effect.number))
        return done

    def start(self, *entries: Entry, power_was_lost: bool = False) -> None:
        """Relay, journal, broker, link and heartbeat are there and well."""
        self.entries = list(entries)
        self.feed(RelayReady())
        self.feed(JournalOpened(entries, power_was_lost))
        self.feed(BrokerUp())
        self.answer("link", OFFER)
        self.answer("heartbeat", self.beat())

    def beat(
        self, *order_ids: str, state: str = "active", claimed: Sequence[object] = ()
    ) -> dict[str, Any]:
        """The body of a heartbeat's answer."""
        orders = [{"order_id": o, "credits": 1, "expires_at": "x"} for o in order_ids]
        return {
            "time": "t",
            "link": {"state": state, "url": OFFER["url"]},
            "orders": orders,
            "claimed": list(claimed),
        }

    def message(
        self, kind: str, body: object, raw: bytes | None = None, retained: bool = False
    ) -> list[Effect]:
        """A message on one of the cabinet's topics."""
        self.mid += 1
        payload = json.dumps(body).encode() if raw is None else raw
        topic = f"arcade/machine/cab001/{kind}"
        return self.feed(MessageArrived(topic, payload, Receipt(self.mid, 1, 1), retained))

    def hint(self, order_id: str, credits: int = 1) -> list[Effect]:
        """The cloud's hint that an order is open."""
        return self.message(
            "coinpulse",
            {
                "machineId": "cab001",
                "credits": credits,
                "timestamp": "2026-01-01T00:00:00.000Z",
                "orderId": order_id,
                "expiresAt": "2026-01-01T00:02:00.000Z",
            },
        )

    def call(self, name: str) -> Call:
        """The last call of that name (``claim cs_1``) that was made and not answered yet."""
        return self.state.cloud.under_way[name]

    def answer(self, name: str, body: Mapping[str, object], status: int = 200) -> list[Effect]:
        """The cloud answers."""
        return self.feed(Answered(self.call(name), status, body))

    def no_answer(self, name: str, reason: str = "no route to the cloud") -> list[Effect]:
        """The cloud does not answer."""
        return self.feed(NotAnswered(self.call(name), reason))

    def grant(
        self, order_id: str, credits: int = 1, age: float = 0.0, state: str = "claimed"
    ) -> list[Effect]:
        """The cloud says yes to a claim."""
        call = self.call(f"claim {order_id}")
        assert isinstance(call, ClaimCall)
        body = {
            "order_id": order_id,
            "claim_id": call.claim_id,
            "credits": credits,
            "state": state,
            "age_seconds": age,
        }
        return self.feed(Answered(call, 200, body))

    def settled(self, order_id: str) -> list[Effect]:
        """The cloud takes a settle."""
        body = {"order_id": order_id, "state": "settled", "charged": 100}
        return self.answer(f"settle {order_id}", body)

    def wait(self, seconds: float) -> list[Effect]:
        """Time passes, and every tick that falls due on the way is given."""
        end, ticks = self.now + seconds, 0
        done: list[Effect] = []
        while True:
            due = max(next_due(self.state, self.now, self.rules), self.now)
            if due > end:
                self.now = end
                return done
            self.now = due
            done += self.feed(Tick())
            ticks += 1
            assert ticks < 5000, f"the clock stands still: {self.state}"

    @property
    def view(self) -> View:
        """What the screen shows."""
        return screens.view(self.state, self.now, self.rules)

    @property
    def pulses(self) -> list[tuple[str, int]]:
        """The pulses that were made."""
        return [(e.order_id, e.number) for e in self.effects if isinstance(e, Pulse)]

    def calls(self, prefix: str) -> list[Call]:
        """Every call whose name begins so, whether answered or not."""
        return [e for e in self.effects if isinstance(e, Call) and e.name.startswith(prefix)]

    @property
    def acks(self) -> list[int]:
        """The messages that were acknowledged."""
        found = [e.receipt for e in self.effects if isinstance(e, Acknowledge)]
        return [receipt.mid for receipt in found if isinstance(receipt, Receipt)]

    @property
    def reports(self) -> str:
        """What the operator was told."""
        return "\n".join(e.text for e in self.effects if isinstance(e, Report))

    @property
    def announced(self) -> list[str]:
        """The retained statuses."""
        return [e.status for e in self.effects if isinstance(e, Announce)]
