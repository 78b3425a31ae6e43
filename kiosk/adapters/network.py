"""Sentences for what goes wrong between this machine and another."""

from __future__ import annotations

import errno
import socket
import ssl

_BROKEN_OFF = (ConnectionResetError, ConnectionAbortedError, BrokenPipeError, ssl.SSLEOFError)
_NO_ROUTE = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN)


def unreachable(what: str, error: OSError) -> str:
    """A sentence for the operator: why ``what``, for instance ``the cloud``, cannot be reached."""
    if isinstance(error, ssl.SSLCertVerificationError):
        problem = error.verify_message.rstrip(".")
        clock = "not yet valid" in problem or "expired" in problem
        remedy = "this machine's clock" if clock else "its address and its certificate"
        return f"{what} cannot be trusted, {problem}: check {remedy}"
    return f"{what} cannot be reached: {_why(error)}"


def _why(error: OSError) -> str:
    if isinstance(error, socket.gaierror):
        return "its name is unknown here, check the network"
    if isinstance(error, ConnectionRefusedError):
        return "nothing listens there"
    if isinstance(error, TimeoutError):
        return "it does not answer"
    if isinstance(error, _BROKEN_OFF):
        return "it broke the connection off"
    if isinstance(error, ssl.SSLError):
        # Errors that Python itself raises have no reason.
        return f"it does not speak TLS ({getattr(error, 'reason', None) or 'no reason given'})"
    if error.errno in _NO_ROUTE:
        return "there is no way to it, check the network"
    return error.strerror or type(error).__name__
