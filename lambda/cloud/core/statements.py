"""What a card's bill shows of a cabinet: the suffix behind the account's own name.

Source: Stripe's page "Statement descriptors": Latin letters, at least one of them, no ``<``, ``>``,
backslash, quote or asterisk, and 22 characters with the account's prefix, which has up to 10, and
the ``* `` between the two.
"""

from __future__ import annotations

import re

MOST = 22 - 10 - len("* ")


def mistakes(statement: str) -> list[str]:
    """Every sentence that stands against this suffix; none if every account may use it."""
    found = []
    if len(statement) > MOST:
        found.append(
            f"{statement!r} is too long: a bill has room for {MOST} characters behind the "
            "account's own name"
        )
    if not re.fullmatch(r"[ -~]*", statement) or re.search(r"[<>\\'\"*]", statement):
        found.append(
            f"{statement!r} has letters that no bill shows: take a-z, digits and signs, but none "
            "of < > \\ ' \" *"
        )
    if not re.search("[A-Za-z]", statement):
        found.append(f"{statement!r} has no letter: a bill wants at least one")
    if statement != statement.strip():
        found.append(f"{statement!r} begins or ends with a space")
    return found
