"""The cabinet's book: what each order has come to here, as the fold of the journal's lines.

            CLAIM            CLAIMED              SETTLE            SETTLED
   (hint) ────────▶ CLAIMING ────────▶ PULSING ────────▶ SETTLING ────────▶ done
                       │ REFUSED                             ▲
                       └─────────▶ done          PULSE_BEGINS 1, PULSE_OVER 1, PULSE_BEGINS 2, …
                                                 FORGIVEN, if the power was lost in between

Rules:

1. Pulses are numbered from 1 and begin in order, each once. A pulse that began is never begun
   again, whether its end is in the book or not: without it, it is ambiguous.
2. The book is folded line by line while the kiosk runs, and the same way after a restart, so a
   restart can't know better or worse.
3. An order that is done may be claimed again: a late hint comes when only the latest finished ones
   are remembered. The cloud refuses a second claim id, so that life of it ends without a pulse.
4. Pulses that the game forgot with the power are forgiven: they are not charged, and those that
   would make only a part of a credit are not made any more.
5. A line that does not fit the lines before it raises :class:`BadLine`: such a book is not used.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum

from kiosk.core.entries import Entry, Kind

REMEMBERED = 200  # finished orders whose late hints are known for what they are


class BadLine(Exception):
    """The book cannot be what this kiosk wrote."""


class Stage(Enum):
    """How far an order is in this cabinet."""

    CLAIMING = "claiming"
    PULSING = "pulsing"
    SETTLING = "settling"


@dataclass(frozen=True)
class Job:
    """An order that this cabinet is not done with.

    ``begun`` pulses began, ``made`` of them are known to be over; ``lost_begun`` and ``lost_made``
    of these the game forgot when the power was lost. ``pulsed`` is what the settle says.
    """

    order_id: str
    claim_id: str
    stage: Stage = Stage.CLAIMING
    credits: int = 0
    pulses: int = 0
    begun: int = 0
    made: int = 0
    lost_begun: int = 0
    lost_made: int = 0
    pulsed: int = 0

    @property
    def ambiguous(self) -> int:
        """Pulses that began and whose end is not in the book."""
        return self.begun - self.made - (self.lost_begun - self.lost_made)

    @property
    def last(self) -> int:
        """The number of the last pulse to make: with it, whole credits were given."""
        each = self.pulses // self.credits if self.credits else 1
        return self.lost_begun + (self.pulses - self.lost_begun) // each * each


@dataclass(frozen=True)
class Till:
    """The whole book: orders under way, oldest first, and what the game still owes the player.

    ``done`` orders were settled here, ``refused`` ones were the cloud's no.
    """

    jobs: Mapping[str, Job] = field(default_factory=dict)
    done: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    credits_left: int = 0

    def knows(self, order_id: str) -> bool:
        """Whether a hint for this order is no news."""
        return order_id in self.jobs or order_id in self.done or order_id in self.refused


def fold(entries: Iterable[Entry]) -> Till:
    """The book that these lines make."""
    till = Till()
    for entry in entries:
        till = apply(till, entry)
    return till


def apply(till: Till, entry: Entry) -> Till:
    """The book with one more line."""
    match entry.kind:
        case Kind.CREDITS_LEFT:
            return replace(till, credits_left=entry.number)
        case Kind.CLAIM:
            if entry.order_id in till.jobs:
                raise BadLine(f"order {entry.order_id} is claimed twice")
            return _with(till, Job(entry.order_id, entry.claim_id))
    job = till.jobs.get(entry.order_id)
    if job is None:
        raise BadLine(f"'{entry.kind.value}' for order {entry.order_id}, which was never claimed")
    match entry.kind, job.stage:
        case Kind.CLAIMED, Stage.CLAIMING if entry.credits > 0 and entry.pulses > 0:
            return _with(
                till,
                replace(job, stage=Stage.PULSING, credits=entry.credits, pulses=entry.pulses),
            )
        case Kind.REFUSED, Stage.CLAIMING:
            till = _without(till, job)
            return replace(till, refused=(*till.refused, job.order_id)[-REMEMBERED:])
        case Kind.PULSE_BEGINS, Stage.PULSING if entry.number == job.begun + 1 <= job.last:
            return _with(till, replace(job, begun=entry.number))
        case Kind.PULSE_OVER, Stage.PULSING if entry.number == job.begun and _is_open(job, entry):
            till = _with(till, replace(job, made=job.made + 1))
            each = job.pulses // job.credits
            gained = 1 if (entry.number - job.lost_begun) % each == 0 else 0
            return replace(till, credits_left=till.credits_left + gained)
        case Kind.FORGIVEN, Stage.PULSING if entry.number == job.begun:
            return _with(till, replace(job, lost_begun=job.begun, lost_made=job.made))
        case Kind.SETTLE, Stage.PULSING if 0 <= entry.number <= job.begun - job.lost_begun:
            return _with(till, replace(job, stage=Stage.SETTLING, pulsed=entry.number))
        case Kind.SETTLED, Stage.SETTLING:
            till = _without(till, job)
            return replace(till, done=(*till.done, job.order_id)[-REMEMBERED:])
    raise BadLine(
        f"'{entry.kind.value}' number {entry.number} does not follow for order {entry.order_id}, "
        f"which is {job.stage.value} with {job.begun} of {job.pulses} pulses begun"
    )


def _is_open(job: Job, entry: Entry) -> bool:
    # The last pulse ends once: after that as many are over as may be, given the ambiguous ones.
    return job.made < entry.number


def _with(till: Till, job: Job) -> Till:
    return replace(till, jobs={**till.jobs, job.order_id: job})


def _without(till: Till, job: Job) -> Till:
    left = {key: value for key, value in till.jobs.items() if key != job.order_id}
    return replace(till, jobs=left)
