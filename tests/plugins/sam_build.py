"""What `sam build` makes for Lambda."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def sam_build(
    need: Callable[..., str], root: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Path]:
    """``sam build`` with these variables; the folder of what it made."""
    sam = need("sam", package="it with `make sam`")
    need("make", package="make")

    def run(**variables: str) -> Path:
        folder = tmp_path_factory.mktemp("build")
        environment = {
            **os.environ,
            # sam's own Python has a pip.
            "PATH": os.pathsep.join([str(Path(sam).parent), os.environ["PATH"]]),
            "HOME": str(folder),
            "SAM_CLI_TELEMETRY": "0",
            **variables,
        }
        done = subprocess.run(
            [
                sam,
                "build",
                "--template",
                root / "lambda" / "template.yaml",
                "--build-dir",
                folder / "built",
            ],
            capture_output=True,
            text=True,
            timeout=300,
            env=environment,
            cwd=folder,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return folder / "built"

    return run
