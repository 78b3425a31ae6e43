"""What a sandbox keeps in its data folder for its next start: its secrets and its ports."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path


class DataFolderUnusable(Exception):
    """The data folder cannot be used; the message says what to do."""


@dataclass(frozen=True)
class SandboxState:
    """The secrets are made once. Port 0 is one that has not been chosen yet."""

    stripe_key: str
    webhook_secret: str
    mqtt_username: str
    mqtt_password: str
    api_port: int = 0
    stripe_port: int = 0
    mqtt_port: int = 0


def new_state() -> SandboxState:
    """New secrets, in Stripe's format where Stripe has one."""
    return SandboxState(
        stripe_key=f"sk_test_{secrets.token_hex(24)}",
        webhook_secret=f"whsec_{secrets.token_hex(24)}",
        mqtt_username="arcade",
        mqtt_password=secrets.token_urlsafe(24),
    )


@contextlib.contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Makes the folder if it does not exist, and locks it against other sandboxes."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = (directory / "lock").open("w")
    except OSError as error:
        raise DataFolderUnusable(_not_writable(directory, error)) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise DataFolderUnusable(
                f"another sandbox uses {directory}: end it, or choose another --data"
            ) from error
        yield


def load(directory: Path) -> SandboxState:
    """The state in this folder, or a new one if it has none."""
    file = _file(directory)
    try:
        content = json.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        return new_state()
    except (OSError, ValueError) as error:
        raise DataFolderUnusable(_unreadable(file)) from error
    types = {field.name: str if field.type == "str" else int for field in fields(SandboxState)}
    if not isinstance(content, dict) or content.keys() != types.keys():
        raise DataFolderUnusable(_unreadable(file))
    if any(type(content[name]) is not type_ for name, type_ in types.items()):
        raise DataFolderUnusable(_unreadable(file))
    return SandboxState(**content)


def save(directory: Path, state: SandboxState) -> None:
    """Writes the state to the folder, readable by this user only."""
    write_private(_file(directory), asdict(state))


def write_private(file: Path, content: Mapping[str, object]) -> None:
    """Replaces a JSON file, readable by this user only, in one step."""
    new = file.with_name(f"{file.name}.new")
    try:
        new.unlink(missing_ok=True)
        new.touch(mode=0o600, exist_ok=False)
        with new.open("w", encoding="utf-8") as output:
            output.write(json.dumps(content, indent=2) + "\n")
            output.flush()
            os.fsync(output.fileno())
        new.replace(file)
    except OSError as error:
        raise DataFolderUnusable(_not_writable(file.parent, error)) from error


def _file(directory: Path) -> Path:
    return directory / "state.json"


def _not_writable(directory: Path, error: OSError) -> str:
    reason = error.strerror or type(error).__name__
    return f"{directory} cannot be written to ({reason}): choose another --data"


def _unreadable(file: Path) -> str:
    return f"{file} cannot be read as a sandbox's state: delete it, and new secrets are made"
