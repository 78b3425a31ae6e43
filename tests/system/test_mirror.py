"""The real kiosk while somebody holds as many connections to its mirror as they can."""

from __future__ import annotations

import contextlib
import resource
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from cloud.core.orders import OrderState
from tests.system.hall import Hall, until

CONNECTIONS = 1024
ROOM = 200  # what this process needs besides
DESCRIPTORS = 256  # what the kiosk is given: fewer than there are connections


@pytest.fixture
def hall(tmp_path: Path) -> Iterator[Hall]:
    hall = Hall(tmp_path)
    hall.open()
    yield hall
    hall.close()


@pytest.fixture
def _room_for_sockets() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = CONNECTIONS + ROOM
    if 0 <= hard < wanted:
        pytest.skip(f"this process may open {hard} files, and needs {wanted}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="only Linux limits another process")
@pytest.mark.usefixtures("_room_for_sockets")
def test_a_payment_goes_through_with_1024_idle_connections_to_the_mirror(hall: Hall) -> None:
    cabinet = hall.add("cab001")
    kiosk = hall.kiosk(cabinet)
    resource.prlimit(kiosk.pid, resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))
    until(lambda: cabinet.shows("ready"), "the code")
    link = hall.link_of("cab001")
    host, port = cabinet.mirror.removeprefix("http://").split(":")
    held = [socket.socket() for _ in range(CONNECTIONS)]

    def connect(one: socket.socket) -> None:
        one.settimeout(5)
        with contextlib.suppress(OSError):  # it is refused, or ended
            one.connect((host, int(port)))

    with ExitStack() as closing, ThreadPoolExecutor(128) as pool:
        for one in held:
            closing.enter_context(one)
        list(pool.map(connect, held))
        # A new connection to the cloud is needed, as after any pause.
        assert hall.sandbox
        hall.sandbox.stop()
        hall.open()
        order = hall.finished(hall.pay_at(link, 2), patience=12)
    assert (order.state, order.pulsed) == (OrderState.SETTLED, 2)
    assert hall.charged(order.order_id) == order.amount
    until(lambda: cabinet.shows("playing"), "the mirror again")
    assert kiosk.running
