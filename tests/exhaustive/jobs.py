"""The cloud's jobs by their numbers: what each asks next, and which it becomes by an answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from kiosk.core.effects import Call
from tests.exhaustive.cloud import Answer, Question, Runner, Start, of_call
from tests.exhaustive.world import Table


class Jobs:
    """Runs each job only once up to each of its questions. ``values`` has the answers to these,
    ``answers`` what jobs ended with; ``index`` are the numbers of the orders."""

    def __init__(self, values: Table, index: Mapping[str, int]) -> None:
        self.answers = Table()
        self._values = values
        self._index = index
        self._runner = Runner()
        self._jobs = Table()
        self._questions: dict[int, tuple[Any, ...]] = {}
        self._went_on: dict[tuple[int, int], int] = {}
        self._of_calls: dict[int, int] = {}

    def is_new(self, job: int) -> bool:
        """Whether it has asked nothing yet."""
        return not self._jobs.values[job][1]

    def job(self, start: Start, answers: tuple[int, ...]) -> int:
        """The job that was begun by ``start`` and has had these answers."""
        return self._jobs.number((start, answers))

    def of_call(self, number: int, call: Call) -> int:
        """The job that a cabinet's call begins; ``number`` is the call's."""
        known = self._of_calls.get(number)
        if known is None:
            known = self._of_calls[number] = self.job(of_call(call), ())
        return known

    def next(self, job: int, answer: int) -> int:
        """The job after one more answer."""
        known = self._went_on.get((job, answer))
        if known is None:
            start, answers = self._jobs.values[job]
            known = self._went_on[job, answer] = self.job(start, (*answers, answer))
        return known

    def question(self, job: int) -> tuple[Any, ...]:
        """A job's next question: its name, what it is about, and at the end its text.

        ``ended`` if it has none, with the number of the answer.
        """
        known = self._questions.get(job)
        if known is None:
            start, answers = self._jobs.values[job]
            asked = self._runner.run(start, tuple(self._values.values[a] for a in answers))
            known = self._questions[job] = self._read(asked)
        return known

    def _read(self, asked: Question | Answer) -> tuple[Any, ...]:
        if isinstance(asked, Answer):
            return "ended", self.answers.number(asked), "ends"
        name, arguments = asked.name, asked.arguments
        at_once = asked.is_at_once
        match name:
            case "order":
                return name, at_once, self._index[arguments[0]], f"reads {arguments[0]}"
            case "insert":
                order = arguments[0]
                index = self._index[order.order_id]
                return name, False, index, self._values.number(order), f"stores {order.order_id}"
            case "keep":
                hold = arguments[0]
                index = self._index[hold.intent_id]
                told = "cancelled" if hold.cancelled else "there"
                text = f"keeps that the hold of {hold.intent_id} is {told}"
                return name, False, index, self._values.number(hold), text
            case "hold":
                return name, False, self._index[arguments[0]], f"reads the hold of {arguments[0]}"
            case "replace":
                old, new = arguments
                index = self._index[old.order_id]
                told = f"{old.order_id} {old.state.value} → {new.state.value}"
                numbers = self._values.number(old), self._values.number(new)
                return name, False, index, *numbers, told
            case "payment" | "intent":
                return name, at_once, self._index[arguments[0]], f"asks Stripe for {arguments[0]}"
            case "capture" | "cancel" | "refund":
                index, amount, key = self._index[arguments[0]], arguments[1], arguments[2]
                return name, False, index, amount, key, f"{name} {amount} of {arguments[0]}"
            case "publish":
                topic, payload = arguments
                if not topic.endswith("coinpulse"):
                    return name, True, -1, topic
                order_id = json.loads(payload)["orderId"]
                return name, True, self._index[order_id], f"publishes a hint of {order_id}"
        return name, at_once, *arguments, name
