"""``make test-container``: build the image, run demo, backfill and daemon in it. Needs root, Debian and some minutes.

The base image is a ``debootstrap`` tree from the mirror that apt uses here, so no registry of images is needed.
ARCHIVER_DEPLOY_FOLDER names where trees and wheels are kept; build/deploy unless set.
"""

import json
import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any, Final

from tests.deploy.trees import BASE, FOLDER, MACHINE, ROOT, debian, require, run, say, until, wheels
from tests.deploy.vessel import Vessel, enter, first_process, stop, unpacked
from tests.servers.ports import unused_port

IMAGE: Final = "localhost/archiver-test"
MOST_ADDED_MB: Final = 130
"""What the image may add to its base."""


def build() -> None:
    """Import both trees as images and build ours on them; nothing but the mounted wheels is installed."""
    os.environ.setdefault("STORAGE_DRIVER", "vfs")
    os.environ.setdefault("BUILDAH_ISOLATION", "chroot")
    for name, packages in (("base", BASE), ("machine", MACHINE)):
        _import(f"{IMAGE}-{name}", debian(name, packages))
    say("image: build")
    arguments = {
        "BASE": f"{IMAGE}-base",
        "BUILDER": f"{IMAGE}-machine",
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": "/wheels",
    }
    options = [word for name, value in arguments.items() for word in ("--build-arg", f"{name}={value}")]
    mounted = f"--volume={wheels()}:/wheels:ro"
    containerfile = ROOT / "deploy" / "container" / "Containerfile"
    run("buildah", "bud", "--format=docker", *options, mounted, "-t", IMAGE, "-f", containerfile, ROOT)


def _import(image: str, tree: Path) -> None:
    archive = FOLDER / f"{tree.name}.tar"
    run("tar", f"--directory={tree}", "--numeric-owner", "--exclude=./.complete", "--create", f"--file={archive}", ".")
    container = run("buildah", "from", "scratch").strip()
    run("buildah", "add", "--quiet", container, archive, "/")
    path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    run("buildah", "config", "--env", path, container)
    run("buildah", "commit", "--quiet", "--rm", container, image)
    archive.unlink()


def check_size() -> None:
    """The image adds little to its base."""
    listed = json.loads(run("buildah", "images", "--json"))
    sizes = {name: _megabytes(image["size"]) for image in listed for name in image["names"] or ()}
    whole, base = sizes[f"{IMAGE}:latest"], sizes[f"{IMAGE}-base:latest"]
    say(f"size: {whole:.0f} MB, of which the base is {base:.0f} MB and the archiver {whole - base:.0f} MB")
    assert whole - base < MOST_ADDED_MB


def _megabytes(text: str) -> float:
    number, unit = text.split()
    return float(number) * {"KB": 0.001, "MB": 1, "GB": 1000}[unit.upper()]


def check_confinement(vessel: Vessel) -> None:
    """It runs as a numeric user without capabilities, and its root cannot be written."""
    script = "id -u; grep -E '^(CapEff|CapBnd|NoNewPrivs)' /proc/self/status; touch /opt/x /etc/x || echo read-only"
    code, output = vessel.run("sh", "-c", script, entrypoint=False)
    say(f"confinement: {' '.join(output.split())}")
    assert code == 0
    assert output.splitlines()[0] == str(vessel.user_id) == "10001"
    assert re.search(r"CapEff:\s+0+\n", output)
    assert re.search(r"CapBnd:\s+0+\n", output)
    assert "Read-only file system" in output


def check_demo(vessel: Vessel) -> None:
    """The demo, with its embedded PostgreSQL, archives everything, and nothing twice."""
    for fetched in (600, 0):
        code, output = vessel.run("demo", "--dir", "demo", "--json")
        assert code == 0, output
        total = _summary(output)["total"]
        say(f"demo: exit {code}; stored {total['done']['stored']}, verified {total['states']['verified']}")
        assert (total["done"]["stored"], total["states"]["verified"]) == (fetched, 600)


def _summary(output: str) -> dict[str, Any]:
    """The one JSON object among what was logged."""
    (line,) = (line for line in output.splitlines() if line.startswith('{"accounts"'))
    return dict(json.loads(line))


def check_services(vessel: Vessel) -> None:
    """A backfill and a daemon in the image, against a sandbox in the image."""
    port = unused_port()
    sandbox = vessel.start("sandbox", "--recordings", "40", "--late-arrivals", "0", "--write-config", "made.toml")
    try:
        made = vessel.state / "made.toml"
        until(lambda: made.exists() and "accounts" in made.read_text(), "the sandbox's configuration")
        ops = f'\n[ops]\nlisten = "127.0.0.1:{port}"\n[schedule]\nwalk = "every 2s"\njitter = "0s"\n'
        text = made.read_text().replace("./var/", "/var/lib/archiver/")
        (vessel.settings / "config.toml").write_text(text + ops)
        code, output = vessel.run("backfill", "--json")
        say(f"backfill: exit {code}; {_summary(output)['total']['done'] if code == 0 else output}")
        assert code == 0, output
        check_daemon(vessel, port)
    finally:
        code, _ = stop(sandbox)
        say(f"sandbox: stopped with exit {code}")


def check_daemon(vessel: Vessel, port: int) -> None:
    """The daemon is alive by its own probe, orphans are reaped by PID 1, and a stop drains."""
    daemon = vessel.start("run")
    first = first_process(daemon)
    probe = f"ARCHIVER_OPS_PORT={port} archiver-probe"
    path = f"PATH={dict(line.split('=', 1) for line in vessel.config['Env'])['PATH']}"
    answers = f"export {path}; {probe} /healthz && {probe} /readyz && echo well || true"
    until(lambda: "well" in enter(first, answers), "alive and ready by the image's probe")
    enter(first, "(sleep 0.1 &) ; (sleep 0.1 &)")
    zombies = "grep -l '^State:.Z' /proc/[0-9]*/status || true"
    until(lambda: not enter(first, zombies).strip(), "PID 1 reaps orphans")
    code, output = stop(daemon)
    events = [line for line in output.splitlines() if "daemon_" in line]
    say(f"daemon: probe well, orphans reaped, SIGTERM to PID 1: exit {code}; {events[-1][:100]}")
    assert code == 0, output
    assert "daemon_draining" in output
    assert "daemon_ended" in output


def main() -> int:
    """Build, check, clean up; the exit code says whether all held."""
    require("debootstrap", "buildah", "unshare", "nsenter")
    build()
    check_size()
    folder = Path(tempfile.mkdtemp(prefix="archiver-container-"))
    try:
        with unpacked(IMAGE, folder) as vessel:
            check_confinement(vessel)
            check_demo(vessel)
            check_services(vessel)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    say("the image holds")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
