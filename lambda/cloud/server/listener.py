"""The TCP port that a server listens on."""

from __future__ import annotations

import errno
import socket


class PortTaken(Exception):
    """The port that was asked for cannot be listened on; the message says why."""


def listen(host: str, port: int) -> socket.socket:
    """A socket bound to ``host`` and ``port`` (0 = any free one); raises :class:`PortTaken`."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        raise PortTaken(f"{host} is no address of this machine: choose another --host") from error
    bound = socket.socket(family, kind, protocol)
    try:
        # A restart finds the connections of the run before still in TIME_WAIT.
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        # Some systems let two sockets bind the same port, and only one of them listen.
        bound.listen(128)
    except OSError as error:
        bound.close()
        raise PortTaken(_why(host, port, error)) from error
    return bound


def port_of(bound: socket.socket) -> int:
    """The port that a socket is bound to."""
    return int(bound.getsockname()[1])


def _why(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} of {host} is taken: end what uses it, or choose another --port"
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"port {port} of {host} is not allowed for this user: choose one above 1023"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{host} is no address of this machine: choose another --host"
    reason = error.strerror or type(error).__name__
    return f"port {port} of {host} cannot be listened on ({reason}): choose another --port"
