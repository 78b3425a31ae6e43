"""What Lambda calls: ``cloud.handler.handle`` for HTTP, ``cloud.handler.sweep`` every minute.

The cloud is built at the first call, and kept as long as this Lambda environment is, or until its
settings change.
"""

from __future__ import annotations

import os
from functools import cache
from typing import Any

from cloud import logs
from cloud.current_cloud import CurrentCloud


@cache
def _current() -> CurrentCloud:
    logs.to_lambda(os.environ.get("LOG_LEVEL", "INFO"))
    return CurrentCloud(os.environ)


def handle(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Answers an API Gateway HTTP API event."""
    return _current().get().api.handle(event)


def sweep(_event: dict[str, Any], _context: Any) -> dict[str, int]:
    """Runs one sweep for EventBridge's schedule; the answer is for Lambda's log."""
    return vars(_current().get().sweep())
