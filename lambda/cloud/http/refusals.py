"""Calls that were refused, in the log: told at once, counted, and never more than the log can bear.

A line is ``refused status=401 route="POST /claim" cause="token" count=37``: one for each cause, the
first at once and then one a minute at most with how many came since. What was sent is in none. It
counts for the metric ``refused``.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from cloud.core import metrics
from cloud.logs import about

log = logging.getLogger(__name__)

PAUSE_SECONDS = 60.0


class Refusals:
    """Counts refused calls by status, route and cause; any thread may call it.

    The counts are of this process: a Lambda that ends takes less than a minute's with it. What
    API Gateway refuses itself never comes here; its own metrics count that, by route.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._counts: dict[tuple[int, str, str], int] = {}
        self._told_at: dict[tuple[int, str, str], float] = {}

    def note(self, status: int, route: str, cause: str) -> None:
        """Counts one. ``route`` and ``cause`` are words of this program, never of the caller."""
        kind = status, route, cause
        with self._lock:
            now = self._clock()
            self._counts[kind] = count = self._counts.get(kind, 0) + 1
            told_at = self._told_at.get(kind)
            if told_at is not None and 0 <= now - told_at < PAUSE_SECONDS:
                return
            self._counts[kind] = 0
            self._told_at[kind] = now
        log.warning(
            'refused status=%d route="%s" cause="%s" count=%d', status, route, cause, count,
            extra=about(
                status=status, route=route, cause=cause, count=count,
                **metrics.document(round(now * 1000), {"refused": count}),
            ),
        )  # fmt: skip
