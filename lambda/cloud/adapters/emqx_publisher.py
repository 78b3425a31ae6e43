"""Publishes over EMQX's HTTP API: no MQTT connection, and none of its session minutes.

Source: https://docs.emqx.com/en/cloud/latest/api/publish_v5.html, and for ``properties`` EMQX's
``apps/emqx_management/src/emqx_mgmt_api_publish.erl``.
"""

from __future__ import annotations

from cloud.adapters.emqx_api import EmqxApi, EmqxFailed
from cloud.adapters.publisher import NobodyListens, PublishFailed

DELIVERED = 200  # handed to at least one session, connected or kept
NO_SUBSCRIBERS = 202


class EmqxPublisher:
    """A :class:`~cloud.adapters.publisher.Publisher` over a deployment's API."""

    def __init__(self, api: EmqxApi) -> None:
        self._api = api

    def publish(self, topic: str, payload: bytes, expiry_s: int | None = None) -> None:
        message: dict[str, object] = {"topic": topic, "payload": payload.decode(), "qos": 1}
        if expiry_s is not None:
            message["properties"] = {"message_expiry_interval": expiry_s}
        try:
            answer = self._api.call("POST", "publish", message, (DELIVERED, NO_SUBSCRIBERS))
        except EmqxFailed as error:
            raise PublishFailed(str(error)) from None
        if answer.status == NO_SUBSCRIBERS:
            raise NobodyListens(f"no cabinet listens to {topic}")
        if not (isinstance(answer.body, dict) and isinstance(answer.body.get("id"), str)):
            raise PublishFailed("what answers for EMQX does not say that it has the message")

    def close(self) -> None:
        self._api.close()
