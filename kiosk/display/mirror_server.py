"""An HTTP server that costs the kiosk a bounded number of sockets and threads, whoever connects.

A connection carries one request, which has to come whole within some seconds. Connections above
the limit are closed at once: the kiosk needs its file descriptors for payments.
"""

from __future__ import annotations

import logging
import socket
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from kiosk.config.schema import is_loopback

log = logging.getLogger(__name__)

MOST_CONNECTIONS = 32
REQUEST_SECONDS = 5.0  # within which a request has to come
SILENT_SECONDS = 600.0  # between two lines in the log about connections that were refused
POLL_SECONDS = 0.1


class MirrorServer(ThreadingHTTPServer):
    """Serves ``handler`` to at most ``most`` connections at once.

    ``hosts`` are the names and addresses that requests may be for, besides this machine's own:
    a page from elsewhere whose name leads here (DNS rebinding) gets nothing. A handler calls
    :meth:`has_asked` when its request is read.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(
        self,
        address: tuple[str, int],
        handler: type[BaseHTTPRequestHandler],
        hosts: frozenset[str],
        most: int = MOST_CONNECTIONS,
    ) -> None:
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        self._hosts = hosts
        self._most = most
        self._lock = threading.Lock()
        # Every open connection, with the time by which its request has to be there.
        self._connections: dict[socket.socket, float] = {}
        self._silent_until = 0.0
        super().__init__(address, handler)

    def serves(self, host: str) -> bool:
        """Whether a request with this Host header is for this mirror."""
        try:
            name = urlsplit(f"//{host}").hostname
        except ValueError:
            return False
        return name is not None and (is_loopback(name) or name in self._hosts)

    def has_asked(self, connection: socket.socket) -> None:
        """The connection's request is read: its answer may take as long as it likes."""
        with self._lock:
            self._connections[connection] = float("inf")

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            full = len(self._connections) >= self._most
            if not full:
                self._connections[request] = time.monotonic() + REQUEST_SECONDS
        if full:
            if time.monotonic() >= self._silent_until:
                self._silent_until = time.monotonic() + SILENT_SECONDS
                log.warning("the mirror has %d connections: it takes no more for now", self._most)
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except RuntimeError:  # no thread is to be had
            self._forget(request)
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._forget(request)

    def service_actions(self) -> None:
        """Ends the connections whose request did not come in time."""
        now = time.monotonic()
        with self._lock:
            late = [one for one, until in self._connections.items() if until < now]
        for connection in late:
            _end(connection)

    def server_close(self) -> None:
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            _end(connection)
        super().server_close()

    def handle_error(self, *_viewer: Any) -> None:
        log.debug("a viewer of the mirror was lost", exc_info=True)

    def _forget(self, connection: socket.socket) -> None:
        with self._lock:
            self._connections.pop(connection, None)


def _end(connection: socket.socket) -> None:
    """Whoever reads from it, or writes to it, in another thread, finds it ended."""
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
