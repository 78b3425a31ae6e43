"""Finding TCP ports that are free."""

from __future__ import annotations

import socket

from cloud.server.listener import PortTaken, listen, port_of

__all__ = ["PortTaken", "free", "listen", "listen_again", "port_of"]


def listen_again(host: str, port: int) -> socket.socket:
    """Like :func:`listen`, with any other port where ``port`` is taken."""
    try:
        return listen(host, port)
    except PortTaken:
        return listen(host, 0)


def free(host: str, wanted: int = 0) -> int:
    """A port that is free now: ``wanted`` if that one is. Another may take it before its use."""
    with listen_again(host, wanted) as bound:
        return port_of(bound)
