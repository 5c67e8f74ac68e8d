"""The units of ``deploy/systemd``: their rules, and what systemd's own tools say of them where they are installed."""

import re
import shutil
import subprocess
from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest

from archiver.app.config.schema import TransferConfig
from tests.deploy.on_systemd import MOST_EXPOSED, runbook_steps

FOLDER: Final = Path(__file__).parents[2] / "deploy" / "systemd"
SERVICES: Final = ("archiver.service", "archiver-backfill@.service")

needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze here")


def _settings(unit: str) -> dict[str, list[str]]:
    """Every key of a unit with its values, in order."""
    found: dict[str, list[str]] = {}
    for line in (FOLDER / unit).read_text("utf-8").splitlines():
        if match := re.match(r"(\w+)=(.*)", line):
            found.setdefault(match[1], []).append(match[2])
    return found


def _seconds(text: str) -> int:
    number, unit = re.fullmatch(r"(\d+)(s|min)", text).groups()  # type: ignore[union-attr]
    return int(number) * {"s": 1, "min": 60}[unit]


@pytest.mark.parametrize("unit", SERVICES)
def test_stops_after_the_drain(unit: str) -> None:
    """T2: systemd waits longer than a drain may take, and its signal goes to the command alone."""
    settings = _settings(unit)
    assert timedelta(seconds=_seconds(settings["TimeoutStopSec"][0])) > TransferConfig().shutdown_grace
    assert settings["KillMode"] == ["mixed"]


def test_tells_the_manager() -> None:
    """T3: the daemon says itself when it is ready and that it is alive; it is started again, save for exit code 2."""
    settings = _settings("archiver.service")
    assert settings["Type"] == ["notify"]
    assert _seconds(settings["WatchdogSec"][0]) > 0
    assert (settings["Restart"], settings["RestartPreventExitStatus"]) == (["always"], ["2"])
    assert "-HUP" in settings["ExecReload"][0]


@pytest.mark.parametrize("unit", SERVICES)
def test_holds_no_secret(unit: str) -> None:
    """S5, S7: a static user, secrets as credentials, none in the environment, none in a core dump."""
    settings = _settings(unit)
    assert settings["User"] == settings["Group"] == ["archiver"]
    assert settings["LoadCredential"] == ["secret:/etc/archiver/secrets"]
    assert settings["LimitCORE"] == ["0"]
    assert not [value for value in settings.get("Environment", []) if re.search("token|secret|password", value, re.I)]


def test_both_are_hardened_alike() -> None:
    """S7: the one-shot is confined as the daemon is."""
    texts = [(FOLDER / unit).read_text("utf-8") for unit in SERVICES]
    confined = [text.partition("# Reads the system")[2].partition("\n[Install]")[0].strip() for text in texts]
    assert confined[0] == confined[1] != ""


def test_the_user_and_its_folders_are_made() -> None:
    """S7: the user that the units name is made, and only root opens the folder of secrets."""
    assert (FOLDER / "sysusers.d" / "archiver.conf").read_text("utf-8").startswith("u archiver -")
    folders = (FOLDER / "tmpfiles.d" / "archiver.conf").read_text("utf-8")
    assert re.search(r"^d /etc/archiver/secrets +0700 root root$", folders, flags=re.MULTILINE)


def test_the_runbook_installs_everything() -> None:
    """What the runbook pastes installs every file of the folder."""
    steps = runbook_steps("install")
    for pattern in ("systemd/*.service", "systemd/*.timer", "sysusers.d", "tmpfiles.d", "archiver.sh"):
        assert pattern in steps
    known = {*SERVICES, "archiver-backfill@.timer", "archiver.sh", "sysusers.d", "tmpfiles.d"}
    assert {path.name for path in FOLDER.iterdir()} == known


@needs_systemd
@pytest.mark.parametrize("unit", SERVICES)
def test_exposure(unit: str) -> None:
    """S7: what a unit exposes is at most 2.0 by systemd's own count."""
    limit = f"--threshold={round(MOST_EXPOSED * 10)}"
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", limit, str(FOLDER / unit)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-300:] + done.stderr


@needs_systemd
def test_verified(tmp_path: Path) -> None:
    """systemd finds nothing wrong with the units, once the program is where they say."""
    program = tmp_path / "archiver"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    for path in FOLDER.glob("archiver*.[st]*"):
        text = path.read_text("utf-8").replace("/opt/archiver/bin/archiver", str(program))
        (tmp_path / path.name).write_text(text)
    units = [tmp_path / name.replace("@.", "@x.") for name in (*SERVICES, "archiver-backfill@.timer")]
    done = subprocess.run(["systemd-analyze", "verify", *units], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
