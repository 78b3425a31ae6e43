"""A proxy between the store and a DynamoDB that loses, doubles, delays and refuses."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from urllib.parse import urlsplit

FAULTS = (
    "request lost",
    "answer lost",
    "request twice",
    "answer twice",
    "request late",
    "throttled",
    "failed before",
    "failed after",
    "gateway",
    "damaged answer",
)
Answer = tuple[int, dict[str, str], bytes]


class DynamoDBProxy:
    """Serves at ``address`` what is at ``server``. ``plan`` says what happens to each request:
    one of ``FAULTS``, or ``""`` for nothing; after its end, nothing.

    A late request is one that the caller has given up, and that takes effect after the next.
    """

    def __init__(self, server: str) -> None:
        self._server = urlsplit(server).netloc
        self._plan: Iterator[str] = iter(())
        self._late: list[tuple[dict[str, str], bytes]] = []
        self._lock = threading.Lock()
        self.requests: list[str] = []
        self.connections = 0
        self.say: Callable[[bytes], object] = lambda _: None  # over the newest connection
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=lambda: self._http.serve_forever(0.01))
        self.address = f"http://127.0.0.1:{self._http.server_port}"

    def __enter__(self) -> DynamoDBProxy:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    def plan(self, faults: Iterator[str]) -> None:
        """What happens to the requests from now on."""
        with self._lock:
            self._plan = faults

    def answers(self, headers: dict[str, str], body: bytes) -> list[Answer]:
        """What comes back for a request: nothing if it is lost, or more than one answer."""
        with self._lock:
            fault = next(self._plan, "")
            self.requests.append(headers["X-Amz-Target"].rpartition(".")[2])
            late, self._late = self._late, []
        forward: Callable[[], Answer] = lambda: self._forward(headers, body)  # noqa: E731
        try:
            match fault:
                case "":
                    return [forward()]
                case "request lost":
                    return []
                case "answer lost":
                    forward()
                    return []
                case "request twice":
                    forward()
                    return [forward()]
                case "answer twice":
                    return [forward()] * 2
                case "request late":
                    with self._lock:
                        self._late.append((headers, body))
                    return []
                case "throttled":
                    return [_error(400, "ProvisionedThroughputExceededException")]
                case "failed before":
                    return [_error(500, "InternalServerError")]
                case "failed after":
                    forward()
                    return [_error(500, "InternalServerError")]
                case "gateway":
                    return [(404, {"Content-Type": "text/html"}, b"<h1>not here</h1>")]
                case "damaged answer":
                    status, more, answer = forward()
                    return [(status, {**more, "x-amz-crc32": "1"}, answer)]
            raise AssertionError(fault)
        finally:
            for old in late:
                self._forward(*old)

    def _forward(self, headers: dict[str, str], body: bytes) -> Answer:
        connection = http.client.HTTPConnection(self._server, timeout=10)
        try:
            connection.request("POST", "/", body, headers)
            response = connection.getresponse()
            checked = {"x-amz-crc32": response.getheader("x-amz-crc32") or ""}
            return response.status, {k: v for k, v in checked.items() if v}, response.read()
        finally:
            connection.close()


def _error(status: int, kind: str) -> Answer:
    body = {"__type": f"com.amazonaws.dynamodb.v20120810#{kind}", "message": "of the test"}
    return status, {"Content-Type": "application/x-amz-json-1.0"}, json.dumps(body).encode()


def _handler(proxy: DynamoDBProxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def setup(self) -> None:
            super().setup()
            proxy.connections += 1
            proxy.say = self.wfile.write

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            passed_on = {k: v for k, v in self.headers.items() if k.lower() != "accept-encoding"}
            answers = proxy.answers(passed_on, body)
            if not answers:
                self.close_connection = True
            told = b""
            for status, headers, answer in answers:
                lines = [f"HTTP/1.1 {status} OK", f"Content-Length: {len(answer)}"]
                lines += [f"{name}: {value}" for name, value in headers.items()]
                told += "\r\n".join([*lines, "", ""]).encode() + answer
            self.wfile.write(told)

        def log_message(self, *_words: object) -> None:
            pass

    return Handler
