"""AWS's own command for building and deploying, ``sam``, from the repository's pins (``make sam``).

No secret is among what it is told: it gets names of things, and the operator's e-mail address.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from deploy.errors import DeployError

ROOT = Path(__file__).resolve().parents[2]
TAIL = 15


def package_hash(folder: Path = ROOT / "lambda") -> str:
    """What the package is made of: it changes with any file that is deployed."""
    found = hashlib.sha256()
    files = [folder / "template.yaml", folder / "Makefile", folder / "requirements.txt"]
    files += [f for f in (folder / "cloud").rglob("*") if "__pycache__" not in f.parts]
    for file in sorted(files):
        if file.is_file():
            found.update(f"{file.relative_to(folder)}\0".encode())
            found.update(hashlib.sha256(file.read_bytes()).digest())
    return found.hexdigest()[:16]


def build(folder: Path, root: Path = ROOT) -> None:
    """Builds the package into ``folder``."""
    _run("build", "--template", str(root / "lambda" / "template.yaml"), "--build-dir", str(folder))


def deploy(
    template: Path,
    stack: str,
    region: str,
    parameters: Mapping[str, str],
    tags: Mapping[str, str],
) -> None:
    """Makes the stack as ``template`` has it, or changes it; CloudFormation takes back what fails.
    Parameters that are not named keep their values."""
    words = ["--template-file", str(template), "--stack-name", stack, "--region", region]
    words += ["--resolve-s3", "--s3-prefix", stack, "--capabilities", "CAPABILITY_IAM"]
    words += ["--no-confirm-changeset", "--no-fail-on-empty-changeset"]
    if parameters:
        words += ["--parameter-overrides", *(f"{k}={v}" for k, v in parameters.items())]
    if tags:
        words += ["--tags", *(f"{k}={v}" for k, v in tags.items())]
    _run("deploy", *words)


def _run(*words: str) -> None:
    path = os.pathsep.join([str(ROOT / ".venv-sam" / "bin"), os.environ.get("PATH", os.defpath)])
    program = shutil.which("sam", path=os.environ.get("ARCADE_SAM_PATH") or path)
    if program is None:
        raise DeployError("sam is not installed: run `make sam`")
    environment = {**os.environ, "PATH": path, "SAM_CLI_TELEMETRY": "0"}
    done = subprocess.run(
        [program, *words], capture_output=True, text=True, env=environment, check=False
    )
    if done.returncode:
        raise DeployError(f"sam {words[0]} failed:\n{_tail(done.stdout + done.stderr)}")


def _tail(text: str) -> str:
    lines: Sequence[str] = [line.rstrip() for line in text.splitlines() if line.strip()]
    return "\n".join(lines[-TAIL:])
