"""The step at which a program is to be killed, and a wrapper for the parts that reach it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Self, TypeVar, cast

T = TypeVar("T")


@dataclass
class FailPoint:
    """Kills this process (SIGKILL, which nothing can catch) the ``left``-th time that ``step`` is
    reached.
    """

    step: str
    left: int

    @classmethod
    def parse(cls, text: str, kinds: Collection[str]) -> Self:
        """``append-before:3`` is the step before the third append. Raises :class:`ValueError`.

        ``kinds`` are the calls that have a step before and one after them.
        """
        step, _, number = text.partition(":")
        kind, _, when = step.partition("-")
        if kind not in kinds or when not in ("before", "after") or not number.isdecimal():
            raise ValueError(f"{text!r} is not a point like {min(kinds)}-before:1")
        if number == "0":
            raise ValueError(f"{text!r}: points are counted from 1")
        return cls(step, int(number))

    def reach(self, step: str) -> None:
        """Counts a step, or ends the process at it."""
        if step != self.step:
            return
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


class _FaultyPart:
    """Passes everything on to ``part``; the calls in ``methods`` have a step before and after."""

    def __init__(
        self,
        part: object,
        fail_point: FailPoint,
        kind: str,
        methods: Collection[str],
        counts: Callable[..., bool],
    ) -> None:
        self._part = part
        self._fail_point = fail_point
        self._kind = kind
        self._methods = methods
        self._counts = counts

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._part, name)
        return self._faulty(attribute) if name in self._methods else attribute

    def _faulty(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            if not self._counts(*args, **kwargs):
                return method(*args, **kwargs)
            self._fail_point.reach(f"{self._kind}-before")
            result = method(*args, **kwargs)
            self._fail_point.reach(f"{self._kind}-after")
            return result

        return call


def faulty(
    part: T,
    fail_point: FailPoint,
    kind: str,
    methods: Collection[str],
    counts: Callable[..., bool] = lambda *_args, **_kwargs: True,
) -> T:
    """``part``, where the process can be killed before and after each call of ``methods``.

    The steps are ``{kind}-before`` and ``{kind}-after``; calls for whose arguments ``counts`` is
    false are no steps.
    """
    return cast("T", _FaultyPart(part, fail_point, kind, methods, counts))
