"""The words for what goes wrong on the way to another machine."""

from __future__ import annotations

import errno
import socket
import ssl

import pytest

from kiosk.adapters.network import unreachable


def untrusted(told: str) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_message = told
    return error


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ConnectionRefusedError(), "the cloud cannot be reached: nothing listens there"),
        (TimeoutError(), "the cloud cannot be reached: it does not answer"),
        (ConnectionResetError(), "the cloud cannot be reached: it broke the connection off"),
        (ssl.SSLEOFError(), "the cloud cannot be reached: it broke the connection off"),
        (
            socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"),
            "the cloud cannot be reached: its name is unknown here, check the network",
        ),
        (
            OSError(errno.ENETUNREACH, "Network is unreachable"),
            "the cloud cannot be reached: there is no way to it, check the network",
        ),
        (
            ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number"),
            "the cloud cannot be reached: it does not speak TLS (no reason given)",
        ),
        (OSError(errno.EMFILE, "Too many open files"), "the cloud cannot be reached: Too many"),
        (OSError(), "the cloud cannot be reached: OSError"),
        # A Pi has no battery for its clock, and a wrong clock makes every certificate invalid.
        (
            untrusted("certificate is not yet valid"),
            "the cloud cannot be trusted, certificate is not yet valid: check this machine's clock",
        ),
        (
            untrusted("certificate has expired"),
            "the cloud cannot be trusted, certificate has expired: check this machine's clock",
        ),
        (
            untrusted("self-signed certificate"),
            "the cloud cannot be trusted, self-signed certificate: "
            "check its address and its certificate",
        ),
        (
            untrusted("IP address mismatch, certificate is not valid for '127.0.0.1'."),
            "the cloud cannot be trusted, IP address mismatch, certificate is not valid for "
            "'127.0.0.1': check its address and its certificate",
        ),
    ],
)
def test_each_way_to_fail_has_its_sentence(error: OSError, told: str) -> None:
    assert unreachable("the cloud", error).startswith(told)
