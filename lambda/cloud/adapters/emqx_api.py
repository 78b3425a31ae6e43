"""Calls of EMQX's HTTP API, over a connection that is kept.

The only module of the cloud that knows ``requests``, which it imports for the first call. A
deployment's API is ``https://APP-ID:APP-SECRET@host:8443/api/v5``, with the key of its overview
page; the platform's is ``https://KEY:SECRET@host/api``. Source:
https://docs.emqx.com/en/cloud/latest/api/api_overview.html
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from requests import Session

# A connection that was not used for so long may be dead without a word, as after a Lambda froze.
IDLE_SECONDS = 30.0
# How much of the timeout an old connection may take before the call is made over a new one.
PATIENCE = 0.4
# Between two tries when EMQX says 429. Its limit is 10 calls a second:
# https://docs.emqx.com/en/cloud/latest/create/restriction.html
PAUSE_SECONDS = 0.25
LARGEST_ANSWER = 256 * 1024

LOOK = "look in EMQX's console whether the deployment runs"


class EmqxFailed(Exception):
    """One sentence for the operator. ``status`` is EMQX's, 0 if there was no answer of EMQX."""

    def __init__(self, sentence: str, status: int = 0) -> None:
        super().__init__(sentence)
        self.status = status


@dataclass(frozen=True)
class Answer:
    """A status that was asked for, and the JSON that came with it; ``None`` if there was none."""

    status: int
    body: object


class EmqxApi:
    """One API with its key; any thread may call it. ``timeout`` seconds bound a call with all of
    its tries. The server must prove itself: against ``ca_file``, or the usual list if empty.

    ``clock`` tells how long the connection was not used. It is that of the wall, which goes on
    while the machine is frozen.
    """

    def __init__(
        self,
        url: str,
        ca_file: str = "",
        timeout: float = 4.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        address = urlsplit(url)
        host = address.hostname or ""
        self._place = f"{host}:{address.port}" if address.port else host
        self._base = f"{address.scheme}://{self._place}{address.path.rstrip('/')}"
        self._key = unquote(address.username or ""), unquote(address.password or "")
        self._ca_file = ca_file
        self._timeout = timeout
        self._clock = clock
        self._lock = threading.Lock()
        self._session: Session | None = None
        self._used_at = 0.0

    def call(
        self, method: str, path: str, body: object = None, wanted: Collection[int] = (200,)
    ) -> Answer:
        """Makes one call, which EMQX may get twice; raises :class:`EmqxFailed` for any answer but
        a ``wanted`` status with JSON or with nothing."""
        from requests import RequestException

        deadline = time.monotonic() + self._timeout
        while True:
            session, is_new = self._usable()
            left = max(0.05, deadline - time.monotonic())
            try:
                answer = self._ask(session, method, path, body, left if is_new else left * PATIENCE)
            except RequestException as error:
                self._drop(session)
                if is_new or time.monotonic() >= deadline:
                    raise self._unreachable(error) from None
                continue
            if answer.status in wanted:
                return answer
            if answer.status != 429 or time.monotonic() + PAUSE_SECONDS >= deadline:
                raise EmqxFailed(self._refused(answer.status), answer.status)
            time.sleep(PAUSE_SECONDS)

    def close(self) -> None:
        """Ends the connection."""
        with self._lock:
            session, self._session = self._session, None
        if session:
            session.close()

    def _usable(self) -> tuple[Session, bool]:
        """A session whose connection is new or was used a moment ago; and whether it is new."""
        from http.cookiejar import DefaultCookiePolicy

        from requests import Session

        with self._lock:
            now = self._clock()
            if self._session and not 0 <= now - self._used_at < IDLE_SECONDS:
                self._session.close()
                self._session = None
            is_new = self._session is None
            if self._session is None:
                self._session = Session()
                # Nothing of the surroundings: no other key, no proxy that reads along.
                self._session.trust_env = False
                self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
                self._session.auth = self._key
                self._session.verify = self._ca_file or True
            self._used_at = now
            return self._session, is_new

    def _drop(self, session: Session) -> None:
        with self._lock:
            if self._session is session:
                self._session = None
        session.close()

    def _ask(
        self, session: Session, method: str, path: str, body: object, timeout: float
    ) -> Answer:
        response = session.request(
            method,
            f"{self._base}/{path}".rstrip("/"),
            json=body,
            timeout=timeout,
            allow_redirects=False,
            stream=True,
        )
        try:
            raw = response.raw.read(LARGEST_ANSWER + 1, decode_content=True)
        except Exception as error:  # urllib3's own, which requests does not translate here
            from requests import ConnectionError as Broken

            raise Broken(error) from error
        finally:
            response.close()
        if not raw and response.status_code in (201, 204):
            return Answer(response.status_code, None)
        try:
            found: object = json.loads(raw) if len(raw) <= LARGEST_ANSWER else None
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict | list) and 200 <= response.status_code < 300:
            raise EmqxFailed(
                f"{self._place} answers, but not as EMQX does: look whether the address is that of "
                "the deployment's API"
            )
        return Answer(response.status_code, found)

    def _unreachable(self, error: Exception) -> EmqxFailed:
        from requests import Timeout
        from requests.exceptions import SSLError

        if isinstance(error, SSLError):
            return EmqxFailed(
                f"{self._place} does not prove with a known certificate that it is EMQX"
            )
        what = "does not answer in time" if isinstance(error, Timeout) else "cannot be reached"
        return EmqxFailed(f"EMQX at {self._place} {what}: {LOOK}")

    def _refused(self, status: int) -> str:
        """What EMQX says with a status. What the API of a stopped deployment answers is written
        nowhere, so it is told with each that it may be."""
        match status:
            case 401:
                return f"EMQX at {self._place} does not take the API key: make a new one, or {LOOK}"
            case 403:
                return f"EMQX at {self._place} does not let the API key do this, or {LOOK}"
            case 404:
                return (
                    f"EMQX at {self._place} does not know this call: look whether the address is "
                    f"right, and {LOOK}"
                )
            case 429:
                return (
                    f"EMQX at {self._place} takes no more calls now: there are more than its limit "
                    "of 10 a second"
                )
            case _ if status >= 500:
                return f"EMQX at {self._place} fails with {status}: {LOOK}"
        return f"EMQX at {self._place} refuses the call with {status}"
