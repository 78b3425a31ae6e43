"""What the journal holds: one entry for each thing, written before it is done.

The cabinet's memory is the fold of these (``kiosk.core.order_book``), running and after a crash
alike, so the two can never differ.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """The kinds of journal entries. Their values are stored: they do not change."""

    CLAIM = "claim"  # a claim id was made; the claim may reach the cloud from now on
    CLAIMED = "claimed"  # the cloud granted the claim: `credits` as `pulses`
    REFUSED = "refused"  # the cloud refused the claim: nothing was pulsed
    PULSE_BEGINS = "pulse begins"  # the relay closes after this entry
    PULSE_OVER = "pulse over"  # the relay is open again
    POWER_LOST = "power lost"  # after `number` pulses had begun; what they cost is not decided yet
    FORGIVEN = "forgiven"  # the `number` pulses begun before the power was lost are not charged
    NOT_FORGIVEN = "not forgiven"  # they are charged
    SETTLE = "settle"  # no more pulses will be made; `number` of them are charged
    SETTLED = "settled"  # the cloud has the settle
    CREDITS_LEFT = "credits left"  # what the game still owes the player, `number` (no order)


@dataclass(frozen=True)
class Entry:
    """One entry. ``number`` is the pulse's (from 1), a count of pulses, or the credits left.

    ``note`` is a remark for people who read the journal; no rule reads it.
    """

    kind: Kind
    order_id: str = ""
    claim_id: str = ""
    credits: int = 0
    pulses: int = 0
    number: int = 0
    note: str = ""
