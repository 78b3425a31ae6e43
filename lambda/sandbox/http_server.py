"""An HTTP server for WSGI applications. The only module that knows waitress."""

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
    """Serves ``app`` on a socket that is bound already, with ``threads`` answers at a time."""

    def __init__(self, app: WSGIApplication, listener: socket.socket, threads: int) -> None:
        self._server = create_server(
            app,
            sockets=[listener],
            threads=threads,
            ident="arcade-sandbox",
            max_request_body_size=LARGEST_BODY,
            connection_limit=2000,
            # select() knows no file descriptor above 1023.
            asyncore_use_poll=True,
        )
        self._thread = threading.Thread(target=self._server.run, name="http")

    def start(self) -> None:
        self._thread.start()

    def stop(self, patience: float = 2.0) -> None:
        """Closes every connection. Waits ``patience`` seconds for answers that are being made."""
        # The answers first: one that ends on a closed server fails, and says so in a traceback.
        self._server.task_dispatcher.shutdown(timeout=patience)
        # The connections belong to the server's thread: it has to close them itself.
        self._server.trigger.pull_trigger(self._close)
        self._thread.join()

    def _close(self) -> None:
        wasyncore.close_all(self._server._map)
