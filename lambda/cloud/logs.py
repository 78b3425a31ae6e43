"""The cloud's log: one JSON object a line, each with what it is about.

    log.info("order claimed", extra=about(order="cs_1", cabinet="cab001"))
    with during(route="POST /claim"): ...

What ``during`` says is in every line of its block, whoever writes it. Text from outside cannot
forge a line or a field, as JSON escapes it; the settings' secrets are blotted out wherever they
come from.
"""

from __future__ import annotations

import contextlib
import json
import logging
import sys
import time
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from typing import Any

from cloud.core.texts import one_line

LONGEST_TEXT = 4000  # characters of a message; an exception's text may have four times as many
BLOT = "[secret]"
_SHORTEST_SECRET = 5  # a shorter one would blot out words

_EMPTY: Mapping[str, Any] = {}
_current: ContextVar[Mapping[str, Any]] = ContextVar("log", default=_EMPTY)
_secrets: tuple[str, ...] = ()


def about(**fields: object) -> dict[str, Any]:
    """The ``extra`` of a line that is about ``fields``; empty ones are left out."""
    return {"fields": {name: value for name, value in fields.items() if value not in ("", None)}}


@contextlib.contextmanager
def during(**fields: object) -> Iterator[None]:
    """Puts ``fields`` into every line of the block."""
    token = _current.set({**_current.get(), **about(**fields)["fields"]})
    try:
        yield
    finally:
        _current.reset(token)


def note(**fields: object) -> None:
    """Adds ``fields``, as soon as they are known, to the lines of the block of :func:`during`."""
    found = _current.get()
    if found is not _EMPTY:
        assert isinstance(found, dict)
        found.update(about(**fields)["fields"])


def hide(*secrets: str) -> None:
    """Blots out these texts in every line from now on, as they are and as JSON writes them."""
    global _secrets
    found = set(_secrets)
    for secret in secrets:
        if len(secret) >= _SHORTEST_SECRET:
            found |= {secret, json.dumps(secret)[1:-1]}
    # The longest first: an address has its password in it.
    _secrets = tuple(sorted(found, key=len, reverse=True))


def _without_secrets(text: str) -> str:
    for secret in _secrets:
        if secret in text:
            text = text.replace(secret, BLOT)
    return text


def _fields_of(record: logging.LogRecord) -> dict[str, Any]:
    return {**_current.get(), **getattr(record, "fields", _EMPTY)}


class JsonFormatter(logging.Formatter):
    """A record as one JSON object, ``end`` behind it; ASCII, so no line end is in it."""

    def __init__(self, end: str = "") -> None:
        super().__init__()
        self._end = end

    def format(self, record: logging.LogRecord) -> str:
        at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line: dict[str, Any] = {
            "time": f"{at}.{int(record.msecs):03d}Z",
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage()[:LONGEST_TEXT],
        }
        if request := getattr(record, "aws_request_id", ""):
            line["request"] = request
        line.update(_fields_of(record))
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)[-4 * LONGEST_TEXT :]
        return _without_secrets(json.dumps(line, separators=(",", ":"), default=str)) + self._end


class PlainFormatter(logging.Formatter):
    """A record as a line for a terminal, with what it is about behind it."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        fields = _fields_of(record).items()
        told = " ".join(f"{name}={value}" for name, value in fields if name != "_aws")
        return one_line(f"{super().formatMessage(record)}  {told}".rstrip())

    def format(self, record: logging.LogRecord) -> str:
        return _without_secrets(super().format(record))


def to_lambda(level: str) -> None:
    """Gives the handlers of Lambda's runtime, which are there before our code, this form."""
    root = logging.getLogger()
    root.setLevel(level)
    for handler in root.handlers:
        handler.setFormatter(JsonFormatter("\n"))


def to_stdout(level: str) -> None:
    """Writes the log of this process to its standard output; to be called once."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level, handlers=[handler])
