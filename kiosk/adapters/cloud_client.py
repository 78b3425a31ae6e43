"""The calls to the cloud. The only module of the kiosk that knows requests.

Three threads make the calls, over connections that are kept. Each call is reported as exactly one
event, at most ``timeout_s`` after a thread took it up: a socket's timeout begins anew with each
byte, so one more thread ends the calls that are too late (decision 0017).
"""

from __future__ import annotations

import json
import logging
import math
import queue
import random
import socket
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.exceptions import SSLError
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.response import HTTPResponse

from kiosk import __version__
from kiosk.adapters.network import unreachable
from kiosk.config.schema import CloudConfig
from kiosk.core.effects import Call
from kiosk.core.events import Answered, NotAnswered
from kiosk.core.limits import LARGEST_ANSWER

log = logging.getLogger(__name__)

_AT_ONCE = 3
_CONNECT_S = 3.05  # a little more than one repeat of a lost SYN
_TEMPORARY = (502, 503, 504)


class CloudClient:
    """Makes calls for ``machine_id`` and passes the result of each to ``put``, from its threads."""

    def __init__(
        self,
        settings: CloudConfig,
        machine_id: str,
        put: Callable[[Answered | NotAnswered], None],
    ) -> None:
        self._settings = settings
        self._machine_id = machine_id
        self._put = put
        self._cloud = f"the cloud {urlsplit(settings.url).netloc}"
        self._late = f"{self._cloud} did not answer within {settings.timeout_s:g} s"
        self._session = _session(settings.token.get_secret_value())
        self._calls: queue.SimpleQueue[Call | None] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._changed = threading.Condition()  # guards the set, and wakes the deadlines' thread
        self._under_way: set[_Exchange] = set()
        self._threads = [
            threading.Thread(target=self._make_calls, name=f"cloud-{number}", daemon=True)
            for number in range(1, _AT_ONCE + 1)
        ]
        self._threads.append(
            threading.Thread(target=self._keep_deadlines, name="cloud-deadlines", daemon=True)
        )

    def start(self) -> None:
        """Starts the threads. Connections are made when they are needed."""
        for thread in self._threads:
            thread.start()

    def send(self, call: Call) -> None:
        """Has the call made, with the cabinet's ``machine_id`` in its body; returns at once."""
        self._calls.put(call)

    def stop(self) -> None:
        """Ends the calls under way and the threads, within 2 s; reports nothing any more."""
        with self._changed:
            self._stopping.set()
            for exchange in self._under_way:
                exchange.end()
            self._under_way.clear()
            self._changed.notify_all()
        for _ in range(_AT_ONCE):
            self._calls.put(None)
        until = time.monotonic() + 2.0
        for thread in self._threads:
            if thread.is_alive():
                thread.join(max(0.0, until - time.monotonic()))
        self._session.close()

    def _make_calls(self) -> None:
        while (call := self._calls.get()) is not None:
            exchange = _Exchange(call, time.monotonic() + self._settings.timeout_s)
            _current.set(exchange)
            with self._changed:
                if self._stopping.is_set():
                    return
                self._under_way.add(exchange)
                self._changed.notify()
            self._report(exchange, self._event(exchange))

    def _keep_deadlines(self) -> None:
        with self._changed:
            while not self._stopping.is_set():
                for exchange in [one for one in self._under_way if one.left() <= 0]:
                    self._report(exchange, NotAnswered(exchange.call, self._late))
                    exchange.end()
                self._changed.wait(min((one.left() for one in self._under_way), default=None))

    def _report(self, exchange: _Exchange, event: Answered | NotAnswered) -> None:
        """Reports the end of a call, unless that was done before."""
        with self._changed:
            if exchange in self._under_way:
                self._under_way.remove(exchange)
                self._put(event)

    def _event(self, exchange: _Exchange) -> Answered | NotAnswered:
        try:
            return self._answer(exchange)
        except _UnusableAnswer as error:
            reason = f"{self._cloud} {error}"
        except requests.RequestException as error:
            # At its deadline a call fails by its socket's timeout, or because it was ended.
            reason = self._reason(error) if exchange.left() > 0 else self._late
        except Exception as error:  # noqa: BLE001 - each call is reported, and the thread goes on
            # Without the error's text: nobody knows what it quotes.
            log.error("the call %s failed with %s", exchange.call.name, type(error).__name__)
            reason = f"{self._cloud} could not be asked ({type(error).__name__})"
        return NotAnswered(exchange.call, reason)

    def _answer(self, exchange: _Exchange) -> Answered:
        """Makes a call in up to three tries. Raises what requests does, or _UnusableAnswer.

        A POST may be repeated: each carries its claim id, or changes nothing.
        """
        for pause in (0.0, random.uniform(0.2, 0.5), math.inf):
            try:
                status, retry_after, content = self._post(exchange)
            except requests.ConnectionError as error:
                if isinstance(error, SSLError) or not self._waited(pause, exchange):
                    raise
            else:
                if status not in _TEMPORARY or not self._waited(max(pause, retry_after), exchange):
                    return Answered(exchange.call, status, _json_object(status, content))
        raise AssertionError("an endless pause is not waited for")

    def _waited(self, seconds: float, exchange: _Exchange) -> bool:
        """Waits before the next try, if there is time for that and no :meth:`stop`."""
        return seconds < exchange.left() and not self._stopping.wait(seconds)

    def _post(self, exchange: _Exchange) -> tuple[int, float, bytes]:
        """The answer's status, the seconds it asks to wait before another try, and its body."""
        left = max(0.001, exchange.left())
        with self._session.post(
            self._settings.url + exchange.call.path,
            data=json.dumps({"machine_id": self._machine_id, **exchange.call.body}).encode(),
            timeout=(min(_CONNECT_S, left), left),
            stream=True,
            allow_redirects=False,  # the token is for this address only
        ) as response:
            if 300 <= response.status_code < 400:
                raise _UnusableAnswer("sends us elsewhere: set url in [cloud] to its real address")
            content = bytearray()
            for chunk in response.iter_content(8192):
                content += chunk
                if len(content) > LARGEST_ANSWER:
                    raise _UnusableAnswer(f"answered with more than {LARGEST_ANSWER // 1024} KB")
        retry_after = response.headers.get("Retry-After", "0")
        # It may also be a date. Then the answer stands, and the rules ask again later.
        wait = float(retry_after) if retry_after.isdecimal() else math.inf
        return response.status_code, wait, bytes(content)

    def _reason(self, error: requests.RequestException) -> str:
        """A sentence without the error's own text, which may quote what was sent."""
        cause: BaseException | None = error
        while cause is not None:
            # Those of requests are OSErrors too, and have the system's own beneath them.
            if isinstance(cause, OSError) and not isinstance(cause, requests.RequestException):
                return unreachable(self._cloud, cause)
            cause = cause.__cause__ or cause.__context__
        if isinstance(error, requests.exceptions.ChunkedEncodingError):
            return f"{self._cloud} broke its answer off"
        return f"{self._cloud} could not be asked ({type(error).__name__}): check url in [cloud]"


class _UnusableAnswer(Exception):
    """The cloud answered, but not as it should; the text goes on from "the cloud …"."""


def _json_object(status: int, content: bytes) -> Mapping[str, object]:
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        raise _UnusableAnswer(f"answered HTTP {status} without JSON") from None
    if not isinstance(body, dict):
        raise _UnusableAnswer(f"answered HTTP {status} without a JSON object")
    return body


@dataclass(eq=False)
class _Exchange:
    """A call under way, until ``deadline``, and the socket on which its answer is waited for."""

    call: Call
    deadline: float
    socket: socket.socket | None = None

    def left(self) -> float:
        """Seconds until the deadline."""
        return self.deadline - time.monotonic()

    def end(self) -> None:
        """Ends the connection, and with it the wait for the answer; any thread may."""
        self.deadline = 0.0
        if self.socket is not None:
            with suppress(OSError):  # it may be closed already
                self.socket.shutdown(socket.SHUT_RDWR)


# The exchange of the thread that asks: urllib3's connections are not told whom they work for.
_current: ContextVar[_Exchange] = ContextVar("exchange")


class _Connection(HTTPConnection):
    def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # as urllib3's own
        exchange = _current.get()
        exchange.socket = self.sock
        if exchange.left() <= 0:
            raise TimeoutError
        return super().getresponse()


class _TlsConnection(_Connection, HTTPSConnection):
    """The same with TLS."""


class _Adapter(HTTPAdapter):
    _pool: Any = None  # one, as there is one cloud

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
        self._pool = super().get_connection_with_tls_context(*args, **kwargs)
        self._pool.ConnectionCls = _TlsConnection if self._pool.scheme == "https" else _Connection
        return self._pool

    def close(self) -> None:
        super().close()
        if self._pool is not None:
            self._pool.close()  # urllib3 leaves its connections to the garbage collector


def _session(token: str) -> requests.Session:
    session = requests.Session()
    # Nothing from the environment: a .netrc would take the token's place.
    session.trust_env = False
    adapter = _Adapter(pool_connections=1, pool_maxsize=_AT_ONCE)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    session.headers.update(
        {
            "User-Agent": f"arcade-kiosk/{__version__}",
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/json",
            "Accept": "application/json",
            "Accept-Encoding": "identity",
        }
    )
    return session
