"""A publisher that keeps what it was given."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from cloud.adapters.publisher import PublishFailed


@dataclass
class FakePublisher:
    """A ``cloud.adapters.publisher.Publisher``; with ``broken`` no message gets through."""

    broken: bool = False
    sent: list[tuple[str, bytes]] = field(default_factory=list)
    expiries: list[int | None] = field(default_factory=list)

    def publish(self, topic: str, payload: bytes, expiry_s: int | None = None) -> None:
        if self.broken:
            raise PublishFailed("the broker cannot be reached")
        self.sent.append((topic, payload))
        self.expiries.append(expiry_s)

    def close(self) -> None:
        self.broken = True

    def of(self, kind: str) -> list[dict[str, Any]]:
        """The messages of one kind, as objects."""
        return [json.loads(p) for topic, p in self.sent if topic.endswith(f"/{kind}")]
