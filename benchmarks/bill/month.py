"""The month of a fleet: what it uses, what is free of that, and what the rest costs."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.bill import prices
from benchmarks.bill.counted import (
    ALARMS,
    HEARTBEATS_AN_HOUR,
    METRICS,
    PAYMENT,
    PLAY,
    SWEEP_HOUR,
    idle_hour,
)
from benchmarks.bill.prices import Price

DAYS = 31
PLAYS_A_DAY = 50
FLEETS = (1, 22, 100, 1_000, 10_000)


@dataclass(frozen=True)
class Line:
    """How much of one thing a month uses, and dollars for what is not free of it."""

    price: Price
    used: float

    @property
    def dollars(self) -> float:
        """What it costs."""
        return max(0.0, self.used - self.price.free) / self.price.per * self.price.dollars

    @property
    def fits_cabinets(self) -> float:
        """The share of the free part that is used; infinite where nothing is free."""
        return self.used / self.price.free if self.price.free else float("inf")


@dataclass(frozen=True)
class Month:
    """``stripe`` is Stripe's own fee, of ``takings``; in dollars."""

    cabinets: int
    lines: tuple[Line, ...]
    takings: float
    stripe: float

    @property
    def dollars(self) -> float:
        """All but Stripe's fee."""
        return sum(line.dollars for line in self.lines)


def month(cabinets: int) -> Month:
    """The first month; what is stored grows by as much with each."""
    hours, plays = 24 * DAYS, cabinets * PLAYS_A_DAY * DAYS
    used = PAYMENT * plays + idle_hour() * (cabinets * hours) + SWEEP_HOUR * hours
    lines = (
        Line(prices.LAMBDA_CALLS, used.lambda_calls),
        Line(prices.LAMBDA_TIME, used.gb_seconds),
        Line(prices.API_CALLS, used.http_calls),
        Line(prices.WRITES, used.write_units),
        Line(prices.READS, used.read_units),
        Line(prices.STORAGE, used.stored_bytes),
        Line(prices.BACKUP, used.stored_bytes),
        Line(prices.LOGS, used.all_log_bytes),
        Line(prices.METRICS, METRICS),
        Line(prices.ALARMS, ALARMS),
        Line(prices.SESSIONS, used.session_minutes),
        Line(prices.TRAFFIC, used.message_bytes),
    )
    takings = plays * PLAY
    fee = takings * prices.STRIPE_SHARE + plays * prices.STRIPE_FIXED
    return Month(cabinets, lines, takings, fee)


def first_to_cost(cabinets: int = FLEETS[-1]) -> list[tuple[int, Price]]:
    """At how many cabinets each free part is used up, the first one first; what is never free is
    left out."""
    found = []
    for number, line in enumerate(month(1).lines):
        for many in range(1, cabinets + 1) if line.price.free else ():
            if month(many).lines[number].dollars > 0:
                found.append((many, line.price))
                break
    return sorted(found, key=lambda pair: pair[0])


def table() -> str:
    """The bill as a table of Markdown, with what goes first below it."""
    months = [month(cabinets) for cabinets in FLEETS]
    rows = [["a month, in USD", *(f"{m.cabinets:,}" for m in months)]]
    for number, line in enumerate(months[0].lines):
        rows.append([line.price.what, *(f"{m.lines[number].dollars:,.2f}" for m in months)])
    rows.append(["**all of these**", *(f"**{m.dollars:,.2f}**" for m in months)])
    rows.append(["share of the takings", *(f"{m.dollars / m.takings:.2%}" for m in months)])
    rows.append(["Stripe's own fee", *(f"{m.stripe:,.0f}" for m in months)])
    rows.append(["takings", *(f"{m.takings:,.0f}" for m in months)])
    rows.insert(1, ["---", *("---:" for _ in months)])
    text = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    used_up = "; ".join(
        f"{price.what}, from {many:,} cabinets on" for many, price in first_to_cost()
    )
    return (
        f"{text}\n\nA cabinet reports {HEARTBEATS_AN_HOUR} times an hour, day and night, and sells "
        f"{PLAYS_A_DAY} plays of {PLAY:.2f} USD a day, each paid by itself; {DAYS} days. "
        f"Used up first of what is free: {used_up}.\n"
    )
