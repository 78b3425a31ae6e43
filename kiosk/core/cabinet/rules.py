"""The cabinet: what it does about everything that happens to it.

One pure function, :func:`advance`, takes the state and an event and returns the next state and the
effects, in the order in which they are to be done. It opens with its rules:

1. **Money.** A hint makes a claim, a granted claim makes pulses, pulses make a settle. Each step is
   a line in the journal before it is a deed (``Append`` stands before ``Pulse``, ``Call`` and
   ``Acknowledge``), and each is done again after a crash unless the book says that it was done.
2. **Handlers remember, the drive acts.** What an event brings changes the state; then
   :func:`_drive` looks at the state and starts whatever should be under way and is not. A restart
   is no special case: the book is folded, and the drive goes on.
3. **After a restart nothing is pulsed before the cloud was asked again** with the same claim id.
   Its answer carries the order's age by the cloud's clock, so no clock of the cabinet decides
   whether the player is still there.
4. **A broken journal or relay stops the money.** The cabinet says so, on its screen and in its
   heartbeat, and tries again by itself.
5. **Nothing waits for ever.** Every call that failed has a time for the next try.

Times are seconds of a monotonic clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum

from kiosk.core import messages, order_book
from kiosk.core.effects import (
    Acknowledge,
    Announce,
    Append,
    Call,
    Effect,
    Pulse,
    ReopenJournal,
    ReopenRelay,
    Report,
)
from kiosk.core.entries import Entry, Kind
from kiosk.core.events import (
    Answered,
    BrokerDown,
    BrokerUp,
    Event,
    JournalFailed,
    JournalOpened,
    MessageArrived,
    NotAnswered,
    PulseMade,
    RelayFailed,
    RelayReady,
    Tick,
)
from kiosk.core.messages import BadMessage
from kiosk.core.order_book import BadLine, Job, Stage, Till
from kiosk.core.view import Note, Offer, Reason

NEVER = float("inf")


class Mode(Enum):
    """What the operator wants of it. Whatever that is, an order that was claimed is given."""

    SELL = "sell"
    FREE_PLAY = "free play"
    MAINTENANCE = "maintenance"


@dataclass(frozen=True)
class Rules:
    """What the operator has decided. Times in seconds."""

    machine_id: str
    mode: Mode = Mode.SELL
    pulses_per_credit: int = 1
    off_s: float = 0.4
    resume_window_s: float = 300.0
    charge_ambiguous: bool = False
    forgive_lost: bool = True
    heartbeat_s: float = 300.0
    ask_s: float = 15.0
    quiet_s: float = 180.0
    version: str = ""
    paying_s: float = 90.0
    declined_s: float = 10.0
    game_over_s: float = 8.0
    starting_s: float = 20.0
    reopen_s: float = 10.0


@dataclass(frozen=True)
class Moment:
    """When an event is handled, and the chance that goes with it.

    ``fresh`` is a name that was never used before, ``chance`` a number from 0 to 1.
    """

    now: float
    fresh: str
    chance: float


@dataclass(frozen=True)
class Retry:
    """A call that failed ``tries`` times in a row, and when it is made again."""

    tries: int
    at: float


@dataclass(frozen=True)
class News:
    """What the screen says of a player's payment, ``until`` then."""

    status: str
    reason: Reason | None
    until: float


@dataclass(frozen=True)
class State:
    """All that the cabinet knows.

    A ``…_problem`` is a sentence for the operator, empty if all is well; ``…_ready`` is false
    before the part was first heard of, too. ``confirmed`` orders were granted by the cloud in this
    life of the kiosk. ``told`` is the health that the last heartbeat carried.
    """

    started_at: float
    book: Till = field(default_factory=Till)
    journal_ready: bool = False
    journal_problem: str = ""
    relay_ready: bool = False
    relay_problem: str = ""
    broker_ready: bool = False
    broker_problem: str = ""
    cloud_ready: bool = False
    cloud_problem: str = ""
    offer: Offer | None = None
    offer_stale: bool = True
    link_active: bool = False
    confirmed: frozenset[str] = frozenset()
    pulsing: tuple[str, int] | None = None
    next_pulse_at: float = 0.0
    under_way: frozenset[str] = frozenset()
    retries: Mapping[str, Retry] = field(default_factory=dict)
    heartbeat_at: float = 0.0
    told: tuple[str, ...] | None = None
    announced: str = ""
    news: News | None = None
    game_over_until: float = 0.0
    last_game_over: str = ""
    active_at: float = 0.0
    reopen_journal_at: float = NEVER
    reopen_relay_at: float = NEVER
    dropped: int = 0
    was_ready: bool = False

    @property
    def notes(self) -> tuple[Note, ...]:
        """What an operator should mend, the worst first."""
        found = (
            Note("E1", self.journal_problem),
            Note("E2", self.relay_problem),
            Note("E3", self.broker_problem),
            Note("E4", self.cloud_problem),
        )
        return tuple(note for note in found if note.text)

    @property
    def can_pulse(self) -> bool:
        """Whether an order could be taken and given now."""
        return self.journal_ready and self.relay_ready

    def can_sell(self, rules: Rules) -> bool:
        """Whether a player may be asked for money."""
        return (
            self.can_pulse
            and rules.mode is Mode.SELL
            and self.broker_ready
            and self.cloud_ready
            and self.link_active
            and self.offer is not None
        )


def advance(
    state: State, event: Event, moment: Moment, rules: Rules
) -> tuple[State, tuple[Effect, ...]]:
    """The state after ``event``, and what is to be done about it, in this order."""
    step = _Step(state, moment, rules)
    step.take(event)
    step.drive()
    return step.state, tuple(step.effects)


def next_due(state: State, now: float, rules: Rules) -> float:
    """When a ``Tick`` has something to do, if nothing else happens before."""
    times = [state.reopen_journal_at, state.reopen_relay_at]
    if _parts_known(state) and "heartbeat" not in state.under_way:
        times.append(_heartbeat_due(state))
    times += [retry.at for name, retry in state.retries.items() if name not in state.under_way]
    if state.news:
        times.append(state.news.until)
    if state.game_over_until:
        times.append(state.game_over_until)
    if state.book.credits_left and state.journal_ready:
        times.append(state.active_at + rules.quiet_s)
    if now < state.started_at + rules.starting_s:
        times.append(state.started_at + rules.starting_s)
    if state.pulsing is None and _next_job(state):
        times.append(state.next_pulse_at)
    return min(times)


def backoff(tries: int, chance: float) -> float:
    """Seconds before the next try: 0.5, 1, 2 … 30 at the most, each cut by up to a half.

    The cut is the jitter: cabinets that lost the same cloud do not come back in step.
    """
    return float(min(30.0, 0.5 * 2 ** min(tries, 10)) * (1 - chance / 2))


def _parts_known(state: State) -> bool:
    """Whether every part was heard of, so that a heartbeat says something."""
    return (
        bool(state.journal_ready or state.journal_problem)
        and bool(state.relay_ready or state.relay_problem)
        and bool(state.broker_ready or state.broker_problem)
    )


def _heartbeat_due(state: State) -> float:
    """When the next heartbeat is sent: not before the wait after a failed one is over."""
    retry = state.retries.get("heartbeat")
    return max(state.heartbeat_at, retry.at) if retry else state.heartbeat_at


def _next_job(state: State) -> Job | None:
    """The order that the next pulse is for."""
    if not state.can_pulse:
        return None
    for job in state.book.jobs.values():
        if job.stage is Stage.PULSING and job.order_id in state.confirmed and job.begun < job.last:
            return job
    return None


class _Step:
    """One call of :func:`advance`: a state that moves on, and the effects so far."""

    def __init__(self, state: State, moment: Moment, rules: Rules) -> None:
        self.state = state
        self.effects: list[Effect] = []
        self.wanted: set[str] = set()
        self.moment = moment
        self.now = moment.now
        self.rules = rules

    # What happened

    def take(self, event: Event) -> None:
        match event:
            case JournalOpened():
                self._journal_opened(event)
            case JournalFailed():
                self._journal_failed(event)
            case RelayReady():
                self._set(relay_ready=True, relay_problem="", reopen_relay_at=NEVER)
            case RelayFailed():
                self._report("error", f"the relay failed: {event.reason}")
                self._set(
                    relay_ready=False,
                    relay_problem=event.reason,
                    reopen_relay_at=self.now + self.rules.reopen_s,
                    pulsing=None,
                )
            case PulseMade():
                self._pulse_made(event)
            case BrokerUp():
                # A new connection may have missed anything: ask for open orders at once, however
                # often that failed before.
                self._set(
                    broker_ready=True,
                    broker_problem="",
                    announced="",
                    heartbeat_at=self.now,
                    retries={k: v for k, v in self.state.retries.items() if k != "heartbeat"},
                )
            case BrokerDown():
                if event.reason != self.state.broker_problem:
                    self._report("warning", event.reason)
                self._set(broker_ready=False, broker_problem=event.reason)
            case MessageArrived():
                self._message(event)
            case Answered():
                self._answered(event)
            case NotAnswered():
                self._cloud_is_away(event.call.name, event.reason)
            case Tick():
                pass  # the drive does what is due

    def _journal_opened(self, event: JournalOpened) -> None:
        try:
            book = order_book.fold(event.entries)
        except BadLine as error:
            reason = (
                f"the journal is damaged ({error}): end the kiosk, and begin a new journal with "
                "`kiosk new-journal`, which keeps this one"
            )
            self._report("error", reason)
            self._set(journal_ready=False, journal_problem=reason)
            return
        for job in book.jobs.values():
            self._report(
                "warning",
                f"order {job.order_id} was left {job.stage.value} with {job.made} of "
                f"{job.pulses} pulses made and {job.ambiguous} ambiguous",
            )
        self._set(
            book=book,
            journal_ready=True,
            journal_problem="",
            reopen_journal_at=NEVER,
            confirmed=frozenset(),
            pulsing=None,
            active_at=self.now,
        )
        if event.power_was_lost:
            self._power_was_lost()

    def _power_was_lost(self) -> None:
        """The game went dark with the kiosk: it has forgotten every credit it had been given."""
        lost = [
            job
            for job in self.state.book.jobs.values()
            if job.stage is Stage.PULSING and job.begun > job.lost_begun and self.rules.forgive_lost
        ]
        left = self.state.book.credits_left
        # All lines in one commit, and no other before them: they are the first of this boot, and
        # the next start knows by the last line's boot that the power was lost.
        if left:
            self._write(Entry(Kind.CREDITS_LEFT, number=0))
        for job in lost:
            self._write(Entry(Kind.FORGIVEN, job.order_id, number=job.begun))
        if left:
            self._report("warning", f"the game lost {left} credits with the power")
        for job in lost:
            self._report(
                "warning",
                f"order {job.order_id}: the {job.begun} pulses before the power was lost are not "
                "charged",
            )

    def _journal_failed(self, event: JournalFailed) -> None:
        self._report("error", f"the journal failed: {event.reason}")
        self._set(
            journal_ready=False,
            journal_problem=event.reason,
            reopen_journal_at=self.now + self.rules.reopen_s,
            pulsing=None,
        )
        # What was not done is not under way: it has to be begun again.
        for effect in event.undone:
            match effect:
                case Call():
                    self._set(under_way=self.state.under_way - {effect.name})
                case Announce():
                    self._set(announced="")
                case ReopenRelay():
                    self._set(reopen_relay_at=self.now)
                case _:
                    continue

    def _pulse_made(self, event: PulseMade) -> None:
        if not self.state.journal_ready:
            return  # without its line the pulse is ambiguous, and the book will say so
        self._set(pulsing=None, next_pulse_at=self.now + self.rules.off_s, active_at=self.now)
        self._write(Entry(Kind.PULSE_OVER, event.order_id, number=event.number))
        job = self.state.book.jobs[event.order_id]
        if job.begun == job.last:
            self._settle(job)

    def _message(self, event: MessageArrived) -> None:
        if not self.state.journal_ready:
            # Not acknowledged: the broker keeps it until there is a journal to hold it.
            self._report("warning", f"left a message on {event.topic} with the broker")
            return
        try:
            message = messages.read(event.topic, event.payload, self.rules.machine_id)
        except BadMessage as error:
            self._set(dropped=self.state.dropped + 1)
            self._report("warning", f"dropped: {error}")
        else:
            match message:
                case messages.CoinPulse():
                    self._hint(message.order_id)
                case messages.GameOver():
                    self._game_over(message)
                case messages.PaymentNews():
                    self._news(message)
        self.effects.append(Acknowledge(event.receipt))

    def _hint(self, order_id: str) -> None:
        """An order of ours is open. Without a relay, or in free play, it is left to be released."""
        if not self.state.can_pulse or self.rules.mode is not Mode.SELL:
            return
        if self.state.book.knows(order_id):
            return
        self._set(news=None)
        self._write(Entry(Kind.CLAIM, order_id, claim_id=self.moment.fresh + f"-{order_id[-12:]}"))

    def _game_over(self, message: messages.GameOver) -> None:
        left = self.state.book.credits_left
        if not left or message.timestamp == self.state.last_game_over:
            return
        self._set(last_game_over=message.timestamp, active_at=self.now)
        self._write(Entry(Kind.CREDITS_LEFT, number=left - 1))
        if left == 1:
            self._set(game_over_until=self.now + self.rules.game_over_s)

    def _news(self, message: messages.PaymentNews) -> None:
        match message.status:
            case "processing":
                self._set(
                    news=News("processing", None, self.now + self.rules.paying_s),
                    heartbeat_at=min(self.state.heartbeat_at, self.now + self.rules.ask_s),
                )
            case "declined" | "released":
                released = message.status == "released"
                reason = Reason.RELEASED if released else _reason(message.reason)
                self._set(news=News(message.status, reason, self.now + self.rules.declined_s))
            case "cancelled":
                self._set(news=None)
            case "offer_changed":
                self._set(offer_stale=True)
            case _:
                self._report("info", f"payment news {message.status!r} says nothing here")

    # What the cloud answered

    def _answered(self, event: Answered) -> None:
        call, status, body = event.call, event.status, event.body
        if status in (401, 403):
            self._cloud_is_away(call.name, f"the cloud refused this cabinet: {_error(body)}")
            return
        if status == 429 or status >= 500:
            self._cloud_is_away(call.name, f"the cloud is in trouble (HTTP {status})")
            return
        try:
            self._understand(call, status, body)
        except BadMessage as error:
            self._cloud_is_away(call.name, f"the cloud's answer cannot be used: {error}")
            return
        if status < 400 or status in (404, 409):
            self._set(cloud_ready=True, cloud_problem="")
        self._finished(call.name)

    def _understand(self, call: Call, status: int, body: Mapping[str, object]) -> None:
        kind, _, order_id = call.name.partition(" ")
        job = self.state.book.jobs.get(order_id)
        match kind:
            case "heartbeat":
                self._heartbeat_answered(call, status, body)
            case "link":
                if status != 200:
                    raise BadMessage(f"no payment link (HTTP {status}): {_error(body)}")
                self._set(offer=messages.offer(body), offer_stale=False, link_active=True)
            case "claim" | "settle" if not self.state.journal_ready:
                # What cannot be written down was not heard: it is asked again.
                return
            case "claim" if job and job.stage is not Stage.SETTLING:
                self._claim_answered(job, status, body)
            case "settle" if job and job.stage is Stage.SETTLING:
                note = ""
                if status != 200:
                    note = f"the cloud refused the settle (HTTP {status}): {_error(body)}"
                    self._report("error", f"order {order_id}: {note}")
                self._write(Entry(Kind.SETTLED, order_id, note=note))

    def _heartbeat_answered(self, call: Call, status: int, body: Mapping[str, object]) -> None:
        if status != 200:
            raise BadMessage(f"heartbeat refused (HTTP {status}): {_error(body)}")
        pulse = messages.pulse(body)
        soon = self.state.news is not None and self.state.news.status == "processing"
        wait = self.rules.ask_s if soon or not self.state.broker_ready else self.rules.heartbeat_s
        problems = call.body["problems"]
        self._set(
            # Up to a twentieth earlier: cabinets that started together drift apart.
            heartbeat_at=self.now + wait * (1 - self.moment.chance / 20),
            told=tuple(problems) if isinstance(problems, list) else None,
            link_active=pulse.link_active,
        )
        if self.state.offer and (not pulse.link_active or pulse.link_url != self.state.offer.url):
            self._set(offer_stale=True)
        if self.state.journal_ready:
            for order_id in pulse.open_orders:
                self._hint(order_id)
            for order in pulse.claimed:
                self._found(order)

    def _found(self, order: messages.Claimed) -> None:
        """An order that this cabinet claimed, by the cloud's book.

        If it is not in the journal, that one is lost or an old copy: nobody can know what was
        pulsed, so nothing more is, and the player is charged nothing. Not before the resume window
        is over: it may be another kiosk's that was given this cabinet's name by mistake.
        """
        book = self.state.book
        known = order.order_id in book.jobs or order.order_id in book.done
        if known or order.age <= self.rules.resume_window_s:
            return
        self._report(
            "error",
            f"order {order.order_id} was claimed here and is not in the journal: nothing of it is "
            "charged",
        )
        pulses = order.credits * self.rules.pulses_per_credit
        self._write(Entry(Kind.CLAIM, order.order_id, claim_id=order.claim_id))
        self._write(Entry(Kind.CLAIMED, order.order_id, credits=order.credits, pulses=pulses))
        self._write(Entry(Kind.SETTLE, order.order_id, number=0, note="not in the journal"))

    def _claim_answered(self, job: Job, status: int, body: Mapping[str, object]) -> None:
        if status != 200:
            why = f"claim refused (HTTP {status}): {_error(body)}"
            self._report("warning", f"order {job.order_id}: {why}")
            if job.stage is Stage.CLAIMING:
                self._write(Entry(Kind.REFUSED, job.order_id, note=why))
            else:
                # It was ours once: whatever it is now, the cloud gets to know what was pulsed.
                self._settle(job)
            return
        answer = messages.granted(body, job.order_id, job.claim_id)
        if job.stage is Stage.CLAIMING:
            pulses = answer.credits * self.rules.pulses_per_credit
            self._write(Entry(Kind.CLAIMED, job.order_id, credits=answer.credits, pulses=pulses))
            job = self.state.book.jobs[job.order_id]
        self._set(confirmed=self.state.confirmed | {job.order_id})
        if answer.state != "claimed":
            self._report("warning", f"order {job.order_id} is {answer.state} already")
            self._settle(job)
        elif answer.age > self.rules.resume_window_s or job.begun == job.last:
            self._report(
                "warning",
                f"order {job.order_id} is {answer.age:.0f} s old: settled with what was made",
            )
            self._settle(job)

    def _cloud_is_away(self, name: str, reason: str) -> None:
        if reason != self.state.cloud_problem:
            self._report("warning", reason)
        tries = self.state.retries[name].tries + 1 if name in self.state.retries else 0
        at = self.now + backoff(tries, self.moment.chance)
        self._set(
            cloud_ready=False,
            cloud_problem=reason,
            under_way=self.state.under_way - {name},
            retries={**self.state.retries, name: Retry(tries, at)},
        )
        if name == "heartbeat":
            self._set(heartbeat_at=at)
        elif "heartbeat" not in self.state.retries:
            # The heartbeat finds out when the cloud is back, also if nobody else asks.
            self._set(heartbeat_at=min(self.state.heartbeat_at, at))

    def _finished(self, name: str) -> None:
        self._set(
            under_way=self.state.under_way - {name},
            retries={key: value for key, value in self.state.retries.items() if key != name},
        )

    # What should be under way

    def drive(self) -> None:
        self._forget()
        if self.state.reopen_journal_at <= self.now:
            self._set(reopen_journal_at=NEVER)
            self.effects.append(ReopenJournal())
        if self.state.reopen_relay_at <= self.now:
            self._set(reopen_relay_at=NEVER)
            self.effects.append(ReopenRelay())
        if self.state.journal_ready:
            for job in tuple(self.state.book.jobs.values()):
                self._drive_job(job)
            self._drive_relay()
        self._drive_heartbeat()
        self._drive_link()
        self._drive_announcement()
        if self.state.can_sell(self.rules) and not self.state.was_ready:
            self._set(was_ready=True)
        # A call that nobody wants any more has no next try.
        retries = {k: v for k, v in self.state.retries.items() if k in self.wanted}
        if len(retries) < len(self.state.retries):
            self._set(retries=retries)

    def _forget(self) -> None:
        """Lets go of what the screen has shown for long enough."""
        if self.state.news and self.state.news.until <= self.now:
            self._set(news=None)
        if self.state.game_over_until and self.state.game_over_until <= self.now:
            self._set(game_over_until=0.0)
        quiet = self.now - self.state.active_at >= self.rules.quiet_s
        if quiet and self.state.book.credits_left and self.state.journal_ready:
            self._write(Entry(Kind.CREDITS_LEFT, number=0))

    def _drive_job(self, job: Job) -> None:
        confirmed = job.order_id in self.state.confirmed
        if job.stage is Stage.PULSING and confirmed and self.state.relay_problem:
            self._settle(job)
            job = self.state.book.jobs[job.order_id]
        body: dict[str, object] = {"order_id": job.order_id, "claim_id": job.claim_id}
        if job.stage is Stage.SETTLING:
            body |= {"pulsed": job.pulsed, "pulses": job.pulses}
            self._call(f"settle {job.order_id}", "/settle", body)
        elif job.stage is Stage.CLAIMING or not confirmed:
            self._call(f"claim {job.order_id}", "/claim", body)

    def _drive_relay(self) -> None:
        job = _next_job(self.state)
        if job is None or self.state.pulsing or self.now < self.state.next_pulse_at:
            return
        number = job.begun + 1
        self._write(Entry(Kind.PULSE_BEGINS, job.order_id, number=number))
        self._set(pulsing=(job.order_id, number), active_at=self.now)
        self.effects.append(Pulse(job.order_id, number))

    def _drive_heartbeat(self) -> None:
        if not _parts_known(self.state):
            return
        self.wanted.add("heartbeat")
        # The cloud's own trouble is no news to the cloud. What is sent is what is remembered, so
        # it is cut to the cloud's limit here.
        problems = tuple(note.text[:300] for note in self.state.notes if note.code != "E4")
        sells = self.rules.mode is Mode.SELL
        if problems != self.state.told and "heartbeat" not in self.state.retries:
            self._set(heartbeat_at=min(self.state.heartbeat_at, self.now))
        if _heartbeat_due(self.state) > self.now:
            return
        self._call(
            "heartbeat",
            "/status",
            {
                "state": "troubled" if problems else "ready" if sells else self.rules.mode.value,
                "version": self.rules.version,
                # A cabinet that sells nothing must not be paid: the cloud switches its link off.
                "healthy": sells and not problems,
                "problems": list(problems),
            },
        )

    def _drive_link(self) -> None:
        if self.state.can_pulse and self.state.offer_stale and self.rules.mode is Mode.SELL:
            self._call("link", "/create-payment-link", {})

    def _drive_announcement(self) -> None:
        if not self.state.broker_ready:
            return
        online = "online" if self.rules.mode is Mode.SELL else self.rules.mode.name.lower()
        status = online if self.state.can_pulse else "out_of_order"
        if status != self.state.announced:
            self._set(announced=status)
            self.effects.append(Announce(status))

    # Small steps

    def _settle(self, job: Job) -> None:
        """No more pulses for this order. An ambiguous one is charged only if the operator says."""
        if job.ambiguous:
            self._report(
                "error",
                f"order {job.order_id}: {job.ambiguous} pulse began and its end is unknown; it is "
                f"{'' if self.rules.charge_ambiguous else 'not '}charged",
            )
        pulsed = job.made - job.lost_made
        if self.rules.charge_ambiguous:
            pulsed += job.ambiguous
        note = f"{job.ambiguous} ambiguous" if job.ambiguous else ""
        self._write(Entry(Kind.SETTLE, job.order_id, number=pulsed, note=note))

    def _call(self, name: str, path: str, body: Mapping[str, object]) -> None:
        """Asks the cloud, unless that is under way or it is not yet time to try again."""
        self.wanted.add(name)
        retry = self.state.retries.get(name)
        if name in self.state.under_way or (retry and retry.at > self.now):
            return
        self._set(under_way=self.state.under_way | {name})
        self.effects.append(Call(name, path, {"machine_id": self.rules.machine_id, **body}))

    def _write(self, entry: Entry) -> None:
        assert self.state.journal_ready, f"{entry} would be lost"
        self._set(book=order_book.apply(self.state.book, entry))
        self.effects.append(Append(entry))

    def _report(self, level: str, text: str) -> None:
        self.effects.append(Report(level, text))

    def _set(self, **changes: object) -> None:
        self.state = replace(self.state, **changes)  # type: ignore[arg-type]


def _reason(told: str) -> Reason:
    """Stripe's code for a decline; those that a player can do nothing about are all one."""
    known = {reason.value: reason for reason in Reason if reason is not Reason.RELEASED}
    return known.get(told, Reason.DECLINED)


def _error(body: Mapping[str, object]) -> str:
    told = body.get("error")
    return told[:200] if isinstance(told, str) else "no reason given"
