"""The base of all failures that the kiosk knows."""

from __future__ import annotations


class KioskError(Exception):
    """A known failure; its text is one plain sentence: what is wrong, and what to do about it."""
