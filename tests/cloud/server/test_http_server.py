"""Whose word the HTTP server takes for where a call came from, and how it ends."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any

import pytest
import requests

from cloud.server.http_server import HttpServer, Limits
from cloud.server.listener import listen, port_of

WAIT = 10.0


def told(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """An application that answers where it thinks the call came from."""
    start_response("200 OK", [])
    seen = environ["REMOTE_ADDR"], environ["wsgi.url_scheme"], environ.get("HTTP_X_FORWARDED_FOR")
    return [" ".join(map(str, seen)).encode()]


@pytest.mark.parametrize(
    ("proxy", "seen"),
    [
        ("127.0.0.1", "198.51.100.7 https 198.51.100.7"),
        ("192.0.2.1", "127.0.0.1 http None"),
        ("", "127.0.0.1 http None"),
    ],
)
def test_only_the_proxy_is_believed(proxy: str, seen: str) -> None:
    with listen("127.0.0.1", 0) as listener:
        server = HttpServer(told, listener, 1, Limits(trusted_proxy=proxy))
        server.start()
        try:
            answer = requests.get(
                f"http://127.0.0.1:{port_of(listener)}/",
                headers={"X-Forwarded-For": "198.51.100.7", "X-Forwarded-Proto": "https"},
                timeout=WAIT,
            )
        finally:
            server.stop()
    assert answer.text == seen


def test_calls_that_wait_for_a_thread_are_answered_before_the_end() -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slow(_environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        begun.set()
        assert go_on.wait(WAIT)
        start_response("200 OK", [])
        return [b"x" * 100_000]

    with listen("127.0.0.1", 0) as listener:
        address = f"http://127.0.0.1:{port_of(listener)}/"
        server = HttpServer(slow, listener, 1)
        server.start()
        lengths: list[int] = []
        callers = [
            threading.Thread(
                target=lambda: lengths.append(len(requests.get(address, timeout=WAIT).content))
            )
            for _ in range(3)
        ]
        for caller in callers:
            caller.start()
        assert begun.wait(WAIT)
        channels = server._server.active_channels
        while sum(bool(channel.requests) for channel in list(channels.values())) < 3:
            threading.Event().wait(0.01)
        stopper = threading.Thread(target=server.stop, args=(WAIT,))
        stopper.start()
        assert server._listener_closed.wait(WAIT)
        with pytest.raises(requests.ConnectionError):
            requests.get(address, timeout=WAIT)
        go_on.set()
        for thread in (*callers, stopper):
            thread.join(WAIT)
    assert lengths == [100_000] * 3
