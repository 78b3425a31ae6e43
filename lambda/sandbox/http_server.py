"""An HTTP server for WSGI applications. The only module that uses waitress."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING

from waitress import create_server, wasyncore

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

# A body this large is still read, so that the application itself can refuse it.
LARGEST_BODY = 32 * 1024 * 1024


class HttpServer:
    """Serves ``app`` on a bound socket, handling up to ``threads`` requests at a time."""

    def __init__(self, app: WSGIApplication, listener: socket.socket, threads: int) -> None:
        self._server = create_server(
            app,
            sockets=[listener],
            threads=threads,
            ident="arcade-sandbox",
            max_request_body_size=LARGEST_BODY,
            connection_limit=2000,
            # select() takes no file descriptor above 1023.
            asyncore_use_poll=True,
        )
        self._thread = threading.Thread(target=self._server.run, name="http")

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout: float = 2.0) -> None:
        """Closes every connection. Waits up to ``timeout`` seconds for requests under way."""
        # First the requests under way: one that ends after the server is closed logs a traceback.
        self._server.task_dispatcher.shutdown(timeout=timeout)
        # Only the server's thread may touch the connections, so it closes them.
        self._server.trigger.pull_trigger(self._close)
        self._thread.join()

    def _close(self) -> None:
        wasyncore.close_all(self._server._map)
