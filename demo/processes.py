"""Programs that the demo starts, and stops."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Mapping, Sequence

TAIL = 12
STOP_TIMEOUT = 5.0


class ChildFailed(Exception):
    """A program ended, or did not get ready; the message has its last output."""


class Child:
    """A Python module run as a program of its own, in a process group of its own.

    Its standard error is kept (the last lines) and passed on if ``verbose``. ``environment`` adds
    to this process's own.
    """

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        verbose: bool,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self._verbose = verbose
        self._tail: deque[str] = deque(maxlen=TAIL)
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        # A terminal sends Ctrl-C to the whole foreground group: we alone decide the order.
        self._process = subprocess.Popen(
            [sys.executable, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env={**os.environ, **(environment or {})},
        )
        self._readers = [
            threading.Thread(target=self._read_errors, daemon=True),
            threading.Thread(target=self._read_output, daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def ended(self, timeout: float) -> int:
        """Waits until it ends by itself; returns its exit status, below 0 for a signal."""
        return self._process.wait(timeout)

    def line(self, timeout: float) -> str:
        """The next line of its standard output."""
        try:
            line = self._lines.get(timeout=timeout)
        except queue.Empty:
            raise ChildFailed(f"{self.name} did not get ready in {timeout:.0f} s") from None
        if line is None:
            raise self.failure()
        return line

    def failure(self) -> ChildFailed:
        """What to say of a program that ended by itself."""
        self._process.wait(STOP_TIMEOUT)
        self._readers[0].join(1.0)
        said = "\n  ".join(self._tail) or "it said nothing"
        return ChildFailed(f"{self.name} ended with status {self._process.returncode}:\n  {said}")

    def kill(self) -> None:
        """Ends it at once, as a power cut does."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(STOP_TIMEOUT)
        self.stop()

    def stop(self) -> None:
        """Asks it to end, and ends it with its whole group if it does not."""
        if self.running:
            self._process.terminate()
            try:
                self._process.wait(STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait(STOP_TIMEOUT)
        for reader in self._readers:
            reader.join(1.0)
        for stream in (self._process.stdout, self._process.stderr):
            if stream:
                stream.close()

    def _read_errors(self) -> None:
        assert self._process.stderr
        for line in self._process.stderr:
            self._tail.append(line.rstrip())
            if self._verbose:
                print(f"{self.name}: {line.rstrip()}", file=sys.stderr)

    def _read_output(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put(None)
