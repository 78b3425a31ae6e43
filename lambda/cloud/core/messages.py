"""The MQTT messages that the cloud sends, as bytes ready to publish."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from cloud.core.orders import Order

# Cabinets drop what is told of a payment when it is older.
PAYMENT_NEWS_S = 60


def topic(machine_id: str, kind: str) -> str:
    """The topic of one kind of message (``coinpulse``, ``gameover``, ``payment``) for a cabinet."""
    return f"arcade/machine/{machine_id}/{kind}"


def timestamp(at: float) -> str:
    """Seconds since the epoch as ISO 8601 in UTC with ``Z``, to the millisecond."""
    text = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def coin_pulse(order: Order, now: float) -> bytes:
    """An order waits to be claimed."""
    return _bytes(
        machineId=order.machine_id,
        credits=order.credits,
        timestamp=timestamp(now),
        orderId=order.order_id,
        expiresAt=timestamp(order.deadline_ms / 1000),
        paymentId=order.intent_id,
    )


def coin_pulse_expiry_s(order: Order, now: float) -> int:
    """How long the hint is of use: nobody may claim the order after its deadline."""
    return max(1, round(order.deadline_ms / 1000 - now))


def game_over(machine_id: str, ended_at: str) -> bytes:
    """The game in the cabinet has ended; a cabinet counts a timestamp once."""
    return _bytes(machineId=machine_id, status="game_over", timestamp=ended_at)


def payment(machine_id: str, status: str, now: float, payment_id: str = "") -> bytes:
    """What a player's payment is doing.

    ``status`` is ``processing``, ``declined``, ``cancelled``, ``released``, or ``offer_changed``
    when the cabinet should ask for its link again. Why a card was declined is for the phone. A late
    or doubled one is known by its ``payment_id``.
    """
    extra = {"paymentId": payment_id} if payment_id else {}
    return _bytes(machineId=machine_id, status=status, timestamp=timestamp(now), **extra)


def _bytes(**fields: object) -> bytes:
    return json.dumps(fields, separators=(",", ":")).encode()
