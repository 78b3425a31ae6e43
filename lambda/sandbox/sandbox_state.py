"""What a sandbox keeps in its data folder over a restart: its secrets and its ports."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path


class Unusable(Exception):
    """The data folder cannot be used; the message says what to do."""


@dataclass(frozen=True)
class Memory:
    """The secrets are made once. Port 0 is one that was never chosen."""

    stripe_key: str
    webhook_secret: str
    mqtt_username: str
    mqtt_password: str
    api_port: int = 0
    stripe_port: int = 0
    mqtt_port: int = 0


def fresh() -> Memory:
    """Secrets that nobody has seen, in Stripe's form where Stripe has one."""
    return Memory(
        stripe_key=f"sk_test_{secrets.token_hex(24)}",
        webhook_secret=f"whsec_{secrets.token_hex(24)}",
        mqtt_username="arcade",
        mqtt_password=secrets.token_urlsafe(24),
    )


@contextlib.contextmanager
def held(directory: Path) -> Iterator[None]:
    """Makes the folder where there is none, and keeps other sandboxes out of it meanwhile."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = (directory / "lock").open("w")
    except OSError as error:
        raise Unusable(_not_writable(directory, error)) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise Unusable(
                f"another sandbox uses {directory}: end it, or choose another --data"
            ) from error
        yield


def load(directory: Path) -> Memory:
    """What the sandbox of this folder remembers; a new one where there was none."""
    file = _file(directory)
    try:
        told = json.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        return fresh()
    except (OSError, ValueError) as error:
        raise Unusable(_sentence(file)) from error
    wanted = {field.name: str if field.type == "str" else int for field in fields(Memory)}
    if not isinstance(told, dict) or told.keys() != wanted.keys():
        raise Unusable(_sentence(file))
    if any(type(told[name]) is not kind for name, kind in wanted.items()):
        raise Unusable(_sentence(file))
    return Memory(**told)


def save(directory: Path, memory: Memory) -> None:
    """Keeps it where only this user can read it."""
    write_private(_file(directory), asdict(memory))


def write_private(file: Path, content: Mapping[str, object]) -> None:
    """Writes JSON that only this user can read; whoever reads it finds all of it or the old."""
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
        raise Unusable(_not_writable(file.parent, error)) from error


def _file(directory: Path) -> Path:
    return directory / "memory.json"


def _not_writable(directory: Path, error: OSError) -> str:
    reason = error.strerror or type(error).__name__
    return f"{directory} cannot be written to ({reason}): choose another --data"


def _sentence(file: Path) -> str:
    return f"{file} cannot be read as a sandbox's memory: delete it, and new secrets are made"
