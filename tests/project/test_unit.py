"""The systemd units: systemd itself takes them, and they say what cabinet and cloud need."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from cloud import serve
from kiosk.cli import main
from kiosk.config.schema import JournalConfig

PROGRAM = "/opt/arcade-kiosk/bin/kiosk"
CLOUD = "/opt/arcade-cloud/venv/bin/python"


@pytest.fixture
def unit(root: Path) -> str:
    return (root / "systemd" / "arcade-kiosk.service").read_text()


@pytest.fixture
def cloud_unit(root: Path) -> str:
    return (root / "systemd" / "arcade-cloud.service").read_text()


def said(unit: str, key: str) -> list[str]:
    return re.findall(rf"^{key}=(.*)$", unit, re.MULTILINE)


def verify(program: str, unit: str, folder: Path, name: str = "arcade-kiosk") -> str:
    """What systemd-analyze has against ``unit``; nothing, if all is well."""
    copy = folder / f"{name}.service"
    copy.write_text(unit)
    done = subprocess.run(
        [program, "verify", "--man=no", copy], capture_output=True, text=True, timeout=60
    )
    # It also tells of units that this machine has of its own.
    ours = [line for line in done.stderr.splitlines() if name in line]
    if done.returncode and not ours:
        return f"exit status {done.returncode}: {done.stderr}"
    return "\n".join(ours)


def test_systemd_is_content(unit: str, need: Callable[..., str], tmp_path: Path) -> None:
    systemd = need("systemd-analyze", package="systemd")
    # The kiosk is not installed here; systemd looks whether the program is there.
    assert verify(systemd, unit.replace(PROGRAM, "/bin/true"), tmp_path) == ""


def test_systemd_would_find_an_unknown_setting(
    unit: str, need: Callable[..., str], tmp_path: Path
) -> None:
    systemd = need("systemd-analyze", package="systemd")
    wrong = unit.replace(PROGRAM, "/bin/true").replace("Restart=always", "Restart=perhaps")
    # systemd 252: "Failed to parse service restart specifier, ignoring: perhaps";
    # 257: "Failed to parse Restart=perhaps, ignoring: Invalid argument".
    assert re.search(
        "failed to parse .*restart.*perhaps", verify(systemd, wrong, tmp_path), re.IGNORECASE
    )


@pytest.mark.parametrize("key", ["ExecStart", "ExecStopPost"])
def test_its_commands_are_the_kiosks(
    key: str, unit: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    [command] = said(unit, key)
    program, *arguments = command.split()
    assert program == PROGRAM
    missing = tmp_path / "kiosk.toml"
    # Taken by the command line as far as the file, which is not there.
    assert main([str(missing) if "/" in word else word for word in arguments]) == 1
    assert str(missing) in capsys.readouterr().err


def test_a_dead_kiosk_is_started_for_ever_and_its_relay_opened(unit: str) -> None:
    assert said(unit, "Restart") == ["always"]
    assert said(unit, "StartLimitIntervalSec") == ["0"]
    assert " open-relay " in said(unit, "ExecStopPost")[0]


def test_a_cabinet_without_a_network_starts_too(unit: str) -> None:
    for key in ("Requires", "BindsTo", "Requisite", "Wants", "After"):
        assert not any("network-online" in value for value in said(unit, key))


def test_the_kiosk_may_reach_relay_and_display(unit: str) -> None:
    groups = said(unit, "SupplementaryGroups")[0].split()
    assert {"video", "render", "input", "gpio"} <= set(groups)
    assert {"char-gpiochip rw", "char-drm rw", "char-input rw"} <= set(said(unit, "DeviceAllow"))
    assert said(unit, "StateDirectory") == ["arcade-kiosk"]


def test_its_books_are_where_the_kiosk_keeps_them_by_default(unit: str) -> None:
    state = Path("/var/lib") / said(unit, "StateDirectory")[0]
    assert state in JournalConfig().path.parents


def test_systemd_is_content_with_the_clouds(
    cloud_unit: str, need: Callable[..., str], tmp_path: Path
) -> None:
    systemd = need("systemd-analyze", package="systemd")
    here = cloud_unit.replace(CLOUD, "/bin/true")
    assert verify(systemd, here, tmp_path, "arcade-cloud") == ""
    wrong = here.replace("ProtectSystem=strict", "ProtectSystem=perhaps")
    assert "perhaps" in verify(systemd, wrong, tmp_path, "arcade-cloud")


def test_the_clouds_command_is_one(cloud_unit: str, root: Path) -> None:
    [command] = said(cloud_unit, "ExecStart")
    program, *arguments = command.split()
    assert (program, arguments[:2]) == (CLOUD, ["-m", "cloud.serve"])
    serve.parser().parse_args(arguments[2:])
    # What PYTHONPATH names is where the repository has the package.
    assert "PYTHONPATH=/opt/arcade-cloud/lambda" in said(cloud_unit, "Environment")[0]
    assert (root / "lambda" / "cloud" / "serve.py").exists()


def test_the_clouds_settings_are_not_in_its_unit(cloud_unit: str) -> None:
    assert said(cloud_unit, "EnvironmentFile") == ["/etc/arcade-cloud/cloud.env"]
    for secret in ("STRIPE", "MQTT", "whsec", "LEDGER"):
        assert secret not in "".join(said(cloud_unit, "Environment"))


def test_the_cloud_is_nobody_with_a_folder_of_its_own(cloud_unit: str) -> None:
    assert said(cloud_unit, "User") == ["arcade-cloud"]
    assert said(cloud_unit, "StateDirectory") == ["arcade-cloud"]
    assert said(cloud_unit, "StateDirectoryMode") == ["0700"]
    assert said(cloud_unit, "UMask") == ["0077"]
    assert said(cloud_unit, "CapabilityBoundingSet") == [""]
    assert said(cloud_unit, "ProtectSystem") == ["strict"]


def test_the_cloud_has_time_to_answer_what_has_come(cloud_unit: str) -> None:
    [seconds] = said(cloud_unit, "TimeoutStopSec")
    # A sweep's call of Stripe may hang for 23 s, then the calls are waited for.
    assert int(seconds) > 23 + serve.STOP_SECONDS
    assert said(cloud_unit, "Restart") == ["always"]


def test_the_operators_commands_run_as_the_service_does(cloud_unit: str, root: Path) -> None:
    script = (root / "systemd" / "arcade-cloud-admin").read_text()
    for key in ("User", "EnvironmentFile", "WorkingDirectory"):
        assert said(cloud_unit, key)[0] in script
    assert CLOUD in script
    assert "PYTHONPATH=/opt/arcade-cloud/lambda" in script
    assert (root / "systemd" / "arcade-cloud-admin").stat().st_mode & 0o111
