"""How much of everything the contract allows: the table "Limits" of ``docs/protocol.md``.

The kiosk has the same numbers in ``kiosk/core/limits.py``. What one program makes and the other
refuses would stay unfinished, so a test compares the two and the table.
"""

from __future__ import annotations

MOST_PLAYS = 99  # plays in one payment; Stripe's own default for an adjustable quantity
MOST_CREDITS = 1000  # credits of one order
MOST_PULSES_PER_CREDIT = 100  # what a cabinet may be set to
MOST_PULSES = MOST_CREDITS * MOST_PULSES_PER_CREDIT  # pulses of one order
LARGEST_AMOUNT = 99_999_999  # of one payment, in the currency's smallest unit
LONGEST_NAME = 255  # characters of an order_id or a claim_id
LONGEST_WORD = 40  # characters of a cabinet's state and of its version
LONGEST_PROBLEM = 300  # characters of one problem in a heartbeat
MOST_PROBLEMS = 20  # problems in a heartbeat
MOST_LISTED = 50  # orders in each list of a heartbeat's answer
LARGEST_ANSWER = 64 * 1024  # bytes of an answer to a cabinet
LOST_AFTER_S = 300  # age of a claim in seconds, from which its order may be said to be lost
