"""A Lambda function on loopback: machines with Lambda's own runtime, one event at a time each.

A machine is frozen between two events, as Lambda's are, and ends after a few of them, as Lambda's
may at any time: then another begins from nothing.

Source: AWS, "Using the Lambda runtime API for custom runtimes", "Understanding the Lambda execution
environment lifecycle".
"""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

PATIENCE = 30.0


class LambdaFunction:
    """``handler`` of the code in ``package``; each machine answers ``lives`` events."""

    def __init__(
        self, package: Path, handler: str, environment: Mapping[str, str], log: Path, lives: int
    ) -> None:
        self._package = package
        self._handler = handler
        self._environment = environment
        self._log = log
        self._lives = lives
        self._lock = threading.Lock()
        self._idle: list[_Machine] = []
        self._closed = False
        self.started = 0

    def invoke(self, event: Any) -> Any:
        """What the handler returns; raises :class:`RuntimeError` where it raises."""
        with self._lock:
            machine = self._idle.pop() if self._idle else None
            self.started += machine is None
        if machine is None:
            machine = _Machine(self._package, self._handler, self._environment, self._log)
        try:
            answer = machine.invoke(event)
        except BaseException:
            machine.stop()
            raise
        with self._lock:
            keep = machine.answered < self._lives and not self._closed
            if keep:
                self._idle.append(machine)
        if not keep:
            machine.stop()
        return answer

    def close(self) -> None:
        """Ends the machines that wait."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for machine in idle:
            machine.stop()


class _Machine:
    def __init__(
        self, package: Path, handler: str, environment: Mapping[str, str], log: Path
    ) -> None:
        self.answered = 0
        self._events: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[tuple[str, bytes]] = queue.SimpleQueue()
        self._waits = threading.Event()
        self._server = HTTPServer(("127.0.0.1", 0), _runtime_api(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        with log.open("ab") as out:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "awslambdaric", handler],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                cwd=package,
                env={
                    "PATH": os.environ["PATH"],
                    "PYTHONPATH": str(package),
                    "PYTHONDONTWRITEBYTECODE": "1",
                    "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self._server.server_port}",
                    **environment,
                },
            )

    def invoke(self, event: Any) -> Any:
        if not self._waits.wait(PATIENCE):
            raise RuntimeError("a machine of Lambda did not get ready")
        self._waits.clear()
        self._process.send_signal(signal.SIGCONT)
        self._events.put(json.dumps(event).encode())
        try:
            path, body = self._answers.get(timeout=PATIENCE)
        except queue.Empty:
            raise RuntimeError("the handler gave no answer") from None
        self.answered += 1
        if not path.endswith("/response"):
            raise RuntimeError(f"the handler failed: {body.decode()}")
        return json.loads(body)

    def next_event(self) -> bytes | None:
        """The event for the process, which is frozen until there is one; ``None`` at its end."""
        self._process.send_signal(signal.SIGSTOP)
        self._waits.set()
        return self._events.get()

    def take(self, path: str, body: bytes) -> None:
        self._answers.put((path, body))

    def stop(self) -> None:
        self._process.kill()
        self._process.wait(PATIENCE)
        self._events.put(None)
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _runtime_api(machine: _Machine) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            event = machine.next_event()
            if event is None:
                return
            self.send_response(200)
            self.send_header("Lambda-Runtime-Aws-Request-Id", str(uuid.uuid4()))
            self.send_header("Lambda-Runtime-Deadline-Ms", str(int(time.time() + 28) * 1000))
            self.send_header("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:::function")
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(event)))
            self.end_headers()
            self.wfile.write(event)

        def do_POST(self) -> None:
            machine.take(self.path, self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(202)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *words: object) -> None:
            pass

    return Handler
