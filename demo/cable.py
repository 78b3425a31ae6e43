"""A network cable that can be pulled: passes a port on to another, until it is unplugged."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress

from sandbox.server import LOOPBACK

PIECE = 64 * 1024


class Cable:
    """Listens on a port of its own and passes every connection on to ``target`` of this machine.

    What is sent arrives ``delay`` seconds later, as over a slow line.
    """

    def __init__(self, target: int, delay: float = 0.0) -> None:
        self._target = target
        self._delay = delay
        self._listener = socket.create_server((LOOPBACK, 0))
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._plugged = True
        self._thread = threading.Thread(target=self._accept, name="cable", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """Where to connect to."""
        return int(self._listener.getsockname()[1])

    @property
    def plugged(self) -> bool:
        """Whether anything gets through."""
        return self._plugged

    def unplug(self) -> None:
        """Cuts every connection; new ones are cut at once."""
        with self._lock:
            self._plugged = False
            for end in self._open:
                _cut(end)

    def plug(self) -> None:
        """Lets new connections through again."""
        self._plugged = True

    def close(self) -> None:
        """Ends for good."""
        self.unplug()
        # Wakes whoever waits in accept, which a close alone does not.
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(2.0)

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            if not self._plugged:
                near.close()
                continue
            try:
                far = socket.create_connection((LOOPBACK, self._target), 5.0)
            except OSError:
                near.close()
                continue
            far.settimeout(None)
            with self._lock:
                self._open |= {near, far}
            ends = [
                threading.Thread(target=self._pass, args=pair, daemon=True)
                for pair in ((near, far), (far, near))
            ]
            for end in ends:
                end.start()
            threading.Thread(target=self._bury, args=(ends, (near, far)), daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while piece := source.recv(PIECE):
                time.sleep(self._delay)
                sink.sendall(piece)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    def _bury(self, ends: list[threading.Thread], sockets: tuple[socket.socket, ...]) -> None:
        for end in ends:
            end.join()
        with self._lock:
            self._open -= set(sockets)
            for done in sockets:
                done.close()


def _cut(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
