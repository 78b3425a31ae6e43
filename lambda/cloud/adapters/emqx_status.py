"""Asks EMQX how a deployment is.

Sources: https://docs.emqx.com/en/cloud/latest/api/clients_v5.html for the sessions, and
…/deployment_manage.html for the status, which the platform's API alone knows (60 calls an hour).
"""

from __future__ import annotations

from typing import Protocol

from cloud.adapters.emqx_api import EmqxApi, EmqxFailed
from cloud.core.broker_quota import STOPPED, BrokerState


class BrokerStatus(Protocol):
    """Tells how the broker is, or raises :class:`~cloud.adapters.emqx_api.EmqxFailed`."""

    def look(self) -> BrokerState:
        """How it is now."""

    def close(self) -> None:
        """Ends the connections."""


class EmqxStatus:
    """A :class:`BrokerStatus` over a deployment's API, and the platform's if there is a key."""

    def __init__(self, deployment: EmqxApi, platform: EmqxApi | None) -> None:
        self._deployment = deployment
        self._platform = platform

    def look(self) -> BrokerState:
        status = ""
        if self._platform:
            found = self._platform.call("GET", "").body
            status = str(found.get("status", "")) if isinstance(found, dict) else ""
            if not status:
                raise EmqxFailed("what answers at EMQX_PLATFORM_URL tells of no deployment")
        if status == STOPPED:
            return BrokerState(status, 0, 0)
        return BrokerState(
            status, self._count("clients?_limit=1"), self._count("clients?conn_state=connected")
        )

    def close(self) -> None:
        self._deployment.close()
        if self._platform:
            self._platform.close()

    def _count(self, path: str) -> int:
        body = self._deployment.call("GET", path).body
        meta = body.get("meta") if isinstance(body, dict) else None
        count = meta.get("count") if isinstance(meta, dict) else None
        if not isinstance(count, int):
            raise EmqxFailed("what answers at MQTT_URL does not count the deployment's clients")
        return count
