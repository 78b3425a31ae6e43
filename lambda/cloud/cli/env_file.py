"""The settings from a file, so that commands work from any folder and no shell keeps a secret.

One ``NAME=value`` a line, as systemd's ``EnvironmentFile`` has them; ``#`` begins a comment.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from cloud.cli.desk import AdminError

VARIABLE = "ARCADE_ENV"


def environment(file: Path | None, around: Mapping[str, str]) -> dict[str, str]:
    """The settings of ``file``, or of the file that ``ARCADE_ENV`` names; what the environment
    says itself comes first. Without a file it is the environment alone."""
    named = file or (Path(around[VARIABLE]) if around.get(VARIABLE) else None)
    if named is None:
        return dict(around)
    return {**read(named), **around}


def read(file: Path) -> dict[str, str]:
    """What the file says; no error repeats a value."""
    try:
        text = file.read_text("utf-8")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise AdminError(f"the settings in {file} cannot be read: {reason}") from error
    found: dict[str, str] = {}
    wrong = []
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        name, equals, value = line.removeprefix("export ").partition("=")
        if not equals or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name.strip()):
            wrong.append(f"line {number} of {file} is no setting: write NAME=value")
            continue
        value = value.strip()
        if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
            value = value[1:-1]
        found[name.strip()] = value
    if wrong:
        raise AdminError("\n".join(wrong))
    return found
