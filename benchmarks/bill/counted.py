"""The counts themselves. ``tests/cloud/stores/test_bill.py`` counts them anew."""

from __future__ import annotations

from benchmarks.bill.usage import Usage

PLAY = 1.00
HEARTBEATS_AN_HOUR = 12
# In lambda/template.yaml and cloud/core/metrics.py; two more count what was throttled or failed.
METRICS = 13
ALARMS = 8

# Two events, a claim, a settle, and the receipt looked at twice.
PAYMENT = Usage(
    http_calls=6,
    store_calls=12,
    read_units=9,
    write_units=15,
    stored_bytes=1_330,
    stripe_calls=1,
    messages=1,
    message_bytes=1_070,
    log_bytes=2_950,
)
# An hour of heartbeats. Each asks Stripe whether the link is still on, and notes that it did.
HEARTBEATS = Usage(
    http_calls=HEARTBEATS_AN_HOUR,
    store_calls=48,
    read_units=30,
    write_units=48,
    stripe_calls=12,
)
SWEEP = Usage(sweeps=1, store_calls=12, read_units=6)
SWEEP_HOUR = SWEEP * 60

# A ping and its answer each half minute: 4 bytes of MQTT, and what TLS and TCP put around them.
_PINGS, _PING_BYTES = 120, 170


def idle_hour() -> Usage:
    """An hour of a cabinet that sells nothing: its heartbeats, and its connection to the broker."""
    return HEARTBEATS + Usage(session_minutes=60, message_bytes=_PINGS * _PING_BYTES)
