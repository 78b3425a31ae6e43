"""The kiosk in the cabinet: screen, journal, coin relay, and the talk with cloud and broker."""

from __future__ import annotations

__version__ = "0.1.0"
