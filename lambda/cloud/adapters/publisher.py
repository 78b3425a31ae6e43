"""How the cloud tells a cabinet something."""

from __future__ import annotations

from typing import Protocol


class PublishFailed(Exception):
    """The broker did not take the message; the ledger still holds what it was about."""


class NobodyListens(PublishFailed):
    """The broker is well, but no session wants the topic: the cabinet is away. The broker kept
    nothing for it."""


class Publisher(Protocol):
    """Hands messages to the broker, QoS 1."""

    def publish(self, topic: str, payload: bytes, expiry_s: int | None = None) -> None:
        """Returns once the broker has the message, or raises :class:`PublishFailed`.

        A message that waits at the broker for more than ``expiry_s`` seconds is dropped there, if
        the broker can; ``None`` lets it wait for ever.
        """

    def close(self) -> None:
        """Ends the connection."""
