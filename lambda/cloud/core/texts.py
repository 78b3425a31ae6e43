"""Text that others wrote, made safe to keep and to print on one line."""

from __future__ import annotations

import re

# What moves a terminal's cursor or hides what stands beside it: control characters with line ends
# and escape, marks that turn the direction of writing, and halves of characters, which cannot even
# be encoded. Each becomes one replacement character, so that nobody wonders where it went.
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb]"
)
REPLACEMENT = "\ufffd"


def one_line(text: str, most: int = 0) -> str:
    """``text`` without what could forge a line, at most ``most`` characters of it if that is not
    0."""
    clean = _UNSAFE.sub(REPLACEMENT, text)
    return clean[: most - 1] + "…" if most and len(clean) > most else clean


def is_plain(text: str) -> bool:
    """Whether ``text`` is as it was after :func:`one_line`."""
    return not _UNSAFE.search(text)
