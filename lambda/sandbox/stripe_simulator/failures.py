"""Switches for the API's own failures, for tests and the demo."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from typing import Literal

Kind = Literal["error", "timeout", "hang"]


@dataclass(frozen=True)
class Failure:
    """What the next ``count`` calls do whose method and path begin so.

    ``error``: 500, nothing happened. ``timeout``: the call takes effect, its answer comes
    ``seconds`` later. ``hang``: nothing happens for ``seconds``, then 500.
    """

    kind: Kind
    method: str = ""
    path: str = "/v1"
    count: int = 1
    seconds: float = 60.0

    def matches(self, method: str, path: str) -> bool:
        return method.startswith(self.method) and path.startswith(self.path)


class Failures:
    """The failures that are still to come, in the order in which they were added."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._coming: list[Failure] = []
        self._released = threading.Event()

    @property
    def coming(self) -> tuple[Failure, ...]:
        """What is still to come."""
        with self._lock:
            return tuple(self._coming)

    def add(self, failure: Failure) -> None:
        with self._lock:
            self._coming.append(failure)

    def clear(self) -> None:
        with self._lock:
            self._coming.clear()

    def take(self, method: str, path: str) -> Failure | None:
        """The failure that this call has to suffer, if any; it is counted."""
        with self._lock:
            for place, failure in enumerate(self._coming):
                if failure.matches(method, path):
                    if failure.count > 1:
                        self._coming[place] = replace(failure, count=failure.count - 1)
                    else:
                        del self._coming[place]
                    return failure
        return None

    def wait(self, failure: Failure) -> None:
        """Keeps a caller waiting; ends at once when the stand-in stops."""
        self._released.wait(failure.seconds)

    def stop(self) -> None:
        """Lets every caller go that is kept waiting."""
        self._released.set()
