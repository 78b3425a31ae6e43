"""Calls of DynamoDB's HTTP API, over connections that are kept.

What may pass by itself (throttling, a 5xx, a lost connection or answer) is tried again, with random
waits that grow, within ``LIMIT_S`` altogether. A write may have taken effect in a try whose answer
was lost: the next one may then find its own condition broken, and who calls has to look.

The protocol: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.LowLevelAPI.html
and, for what is tried again,
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import random
import select
import threading
import time
import zlib
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from cloud.aws_signature import NoCredentials, Signer
from cloud.stores.base import LedgerUnavailable

CONNECT_S = 1.0
READ_S = 2.0
LIMIT_S = 6.0  # no try begins after that
TRIES = 6
FIRST_WAIT_S = 0.05
LONGEST_WAIT_S = 1.0

_AGAIN = {
    "InternalServerError",
    "LimitExceededException",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "ServiceUnavailable",
    "ThrottlingException",
}
# What AWS says of a refused signature may quote the request's secrets: only these are told.
_WHY = {
    "AccessDeniedException": "the role lacks a right on the table: compare lambda/template.yaml",
    "ExpiredTokenException": "the AWS credentials have expired: get new ones",
    "IncompleteSignatureException": "the AWS credentials are not valid",
    "InvalidSignatureException": "the secret of the AWS credentials is wrong, or the clock is",
    "MissingAuthenticationTokenException": "there are no AWS credentials",
    "ResourceNotFoundException": "there is no such table in this region: see LEDGER",
    "UnrecognizedClientException": "the AWS credentials are not known",
}


class ConditionFailed(Exception):
    """The condition of a write does not hold; ``item`` is what is stored, where the answer says."""

    def __init__(self, item: Mapping[str, Any] | None) -> None:
        super().__init__("the condition does not hold")
        self.item = item


class _Again(Exception):
    """This try failed in a way that may pass."""


class DynamoDBClient:
    """DynamoDB in ``region``, or at ``endpoint``; safe to share between threads.

    Credentials come from ``environment``, as Lambda gives them, or from where AWS's tools keep
    theirs. Nothing is connected before the first call. An answer is waited for ``read_s`` seconds.
    """

    def __init__(
        self,
        region: str,
        endpoint: str = "",
        environment: Mapping[str, str] = os.environ,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        read_s: float = READ_S,
    ) -> None:
        address = urlsplit(endpoint or f"https://dynamodb.{region}.amazonaws.com")
        self._secure = address.scheme == "https"
        self._host = address.netloc
        self._signer = Signer(region, "dynamodb", environment)
        self._clock = clock
        self._sleep = sleep
        self._read_s = read_s
        self._lock = threading.Lock()
        self._idle: list[http.client.HTTPConnection] = []
        self._closed = False

    def call(self, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """One operation's answer; raises :class:`ConditionFailed` or
        :class:`LedgerUnavailable`."""
        body = json.dumps(request, separators=(",", ":")).encode()
        began = self._clock()
        wait_s = FIRST_WAIT_S
        for number in range(1, TRIES + 1):
            try:
                return self._try(operation, body)
            except _Again as error:
                left_s = LIMIT_S - (self._clock() - began)
                pause_s = random.uniform(0, wait_s)
                if number == TRIES or left_s <= pause_s:
                    raise LedgerUnavailable(
                        f"DynamoDB cannot be used now ({operation}: {error})"
                    ) from error
                self._sleep(pause_s)
                wait_s = min(2 * wait_s, LONGEST_WAIT_S)
        raise AssertionError

    def close(self) -> None:
        """Ends the connections; calls raise :class:`LedgerUnavailable` from then on."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _try(self, operation: str, body: bytes) -> dict[str, Any]:
        headers = self._signed(operation, body)
        connection = self._connection()
        kept = False
        try:
            connection.request("POST", "/", body, headers)
            response = connection.getresponse()
            answer = response.read()
            kept = not response.will_close
        except (OSError, http.client.HTTPException) as error:
            raise _Again(f"no answer: {type(error).__name__}") from error
        finally:
            if kept:
                self._keep(connection)
            else:
                connection.close()
        return _read(response.status, response.getheader("x-amz-crc32"), answer)

    def _signed(self, operation: str, body: bytes) -> dict[str, str]:
        try:
            return self._signer.headers(
                self._host, "application/x-amz-json-1.0", f"DynamoDB_20120810.{operation}", body
            )
        except NoCredentials as error:
            raise LedgerUnavailable(f"DynamoDB cannot be used: {error}") from error

    def _connection(self) -> http.client.HTTPConnection:
        """A connection that is kept and still good, or a new one."""
        while True:
            with self._lock:
                if self._closed:
                    raise LedgerUnavailable("the ledger is closed")
                connection = self._idle.pop() if self._idle else None
            if connection is None:
                break
            if not _has_news(connection):
                return connection
            connection.close()
        kind = http.client.HTTPSConnection if self._secure else http.client.HTTPConnection
        connection = kind(self._host, timeout=CONNECT_S)
        try:
            connection.connect()
        except OSError as error:
            connection.close()
            raise _Again(f"no connection: {type(error).__name__}") from error
        connection.sock.settimeout(self._read_s)
        return connection

    def _keep(self, connection: http.client.HTTPConnection) -> None:
        with self._lock:
            if not self._closed:
                self._idle.append(connection)
                return
        connection.close()


def _has_news(connection: http.client.HTTPConnection) -> bool:
    """Whether something came over an idle connection: its end, or an answer nobody asked for,
    which would be taken for the next one's."""
    with contextlib.suppress(OSError, ValueError):
        poll = select.poll()
        poll.register(connection.sock, select.POLLIN)
        return bool(poll.poll(0))
    return True


def _read(status: int, crc32: str | None, body: bytes) -> dict[str, Any]:
    """The answer in a response, or what it says went wrong."""
    if crc32 is not None and crc32 != str(zlib.crc32(body)):
        raise _Again("the answer is damaged")
    try:
        answer = json.loads(body)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise _Again(f"an answer with status {status} that is not DynamoDB's")
    if status == 200:
        return answer
    kind = str(answer.get("__type", "")).rpartition("#")[2]
    if kind == "ConditionalCheckFailedException":
        raise ConditionFailed(answer.get("Item"))
    if status >= 500 or kind in _AGAIN:
        raise _Again(kind if kind.isalnum() else f"status {status}")
    if not (status == 400 and kind.isalnum()):
        raise _Again(f"an answer with status {status} that is not DynamoDB's")
    if kind == "ValidationException":
        said = "".join(c for c in str(answer.get("message", ""))[:300] if c.isprintable())
        raise LedgerUnavailable(f"DynamoDB takes a call for wrong: {said}")
    raise LedgerUnavailable(f"DynamoDB refuses ({kind}): {_WHY.get(kind, 'see its documentation')}")
