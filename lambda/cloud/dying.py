"""Dies where it is told to, so that tests can see what a lost machine leaves behind.

``ARCADE_CLOUD_DIES_AT=write-before:2`` kills the process (SIGKILL) before its second write of an
order. The points are ``write`` (an order, to the ledger) and ``stripe`` (a call that asks for a
payment or moves money), each ``-before`` and ``-after``. Without the variable nothing of this is in
the way.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from cloud.adapters.stripe_gateway import Gateway
from cloud.core.orders import Order
from cloud.settings import SettingsError
from cloud.stores.base import Ledger

VARIABLE = "ARCADE_CLOUD_DIES_AT"
POINTS = tuple(f"{what}-{when}" for what in ("write", "stripe") for when in ("before", "after"))


@dataclass
class Fate:
    """The point, and how many times it is still passed."""

    point: str
    left: int

    def meet(self, point: str) -> None:
        """Passes a point, or dies at it."""
        if point != self.point:
            return
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def fate(environment: Mapping[str, str]) -> Fate | None:
    """What the environment has decided; ``None`` in real life. Raises :class:`SettingsError`."""
    told = environment.get(VARIABLE)
    if not told:
        return None
    point, _, number = told.partition(":")
    if point not in POINTS or not number.isdecimal() or number == "0":
        raise SettingsError(f"{VARIABLE}={told} is not a point like {POINTS[0]}:1: unset it")
    return Fate(point, int(number))


def with_fate(ledger: Ledger, stripe: Gateway, fate: Fate) -> None:
    """Lets both meet their fate, in place."""

    def mortal(call: Callable[..., Any], what: str, counts: Callable[..., bool]) -> Any:
        def wrapped(*words: Any, **more: Any) -> Any:
            counted = counts(*words)
            if counted:
                fate.meet(f"{what}-before")
            done = call(*words, **more)
            if counted:
                fate.meet(f"{what}-after")
            return done

        return wrapped

    for name in ("insert", "replace"):
        call = getattr(ledger, name)
        setattr(ledger, name, mortal(call, "write", lambda item, *_: isinstance(item, Order)))
    for name in ("payment", "capture", "cancel", "refund"):
        setattr(stripe, name, mortal(getattr(stripe, name), "stripe", lambda *_: True))
