"""The wheels: the kiosk and its assets; the cloud and its commands. Both run from any folder."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest

from kiosk import __version__


def run(*command: str | Path, folder: Path) -> str:
    """What ``command`` prints, in ``folder`` and with no way to the clone."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def build(project: Path, folder: Path) -> Path:
    """The wheel of a folder of this clone, built without the network."""
    run(
        *(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"),
        *("--no-index", "--wheel-dir", folder, project),
        folder=folder,
    )
    [made] = folder.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def wheel(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The kiosk's wheel."""
    return build(root, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs' folder of a new environment with the kiosk's wheel."""
    return install(wheel, tmp_path_factory.mktemp("installed") / "environment")


def install(wheel: Path, home: Path) -> Path:
    """The programs' folder of a new environment with a wheel; the rest is borrowed from ours."""
    run(sys.executable, "-m", "venv", "--without-pip", home, folder=wheel.parent)
    python = home / "bin" / "python"
    run(
        *(sys.executable, "-m", "pip", "--python", python, "install"),
        *("--quiet", "--no-deps", "--no-index", wheel),
        folder=wheel.parent,
    )
    # A plain folder at the end of the path: an editable install in it does not count.
    site = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", folder=home)
    Path(site.strip(), "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return home / "bin"


def test_the_wheel_holds_the_kiosk_its_assets_and_nothing_else(wheel: Path, root: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {name.partition("/")[0] for name in names} == {
        "kiosk",
        f"arcade_kiosk-{__version__}.dist-info",
    }
    assets = {
        f"kiosk/assets/{file.relative_to(root / 'assets').as_posix()}"
        for file in (root / "assets").rglob("*")
        if file.is_file()
    }
    assert assets
    assert assets <= names


def test_the_command_runs_from_another_folder(installed: Path, tmp_path: Path) -> None:
    assert run(installed / "kiosk", "--version", folder=tmp_path) == f"kiosk {__version__}\n"
    assert "open-relay" in run(installed / "kiosk", "--help", folder=tmp_path)


def test_the_installed_kiosk_draws_with_its_own_assets(installed: Path, tmp_path: Path) -> None:
    code = (
        "from kiosk import assets\n"
        "from kiosk.display import theme\n"
        "from kiosk.display.look import Look\n"
        "from kiosk.display.renderer import Renderer\n"
        "[Renderer((800, 480), 'Galaxy Patrol', Look(theme.load(n))) for n in theme.SHIPPED]\n"
        "print(assets.path('fonts/Bungee-Regular.ttf'))"
    )
    printed = run(installed / "python", "-c", code, folder=tmp_path)
    assert printed.splitlines()[-1].startswith(str(installed.parent.resolve()))
    assert printed.splitlines()[-1].endswith("kiosk/assets/fonts/Bungee-Regular.ttf")


@pytest.fixture(scope="module")
def cloud(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs' folder of a new environment with the cloud's wheel."""
    wheel = build(root / "lambda", tmp_path_factory.mktemp("cloud-wheel"))
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {name.partition("/")[0] for name in names} == {
        "cloud",
        f"arcade_kiosk_cloud-{__version__}.dist-info",
    }
    return install(wheel, tmp_path_factory.mktemp("cloud") / "environment")


def test_the_operators_commands_run_from_any_folder(cloud: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    settings = (
        f"LEDGER=sqlite:///{data}/ledger.db",
        "STRIPE_KEY=sk_test_x",
        "STRIPE_WEBHOOK_SECRET=whsec_x",
        "MQTT_URL=mqtts://cloud:hush@broker.example:8883",
        "PUBLIC_URL=https://pay.example.com",
    )
    file = data / "cloud.env"
    file.write_text("\n".join(settings))
    admin = cloud / "arcade-admin"
    run(
        *(admin, "--env-file", file, "add", "cab001", "--after-power-cut", "forgive"),
        *("--output", data / "cab001.toml"),
        folder=tmp_path,
    )
    assert "cab001" in run(admin, "--env-file", file, "list", folder=tmp_path)
    where = "import cloud; print(cloud.__path__)"
    assert str(cloud.parent.resolve()) in run(cloud / "python", "-c", where, folder=tmp_path)


def test_both_projects_say_the_same_of_what_the_cloud_needs(root: Path) -> None:
    def project(file: Path) -> Any:
        return tomllib.loads(file.read_text())["project"]

    needed = project(root / "lambda" / "pyproject.toml")["dependencies"]
    assert needed == project(root / "pyproject.toml")["optional-dependencies"]["cloud"]
