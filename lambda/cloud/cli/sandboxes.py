"""The settings of a sandbox, from the folder that it leaves its addresses in."""

from __future__ import annotations

import json
from pathlib import Path

from cloud.cli.desk import AdminError
from cloud.settings import Settings


def settings_of(data: Path) -> tuple[Settings, dict[str, str]]:
    """The settings of the sandbox whose folder is ``data``, and what it says of itself."""
    try:
        state: dict[str, str] = json.loads((data / "sandbox.json").read_text())
        mqtt_url = state.get("mqtt_url") or (
            f"mqtt://{state['mqtt_username']}:{state['mqtt_password']}@{state['mqtt']}"
        )
        settings = Settings(
            ledger=f"sqlite:///{data / 'ledger.db'}",
            stripe_key=state["stripe_key"],
            stripe_api_base=state["stripe"],
            webhook_secret=state["webhook_secret"],
            mqtt_url=mqtt_url,
            mqtt_version="3.1.1",
            public_url=state.get("public_url", state["api"]),
        )
    except (OSError, ValueError, KeyError) as error:
        raise AdminError(
            f"{data} is not a sandbox's folder: start `python -m sandbox --data {data}` first"
        ) from error
    return settings, state
