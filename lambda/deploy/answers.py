"""What only the operator can know, and what an answer must look like. The secrets are not in it:
they are typed once, checked, and kept in Parameter Store alone."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from decimal import Decimal, InvalidOperation
from pathlib import Path

from cloud.core.cabinets import MACHINE_ID
from cloud.core.texts import is_plain
from cloud.settings import REGION
from deploy.errors import DeployError

STAGE = re.compile(r"[a-z][a-z0-9-]{0,19}")
AFTER_POWER_CUT = ("forgive", "charge")


@dataclass(frozen=True)
class Answers:
    """Empty where the operator was not asked yet. ``price`` is in the currency's major unit."""

    region: str = ""
    email: str = ""
    machine_id: str = ""
    name: str = ""
    price: str = ""
    currency: str = ""
    after_power_cut: str = ""


@dataclass(frozen=True)
class Question:
    """One question: which answer it gives, its words, what is usual, and what is wrong with an
    answer (nothing: empty)."""

    field: str
    text: str
    default: str
    wrong: Callable[[str], str]


def _region(text: str) -> str:
    return "" if REGION.fullmatch(text) else "a region is like eu-central-1 or us-east-1"


def _email(text: str) -> str:
    return (
        ""
        if re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", text)
        else "an address is like me@example.com"
    )


def _machine_id(text: str) -> str:
    if MACHINE_ID.fullmatch(text) and text not in ("cloud", "monitor"):
        return ""
    return "take 1 to 64 of a-z A-Z 0-9 _ -, and not cloud or monitor"


def _name(text: str) -> str:
    return (
        "" if text and len(text) <= 100 and is_plain(text) else "take one line of 1 to 100 letters"
    )


def _price(text: str) -> str:
    try:
        price = Decimal(text)
    except InvalidOperation:
        price = Decimal(0)
    return "" if price.is_finite() and 0 < price < 10_000 else "a price is like 1.00"


def _currency(text: str) -> str:
    return "" if re.fullmatch("[A-Z]{3}", text) else "a currency is three capital letters, as USD"


def _after_power_cut(text: str) -> str:
    return "" if text in AFTER_POWER_CUT else f"it must be {' or '.join(AFTER_POWER_CUT)}"


QUESTIONS = (
    Question("region", "AWS region", "us-east-1", _region),
    Question("email", "E-mail address for alarms", "", _email),
    Question("machine_id", "Id of the first cabinet", "cab001", _machine_id),
    Question("name", "Its name, as players read it", "Galaxy Patrol", _name),
    Question("price", "Price of one play", "1.00", _price),
    Question("currency", "Currency", "USD", _currency),
    Question(
        "after_power_cut",
        "Does the game forget its credits without power (forgive) or keep them (charge)",
        "forgive",
        _after_power_cut,
    ),
)


def with_answer(answers: Answers, field: str, text: str) -> Answers:
    """The answers with one more."""
    return replace(answers, **{field: text})


def load(file: Path) -> Answers:
    """What was answered before; nothing, if the file is not there."""
    try:
        found = json.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        return Answers()
    except (OSError, ValueError) as error:
        raise DeployError(f"{file} cannot be read: move it away, and answer again") from error
    if not isinstance(found, dict):
        raise DeployError(f"{file} cannot be read: move it away, and answer again")
    answers = Answers()
    for question in QUESTIONS:
        text = found.get(question.field)
        if isinstance(text, str) and text and not question.wrong(text):
            answers = with_answer(answers, question.field, text)
    return answers


def save(file: Path, answers: Answers) -> None:
    """Writes the file whole or not at all, for its owner alone."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, made = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
    with os.fdopen(handle, "w", encoding="utf-8") as opened:
        json.dump(asdict(answers), opened, indent=1)
        opened.flush()
        os.fsync(opened.fileno())
    Path(made).replace(file)


FIELDS = tuple(field.name for field in fields(Answers))
