"""What is wrong with a config file, in plain sentences, each with its place in the file."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic import SecretStr, ValidationError
from pydantic_core import ErrorDetails

from kiosk.config.schema import Config, keys, section_model
from kiosk.errors import KioskError


class ConfigError(KioskError):
    """The config file cannot be used. ``problems`` has a sentence for each thing to mend."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def problems(path: Path, text: str, error: ValidationError) -> tuple[str, ...]:
    """A sentence for each mistake in ``text``, the content of ``path``, in the order of lines."""
    places = dict(_places(text))
    found = sorted(
        (_line(places, detail["loc"]), _sentence(detail))
        for detail in error.errors(include_url=False)
        # A default that follows from another key, which is reported itself.
        if detail["type"] != "default_factory_not_called"
    )
    return tuple(
        f"{path}:{line}: {sentence}" if line else f"{path}: {sentence}" for line, sentence in found
    )


def syntax_error(path: Path, message: str) -> str:
    """tomllib's message, its place in front."""
    found = re.fullmatch(
        r"(.*) \(at (?:line (\d+), column (\d+)|end of document)\)", message, re.DOTALL
    )
    if not found:
        return f"{path}: this is not TOML: {message}"
    what, line, column = found.groups()
    place = f":{line}:{column}" if line else ""
    return f"{path}{place}: this is not TOML: {what[:1].lower()}{what[1:]}"


def _places(text: str) -> Iterator[tuple[tuple[str, ...], int]]:
    """Where sections and keys stand, as far as they are written plainly: (section, key) to line."""
    section: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), start=1):
        if head := re.match(r"""\s*\[\s*["']?([\w-]+)["']?\s*\]""", line):
            section = (head[1],)
            yield section, number
        elif key := re.match(r"""\s*["']?([\w-]+)["']?\s*=""", line):
            yield (*section, key[1]), number
        elif dotted := re.match(r"\s*([\w-]+)\s*\.\s*([\w-]+)\s*=", line):
            yield (*section, dotted[1], dotted[2]), number


def _line(places: Mapping[tuple[str, ...], int], loc: tuple[int | str, ...]) -> int:
    """The line of a key, or else of its section, or 0."""
    names = tuple(str(part) for part in loc)
    return places.get(names[:2]) or places.get(names[:1]) or 0


def _sentence(detail: ErrorDetails) -> str:
    """One plain sentence about one problem."""
    section, *names = (str(part) for part in detail["loc"])
    if not names:
        return _section_sentence(section, detail["type"])
    key = names[0]
    if detail["type"] == "extra_forbidden":
        return f"[{section}] has no setting {key}{_where_it_belongs(key, section)}"
    return f"[{section}] {key} {_complaint(detail, section, key)}"


def _complaint(detail: ErrorDetails, section: str, key: str) -> str:
    """What is wrong with a key's value; a secret one is not shown."""
    meaning = keys(section)[key]
    match detail["type"]:
        case "missing":
            return f"is missing: {meaning}"
        case "string_too_short":
            return f"is empty: {meaning}"
        case "value_error":  # our own sentence
            return detail["msg"].removeprefix("Value error, ")
        case "string_pattern_mismatch":
            complaint = f"should be {meaning}"
        case _:
            complaint = detail["msg"].removeprefix("Input ")
    if section_model(section).model_fields[key].annotation is SecretStr:
        return complaint
    return f"{complaint}, not {_short(detail['input'])}"


def _section_sentence(section: str, kind: str) -> str:
    if kind != "extra_forbidden":
        return f"{section} should be a section, [{section}], with keys of its own"
    homes = [name for name in Config.model_fields if section in section_model(name).model_fields]
    if homes:
        return f"{section} stands outside its section: put it below [{homes[0]}]"
    near = difflib.get_close_matches(section, Config.model_fields, n=1)
    return f"there is no section [{section}]{_did_you_mean(near)}"


def _where_it_belongs(key: str, section: str) -> str:
    near = difflib.get_close_matches(key, section_model(section).model_fields, n=1)
    homes = [name for name in Config.model_fields if key in section_model(name).model_fields]
    if homes and not near:
        return f": it belongs below [{homes[0]}]"
    return _did_you_mean(near)


def _did_you_mean(near: list[str]) -> str:
    return f": did you mean {near[0]}?" if near else ": take it away"


def _short(value: object) -> str:
    """A value as the file would write it, cut to what fits a line."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | int | float):
        # A JSON string is a TOML string.
        text = json.dumps(value, ensure_ascii=False) if isinstance(value, str) else str(value)
        return text if len(text) <= 40 else f"{text[:39]}…"
    return "a list" if isinstance(value, list) else "something else"
