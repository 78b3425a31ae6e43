"""Failures of the API on demand, for tests and the demo."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from typing import Literal

Kind = Literal["error", "timeout", "hang", "decline"]


@dataclass(frozen=True)
class Failure:
    """What happens to the next ``count`` calls whose method and path begin with these.

    ``error``: 500, without an effect. ``timeout``: the call takes effect, its response comes
    ``seconds`` later. ``hang``: no effect, and 500 after ``seconds``. ``decline``: the bank
    refuses, 402, which is repeated for the idempotency key as any answer is.
    """

    kind: Kind
    method: str = ""
    path: str = "/v1"
    count: int = 1
    seconds: float = 60.0

    def matches(self, method: str, path: str) -> bool:
        return method.startswith(self.method) and path.startswith(self.path)


class Failures:
    """The failures to be injected, in the order in which they were added."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pending: list[Failure] = []
        self._stopped = threading.Event()

    @property
    def pending(self) -> tuple[Failure, ...]:
        """The failures that have not happened yet."""
        with self._lock:
            return tuple(self._pending)

    def add(self, failure: Failure) -> None:
        with self._lock:
            self._pending.append(failure)

    def clear(self) -> None:
        with self._lock:
            self._pending.clear()

    def take(self, method: str, path: str) -> Failure | None:
        """The failure for this call, if any; its count goes down by one."""
        with self._lock:
            for index, failure in enumerate(self._pending):
                if failure.matches(method, path):
                    if failure.count > 1:
                        self._pending[index] = replace(failure, count=failure.count - 1)
                    else:
                        del self._pending[index]
                    return failure
        return None

    def wait(self, failure: Failure) -> None:
        """Delays a call by the failure's seconds; returns at once when the simulator stops."""
        self._stopped.wait(failure.seconds)

    def stop(self) -> None:
        """Ends all delays."""
        self._stopped.set()
