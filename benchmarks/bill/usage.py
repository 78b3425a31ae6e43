"""What a payment, a cabinet's idle hour and the cloud's own hour use.

How much it is stands in :mod:`benchmarks.bill.counted`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

# The time of one call of Lambda: what the call waits for, on the real internet, and its own work
# on the share of a processor that 512 MB have.
WORK_MS, STORE_MS, PUBLISH_MS, STRIPE_MS = 12, 5, 20, 150
MEMORY_GB = 0.5
# What Lambda writes of each call by itself (START, END, REPORT), and API Gateway's line.
PLATFORM_LOG_BYTES = 420


@dataclass(frozen=True)
class Usage:
    """Everything that somebody bills for. ``log_bytes`` are our own lines'."""

    http_calls: float = 0
    sweeps: float = 0
    store_calls: float = 0
    read_units: float = 0
    write_units: float = 0
    stored_bytes: float = 0
    stripe_calls: float = 0
    messages: float = 0
    message_bytes: float = 0
    session_minutes: float = 0
    log_bytes: float = 0

    def __add__(self, other: Usage) -> Usage:
        pairs = ((getattr(self, f.name), getattr(other, f.name)) for f in fields(self))
        return Usage(*(one + two for one, two in pairs))

    def __mul__(self, times: float) -> Usage:
        return Usage(*(getattr(self, f.name) * times for f in fields(self)))

    @property
    def lambda_calls(self) -> float:
        """Calls of both functions."""
        return self.http_calls + self.sweeps

    @property
    def gb_seconds(self) -> float:
        """What the calls take of Lambda's time and memory. Cold starts are left out."""
        ms = (
            WORK_MS * self.lambda_calls
            + STORE_MS * self.store_calls
            + PUBLISH_MS * self.messages
            + STRIPE_MS * self.stripe_calls
        )
        return ms / 1000 * MEMORY_GB

    @property
    def all_log_bytes(self) -> float:
        """What CloudWatch takes in."""
        return self.log_bytes + PLATFORM_LOG_BYTES * self.lambda_calls
