"""An arcade for each test."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.arcade import Arcade


@pytest.fixture
def arcade(tmp_path: Path) -> Iterator[Arcade]:
    made = Arcade(tmp_path)
    yield made
    made.close()


@pytest.fixture(autouse=True)
def log_formatters() -> Iterator[None]:
    """The handler gives every log handler that it finds its own form, and pytest's live on."""
    handlers = logging.getLogger().handlers
    before = [(handler, handler.formatter) for handler in handlers]
    yield
    for handler, formatter in before:
        handler.setFormatter(formatter)
