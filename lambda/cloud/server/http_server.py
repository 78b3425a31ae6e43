"""An HTTP server for WSGI applications. The only module that uses waitress."""

from __future__ import annotations

import socket
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from waitress import create_server, wasyncore

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

POLL_SECONDS = 0.01


@dataclass(frozen=True)
class Limits:
    """What one client may use. ``body`` and ``header`` are bytes: more gets 413 or 431.

    A connection on which nothing came or went for ``idle_seconds`` is closed. ``trusted_proxy`` is
    the one address whose X-Forwarded-For and X-Forwarded-Proto are believed; from any other, and
    if it is empty from all, they are taken away.
    """

    body: int = 32 * 1024 * 1024
    header: int = 256 * 1024
    connections: int = 2000
    idle_seconds: int = 120
    trusted_proxy: str = ""


# The application may refuse a large body itself.
GENEROUS = Limits()


class HttpServer:
    """Serves ``app`` on a bound socket, handling up to ``threads`` requests at a time."""

    def __init__(
        self,
        app: WSGIApplication,
        listener: socket.socket,
        threads: int,
        limits: Limits = GENEROUS,
    ) -> None:
        proxy = (
            {
                "trusted_proxy": limits.trusted_proxy,
                "trusted_proxy_headers": {"x-forwarded-for", "x-forwarded-proto"},
            }
            if limits.trusted_proxy
            else {}
        )
        self._server = create_server(
            app,
            sockets=[listener],
            threads=threads,
            ident=None,
            max_request_body_size=limits.body,
            max_request_header_size=limits.header,
            connection_limit=limits.connections,
            channel_timeout=limits.idle_seconds,
            clear_untrusted_proxy_headers=True,
            # select() takes no file descriptor above 1023.
            asyncore_use_poll=True,
            **proxy,
        )
        self._thread = threading.Thread(target=self._server.run, name="http")
        self._listener_closed = threading.Event()

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout: float = 2.0) -> None:
        """Takes no more connections, answers the requests that have come, and closes the rest.

        Waits up to ``timeout`` seconds for the answers.
        """
        until = time.monotonic() + timeout
        # Only the server's thread may touch sockets, so it closes them.
        self._server.trigger.pull_trigger(self._close_listener)
        self._listener_closed.wait()
        while self._busy() and time.monotonic() < until:
            time.sleep(POLL_SECONDS)
        # Then the threads: one that ends after the server is closed logs a traceback.
        self._server.task_dispatcher.shutdown(timeout=max(POLL_SECONDS, until - time.monotonic()))
        self._server.trigger.pull_trigger(self._close)
        self._thread.join()

    def _busy(self) -> bool:
        """Whether a request is not answered yet, or an answer not sent."""
        return any(
            channel.requests or channel.total_outbufs_len
            for channel in list(self._server.active_channels.values())
        )

    def _close_listener(self) -> None:
        wasyncore.dispatcher.close(self._server)
        self._listener_closed.set()

    def _close(self) -> None:
        wasyncore.close_all(self._server._map)
