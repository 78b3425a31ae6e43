"""How the cloud tells a cabinet something."""

from __future__ import annotations

from typing import Protocol


class PublishFailed(Exception):
    """The broker did not take the message; the ledger still holds what it was about."""


class Publisher(Protocol):
    """Hands messages to the broker, QoS 1."""

    def publish(self, topic: str, payload: bytes) -> None:
        """Returns once the broker has the message, or raises :class:`PublishFailed`."""

    def close(self) -> None:
        """Ends the connection."""
