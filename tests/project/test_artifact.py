"""What `sam build` makes for Lambda: all that the handler imports, and nothing else."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

MOST_BYTES = 40 * 1024 * 1024
# ELF's e_machine, at offset 18: the processor that a library is for.
AARCH64 = 183

SCRIPT = """
import json, sys
artifact = sys.argv[1]
sys.path.insert(0, artifact)
import cloud.handler, cloud.wiring, cloud.adapters.parameter_store
import cloud.stores.dynamodb, cloud.adapters.stripe_gateway, cloud.adapters.mqtt_publisher
import cloud.adapters.emqx_publisher, cloud.adapters.emqx_status
import stripe, paho.mqtt.client, requests, awscrt.auth
ours = {m.__file__ for m in list(sys.modules.values()) if getattr(m, "__file__", None)}
print(json.dumps(sorted(f for f in ours if not f.startswith((artifact, sys.base_prefix)))))
"""


@pytest.fixture(scope="module")
def built(sam_build: Callable[..., Path]) -> Path:
    """What is deployed."""
    return sam_build()


def files(folder: Path) -> Iterator[Path]:
    return (file for file in folder.rglob("*") if file.is_file())


@pytest.mark.slow
def test_both_functions_get_the_same_package(built: Path) -> None:
    handler, sweep = (
        {str(file.relative_to(built / name)): file.stat().st_size for file in files(built / name)}
        for name in ("Handler", "Sweep")
    )
    assert handler == sweep


@pytest.mark.slow
def test_the_package_has_the_cloud_and_nothing_of_sandbox_tests_or_tools(built: Path) -> None:
    there = {entry.name for entry in (built / "Handler").iterdir()}
    assert "cloud" in there
    assert not there & {"sandbox", "deploy", "tests", "Makefile", "requirements.txt", "bin"}
    of_cloud = {entry.name for entry in (built / "Handler" / "cloud").iterdir()}
    assert not of_cloud & {"admin.py", "cli", "serve.py", "server"}
    assert [f for f in files(built) if f.suffix in (".pyc", ".db", ".env")] == []


@pytest.mark.slow
def test_every_library_in_the_package_is_pinned_and_the_other_way_round(
    built: Path, root: Path
) -> None:
    there = {
        re.sub("[-_.]+", "-", entry.name.removesuffix(".dist-info").rpartition("-")[0]).lower()
        for entry in (built / "Handler").glob("*.dist-info")
    }
    pinned = (root / "lambda" / "requirements.txt").read_text().split()
    assert there == {line.partition("==")[0] for line in pinned if "==" in line}


@pytest.mark.slow
def test_its_libraries_are_for_lambdas_processor(built: Path) -> None:
    libraries = [file for file in files(built / "Handler") if ".so" in file.suffixes]
    assert any(file.name == "_awscrt.abi3.so" for file in libraries)
    for file in libraries:
        head = file.read_bytes()[:20]
        assert head[:4] == b"\x7fELF"
        assert int.from_bytes(head[18:20], "little") == AARCH64, file.name


@pytest.mark.slow
def test_it_is_small(built: Path) -> None:
    # Lambda takes 250 MB; what it must fetch for a start grows with it.
    assert sum(file.stat().st_size for file in files(built / "Handler")) < MOST_BYTES


@pytest.mark.slow
def test_each_import_of_its_own_code_is_in_it(built: Path) -> None:
    package = built / "Handler" / "cloud"
    missing = []
    for file in package.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if not (isinstance(node, ast.ImportFrom) and (node.module or "").startswith("cloud")):
                continue
            place = package.parent / Path(*(node.module or "").split("."))
            if not (place.is_dir() or place.with_suffix(".py").exists()):
                missing.append(f"{file.relative_to(package)}: {node.module}")
    assert missing == []


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the wheels of the package are for Linux")
def test_the_handler_starts_with_nothing_but_the_package(sam_build: Callable[..., Path]) -> None:
    """The same package for this machine's processor and Python."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    package = sam_build(MACHINE=os.uname().machine, VERSION=version) / "Handler"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", SCRIPT, package],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == []
