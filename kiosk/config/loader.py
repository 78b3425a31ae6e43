"""Reads the cabinet's config file: TOML, once at start. A file with a mistake is refused whole.

Unknown keys, wrong types and impossible combinations are all reported at once, with their lines.
"""

from __future__ import annotations

import stat
import tomllib
from pathlib import Path

from pydantic import ValidationError

from kiosk.config.errors import ConfigError, problems, syntax_error
from kiosk.config.schema import Config, is_loopback

_REMEDY = "`python -m cloud.admin add` prints one"


def load(path: Path) -> Config:
    """The config in the file ``path``; raises :class:`ConfigError` with all that is wrong."""
    text = _read(path)
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError((syntax_error(path, str(error)),)) from None
    # A section left out is an empty one, so that each key that it lacks is named.
    data = {name: {} for name in Config.model_fields} | data
    try:
        return Config.model_validate(data)
    except ValidationError as error:
        # Without its cause: pydantic's own text would show values.
        raise ConfigError(problems(path, text, error)) from None


def warnings(path: Path, config: Config) -> tuple[str, ...]:
    """What an operator should mend, although the kiosk runs: a sentence each."""
    found = []
    if path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH):
        found.append(
            f"{path} holds secrets and others on this machine may read it: chmod 600 {path}"
        )
    if config.mirror.address and not is_loopback(config.mirror.address[0]):
        found.append(
            "everybody on the network can watch the mirror: let it listen on 127.0.0.1, "
            "or keep that network to yourself"
        )
    return tuple(found)


def summary(config: Config) -> str:
    """The config with its defaults and without its secrets, a line for each key."""
    lines = []
    for name, section in config.model_dump(mode="json").items():
        lines.append(f"[{name}]")
        lines += [f"{key} = {value}" for key, value in section.items() if value is not None]
    return "\n".join(lines)


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        problem = f"there is no config file {path}: {_REMEDY}"
    except IsADirectoryError:
        problem = f"{path} is a folder: name the config file in it"
    except PermissionError:
        problem = f"{path} may not be read by this user: make the kiosk's user its owner"
    except UnicodeDecodeError:
        problem = f"{path} is not a text file (UTF-8): {_REMEDY}"
    except OSError as error:
        problem = f"{path} cannot be read: {error.strerror}"
    raise ConfigError((problem,))
