"""A Debian that boots: a tree under ``systemd-nspawn`` with a network of its own, entered from here."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.deploy.trees import FOLDER, MACHINE, debian, run, until

WITHIN_S: Final = 120


@dataclass(frozen=True)
class Machine:
    """A booted tree. ``first`` is the host's number of its PID 1."""

    tree: Path
    first: int

    def sh(self, script: str) -> str:
        """Run a script there as root. Raises: RuntimeError with what it said when it fails."""
        there = ("nsenter", f"--target={self.first}", "--mount", "--uts", "--ipc", "--net", "--pid", "--root", "--wd")
        path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        clean = ("env", "-i", f"PATH={path}", "PIP_NO_INDEX=1", "PIP_FIND_LINKS=/wheels", "HOME=/root")
        return run(*there, *clean, "bash", "-euc", script)

    def show(self, unit: str, fact: str) -> str:
        """One property of a unit."""
        return self.sh(f"systemctl show --value --property={fact} {unit}").strip()

    def journal(self, unit: str, former: str = "") -> str:
        """What a unit wrote since it had written ``former``. A cursor of journalctl is off by one where the last entry
        is another unit's."""
        return self.sh(f"journalctl --sync; journalctl --unit={unit} --output=cat").removeprefix(former)

    def until(self, is_so: Callable[[], bool], what: str, within_s: float = WITHIN_S) -> float:
        """Wait until something is so; answers the seconds it took. Raises: TimeoutError that says what was not."""
        try:
            return until(is_so, what, within_s)
        except TimeoutError as error:
            raise TimeoutError(f"{error}\n{self.journal('archiver')[-2000:]}") from None


@contextmanager
def booted() -> Iterator[Machine]:
    """A fresh copy of the tree, booted while this is open."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="machine-", dir=FOLDER))
    tree = folder / "tree"
    run("cp", "--archive", debian("machine", MACHINE), tree)
    options = ("--quiet", "--register=no", "--keep-unit", "--private-network", f"--machine=archiver-{os.getpid()}")
    with (folder / "console").open("wb") as console:
        command = ["systemd-nspawn", *options, "--directory", str(tree), "--boot"]
        nspawn = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=console, stderr=subprocess.STDOUT)
    try:
        machine = Machine(tree, _first_process(nspawn, folder / "console"))
        machine.until(lambda: _is_up(machine), "the machine is up")
        yield machine
    finally:
        nspawn.terminate()
        try:
            nspawn.wait(timeout=30)
        except subprocess.TimeoutExpired:
            nspawn.kill()
            nspawn.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _first_process(nspawn: "subprocess.Popen[bytes]", console: Path) -> int:
    """The booted PID 1: nspawn's child, once it has become init."""
    end = time.monotonic() + WITHIN_S
    while time.monotonic() < end and nspawn.poll() is None:
        children = Path(f"/proc/{nspawn.pid}/task/{nspawn.pid}/children").read_text().split()
        for child in children:
            if Path(f"/proc/{child}/comm").read_text().strip() == "systemd":
                return int(child)
        time.sleep(0.2)
    raise RuntimeError(f"systemd-nspawn did not boot the tree: {console.read_text(errors='replace')[-2000:]}")


def _is_up(machine: Machine) -> bool:
    try:
        return machine.sh("systemctl is-system-running || true").strip() in ("running", "degraded")
    except RuntimeError:
        return False
