"""Virtual time, and the faults that a seed chooses."""

from __future__ import annotations

import heapq
import itertools
import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass


def void(_value: object) -> None:
    """Drops a value where a function must return none."""


class PowerCut(BaseException):
    """A machine stops here. Not an ``Exception``: no handler may go on after it."""


@dataclass(frozen=True)
class Struck:
    """One fault that happened: the ``number``-th chance of its ``kind``, at ``at`` seconds."""

    kind: str
    number: int
    at: float


class Faults:
    """Decides at each chance whether a fault strikes.

    Each kind has its own stream of random numbers, and each chance draws once, so that leaving one
    fault out (``only``) changes as little of the rest as can be.
    """

    def __init__(
        self,
        seed: int,
        rates: Mapping[str, float],
        only: frozenset[tuple[str, int]] | None = None,
    ) -> None:
        self._seed = seed
        self._rates = rates
        self._only = only
        self._streams: dict[str, random.Random] = {}
        self._chances: Counter[str] = Counter()
        self.now: Callable[[], float] = lambda: 0.0
        self.healed = False
        self.struck: list[Struck] = []

    def strike(self, kind: str) -> bool:
        """Whether the fault happens at this chance."""
        rate = self._rates.get(kind, 0.0)
        if self.healed or not rate:
            return False
        stream = self._streams.get(kind)
        if stream is None:
            stream = self._streams[kind] = random.Random(f"{self._seed}:{kind}")
        number = self._chances[kind]
        self._chances[kind] += 1
        if stream.random() >= rate:
            return False
        if self._only is not None and (kind, number) not in self._only:
            return False
        self.struck.append(Struck(kind, number, self.now()))
        return True

    def size(self, kind: str, low: float, high: float) -> float:
        """How long the fault that struck last takes; short ones are likelier."""
        number = self._chances[kind]
        share = random.Random(f"{self._seed}:{kind}:{number}").random()
        return low * float((high / low) ** share)


@dataclass(slots=True)
class _Due:
    at: float
    what: Callable[[], None]
    in_cloud: bool
    idle: bool
    done: bool = False


class World:
    """What happens when.

    ``in_cloud`` marks what may also happen in the middle of something else that the cloud does, as
    two Lambdas at work do. ``idle`` marks what comes again and again for ever, or need not be
    waited for: the world is quiet when nothing else is due.
    """

    def __init__(self, faults: Faults) -> None:
        self.now = 0.0
        self.faults = faults
        faults.now = lambda: self.now
        self._heap: list[tuple[float, int, _Due]] = []
        self._numbers = itertools.count()
        self._not_idle = 0
        self.trace: list[str] = []
        self.steps = 0

    @property
    def quiet(self) -> bool:
        """Whether nothing is due that could still change anything."""
        return not self._not_idle

    def at(
        self,
        delay: float,
        what: Callable[[], None],
        in_cloud: bool = False,
        idle: bool = False,
    ) -> None:
        """Does ``what`` in ``delay`` seconds."""
        due = _Due(self.now + delay, what, in_cloud, idle)
        self._not_idle += not idle
        heapq.heappush(self._heap, (due.at, next(self._numbers), due))

    def note(self, text: str) -> None:
        """A line for the trace of a run that breaks."""
        self.trace.append(f"{self.now:10.3f}  {text}")

    def run(self, until: float) -> None:
        """Lets everything happen that is due before ``until``."""
        heap = self._heap
        while heap and heap[0][0] <= until:
            at, _, due = heapq.heappop(heap)
            if due.done:
                continue
            self.now = max(self.now, at)
            self.steps += 1
            self._do(due)
        self.now = max(self.now, until)

    def interleave(self) -> None:
        """Does what the cloud would do next right now, in the middle of what it does."""
        for _, _, due in heapq.nsmallest(6, self._heap):
            if due.in_cloud and not due.done and due.at < self.now + 3.0:
                self._do(due)
                return

    def _do(self, due: _Due) -> None:
        due.done = True
        self._not_idle -= not due.idle
        due.what()
