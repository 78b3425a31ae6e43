"""Who may import what: the pure core stays pure, and each library has its one place."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

# The packages of the product, with the packages that each may use.
PACKAGES = {"kiosk": "kiosk", "cloud": "lambda/cloud"}
OURS = {"kiosk", "cloud", "sandbox", "demo", "benchmarks", "tests"}

# Code that it shared with what is tested against it would have its mistakes on both sides.
SIMULATOR = "lambda/sandbox/stripe_simulator"

# Pure modules: rules over values. They import each other and these.
PURE = ("kiosk/core/", "lambda/cloud/core/")
HARMLESS = {
    "__future__",
    "collections",
    "dataclasses",
    "datetime",
    "decimal",
    "enum",
    "functools",
    "hashlib",
    "itertools",
    "json",
    "math",
    "re",
    "string",
    "typing",
}
# The cloud's layers, each with those below that it may import; all arrows point down.
BELOW_HTTP = {"core", "logs", "settings", "stores", "adapters", "services"}
LAYERS = {
    "core": set(),
    "settings": set(),
    "aws_signature": set(),
    "logs": {"core"},
    "stores": {"aws_signature", "core", "logs"},
    "adapters": {"aws_signature", "core", "logs"},
    "services": {"core", "logs", "settings", "stores", "adapters"},
    "http": BELOW_HTTP,
    "cli": BELOW_HTTP,
    "parameter_path": {"settings"},
    "wiring": BELOW_HTTP | {"http", "parameter_path"},
    "current_cloud": {"settings", "adapters", "parameter_path", "wiring"},
    "handler": {"logs", "current_cloud"},
    "server": BELOW_HTTP | {"http"},
    "serve": BELOW_HTTP | {"cli", "http", "server", "wiring"},
    "admin": BELOW_HTTP | {"cli", "wiring"},
}

# What is not pure without an import, or in spite of it.
CLOCKS = {"now", "utcnow", "today"}
DOORS = {"open", "print", "input", "exec", "eval", "__import__"}

# The only places that know a library, folders with a slash at their end.
PLACES = {
    "RPi": {"kiosk/hardware/gpio.py"},
    "awscrt": {"lambda/cloud/aws_signature.py"},
    "babel": {"kiosk/display/catalogue.py", "kiosk/display/money.py"},
    "paho": {"kiosk/adapters/broker.py", "lambda/cloud/adapters/mqtt_publisher.py"},
    "pydantic": {"kiosk/config/", "kiosk/display/theme.py"},
    "pygame": {"kiosk/display/"},
    "requests": {"kiosk/adapters/cloud_client.py", "lambda/cloud/adapters/emqx_api.py"},
    "segno": {"kiosk/display/qr.py"},
    "sqlite3": {
        "kiosk/journal/archive.py",
        "kiosk/journal/store.py",
        "lambda/cloud/stores/sqlite.py",
    },
    "stripe": {"lambda/cloud/adapters/stripe_gateway.py"},
    "waitress": {"lambda/cloud/server/http_server.py"},
    "werkzeug": {"lambda/cloud/server/gateway.py"},
    "zxingcpp": {"kiosk/display/qr.py"},
}


def imported(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """The line and the dotted name of everything that is imported, also by a name in a string."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                for alias in names:
                    yield node.lineno, alias.name
            case ast.ImportFrom(module=module, names=names, level=level):
                for alias in names:
                    yield node.lineno, f"{'.' * level}{module or ''}.{alias.name}"
            case ast.Call(
                func=ast.Name(id=name) | ast.Attribute(attr=name),
                args=[ast.Constant(value=str(module)), *_],
            ) if name in ("import_module", "__import__"):
                yield node.lineno, module


def impure(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """The line and the name of every call that reads a clock or opens a door to the outside."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id=name)) if name in DOORS:
                yield node.lineno, name
            case ast.Call(func=ast.Attribute(attr=name)) if name in CLOCKS:
                yield node.lineno, name


def place(library: str, file: str) -> str | None:
    """Which of the library's places ``file`` belongs to."""
    for allowed in PLACES[library]:
        if file == allowed or (allowed.endswith("/") and file.startswith(allowed)):
            return allowed
    return None


def layer_violation(file: str, name: str) -> str:
    """What stands against a module of the cloud importing ``name``; nothing, if it may."""
    own = file.removeprefix("lambda/cloud/").removesuffix(".py").partition("/")[0]
    package, _, rest = name.partition(".")
    if package != "cloud":
        return ""
    asked = rest.partition(".")[0]
    if own not in LAYERS or asked not in LAYERS:
        return f"{(asked if own in LAYERS else own) or 'cloud'} is in no layer"
    return "" if asked == own or asked in LAYERS[own] else f"{own} is not above {asked}"


def violations(root: Path) -> Iterator[str]:
    """A line for each thing that is where it must not be, or not where the table has it."""
    unused = {(library, allowed) for library, places in PLACES.items() for allowed in places}
    for package, folder in PACKAGES.items():
        for path in sorted((root / folder).rglob("*.py")):
            file = path.relative_to(root).as_posix()
            tree = ast.parse(path.read_text(), file)
            pure = file.startswith(PURE)
            for line, name in imported(tree):
                top = name.partition(".")[0]
                if not top:
                    yield f"{file}:{line} imports {name}: imports are absolute"
                elif top in OURS - {package}:
                    yield f"{file}:{line} imports {name}: {package} stands alone"
                elif pure and top not in HARMLESS and not name.startswith(f"{package}.core."):
                    yield f"{file}:{line} imports {name}: the core is pure"
                elif package == "cloud" and (wrong := layer_violation(file, name)):
                    yield f"{file}:{line} imports {name}: {wrong}"
                if top in PLACES:
                    if found := place(top, file):
                        unused.discard((top, found))
                    else:
                        yield f"{file}:{line} imports {name}: it belongs in {PLACES[top]}"
            if pure:
                for line, name in impure(tree):
                    yield f"{file}:{line} calls {name}: the core is pure"
    for path in sorted((root / SIMULATOR).rglob("*.py")):
        file = path.relative_to(root).as_posix()
        for line, name in imported(ast.parse(path.read_text(), file)):
            others = name.partition(".")[0] in OURS | {"", "stripe"}
            if others and not name.startswith("sandbox.stripe_simulator."):
                yield f"{file}:{line} imports {name}: the Stripe simulator stands alone"
    for library, allowed in sorted(unused):
        yield f"{allowed} imports no {library}: the table of places is out of date"


def test_everything_is_imported_where_it_may_be(root: Path) -> None:
    assert list(violations(root)) == []


@pytest.fixture
def obedient(tmp_path: Path) -> Path:
    """A small tree that keeps the rules."""
    for library, places in PLACES.items():
        for allowed in places:
            file = tmp_path / (f"{allowed}window.py" if allowed.endswith("/") else allowed)
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("a") as code:
                code.write(f"import {library}\n")
    for core in PURE:
        (tmp_path / core).mkdir(parents=True, exist_ok=True)
    return tmp_path


def test_a_tree_that_keeps_the_rules_has_no_violations(obedient: Path) -> None:
    assert list(violations(obedient)) == []


@pytest.mark.parametrize(
    ("file", "code", "told"),
    [
        ("kiosk/app.py", "from cloud import money", "kiosk stands alone"),
        ("kiosk/app.py", "def late():\n    import sandbox.server", "kiosk stands alone"),
        ("lambda/cloud/http/api.py", "from kiosk.core import till", "cloud stands alone"),
        ("lambda/cloud/http/api.py", "from tests.fakes import arcade", "cloud stands alone"),
        ("kiosk/app.py", "from . import engine", "imports are absolute"),
        ("kiosk/core/order_book.py", "import time", "the core is pure"),
        ("kiosk/core/order_book.py", "import threading", "the core is pure"),
        ("kiosk/core/order_book.py", "from pathlib import Path", "the core is pure"),
        ("kiosk/core/order_book.py", "from kiosk.journal.store import Journal", "the core is pure"),
        ("kiosk/core/order_book.py", "from kiosk import engine", "the core is pure"),
        ("lambda/cloud/core/orders.py", "import random", "the core is pure"),
        ("lambda/cloud/core/orders.py", "import requests", "the core is pure"),
        (
            "lambda/cloud/core/orders.py",
            "from cloud.stores.base import Ledger",
            "the core is pure",
        ),
        ("lambda/cloud/core/orders.py", "from cloud.http import api", "the core is pure"),
        ("lambda/cloud/stores/base.py", "from cloud.services import sweep", "not above services"),
        ("lambda/cloud/stores/base.py", "import cloud.adapters.publisher", "not above adapters"),
        ("lambda/cloud/adapters/publisher.py", "from cloud.stores import base", "not above stores"),
        ("lambda/cloud/adapters/publisher.py", "from cloud import settings", "not above settings"),
        ("lambda/cloud/services/claims.py", "from cloud.http import requests", "not above http"),
        ("lambda/cloud/services/claims.py", "from cloud.wiring import Cloud", "not above wiring"),
        ("lambda/cloud/http/api.py", "from cloud.cli import admin", "http is not above cli"),
        ("lambda/cloud/http/api.py", "def late():\n    import cloud.wiring", "not above wiring"),
        ("lambda/cloud/cli/admin.py", "from cloud.http import api", "cli is not above http"),
        ("lambda/cloud/cli/admin.py", "from cloud.wiring import build", "cli is not above wiring"),
        ("lambda/cloud/wiring.py", "from cloud import handler", "wiring is not above handler"),
        ("lambda/cloud/handler.py", "from cloud.http.api import Api", "handler is not above http"),
        ("lambda/cloud/wiring.py", "from cloud.utils import x", "utils is in no layer"),
        ("lambda/cloud/http/api.py", "import cloud", "is in no layer"),
        ("lambda/cloud/utils.py", "from cloud.core import money", "utils is in no layer"),
        ("kiosk/core/order_book.py", "from datetime import datetime\ndatetime.now()", "calls now"),
        ("kiosk/core/order_book.py", "open('journal')", "calls open"),
        ("kiosk/engine.py", "from RPi import GPIO", "kiosk/hardware/gpio.py"),
        ("kiosk/engine.py", "importlib.import_module('RPi.GPIO')", "kiosk/hardware/gpio.py"),
        ("kiosk/engine.py", "import pygame.display", "kiosk/display/"),
        ("kiosk/engine.py", "import paho.mqtt.client", "kiosk/adapters/broker.py"),
        ("kiosk/engine.py", "import requests", "kiosk/adapters/cloud_client.py"),
        ("kiosk/engine.py", "import sqlite3", "kiosk/journal/store.py"),
        ("lambda/cloud/services/sweep.py", "import stripe", "stripe_gateway.py"),
        ("lambda/cloud/services/sweep.py", "from sqlite3 import connect", "stores/sqlite.py"),
        (f"{SIMULATOR}/payments.py", "from cloud.core import money", "the Stripe simulator stands"),
        (f"{SIMULATOR}/payments.py", "import kiosk.engine", "the Stripe simulator stands alone"),
        (f"{SIMULATOR}/payments.py", "from sandbox import prices", "the Stripe simulator stands"),
        (f"{SIMULATOR}/payments.py", "from .. import prices", "the Stripe simulator stands alone"),
        (f"{SIMULATOR}/webhooks.py", "import stripe", "the Stripe simulator stands alone"),
    ],
)
def test_a_planted_violation_is_found(obedient: Path, file: str, code: str, told: str) -> None:
    planted = obedient / file
    planted.parent.mkdir(parents=True, exist_ok=True)
    with planted.open("a") as added:
        added.write(code + "\n")
    found = list(violations(obedient))
    assert found
    assert all(line.startswith(f"{file}:") for line in found)
    assert any(told in line for line in found)


def test_a_place_that_does_not_use_its_library_is_found(obedient: Path) -> None:
    (obedient / "kiosk/journal/store.py").write_text("")
    [found] = violations(obedient)
    assert found.startswith("kiosk/journal/store.py imports no sqlite3")
