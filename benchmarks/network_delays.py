"""From the webhook to the coin with the network's real delays, hop by hop.

The sandbox and a kiosk in this process, as in ``payment``, with what lies between them put in:
Stripe's API answers after 150 ms and each read or write of the store takes 5; publishing takes 20
before the broker has the message; between cabinet and cloud, and between broker and cabinet, a line
carries every byte 30 ms each way, and a new connection costs one round trip more, as TCP's
handshake does.
"""

from __future__ import annotations

import contextlib
import queue
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

from benchmarks import parts
from benchmarks.payment_latency import Marks, Payer, hops, marked_orders, whole_of
from benchmarks.rows import Row, middle, spread
from cloud.adapters.mqtt_publisher import MqttPublisher
from cloud.adapters.stripe_gateway import StripeGateway
from cloud.stores.sqlite import SqliteLedger
from kiosk.config import loader

STRIPE_S, STORE_S, PUBLISH_S, ONE_WAY_S = 0.150, 0.005, 0.020, 0.030
PAYMENTS = 40
WARM_UP = 3


def run() -> list[Row]:
    """Pays in pairs: from signed events alone, and with Stripe asked."""
    marks = Marks()
    with contextlib.ExitStack() as stack:
        _, ready, data = stack.enter_context(parts.sandbox())
        path = parts.cabinet_config(data, "cab001")
        settings = loader.load(path)
        api, broker = urlsplit(settings.cloud.url).port, settings.broker.port
        assert api is not None
        text = path.read_text()
        for port in (api, broker):
            line = stack.enter_context(_line(port))
            text = text.replace(f":{port}", f":{line}").replace(f"port = {port}", f"port = {line}")
        path.write_text(text)
        stack.enter_context(marked_orders(marks))
        stack.enter_context(_slower(StripeGateway, "_ask", STRIPE_S))
        stack.enter_context(_slower(MqttPublisher, "publish", PUBLISH_S))
        for call in ("_read", "_write"):
            stack.enter_context(_slower(SqliteLedger, call, STORE_S))
        engine = stack.enter_context(parts.kiosk(loader.load(path), marks))
        payer = Payer(ready, engine, marks)
        pairs = [(payer.pay(), payer.pay(is_told=False)) for _ in range(WARM_UP + PAYMENTS)]
    told, asked = zip(*pairs[WARM_UP:], strict=True)
    ratio = f"{middle(whole_of(told)) / middle(whole_of(asked)):.2f}"
    return [
        Row("webhook → first relay edge, from signed events, p50/p95/p99", spread(whole_of(told)),
            ratio, f"{len(told)} payments"),
        *hops(told),
        Row("… where Stripe is asked", spread(whole_of(asked)), "1", "its hold was not told"),
        *hops(asked),
    ]  # fmt: skip


@contextlib.contextmanager
def _slower(kind: type, name: str, seconds: float) -> Iterator[None]:
    """Each call of ``kind.name`` begins ``seconds`` later."""
    real: Callable[..., Any] = getattr(kind, name)

    def slow(*arguments: Any, **named: Any) -> Any:
        time.sleep(seconds)
        return real(*arguments, **named)

    setattr(kind, name, slow)
    try:
        yield
    finally:
        setattr(kind, name, real)


@contextlib.contextmanager
def _line(port: int) -> Iterator[int]:
    """A line to a port of this machine; yields its own port."""
    stopping = threading.Event()
    threads: list[threading.Thread] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def begin(work: Callable[..., None], *arguments: Any) -> None:
        threads.append(threading.Thread(target=work, args=arguments, name="line"))
        threads[-1].start()

    def accept() -> None:
        listener.settimeout(0.05)
        while not stopping.is_set():
            with contextlib.suppress(TimeoutError):
                near, _ = listener.accept()
                far = socket.create_connection(("127.0.0.1", port))
                handshake = time.monotonic() + 2 * ONE_WAY_S
                for one, other in ((near, far), (far, near)):
                    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    sent: queue.SimpleQueue[tuple[float, bytes]] = queue.SimpleQueue()
                    begin(take, one, sent, handshake)
                    begin(give, other, sent)

    def take(source: socket.socket, sent: queue.SimpleQueue[Any], earliest: float) -> None:
        source.settimeout(0.05)
        while not stopping.is_set():
            try:
                data = source.recv(65536)
            except TimeoutError:
                continue
            except OSError:
                data = b""
            sent.put((max(time.monotonic(), earliest) + ONE_WAY_S, data))
            if not data:
                return
        sent.put((0.0, b""))

    def give(target: socket.socket, sent: queue.SimpleQueue[Any]) -> None:
        while True:
            due, data = sent.get()
            time.sleep(max(0.0, due - time.monotonic()))
            with contextlib.suppress(OSError):
                if not data:
                    target.shutdown(socket.SHUT_WR)
                    return
                target.sendall(data)

    begin(accept)
    try:
        yield listener.getsockname()[1]
    finally:
        stopping.set()
        for thread in threads:
            thread.join()
        listener.close()
