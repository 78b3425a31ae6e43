"""One world for each test."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.world import World, world_of

_NUMBER = itertools.count(1)


@pytest.fixture
def world(moto: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    stage = f"t{os.getpid()}-{next(_NUMBER)}"
    with world_of(stage, tmp_path, moto, monkeypatch) as world:
        yield world
