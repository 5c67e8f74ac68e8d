"""The image, run as a container runtime would: its own user, root read-only, no capability, a PID 1 of its own.

Made of ``unshare``, ``chroot`` and ``setpriv``, so that it runs where no runtime does. Network and host are shared.
"""

import json
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.deploy.trees import run, until

WITHIN_S: Final = 60

_ENTER: Final = """
set -e
mount --bind "$ROOTFS" "$ROOTFS"
mount -o remount,bind,ro "$ROOTFS"
mount -t proc proc "$ROOTFS/proc"
mount --rbind /dev "$ROOTFS/dev"
mount -t tmpfs -o mode=1777 tmpfs "$ROOTFS/tmp"
mount --bind "$STATE" "$ROOTFS/var/lib/archiver"
mount --bind -o ro "$SETTINGS" "$ROOTFS/etc/archiver"
exec env -i $VARIABLES "$(command -v chroot)" "$ROOTFS" setpriv --reuid="$USER_ID" --regid="$USER_ID" --clear-groups \\
  --bounding-set=-all --inh-caps=-all --no-new-privs sh -c 'cd /var/lib/archiver && exec "$@"' sh "$@"
"""


@dataclass(frozen=True, kw_only=True)
class Vessel:
    """An unpacked image with two folders: ``state`` is its volume, ``settings`` its configuration, read-only."""

    rootfs: Path
    config: Mapping[str, Any]
    state: Path
    settings: Path

    @property
    def user_id(self) -> int:
        """The numeric user that the image names."""
        return int(str(self.config["User"]).split(":")[0])

    def start(self, *arguments: str, entrypoint: bool = True) -> "subprocess.Popen[str]":
        """Start the image's command with these arguments, or, without its entry point, these words."""
        words = [*self.config["Entrypoint"], *arguments] if entrypoint else [*arguments]
        given = {
            "ROOTFS": str(self.rootfs),
            "STATE": str(self.state),
            "SETTINGS": str(self.settings),
            "USER_ID": str(self.user_id),
            "VARIABLES": " ".join(self.config["Env"]),
        }
        command = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", _ENTER, "sh", *words]
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        return subprocess.Popen(command, env={"PATH": os.environ["PATH"], **given}, **pipes)

    def run(self, *arguments: str, entrypoint: bool = True) -> tuple[int, str]:
        """Run it to its end; answers exit code and output."""
        with self.start(*arguments, entrypoint=entrypoint) as process:
            output, _ = process.communicate(timeout=10 * WITHIN_S)
        return process.returncode, output


@contextmanager
def unpacked(image: str, folder: Path) -> Iterator[Vessel]:
    """An image of buildah's, unpacked while this is open."""
    container = run("buildah", "from", image).strip()
    try:
        document = json.loads(run("buildah", "inspect", "--type", "image", image))
        state, settings = folder / "state", folder / "settings"
        for path in (state, settings):
            path.mkdir(parents=True)
        vessel = Vessel(
            rootfs=Path(run("buildah", "mount", container).strip()),
            config=document["Docker"]["config"],
            state=state,
            settings=settings,
        )
        os.chown(state, vessel.user_id, vessel.user_id)
        yield vessel
    finally:
        run("buildah", "rm", container)


def first_process(process: "subprocess.Popen[str]") -> int:
    """The host's number of the container's PID 1."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    until(lambda: bool(children.read_text().split()), "a first process")
    return int(children.read_text().split()[0])


def enter(first: int, script: str) -> str:
    """Run a shell script beside the container's PID 1, as a runtime's ``exec`` does."""
    return run("nsenter", f"--target={first}", "--mount", "--pid", "--root", "--wd", "/bin/sh", "-c", script)


def stop(process: "subprocess.Popen[str]") -> tuple[int, str]:
    """Tell PID 1 to stop, as a runtime does; answers exit code and output."""
    os.kill(first_process(process), signal.SIGTERM)
    output, _ = process.communicate(timeout=WITHIN_S)
    return process.returncode, output
