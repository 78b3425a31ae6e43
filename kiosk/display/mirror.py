"""The screen over HTTP, to look at from elsewhere. Read-only, off unless configured.

Who may connect at all, and how many, is :mod:`kiosk.display.mirror_server`'s.

``GET /screen.png`` is the current frame, ``/stream`` the frames as they change (JPEG parts of a
``multipart/x-mixed-replace``), ``/state`` what is on the screen as JSON, ``/events`` the same
whenever it changes (server-sent events).
"""

from __future__ import annotations

import io
import json
import logging
import threading
import time
from collections.abc import Callable, Iterable
from http.server import BaseHTTPRequestHandler
from typing import Any

import pygame

from kiosk.display.mirror_server import MOST_CONNECTIONS, POLL_SECONDS, MirrorServer
from kiosk.display.window import Frame
from kiosk.errors import KioskError

log = logging.getLogger(__name__)

FRAME = 1 / 60  # seconds between two frames of the stream, at the least
KEEP_ALIVE = 5.0  # a quiet stream sends something so often, to notice that its client is gone
FRAME_TIMEOUT = 5.0  # how long a request waits for a frame


class Mirror:
    """Serves what :meth:`on_frame` is shown, to ``most`` connections at once. ``facts`` adds to
    the state; ``hosts`` are names and addresses that it may be asked for, besides ``host`` and
    this machine's own.

    Frames are copied only while somebody looks, and encoded once for all who do.
    """

    def __init__(
        self,
        host: str,
        port: int,
        facts: Callable[[], dict[str, object]] = dict,
        hosts: Iterable[str] = (),
        most: int = MOST_CONNECTIONS,
    ) -> None:
        self._facts = facts
        self._hosts = frozenset(name.lower() for name in (host, *hosts))
        self._most = most
        self._change = threading.Condition()
        self._viewers = 0
        self._frame: pygame.Surface | None = None
        self._number = 0
        self._jpeg: tuple[int, bytes] = (0, b"")
        self._taken_at = 0.0
        self._state: dict[str, object] = {}
        self._stopped = False
        self._address = (host, port)
        self._server: MirrorServer | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> int:
        """Starts to serve; returns the port. Raises :class:`KioskError` if that is taken."""
        host, port = self._address
        handler = type("Handler", (_Handler,), {"mirror": self})
        try:
            self._server = MirrorServer((host, port), handler, self._hosts, self._most)
        except OSError as error:
            raise KioskError(
                f"the mirror cannot listen on {host}:{port} ({error.strerror}): "
                "name another [mirror] listen"
            ) from error
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(POLL_SECONDS,), name="mirror", daemon=True
        )
        self._thread.start()
        port = int(self._server.server_address[1])
        log.info("the mirror is at http://%s:%d/screen.png", self._server.server_address[0], port)
        return port

    def stop(self) -> None:
        """Ends the server and its streams, if it was started."""
        with self._change:
            self._stopped = True
            self._change.notify_all()
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join(2.0)

    def on_frame(self, frame: Frame) -> None:
        """Takes a frame; copies it only for viewers."""
        surface, view, code = frame.surface, frame.view, frame.code
        state: dict[str, object] = {
            "screen": view.screen.value,
            "coin": view.coin,
            "coins": view.coins,
            "closed": view.closed,
            "credits_left": view.credits_left,
            "released": view.released,
            "notes": [f"{alert.code} · {alert.text}" for alert in view.alerts],
            "width": surface.get_width(),
            "height": surface.get_height(),
            "settled": frame.settled,
            "shows_qr": code is not None,
            "qr": None
            if code is None or view.offer is None
            else {"x": code.x, "y": code.y, "w": code.w, "h": code.h, "url": view.offer.url},
        }
        now = time.monotonic()
        with self._change:
            # A new screen is never left out; what only moves may wait for the next frame.
            if self._viewers and (state != self._state or now - self._taken_at >= FRAME):
                self._frame = surface.copy()
                self._number += 1
                self._taken_at = now
            elif not self._viewers:
                self._frame = None
            self._state = state
            self._change.notify_all()

    def state(self) -> dict[str, object]:
        """What is on the screen now."""
        with self._change:
            state = dict(self._state)
        return {**state, **self._facts()}

    def png(self) -> bytes | None:
        """The next frame as a PNG; ``None`` if there is none in time."""
        with self._viewing(), self._change:
            before = self._number
            self._change.wait_for(lambda: self._number > before or self._stopped, FRAME_TIMEOUT)
            frame = self._frame
        return None if frame is None else _encoded(frame, "frame.png")

    def frames(self, send: Callable[[bytes], None]) -> None:
        """Sends JPEGs as the screen changes, until ``send`` raises or the mirror stops."""
        last = 0
        with self._viewing():
            while True:
                with self._change:
                    self._change.wait_for(lambda: self._number > last or self._stopped, KEEP_ALIVE)  # noqa: B023
                    if self._stopped:
                        return
                    frame, number = self._frame, self._number
                if frame is not None:
                    send(self._encode(frame, number))
                last = number

    def events(self, send: Callable[[dict[str, object] | None], None]) -> None:
        """Sends the state whenever it changes, and ``None`` now and then while it does not."""
        last: dict[str, object] = {}
        while True:
            state = self.state()
            if state != last:
                send(state)
                last = state
            quiet_since = time.monotonic()
            while self.state() == last:
                with self._change:
                    if self._stopped:
                        return
                    self._change.wait(0.5)
                if time.monotonic() - quiet_since > KEEP_ALIVE:
                    send(None)
                    quiet_since = time.monotonic()

    def _viewing(self) -> _Viewer:
        return _Viewer(self)

    def add_viewers(self, number: int) -> None:
        """Counts a viewer who comes (1) or goes (-1)."""
        with self._change:
            self._viewers += number

    def _encode(self, frame: pygame.Surface, number: int) -> bytes:
        known, jpeg = self._jpeg
        if known != number:
            jpeg = _encoded(frame, "frame.jpg")
            self._jpeg = (number, jpeg)
        return jpeg


class _Viewer:
    def __init__(self, mirror: Mirror) -> None:
        self._mirror = mirror

    def __enter__(self) -> None:
        self._mirror.add_viewers(1)

    def __exit__(self, *_error: object) -> None:
        self._mirror.add_viewers(-1)


def _encoded(frame: pygame.Surface, name: str) -> bytes:
    file = io.BytesIO()
    pygame.image.save(frame, file, name)
    return file.getvalue()


_WRONG_HOST = json.dumps(
    {"error": "the mirror is not served under this name: say it in [mirror] hosts"}
).encode()


class _Handler(BaseHTTPRequestHandler):
    mirror: Mirror
    server: MirrorServer
    protocol_version = "HTTP/1.1"
    timeout = 10  # seconds that a viewer may take to receive something

    def do_GET(self) -> None:
        self.close_connection = True
        self.server.has_asked(self.connection)
        calls = {
            "/screen.png": self._screen,
            "/stream": self._stream,
            "/state": self._state,
            "/events": self._events,
        }
        call = calls.get(self.path.partition("?")[0])
        try:
            if not self.server.serves(self.headers.get("Host", "")):
                self._answer(403, "application/json", _WRONG_HOST)
            elif call is None:
                self._answer(404, "application/json", b'{"error": "there is no such page"}')
            else:
                call()
        except (OSError, ValueError):
            return  # whoever looked went away

    def _answer(self, status: int, kind: str, body: bytes) -> None:
        self._head(status, kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _head(self, status: int, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        # No page of another origin may show the screen, or read it.
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        self.send_header("Connection", "close")

    def _screen(self) -> None:
        picture = self.mirror.png()
        if picture is None:
            self._answer(503, "application/json", b'{"error": "the screen does not draw"}')
        else:
            self._answer(200, "image/png", picture)

    def _state(self) -> None:
        self._answer(200, "application/json", json.dumps(self.mirror.state()).encode())

    def _stream(self) -> None:
        self._head(200, "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()

        def send(jpeg: bytes) -> None:
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
            self.wfile.write(head.encode() + jpeg + b"\r\n")

        self.mirror.frames(send)

    def _events(self) -> None:
        self._head(200, "text/event-stream")
        self.end_headers()

        def send(state: dict[str, object] | None) -> None:
            event = f"data: {json.dumps(state)}\n\n" if state is not None else ": quiet\n\n"
            self.wfile.write(event.encode())
            self.wfile.flush()

        self.mirror.events(send)

    def log_message(self, format: str, *args: Any) -> None:
        log.debug("mirror: " + format, *args)
