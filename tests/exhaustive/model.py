"""Every step that a world may take."""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable
from functools import partial
from typing import Any, NamedTuple

from cloud.core.orders import FINISHED, Order, OrderState
from cloud.core.stamps import to_ms
from cloud.stores.base import WriteResult
from kiosk.core.cabinet.state import State
from kiosk.core.effects import Call, ClaimCall, HeartbeatCall, LinkCall, SettleCall
from kiosk.core.entries import Kind
from kiosk.core.events import (
    Answered,
    BrokerDown,
    BrokerUp,
    Event,
    MessageArrived,
    NotAnswered,
    Receipt,
)
from tests.exhaustive import cabinet as cabinets
from tests.exhaustive.cabinet import (
    MACHINE,
    Acknowledged,
    Cabinet,
    Coin,
    Outcome,
    Reconnected,
    Sent,
    Written,
)
from tests.exhaustive.cloud import (
    CANCELLED,
    GATEWAY_ANSWER,
    MOMENTS,
    SWEEP,
    TOLD,
    NoAnswer,
    Refusal,
    intent_of,
    of_webhook,
    payment_of,
)
from tests.exhaustive.invariants import (
    FORGIVEN_A_DAY,
    Broken,
    check_account,
    check_acknowledged,
    check_arrow,
    check_cancelled,
    check_capture,
    check_entry,
    check_forgiven,
    check_journal,
    check_pulse,
)
from tests.exhaustive.jobs import Jobs
from tests.exhaustive.stripe_account import ask, cancelled, paid
from tests.exhaustive.world import (
    ANSWERED,
    BIT,
    FAULTS,
    REQUEST,
    RUNNING,
    SWEEPING,
    Draft,
    Label,
    Step,
    Table,
    World,
)

_HEARTBEAT = ("cloud", "heartbeat_at")


class _About(NamedTuple):
    """What the steps have to know of a cabinet."""

    runs: bool
    is_idle: bool
    orders_unfinished: bool
    timers: tuple[tuple[str, ...], ...]
    knows: int  # the orders that its journal has, as bits
    to_charge: tuple[int, ...]


class Model:
    """The tables, and the steps of every world over them.

    ``held`` tells of each order whether its money is a hold or was charged at once; ``faults`` are
    those that may happen, each once.
    """

    def __init__(self, held: tuple[bool, ...], faults: frozenset[str] = frozenset(FAULTS)) -> None:
        self._held = held
        self.names = [cabinets.order_name(number) for number in range(len(held))]
        self._index = {name: number for number, name in enumerate(self.names)}
        self._may_happen = 0
        self._allowed = sum(BIT[fault] for fault in faults)
        self._values = Table()
        self._nothing = self._values.number(None, ("None",))
        self._written = self._values.number(WriteResult.WRITTEN)
        self._raced = self._values.number(WriteResult.LOST)
        self._no_answer = self._values.number(NoAnswer())
        self._cabinets = Table()
        self._calls = Table()
        self._heartbeats: set[int] = set()
        self._jobs = Jobs(self._values, self._index)
        self._outcomes: dict[tuple[int, Hashable], list[tuple[Outcome, int]]] = {}
        self._about: dict[int, _About] = {}
        self._memo: dict[Hashable, Any] = {}
        self._sweep_job = self._jobs.job(SWEEP, ())
        self.first = World(
            cabinet=self._cabinet(Cabinet()),
            orders=(self._nothing,) * len(held),
            holds=(self._nothing,) * len(held),
            accounts=tuple(self._values.number(paid(h)) for h in held),
            # What was charged at once is no hold, and its charge says nothing.
            webhooks=(*(1 for _ in held), *(int(h) for h in held), *(0 for _ in held)),
            hints=((0, 0),) * len(held),
            calls=(),
            jobs=(),
            faults=0,
            moment=0,
            coins=(0,) * len(held),
            lost=0,
        )

    # The steps

    def steps(self, world: World, with_faults: bool = True) -> list[Step]:
        """Every step from a world. Those without a fault come first, the most urgent before."""
        found: list[Step] = []
        self._may_happen = self._allowed & ~world.faults if with_faults else 0
        about = self._about_cabinet(world.cabinet)
        if not about.runs:
            self._event(found, world, ("start",), None, ())
        for call in world.calls:
            self._call_steps(found, world, call)
        for job in world.jobs:
            self._job_steps(found, world, job)
        self._stripe_steps(found, world)
        if about.runs:
            for number, (queued, _) in enumerate(world.hints):
                if queued:
                    self._event(found, world, ("hint", number), ("hint", number), ())
        for timer in about.timers:
            self._event(found, world, ("timer", timer), ("timer", timer), ())
        is_sweeping = any(origin == SWEEPING for origin, _ in world.jobs)
        sweep_is_due = self._sweep_is_due(world)
        if sweep_is_due and not is_sweeping:
            self._start_job(found, world, SWEEPING, "")
        if self._time_may_pass(world, about, sweep_is_due):
            self._plain(found, world, ("time", world.moment + 1), "", _time_passes)
        if self._may_happen:
            if sweep_is_due and is_sweeping and self._may("two sweeps"):
                self._start_job(found, world, SWEEPING, "two sweeps")
            self._fault_steps(found, world, about)
        return found

    def is_over(self, world: World) -> bool:
        """Whether everything is delivered and every order has come to its end."""
        # A hint that the cabinet got and did not acknowledge is not delivered.
        if world.jobs or any(world.webhooks) or any(hint != (0, 0) for hint in world.hints):
            return False
        if any(call not in self._heartbeats for call, _, _, _ in world.calls):
            return False
        about = self._about_cabinet(world.cabinet)
        if not about.runs or about.orders_unfinished:
            return False
        return all(
            self._values.values[order].state in FINISHED
            if order != self._nothing
            else self._values.values[account].status == "canceled"  # it needs no order any more
            for order, account in zip(world.orders, world.accounts, strict=True)
        )

    def check_end(self, world: World) -> None:
        """The books must agree once everything is over."""
        about = self._about_cabinet(world.cabinet)
        faults = [fault for fault in FAULTS if world.faults & BIT[fault]]
        for number in range(len(self.names)):
            order: Order | None = self._values.values[world.orders[number]]
            coins = world.coins[number].bit_count()
            if order is None:
                continue  # no pulse is made without a claimed order
            check_account(order, self._values.values[world.accounts[number]], coins)
            if not world.lost & 1 << number:
                check_journal(order, about.to_charge[number], coins, faults)

    def tell(self, label: Label) -> str:
        """A step for people."""
        match label:
            case ("start",):
                return "the kiosk starts"
            case ("heartbeat", answer):
                return f"the cloud answers a heartbeat: {self._jobs.answers.values[answer].body}"
            case ("hint", number):
                return f"the hint of {self.names[number]} arrives"
            case ("timer", timer):
                return f"the cabinet's timer is up: {' '.join(timer)}"
            case ("time", moment):
                return f"time passes to {MOMENTS[moment][0]}"
            case ("answer", call, answer):
                told = self._jobs.answers.values[answer]
                return f"the answer to '{self._call_name(call)}' arrives: {told.status} {told.body}"
            case ("request", call, then):
                return (
                    f"'{self._call_name(call)}' comes to the cloud, which then {self._then(then)}"
                )
            case ("job", origin, question, then):
                who = "the sweep" if origin == SWEEPING else self._webhook_name(origin)
                return f"{who}: {question}; then it {self._then(then)}"
            case ("job of call", call, question, then):
                return (
                    f"the cloud, '{self._call_name(call)}': {question}; then it {self._then(then)}"
                )
            case ("begins", origin, then):
                who = "a sweep" if origin == SWEEPING else self._webhook_name(origin)
                return f"{who} begins, which then {self._then(then)}"
            case ("fault", fault, place):
                return f"FAULT {fault}: {place}" if place else f"FAULT {fault}"
            case ("fault in", fault, place, inner):
                return f"{self.tell(inner)}, FAULT {fault}: {place}"
        return str(label)

    # The cabinet

    def _event(
        self,
        found: list[Step],
        world: World,
        label: Label,
        event: Hashable,
        remove: tuple[int, ...],
    ) -> None:
        """The cabinet handles an event; ``remove`` are the places of calls that are over by it."""
        for outcome, after in self._handled(world.cabinet, event):
            fault = outcome.fault
            if fault and not self._may(fault):
                continue
            draft = Draft(world)
            draft.calls = [c for n, c in enumerate(draft.calls) if n not in remove]
            told = ("fault in", fault, outcome.place, label) if fault else label
            try:
                if label[0] == "hint":
                    queued, got = draft.hints[label[1]]
                    draft.hints[label[1]] = (queued - 1, got + 1)
                self._do(draft, outcome)
            except Broken as broken:
                found.append(Step(told, fault, broken))
                continue
            draft.cabinet = after
            if outcome.cabinet.state is None:
                draft.kiosk_is_gone(self._heartbeats)
            else:
                self._connect(draft)
            if fault:
                draft.faults |= BIT[fault]
            found.append(Step(told, fault, draft.world()))

    def _connect(self, draft: Draft) -> None:
        """The broker is there, and a heartbeat is on its way, whenever the kiosk runs.

        Both may be late by as long as one likes, which is the same as not being there yet.
        """
        for _ in range(2):
            state: State = self._cabinets.values[draft.cabinet].state
            if not state.broker.ready:
                event: Hashable = ("up",)
            elif state.cloud.heartbeat_at == cabinets.LATER and HeartbeatCall.name not in (
                state.cloud.under_way
            ):
                event = ("timer", _HEARTBEAT)
            else:
                return
            outcome, draft.cabinet = self._handled(draft.cabinet, event)[0]
            self._do(draft, outcome)

    def _handled(self, cabinet: int, event: Hashable) -> list[tuple[Outcome, int]]:
        key = (cabinet, event)
        known = self._outcomes.get(key)
        if known is None:
            value = self._cabinets.values[cabinet]
            happened = self._event_of(event)
            if isinstance(event, tuple) and event[0] == "timer":
                value, happened = cabinets.when_up(value, event[1])
            known, seen = [], set()
            for outcome in cabinets.outcomes(value, happened):
                after = self._cabinet(outcome.cabinet)
                same = (outcome.fault, after, len(outcome.operations))
                if same not in seen:
                    seen.add(same)
                    known.append((outcome, after))
            self._outcomes[key] = known
        return known

    def _event_of(self, event: Hashable) -> Event | None:
        match event:
            case ("up",):
                return BrokerUp()
            case ("down",):
                return BrokerDown("the broker is away")
            case ("hint", int(number)):
                payload = {"machineId": MACHINE, "credits": 2, "orderId": self.names[number]}
                topic = f"arcade/machine/{MACHINE}/coinpulse"
                return MessageArrived(topic, json.dumps(payload).encode(), Receipt(number, 1, 1))
            case ("answer", int(call), int(answer)):
                told = self._jobs.answers.values[answer]
                return Answered(self._calls.values[call], told.status, json.loads(told.body))
            case ("no answer", int(call)):
                return NotAnswered(self._calls.values[call], "the cloud does not answer")
        return None

    def _do(self, draft: Draft, outcome: Outcome) -> None:
        """What the cabinet did to the rest of the world, and whether it was allowed to."""
        for operation in outcome.operations:
            match operation:
                case Coin():
                    self._coin(draft, operation)
                case Acknowledged(mid, is_held):
                    order = self._values.values[draft.orders[mid]]
                    check_acknowledged(self.names[mid], order, is_held)
                    queued, got = draft.hints[mid]
                    draft.hints[mid] = (queued, max(0, got - 1))
                case Written(entries):
                    for entry in entries:
                        if entry.order_id:
                            coins = draft.coins[self._index[entry.order_id]].bit_count()
                            check_entry(entry, coins)
                            made = self._about_cabinet(draft.cabinet).to_charge
                            here = made[self._index[entry.order_id]]
                            check_forgiven(entry, here, _before(draft))
                case Reconnected():
                    draft.hints = [(queued + got, 0) for queued, got in draft.hints]
                case Sent(call):
                    if not isinstance(call, LinkCall):
                        number = self._calls.number(call)
                        if isinstance(call, HeartbeatCall):
                            self._heartbeats.add(number)
                        draft.calls.append((number, True, REQUEST, 0))

    def _coin(self, draft: Draft, coin: Coin) -> None:
        number = self._index[coin.order_id]
        state = self._cabinets.values[draft.cabinet].state
        progress = state and state.order_book.unfinished.get(coin.order_id)
        check_pulse(
            self._values.values[draft.orders[number]],
            coin,
            draft.coins[number],
            progress.claim_id if progress else "",
            MOMENTS[draft.moment][1],
        )
        draft.coins[number] |= 1 << coin.number

    def _cabinet(self, value: Cabinet) -> int:
        return self._cabinets.number(value, cabinets.frozen(value))

    def _about_cabinet(self, number: int) -> _About:
        known = self._about.get(number)
        if known is None:
            value: Cabinet = self._cabinets.values[number]
            knows = 0
            to_charge = [0] * len(self.names)
            for entry in value.journal:
                if not entry.order_id:
                    continue
                index = self._index[entry.order_id]
                knows |= 1 << index
                if entry.kind is Kind.PULSE_OVER:
                    to_charge[index] += 1
                elif entry.kind is Kind.FORGIVEN or entry.note == "not in the journal":
                    to_charge[index] = 0
            known = self._about[number] = _About(
                runs=value.state is not None,
                is_idle=not value.pulse_is_due,
                orders_unfinished=value.orders_unfinished,
                timers=tuple(t for t in cabinets.timers(value.state) if t[-1] != "heartbeat_at")
                if value.state
                else (),
                knows=knows,
                to_charge=tuple(to_charge),
            )
        return known

    # The cloud

    def _call_steps(
        self, found: list[Step], world: World, item: tuple[int, bool, int, int]
    ) -> None:
        call, is_awaited, stage, value = item
        place = world.calls.index(item)
        if stage == ANSWERED:
            event = ("answer", call, value)
            self._event(found, world, event, event, (place,))
            return
        if call in self._heartbeats:
            if is_awaited:
                self._heartbeat_steps(found, world, item)
            return
        if stage == REQUEST:
            begun = Draft(world)
            job = self._go_on(begun, self._jobs.of_call(call, self._calls.values[call]))
            self._call_went_on(begun, item, job)
            found.append(Step(("request", call, job), "", begun.world()))
            return
        question = self._jobs.question(value)
        for fault, answer, draft in self._answered(world, question):
            if isinstance(draft, Broken):
                label: Label = ("job of call", call, question[-1], value)
                found.append(Step(label, fault, draft))
                continue
            job = self._go_on(draft, self._jobs.next(value, answer))
            self._call_went_on(draft, item, job)
            label = ("job of call", call, question[-1], job)
            if fault:
                label = ("fault in", fault, "", label)
            found.append(Step(label, fault, draft.world()))

    def _heartbeat_steps(
        self, found: list[Step], world: World, item: tuple[int, bool, int, int]
    ) -> None:
        """The cloud reads all orders at once; an answer that tells the cabinet nothing that it
        does not know is left out, for it changes nothing."""
        draft = Draft(world)
        job = self._jobs.of_call(item[0], self._calls.values[item[0]])
        while (question := self._jobs.question(job))[0] != "ended":
            job = self._jobs.next(job, self._ask(draft, question))
        answer = question[1]
        key = ("news", world.cabinet, answer)
        is_news = self._memo.get(key)
        if is_news is None:
            told = json.loads(self._jobs.answers.values[answer].body)
            book = self._cabinets.values[world.cabinet].state.order_book
            is_news = self._memo[key] = any(
                not book.knows(order["order_id"]) for order in told["orders"]
            ) or any(order["order_id"] not in book.unfinished for order in told["claimed"])
        if is_news:
            draft.calls.remove(item)
            draft.calls.append((item[0], True, ANSWERED, answer))
            found.append(Step(("heartbeat", answer), "", draft.world()))

    def _call_went_on(self, draft: Draft, item: tuple[int, bool, int, int], job: int) -> None:
        call, is_awaited, _, _ = item
        draft.calls.remove(item)
        question = self._jobs.question(job)
        if question[0] != "ended":
            draft.calls.append((call, is_awaited, RUNNING, job))
        elif is_awaited:
            draft.calls.append((call, True, ANSWERED, question[1]))

    def _job_steps(self, found: list[Step], world: World, item: tuple[int, int]) -> None:
        origin, job = item
        question = self._jobs.question(job)
        for fault, answer, draft in self._answered(world, question):
            if isinstance(draft, Broken):
                found.append(Step(("job", origin, question[-1], job), fault, draft))
                continue
            after = self._go_on(draft, self._jobs.next(job, answer))
            draft.jobs.remove(item)
            self._job_went_on(draft, origin, after)
            label: Label = ("job", origin, question[-1], after)
            if fault:
                label = ("fault in", fault, "", label)
            found.append(Step(label, fault, draft.world()))

    def _job_went_on(self, draft: Draft, origin: int, job: int) -> None:
        question = self._jobs.question(job)
        if question[0] != "ended":
            draft.jobs.append((origin, job))
        elif origin != SWEEPING and self._jobs.answers.values[question[1]].status != 200:
            draft.webhooks[origin] += 1

    def _start_job(self, found: list[Step], world: World, origin: int, fault: str) -> None:
        draft = Draft(world)
        job = self._sweep_job
        if origin != SWEEPING:
            kind, number = divmod(origin, len(self.names))
            now = MOMENTS[world.moment][1]
            start = of_webhook(kind, self.names[number], self._held[number], now)
            job = self._jobs.job(start, ())
            draft.webhooks[origin] -= 1
        job = self._go_on(draft, job)
        self._job_went_on(draft, origin, job)
        label: Label = ("begins", origin, job)
        if fault:
            draft.faults |= BIT[fault]
            label = ("fault in", fault, "", label)
        found.append(Step(label, fault, draft.world()))

    def _stripe_steps(self, found: list[Step], world: World) -> None:
        for number, waiting in enumerate(world.webhooks):
            if waiting:
                self._start_job(found, world, number, "")

    def _go_on(self, draft: Draft, job: int) -> int:
        """Runs a job up to its next question that others may come before."""
        is_first = self._jobs.is_new(job)
        while True:
            question = self._jobs.question(job)
            if question[0] == "ended":
                return job
            # When a job begins is open, so nothing is missed if its first read is at once.
            is_read = question[0] in ("order", "hold")
            if not question[1] and not (is_first and is_read):
                return job
            if is_read:
                is_first = False
            job = self._jobs.next(job, self._ask(draft, question))

    def _answered(
        self, world: World, question: tuple[Any, ...]
    ) -> list[tuple[str, int, Draft | Broken]]:
        """The answers that a question may get, each with the world after it."""
        found: list[tuple[str, int, Draft | Broken]] = []
        draft = Draft(world)
        try:
            found.append(("", self._ask(draft, question), draft))
        except Broken as broken:
            found.append(("", 0, broken))
        if question[0] in ("capture", "cancel", "refund", "intent"):
            if self._may("Stripe away"):
                draft = Draft(world)
                draft.faults |= BIT["Stripe away"]
                found.append(("Stripe away", self._no_answer, draft))
            if question[0] != "intent" and self._may("Stripe's answer lost"):
                draft = Draft(world)
                draft.faults |= BIT["Stripe's answer lost"]
                try:
                    self._ask(draft, question)
                except Broken as broken:
                    found.append(("Stripe's answer lost", 0, broken))
                else:
                    found.append(("Stripe's answer lost", self._no_answer, draft))
        return found

    def _ask(self, draft: Draft, question: tuple[Any, ...]) -> int:
        """Answers a question, with its effect; returns the answer's number."""
        name = question[0]
        if name == "now":
            return self._values.number(MOMENTS[draft.moment][1])
        if name == "due":
            return self._memoised(("due", tuple(draft.orders), question[2]), self._due)
        if name == "forgiven":
            return self._memoised(("forgiven", tuple(draft.orders), _before(draft)), self._forgiven)
        if name == "unfinished":
            return self._memoised(("unfinished", tuple(draft.orders)), self._unfinished)
        index = question[2]
        if name == "order":
            return int(draft.orders[index])
        if name == "hold":
            return int(draft.holds[index])
        if name == "keep":
            if draft.holds[index] != self._nothing:
                return self._raced
            draft.holds[index] = question[3]
            return self._written
        if name == "insert":
            if draft.orders[index] != self._nothing:
                return self._raced
            draft.orders[index] = question[3]
            return self._written
        if name == "replace":
            return self._replace(draft, index, question[3], question[4])
        if name in ("payment", "intent"):
            return self._memoised((name, draft.accounts[index], index), self._asked_stripe)
        if name == "publish":
            if index >= 0:
                queued, got = draft.hints[index]
                draft.hints[index] = (max(queued, 1), got)
            return self._nothing
        key = (name, draft.accounts[index], question[3], question[4])
        known = self._memo.get(key)
        if known is None:
            account, refusal = ask(
                self._values.values[draft.accounts[index]], name, question[3], question[4]
            )
            answer = self._values.number(Refusal(refusal)) if refusal else self._nothing
            known = self._memo[key] = (self._values.number(account), answer)
        draft.accounts[index] = known[0]
        account = self._values.values[known[0]]
        check_capture(self.names[index], account, draft.coins[index].bit_count())
        return int(known[1])

    def _memoised(self, key: tuple[Any, ...], make: Callable[..., Any]) -> int:
        known = self._memo.get(key)
        if known is None:
            known = self._memo[key] = self._values.number(
                make(*key[1:]) if key[0] in ("due", "unfinished", "forgiven") else make(*key)
            )
        return int(known)

    def _due(self, orders: tuple[int, ...], now_ms: int) -> tuple[str, ...]:
        stored = [self._values.values[n] for n in orders if n != self._nothing]
        due = [o for o in stored if o.due_at_ms is not None and o.due_at_ms <= now_ms]
        return tuple(o.order_id for o in sorted(due, key=lambda o: (o.due_at_ms, o.order_id)))

    def _unfinished(self, orders: tuple[int, ...]) -> tuple[str, ...]:
        stored = [self._values.values[n] for n in orders if n != self._nothing]
        return tuple(o.order_id for o in stored if o.state not in FINISHED)

    def _forgiven(self, orders: tuple[int, ...], before: int) -> int:
        """What was forgiven at the cabinet today, by the settles that the ledger has."""
        stored = [self._values.values[n] for n in orders if n != self._nothing]
        return before + sum(int(o.forgiven) for o in stored)

    def _asked_stripe(self, name: str, account: int, index: int) -> Any:
        make = payment_of if name == "payment" else intent_of
        return make(self.names[index], self._values.values[account])

    def _replace(self, draft: Draft, index: int, old: int, new: int) -> int:
        """The ledger's conditional write."""
        was, expected, becomes = (self._values.values[n] for n in (draft.orders[index], old, new))
        if was is None or (was.version, was.state) != (expected.version, expected.state):
            return self._raced
        check_arrow(was, becomes)
        check_cancelled(becomes, self._knows_cancelled(draft, index))
        draft.orders[index] = new
        return self._written

    def _knows_cancelled(self, draft: Draft, index: int) -> bool:
        """Whether the cloud has answered the event of a cancelled hold."""
        if not draft.faults & BIT["hold cancelled by hand"]:
            return False
        place = CANCELLED * len(self.names) + index
        is_told = not draft.webhooks[place] and all(origin != place for origin, _ in draft.jobs)
        return is_told and self._values.values[draft.accounts[index]].status == "canceled"

    def _sweep_is_due(self, world: World) -> bool:
        """Whether a sweep has more to do than to say again what is under way."""
        now_ms = to_ms(MOMENTS[world.moment][1])
        for index, number in enumerate(world.orders):
            order: Order | None = self._values.values[number]
            if order is None or order.due_at_ms is None or order.due_at_ms > now_ms:
                continue
            if order.state is OrderState.OPEN and now_ms < order.deadline_ms:
                known = self._about_cabinet(world.cabinet).knows & 1 << index
                if known or world.hints[index] != (0, 0):
                    continue
            return True
        return False

    # Faults and time

    def _may(self, fault: str) -> bool:
        return bool(self._may_happen & BIT[fault])

    def _plain(
        self,
        found: list[Step],
        world: World,
        label: Label,
        fault: str,
        change: Callable[[Draft], None],
    ) -> None:
        draft = Draft(world)
        change(draft)
        if fault:
            draft.faults |= BIT[fault]
        found.append(Step(label, fault, draft.world()))

    def _time_may_pass(self, world: World, about: _About, sweep_is_due: bool) -> bool:
        """Anything may be under way while the deadline passes. Longer times pass only if nothing
        is that takes seconds: a call ends, a pulse follows the one before, a sweep comes."""
        if world.moment == len(MOMENTS) - 1:
            return False
        if world.moment == 0:
            return True
        waits = any(
            is_awaited and call not in self._heartbeats for call, is_awaited, _, _ in world.calls
        )
        return about.is_idle and not waits and not world.jobs and not sweep_is_due

    def _fault_steps(self, found: list[Step], world: World, about: _About) -> None:
        plain = partial(self._plain, found, world)
        if about.runs:
            for fault in ("power cut", "process killed"):
                if self._may(fault):
                    stop = partial(self._stop, fault=fault)
                    plain(("fault", fault, "between two events"), fault, stop)
            if self._may("broker connection lost"):
                self._lose_connection(found, world)
        else:
            if self._may("journal lost") and about.knows:
                lose = partial(self._lose_journal, orders=about.knows)
                plain(("fault", "journal lost", ""), "journal lost", lose)
            if self._may("day's limit reached") and world.faults & BIT["power cut"]:
                limit = "day's limit reached"
                plain(("fault", limit, "by another order"), limit, lambda _draft: None)
        for number, (queued, _) in enumerate(world.hints):
            if queued and self._may("hint lost"):
                fewer = partial(_hints, number=number, more=-1)
                plain(("fault", "hint lost", self.names[number]), "hint lost", fewer)
            if queued == 1 and self._may("hint twice"):
                more = partial(_hints, number=number, more=1)
                plain(("fault", "hint twice", self.names[number]), "hint twice", more)
        for number, waiting in enumerate(world.webhooks):
            if waiting == 1 and self._may("webhook twice"):
                twice = partial(_webhook_again, number=number)
                plain(
                    ("fault", "webhook twice", self._webhook_name(number)), "webhook twice", twice
                )
        if world.moment == 0 and self._may("hold cancelled by hand"):
            for number, account in enumerate(world.accounts):
                # Before its order is stored, where the events race. After it the order's own state
                # decides, and after the claim the settle, as where a hold has run out.
                is_before = world.orders[number] == self._nothing
                if is_before and self._values.values[account].status == "requires_capture":
                    gone = partial(self._cancel_by_hand, number=number)
                    label = ("fault", "hold cancelled by hand", self.names[number])
                    plain(label, "hold cancelled by hand", gone)
        self._call_faults(found, world)
        if self._may("Lambda dies"):
            for item in world.jobs:
                die = partial(_job_dies, item=item)
                before = self._jobs.question(item[1])[-1]
                plain(("fault", "Lambda dies", f"before it {before}"), "Lambda dies", die)

    def _stop(self, draft: Draft, fault: str) -> None:
        key = (fault, draft.cabinet)
        known = self._memo.get(key)
        if known is None:
            value = cabinets.stopped(self._cabinets.values[draft.cabinet], fault == "power cut")
            known = self._memo[key] = self._cabinet(value)
        draft.cabinet = known
        draft.kiosk_is_gone(self._heartbeats)

    def _cancel_by_hand(self, draft: Draft, number: int) -> None:
        account = cancelled(self._values.values[draft.accounts[number]])
        draft.accounts[number] = self._values.number(account)
        draft.webhooks[CANCELLED * len(self.names) + number] += 1

    def _lose_journal(self, draft: Draft, orders: int) -> None:
        value: Cabinet = self._cabinets.values[draft.cabinet]
        draft.cabinet = self._cabinet(Cabinet(life=value.life))
        draft.lost |= orders

    def _call_faults(self, found: list[Step], world: World) -> None:
        for place, (call, is_awaited, stage, value) in enumerate(world.calls):
            if call in self._heartbeats:
                continue
            name = self._call_name(call)
            ended = ("no answer", call)
            if stage == REQUEST and is_awaited and self._may("request lost"):
                self._fault_event(found, world, "request lost", name, ended, place, None)
            if is_awaited and self._may("answer too late"):
                late = None if stage == ANSWERED else (call, False, stage, value)
                self._fault_event(found, world, "answer too late", name, ended, place, late)
            if is_awaited and self._may("gateway answers"):
                # Instead of the cloud, or in the place of its answer.
                late = (call, False, stage, value) if stage == RUNNING else None
                not_found = self._jobs.answers.number(GATEWAY_ANSWER)
                answer = ("answer", call, not_found)
                self._fault_event(found, world, "gateway answers", name, answer, place, late)
            if stage == REQUEST and is_awaited and self._may("request twice"):
                copy = partial(_call_again, item=(call, False, REQUEST, 0))
                self._plain(found, world, ("fault", "request twice", name), "request twice", copy)
            if stage == RUNNING and self._may("Lambda dies"):
                before = f"'{name}', before it {self._jobs.question(value)[-1]}"
                if is_awaited:
                    self._fault_event(found, world, "Lambda dies", before, ended, place, None)
                else:
                    gone = partial(_call_dies, place=place)
                    self._plain(found, world, ("fault", "Lambda dies", before), "Lambda dies", gone)

    def _fault_event(
        self,
        found: list[Step],
        world: World,
        fault: str,
        place: str,
        event: Hashable,
        remove: int,
        instead: tuple[int, bool, int, int] | None,
    ) -> None:
        """A fault that the cabinet gets to know as an event."""
        draft = Draft(world)
        draft.faults |= BIT[fault]
        draft.calls.pop(remove)
        if instead:
            draft.calls.append(instead)
        between = draft.world()
        steps: list[Step] = []
        self._event(steps, between, ("fault", fault, place), event, ())
        found.extend(step._replace(fault=fault) for step in steps)

    def _lose_connection(self, found: list[Step], world: World) -> None:
        draft = Draft(world)
        draft.faults |= BIT["broker connection lost"]
        draft.hints = [(queued + got, 0) for queued, got in draft.hints]
        label = ("fault", "broker connection lost", "")
        steps: list[Step] = []
        self._event(steps, draft.world(), label, ("down",), ())
        found.extend(step._replace(fault="broker connection lost") for step in steps)

    # Names

    def _call_name(self, call: int) -> str:
        value: Call = self._calls.values[call]
        if isinstance(value, ClaimCall):
            return f"claim {value.order_id} as {value.claim_id}"
        if isinstance(value, SettleCall):
            return f"settle {value.order_id} with {value.pulsed}"
        return value.name

    def _webhook_name(self, place: int) -> str:
        kind, number = divmod(place, len(self.names))
        return f"the webhook of the {TOLD[kind]} of {self.names[number]}"

    def _then(self, job: int) -> str:
        question = self._jobs.question(job)
        if question[0] == "ended":
            return f"answers {self._jobs.answers.values[question[1]].status}"
        return f"is about to: {question[-1]}"


def _before(draft: Draft) -> int:
    """What other orders of the day were forgiven: one pulse less than the limit, or all of it."""
    is_reached = draft.faults & BIT["day's limit reached"]
    return FORGIVEN_A_DAY - (0 if is_reached else 1)


def _time_passes(draft: Draft) -> None:
    draft.moment += 1


def _hints(draft: Draft, number: int, more: int) -> None:
    queued, got = draft.hints[number]
    draft.hints[number] = (queued + more, got)


def _webhook_again(draft: Draft, number: int) -> None:
    draft.webhooks[number] += 1


def _job_dies(draft: Draft, item: tuple[int, int]) -> None:
    draft.jobs.remove(item)
    if item[0] != SWEEPING:
        draft.webhooks[item[0]] += 1


def _call_again(draft: Draft, item: tuple[int, bool, int, int]) -> None:
    draft.calls.append(item)


def _call_dies(draft: Draft, place: int) -> None:
    draft.calls.pop(place)
