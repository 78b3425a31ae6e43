"""Ids that look like Stripe's."""

from __future__ import annotations

import secrets
import string

_LETTERS = string.ascii_letters + string.digits

# What comes after the prefix: a fixed beginning and how many random characters.
_FORMS = {
    "prod": ("", 14),
    "price": ("1", 23),
    "plink": ("1", 23),
    "li": ("1", 23),
    "cs_test": ("a1", 56),
    "pi": ("3", 23),
    "ch": ("3", 23),
    "pm": ("1", 23),
    "re": ("3", 23),
    "evt": ("1", 23),
    "req": ("", 14),
}


def new_id(prefix: str) -> str:
    """A new id, as in ``pi_3…``."""
    beginning, count = _FORMS[prefix]
    return f"{prefix}_{beginning}{new_secret(count)}"


def new_secret(count: int) -> str:
    """``count`` random letters and digits."""
    return "".join(secrets.choice(_LETTERS) for _ in range(count))
