"""Debian trees and wheels for the tests of ``deploy/`` that need root. All lies in one folder and is made once."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
FOLDER: Final = Path(os.environ.get("ARCHIVER_DEPLOY_FOLDER", ROOT / "build" / "deploy"))
RELEASE: Final = "bookworm"
PYTHON: Final = "3.11"
"""The release's own Python, whatever runs this."""

BASE: Final = ("ca-certificates", "python3", "tzdata")
"""What an image stands on."""
MACHINE: Final = (*BASE, "dbus", "python3-venv", "systemd-sysv", "tini")
"""What boots, and what builds an image."""


def say(text: str) -> None:
    """A line, at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def run(*command: str | Path, **options: object) -> str:
    """Run a command to its end and answer what it printed. Raises: RuntimeError with both outputs when it fails."""
    done = subprocess.run([*map(str, command)], check=False, capture_output=True, text=True, **options)  # type: ignore[call-overload]
    if done.returncode != 0:
        shown = " ".join(map(str, command))
        raise RuntimeError(f"{shown}: exit {done.returncode}\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    return str(done.stdout)


def until(is_so: Callable[[], bool], what: str, within_s: float = 60.0) -> float:
    """Wait until something is so; answers the seconds it took. Raises: TimeoutError that says what was not."""
    start = time.monotonic()
    while not is_so():
        if time.monotonic() > start + within_s:
            raise TimeoutError(f"not within {within_s} s: {what}")
        time.sleep(0.2)
    return time.monotonic() - start


def require(*programs: str) -> None:
    """Raises: SystemExit that names what is missing here."""
    if os.geteuid() != 0:
        raise SystemExit("this needs root: it makes a Debian tree and starts it")
    if missing := [name for name in programs if shutil.which(name) is None]:
        raise SystemExit(
            f"{', '.join(missing)} missing; try: apt-get install debootstrap systemd-container buildah crun"
        )


def debian(name: str, packages: tuple[str, ...]) -> Path:
    """A minimal tree of the release with these packages, from the mirror that this machine's apt uses."""
    tree = FOLDER / name
    if (tree / ".complete").exists():
        return tree
    shutil.rmtree(tree, ignore_errors=True)
    cache = FOLDER / "packages"
    cache.mkdir(parents=True, exist_ok=True)
    say(f"{name}: debootstrap {RELEASE} with {', '.join(packages)}")
    options = ("--variant=minbase", f"--cache-dir={cache}", f"--include={','.join(packages)}")
    run("debootstrap", *options, RELEASE, tree, _mirror())
    for leftover in ("var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/man", "usr/share/locale"):
        shutil.rmtree(tree / leftover, ignore_errors=True)
        (tree / leftover).mkdir(parents=True)
    (tree / ".complete").touch()
    return tree


def wheels() -> Path:
    """A folder with the wheels of both locks, for the release's Python, each held to its hash."""
    folder = FOLDER / "wheels"
    folder.mkdir(parents=True, exist_ok=True)
    for lock in ("requirements.lock", "build.lock"):
        text = (ROOT / "deploy" / lock).read_text("utf-8")
        seen = folder / f".{lock}"
        if not seen.exists() or seen.read_text("utf-8") != text:
            say(f"wheels: {lock}")
            options = ("--require-hashes", "--only-binary=:all:", f"--python-version={PYTHON}", "--quiet")
            pip = (sys.executable, "-m", "pip", "download", *options, f"--dest={folder}")
            run(*pip, "--requirement", ROOT / "deploy" / lock)
            seen.write_text(text, "utf-8")
    return folder


def wheel() -> Path:
    """The archiver itself, built now."""
    folder = FOLDER / "dist"
    shutil.rmtree(folder, ignore_errors=True)
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=ROOT)
    (built,) = folder.glob("*.whl")
    return built


def _mirror() -> str:
    targets = run("apt-get", "indextargets", "--format", "$(SITE)", "Created-By: Packages", f"Codename: {RELEASE}")
    if not targets.split():
        raise SystemExit(f"apt knows no mirror of {RELEASE} here; run apt-get update, or use a machine that has one")
    return targets.split()[0]
