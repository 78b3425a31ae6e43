"""Calls the cloud's sweep again and again, as EventBridge's schedule does on AWS."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

log = logging.getLogger(__name__)


class Sweeper:
    """Runs ``sweep`` every ``seconds`` in a thread of its own, the first time after that long.

    A sweep that fails is logged, and the next one comes all the same.
    """

    def __init__(self, sweep: Callable[[], object], seconds: float) -> None:
        self._sweep = sweep
        self._seconds = seconds
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sweeper")

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Returns once the sweep that runs, if one does, is over."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(self._seconds):
            try:
                log.debug("swept: %s", self._sweep())
            except Exception:
                log.exception("a sweep failed: the next one is in %g s", self._seconds)
