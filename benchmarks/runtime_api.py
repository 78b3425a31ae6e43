"""Lambda's Runtime API on loopback, for one invocation of one process.

Source: AWS, "Using the Lambda runtime API for custom runtimes".
"""

from __future__ import annotations

import json
import queue
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import TracebackType
from typing import Any

INVOCATION = "2018-06-01/runtime/invocation"
PATIENCE = 30.0


class RuntimeApi:
    """Hands ``event`` to the first process that asks for work, and keeps what it answers."""

    def __init__(self, event: dict[str, Any]) -> None:
        self._event = json.dumps(event).encode()
        self._answers: queue.SimpleQueue[tuple[str, bytes]] = queue.SimpleQueue()
        self._server = HTTPServer(("127.0.0.1", 0), self._handler())
        self._server.timeout = PATIENCE
        self.address = f"127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> RuntimeApi:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._server.server_close()

    def answer(self) -> dict[str, Any]:
        """Serves until the process has answered, and returns the answer."""
        end = time.monotonic() + PATIENCE
        while self._answers.empty():
            if time.monotonic() > end:
                raise TimeoutError(f"the handler gave no answer within {PATIENCE:.0f} s")
            self._server.handle_request()
        path, body = self._answers.get()
        if not path.endswith("/response"):
            raise RuntimeError(f"the handler failed: {body.decode()}")
        answer = json.loads(body)
        assert isinstance(answer, dict)
        return answer

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        event, answers = self._event, self._answers

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Lambda-Runtime-Aws-Request-Id", "one")
                self.send_header("Lambda-Runtime-Deadline-Ms", str(int(time.time() + 28) * 1000))
                self.send_header("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:::function")
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(event)))
                self.end_headers()
                self.wfile.write(event)

            def do_POST(self) -> None:
                answers.put((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(202)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *words: object) -> None:
                """Nothing: the table is the output."""

        return Handler
