"""What Lambda calls: ``cloud.handler.handle`` for HTTP, ``cloud.handler.sweep`` every minute.

The cloud is built at the first call, and kept as long as this Lambda environment is.
"""

from __future__ import annotations

import os
from functools import cache
from typing import Any

from cloud import logs
from cloud.settings import from_environment
from cloud.wiring import Cloud, build


@cache
def _cloud() -> Cloud:
    logs.to_lambda(os.environ.get("LOG_LEVEL", "INFO"))
    return build(from_environment(os.environ))


def handle(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Answers an API Gateway HTTP API event."""
    return _cloud().api.handle(event)


def sweep(_event: dict[str, Any], _context: Any) -> dict[str, int]:
    """Runs one sweep for EventBridge's schedule; the answer is for Lambda's log."""
    return vars(_cloud().sweep())
