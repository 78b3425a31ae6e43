"""Files for the broker: mosquitto's password and ACL files, and tables for EMQX's import.

Nobody but their owner can read them. A file that is there keeps its owner, and every line that is
not about the account in hand.
"""

from __future__ import annotations

import base64
import contextlib
import csv
import hashlib
import io
import os
import secrets
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from cloud.cli.output import OutputError
from cloud.core.broker_rules import DENY_ALL, READ, WRITE, Rule, of_cabinet, of_cloud

# mosquitto's own: PBKDF2 with SHA-512, 12 bytes of salt, 64 of hash; its 101 rounds are few for a
# password that people made. Source: src/password_mosq.c of mosquitto 2.0.
ROUNDS = 1000

CABINETS_ACL, CABINETS_PASSWORDS = "cabinets.acl", "cabinets.password"
CLOUD_ACL, CLOUD_PASSWORDS = "cloud.acl", "cloud.password"
# The tables' columns: https://docs.emqx.com/en/cloud/latest/best_practices/acl_v5.html for the
# rules. For the accounts no page names them; these are the fields of the console's form.
ACCOUNTS_CSV, ACCOUNT_COLUMNS = "emqx-accounts.csv", ["username", "password"]
RULES_CSV = "emqx-rules.csv"
RULE_COLUMNS = ["clientid", "username", "topic", "action", "access"]
CSV_ACTIONS = {READ: "sub", WRITE: "pub", "all": "pubsub"}


def password_line(name: str, password: str, salt: bytes | None = None) -> str:
    """A line of mosquitto's password file."""
    salt = secrets.token_bytes(12) if salt is None else salt
    made = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, ROUNDS)
    told = "$".join(base64.b64encode(part).decode() for part in (salt, made))
    return f"{name}:$7${ROUNDS}${told}"


def write_mosquitto(folder: Path, name: str, password: str) -> list[Path]:
    """Puts a cabinet's account and the rules of all cabinets into the files of their listener."""
    passwords = folder / CABINETS_PASSWORDS
    _rewrite(passwords, [*_without(passwords, f"{name}:"), password_line(name, password)])
    return [passwords, _ensure(folder / CABINETS_ACL, _acl("pattern", of_cabinet("%u")))]


def write_mosquitto_cloud(folder: Path, name: str, password: str) -> list[Path]:
    """The same for the cloud's own account and the cloud's listener."""
    passwords = folder / CLOUD_PASSWORDS
    _rewrite(passwords, [*_without(passwords, f"{name}:"), password_line(name, password)])
    return [passwords, _ensure(folder / CLOUD_ACL, [f"user {name}", *_acl("topic", of_cloud())])]


def remove_mosquitto(folder: Path, name: str) -> Path:
    """Takes a cabinet's account out of the password file: it can connect no more."""
    passwords = folder / CABINETS_PASSWORDS
    if not passwords.exists():
        raise OutputError(f"{passwords} is not there: name the folder of the broker's files")
    _rewrite(passwords, _without(passwords, f"{name}:"))
    return passwords


def write_emqx(folder: Path, name: str, password: str) -> list[Path]:
    """Puts a cabinet's account and rules, deny-all last, into tables for EMQX's import."""
    accounts, rules = folder / ACCOUNTS_CSV, folder / RULES_CSV
    rows = [row for row in _rows(accounts) if row[:1] != [name]]
    _rewrite(accounts, _table(ACCOUNT_COLUMNS, [*rows, [name, password]]))
    rows = [row for row in _rows(rules) if row[1:2] != [name]]
    rows += [
        ["", name, rule.topic, CSV_ACTIONS[rule.action], "allow" if rule.allow else "deny"]
        for rule in (*of_cabinet(name), DENY_ALL)
    ]
    _rewrite(rules, _table(RULE_COLUMNS, rows))
    return [accounts, rules]


def _acl(word: str, rules: Iterable[Rule]) -> list[str]:
    """Lines of mosquitto's acl_file. What none of them allows is denied: it has no other last rule,
    as a line that denies would go before all that allow."""
    return [f"{word} {rule.action} {rule.topic}" for rule in rules]


def _ensure(file: Path, lines: list[str]) -> Path:
    """Makes a file of these lines if it is not there; one that is there must have them."""
    if not file.exists():
        _rewrite(file, lines)
    elif missing := [line for line in lines if line not in _lines(file)]:
        raise OutputError(f"{file} lacks a line: add `{missing[0]}`, or move the file away")
    return file


def _without(file: Path, beginning: str) -> list[str]:
    return [line for line in _lines(file) if line and not line.startswith(beginning)]


def _rows(file: Path) -> list[list[str]]:
    return [row for row in list(csv.reader(_lines(file)))[1:] if row]


def _table(columns: list[str], rows: Iterable[list[str]]) -> list[str]:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([columns, *rows])
    return text.getvalue().splitlines()


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text().splitlines() if file.exists() else []
    except (OSError, ValueError) as error:
        raise OutputError(f"{file} cannot be read: {error}") from error


def _rewrite(file: Path, lines: list[str]) -> None:
    """Puts a new file in the place of the old one in one step: a broker that reads it at this
    moment finds one of them whole."""
    with _told(file):
        handle, made = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)  # 0600
        try:
            with os.fdopen(handle, "w") as text:
                if file.exists():
                    # mosquitto's files belong to mosquitto; whoever is not root keeps their own.
                    with contextlib.suppress(PermissionError):
                        os.fchown(handle, file.stat().st_uid, file.stat().st_gid)
                text.writelines(f"{line}\n" for line in lines)
                text.flush()
                os.fsync(handle)
            Path(made).replace(file)
        except BaseException:
            Path(made).unlink(missing_ok=True)
            raise


@contextlib.contextmanager
def _told(file: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(f"{file} cannot be written: {error.strerror}") from error
