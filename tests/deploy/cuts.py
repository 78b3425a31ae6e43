"""Cuts the power at any change that a command makes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from deploy import answers, sam
from deploy.aws import Aws
from deploy.site import Site
from deploy.stripe_account import StripeAccount


class PowerCut(BaseException):
    """The machine is off: nothing after it happens."""


# Everything that a deployment changes outside, and the files that it writes.
CHANGES = [
    (Aws, "put_parameter"),
    (Aws, "delete_parameter"),
    (Aws, "delete_stack"),
    (StripeAccount, "create"),
    (StripeAccount, "mend"),
    (StripeAccount, "delete"),
    (Site, "admin"),
    (sam, "build"),
    (sam, "deploy"),
    (answers, "save"),
]


class Cuts:
    """Cuts the power before or after the change with this number; 0 for never."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.at, self.after, self.count = 0, False, 0
        for place, name in CHANGES:
            patch.setattr(place, name, self._cutting(getattr(place, name)))

    def _cutting(self, change: Callable[..., Any]) -> Callable[..., Any]:
        def cutting(*args: Any, **named: Any) -> Any:
            self.count += 1
            mine = self.count == self.at
            if mine and not self.after:
                raise PowerCut
            done = change(*args, **named)
            if mine:
                raise PowerCut
            return done

        return cutting
