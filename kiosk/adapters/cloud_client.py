"""The calls to the cloud. The only module of the kiosk that knows requests.

Each call is made by one of a few threads, and comes back as exactly one event, in ``timeout_s`` at
the latest. urllib3 tries again within that time; what is worth trying again later, the rules do.
"""

from __future__ import annotations

import json
import logging
import queue
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import ConnectionPool, HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import MaxRetryError, ResponseError
from urllib3.response import BaseHTTPResponse
from urllib3.util.retry import Retry

from kiosk import __version__
from kiosk.adapters.network import unreachable
from kiosk.config.schema import CloudConfig
from kiosk.core.effects import Call
from kiosk.core.events import Answered, NotAnswered

log = logging.getLogger(__name__)

LARGEST_ANSWER = 64 * 1024
_WORKERS = 3
_CHUNK = 8192
_CONNECT_S = 3.05  # a little more than one repeat of a lost SYN

Put = Callable[[Answered | NotAnswered], None]


class CloudClient:
    """Asks the cloud for ``machine_id`` and tells ``put`` what came of it, from its own threads."""

    def __init__(self, settings: CloudConfig, machine_id: str, put: Put) -> None:
        self._calls: queue.SimpleQueue[Call | None] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._workers = [_Worker(settings, machine_id, self._tell(put)) for _ in range(_WORKERS)]
        self._threads = [
            threading.Thread(
                target=worker.run, args=(self._calls,), name=f"cloud-{number}", daemon=True
            )
            for number, worker in enumerate(self._workers, start=1)
        ]
        for thread in self._threads:
            thread.start()

    def send(self, call: Call) -> None:
        """Has the call made, with the cabinet's ``machine_id`` in its body; returns at once."""
        self._calls.put(call)

    def stop(self) -> None:
        """Breaks off what is under way and ends the threads; tells nothing more. Within 2 s."""
        self._stopping.set()
        for worker in self._workers:
            worker.stop()
            self._calls.put(None)
        until = time.monotonic() + 2.0
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))

    def _tell(self, put: Put) -> Put:
        def tell(event: Answered | NotAnswered) -> None:
            if not self._stopping.is_set():
                put(event)

        return tell


class _Line:
    """The connection of a call under way, to be broken off from another thread.

    It holds a duplicate of the socket: whatever has the original (TLS wraps it, an answer may take
    it along), to shut this one down ends the connection.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None

    def hold(self, connected: socket.socket) -> None:
        """This is the connection from now on."""
        self.let_go()
        with self._lock:
            # Not its own dup(): a socket with TLS refuses that.
            self._socket = socket.fromfd(connected.fileno(), connected.family, connected.type)

    def let_go(self) -> None:
        """The call is over: a duplicate would keep a closed connection open."""
        with self._lock:
            if self._socket is not None:
                self._socket.close()
                self._socket = None

    def break_off(self) -> None:
        """Ends the connection, and with it the wait for its answer."""
        with self._lock:
            if self._socket is not None:
                # The other side may have ended it already.
                with suppress(OSError):
                    self._socket.shutdown(socket.SHUT_RDWR)


class _Attempt:
    """Sees to it that one call is told once: its answer, or that there was none in time."""

    def __init__(self, put: Put) -> None:
        self._put = put
        self._lock = threading.Lock()
        self._told = False

    def tell(self, event: Answered | NotAnswered, then: Callable[[], None] = lambda: None) -> None:
        """Tells ``event`` and does ``then``, unless something was told before."""
        with self._lock:
            if not self._told:
                self._told = True
                self._put(event)
                then()


class _Worker:
    """Makes one call after the other, over one connection that it keeps."""

    def __init__(self, settings: CloudConfig, machine_id: str, put: Put) -> None:
        self._url = settings.url
        self._timeout = settings.timeout_s
        self._machine_id = machine_id
        self._put = put
        self._what = f"the cloud {urlsplit(settings.url).netloc}"
        self._line = _Line()
        self._deadline = 0.0
        self._stopped = False
        self._session = requests.Session()
        # Nothing from the environment: a .netrc would take the token's place.
        self._session.trust_env = False
        adapter = _Adapter(self._line, self._left)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)
        self._session.headers.update(
            {
                "User-Agent": f"arcade-kiosk/{__version__}",
                "Authorization": f"Bearer {settings.token.get_secret_value()}",
                "Content-Type": "application/json",
                "Accept": "application/json",
                "Accept-Encoding": "identity",
            }
        )

    def run(self, calls: queue.SimpleQueue[Call | None]) -> None:
        """Makes calls until it gets None."""
        with self._session:
            while (call := calls.get()) is not None and not self._stopped:
                self._make(call)

    def stop(self) -> None:
        """Breaks off the call under way."""
        self._stopped = True
        self._line.break_off()

    def _make(self, call: Call) -> None:
        attempt = _Attempt(self._put)
        late = NotAnswered(call, f"{self._what} did not answer within {self._timeout:g} s")
        self._deadline = time.monotonic() + self._timeout
        # Timeouts of sockets begin anew with each byte: this one does not.
        alarm = threading.Timer(self._timeout, attempt.tell, (late, self._line.break_off))
        alarm.daemon = True
        alarm.start()
        try:
            attempt.tell(self._ask(call))
        except requests.RequestException as error:
            # At the end of its time a call fails by the alarm or by its socket, whichever is first.
            over = self._left() <= 0
            attempt.tell(late if over else NotAnswered(call, self._reason(error)))
        except Exception as error:  # noqa: BLE001 - a call must come back, its thread must live
            # Without the error's text: nobody knows what it quotes.
            log.error("the call %s failed with %s", call.name, type(error).__name__)
            reason = f"{self._what} could not be asked ({type(error).__name__})"
            attempt.tell(NotAnswered(call, reason))
        finally:
            alarm.cancel()
            self._line.let_go()

    def _left(self) -> float:
        """Seconds until the call under way is given up."""
        return 0.0 if self._stopped else self._deadline - time.monotonic()

    def _ask(self, call: Call) -> Answered | NotAnswered:
        body = json.dumps({"machine_id": self._machine_id, **call.body}).encode()
        with self._session.post(
            self._url + call.path,
            data=body,
            timeout=(min(_CONNECT_S, self._timeout), self._timeout),
            stream=True,
            allow_redirects=False,  # the token is for this address only
        ) as response:
            if 300 <= response.status_code < 400:
                return NotAnswered(
                    call, f"{self._what} sends us elsewhere: set url in [cloud] to its real address"
                )
            content = bytearray()
            for chunk in response.iter_content(_CHUNK):
                content += chunk
                if len(content) > LARGEST_ANSWER:
                    return NotAnswered(
                        call, f"{self._what} answered with more than {LARGEST_ANSWER // 1024} KB"
                    )
        return self._read(call, response.status_code, bytes(content))

    def _read(self, call: Call, status: int, content: bytes) -> Answered | NotAnswered:
        try:
            body = json.loads(content)
        except (ValueError, RecursionError):
            return NotAnswered(call, f"{self._what} answered HTTP {status} without JSON")
        if not isinstance(body, dict):
            return NotAnswered(call, f"{self._what} answered HTTP {status} without a JSON object")
        answer: Mapping[str, object] = body
        return Answered(call, status, answer)

    def _reason(self, error: requests.RequestException) -> str:
        """A sentence without the error's own text, which may quote what was sent."""
        for cause in _causes(error):
            if isinstance(cause, OSError) and not isinstance(cause, requests.RequestException):
                return unreachable(self._what, cause)
        if isinstance(error, requests.exceptions.ChunkedEncodingError):
            return f"{self._what} broke its answer off"
        return f"{self._what} could not be asked ({type(error).__name__}): check url in [cloud]"


class _Adapter(HTTPAdapter):
    """Connections that ``line`` knows of while they are used, and tries for ``left()`` seconds."""

    def __init__(self, line: _Line, left: Callable[[], float]) -> None:
        self._line = line
        super().__init__(pool_connections=1, pool_maxsize=1, max_retries=_Retries(left))

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _watched_pools(self._line)

    def close(self) -> None:
        """Closes the connections too, which urllib3 leaves to the garbage collector."""
        for key in self.poolmanager.pools.keys():  # noqa: SIM118 - it cannot be iterated
            self.poolmanager.pools[key].close()
        super().close()


def _watched_pools(line: _Line) -> dict[str, type[HTTPConnectionPool]]:
    """urllib3's pools by scheme, whose connections tell ``line`` of their sockets."""

    class Watched(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            connected = super()._new_conn()
            line.hold(connected)  # before TLS begins, which may be slow too
            return connected

        def request(self, *args: Any, **kwargs: Any) -> None:
            if self.sock is not None:  # kept from the call before
                line.hold(self.sock)
            super().request(*args, **kwargs)

    class WatchedTls(Watched, HTTPSConnection):
        """The same with TLS."""

    class Pool(HTTPConnectionPool):
        ConnectionCls = Watched

    class PoolTls(HTTPSConnectionPool):
        ConnectionCls = WatchedTls

    return {"http": Pool, "https": PoolTls}


class _Retries(Retry):
    """Two more tries after a failed connection and 502, 503, 504; none that begins too late.

    A POST may be repeated: each carries its claim id, or changes nothing. ``left()`` is how many
    seconds there are. A ``Retry-After`` that is longer is not waited for.
    """

    def __init__(self, left: Callable[[], float], **kwargs: Any) -> None:
        self.left = left
        defaults: dict[str, Any] = {
            "total": 2,
            "other": 0,
            "allowed_methods": ("POST",),
            "status_forcelist": (502, 503, 504),
            "raise_on_status": False,
            "backoff_factor": 0.1,
            "backoff_jitter": 0.3,
        }
        super().__init__(**(defaults | kwargs))

    def new(self, **kwargs: Any) -> Self:
        return super().new(left=self.left, **kwargs)

    def increment(
        self,
        method: str | None = None,
        url: str | None = None,
        response: BaseHTTPResponse | None = None,
        error: Exception | None = None,
        _pool: ConnectionPool | None = None,
        _stacktrace: TracebackType | None = None,
    ) -> Self:
        following = super().increment(method, url, response, error, _pool, _stacktrace)
        wait = following.get_backoff_time()
        if response is not None:
            wait = max(wait, self.get_retry_after(response) or 0.0)
        if wait >= self.left():
            late = error or ResponseError("there is no time for another try")
            raise MaxRetryError(_pool, url or "", late) from error  # type: ignore[arg-type]
        return following


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error and those it stands for, the outermost first. Each library nests in its own way."""
    seen: set[int] = set()
    waiting: list[object] = [error]
    while waiting:
        found = waiting.pop(0)
        if isinstance(found, BaseException) and id(found) not in seen:
            seen.add(id(found))
            yield found
            waiting += [getattr(found, "reason", None), *found.args, found.__cause__]
            waiting.append(found.__context__)
