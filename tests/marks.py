"""Marks that several tests use."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

import pytest


def slow_after(count: int, values: Iterable[object]) -> list[object]:
    """Values for ``parametrize``: the first ``count`` as they are, the others marked as slow.

    So `make test` has a few of each kind, and `make test-all` has all.
    """
    rest = iter(values)
    quick = islice(rest, count)
    return [*quick, *(pytest.param(value, marks=pytest.mark.slow) for value in rest)]
