"""A cable that is pulled lets nothing through, and works again when it is plugged in."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from demo.cable import Cable


class Echo:
    """Sends back what it gets."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self) -> None:
        while True:
            try:
                end, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.answer, args=(end,), daemon=True).start()

    def answer(self, end: socket.socket) -> None:
        with end:
            while piece := end.recv(1000):
                end.sendall(piece)

    def close(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join()


@pytest.fixture
def cable() -> Iterator[Cable]:
    echo = Echo()
    cable = Cable(echo.listener.getsockname()[1])
    yield cable
    cable.close()
    echo.close()


def connect(cable: Cable) -> socket.socket:
    return socket.create_connection(("127.0.0.1", cable.port), 5)


def test_what_is_sent_comes_through_both_ways(cable: Cable) -> None:
    with connect(cable) as one, connect(cable) as other:
        one.sendall(b"one")
        other.sendall(b"other")
        assert (one.recv(9), other.recv(9)) == (b"one", b"other")


def test_a_pulled_cable_cuts_what_is_open_and_what_comes(cable: Cable) -> None:
    with connect(cable) as open_one:
        open_one.sendall(b"a")
        assert open_one.recv(9) == b"a"
        cable.unplug()
        assert not cable.plugged
        assert open_one.recv(9) == b""
    with connect(cable) as later:
        assert later.recv(9) == b""


def test_a_cable_that_is_plugged_in_again_works(cable: Cable) -> None:
    cable.unplug()
    cable.plug()
    with connect(cable) as end:
        end.sendall(b"back")
        assert end.recv(9) == b"back"


def test_nobody_behind_the_cable_is_an_end_of_the_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    cable = Cable(port)
    with connect(cable) as end:
        assert end.recv(9) == b""
    cable.close()
