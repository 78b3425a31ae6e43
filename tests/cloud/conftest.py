"""An arcade for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.arcade import Arcade


@pytest.fixture
def arcade(tmp_path: Path) -> Iterator[Arcade]:
    made = Arcade(tmp_path)
    yield made
    made.close()
