"""Servers that speak S3, each a process of its own on free ports of loopback: a good one, a lax one, and a weak one."""

import ctypes
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

TOOLS = Path(sys.executable).parent
HOST = "127.0.0.1"
ACCESS_KEY_ID = "archiver"
SECRET_ACCESS_KEY = "archiver-secret"
PATIENCE_S = 60.0
_PRCTL = getattr(ctypes.CDLL(None), "prctl", None)
_SET_DEATH_SIGNAL = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Server:
    """A server that answers. Its only credentials are the constants of this module; region is ``us-east-1``."""

    name: str
    endpoint: str


@contextmanager
def serve_weed(folder: Path) -> Iterator[S3Server]:
    """SeaweedFS: conditional, checks SHA-256, locks objects. About 150 MB and two seconds."""
    identity = {
        "name": "archiver",
        "credentials": [{"accessKey": ACCESS_KEY_ID, "secretKey": SECRET_ACCESS_KEY}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    (folder / "identities.json").write_text(json.dumps({"identities": [identity]}), "utf-8")
    names = ("master", "filer", "volume", "s3", "admin")
    ports = _free_ports(2 * len(names))
    places = {name: (ports[2 * number], ports[2 * number + 1]) for number, name in enumerate(names)}
    command = [
        *(str(TOOLS / "weed"), "-logdir", str(folder), "mini", f"-dir={folder}", f"-ip={HOST}", f"-ip.bind={HOST}"),
        *(f"-{name}.port={port}" for name, (port, _) in places.items()),
        *(f"-{name}.port.grpc={port}" for name, (_, port) in places.items()),
        *("-webdav=false", "-admin.ui=false", "-s3.port.iceberg=0", "-s3.port.lance=0", "-master.telemetry=false"),
        *(f"-s3.config={folder / 'identities.json'}", "-s3.autoCreateBucket=false", "-volume.preStopSeconds=0"),
        *(f"-s3.localSocket={folder / 's3.sock'}", f"-filer.localSocket={folder / 'filer.sock'}"),
    ]
    with _running("weed", command, folder, places["s3"][0]) as server:
        yield server


@contextmanager
def serve_moto(folder: Path) -> Iterator[S3Server]:
    """moto: conditional, and takes every signature and every checksum."""
    (port,) = _free_ports(1)
    with _running("moto", [str(TOOLS / "moto_server"), "-H", HOST, "-p", str(port)], folder, port) as server:
        yield server


@contextmanager
def serve_rclone(folder: Path) -> Iterator[S3Server]:
    """``rclone serve s3``: replaces silently, checks no SHA-256, has no locks."""
    (port,) = _free_ports(1)
    root = folder / "buckets"
    root.mkdir()
    keys = f"{ACCESS_KEY_ID},{SECRET_ACCESS_KEY}"
    command = [str(TOOLS / "rclone"), "serve", "s3", f"--addr={HOST}:{port}", f"--auth-key={keys}", str(root)]
    environment = {"RCLONE_CONFIG": str(folder / "none.conf")}
    with _running("rclone", command, folder, port, environment) as server:
        yield server


@contextmanager
def _running(
    name: str, command: Sequence[str], folder: Path, port: int, environment: Mapping[str, str] | None = None
) -> Iterator[S3Server]:
    with (folder / "server.log").open("wb") as log, ExitStack() as stack:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=os.environ | (environment or {}),
            stdout=log,
            stderr=subprocess.STDOUT,
            preexec_fn=_die_with_us,  # noqa: PLW1509 - one system call, which takes no lock
        )
        stack.callback(_end, process)
        _wait_for(process, port, folder / "server.log")
        yield S3Server(name=name, endpoint=f"http://{HOST}:{port}")


def _wait_for(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    """Wait until the server answers requests."""
    give_up_at = time.monotonic() + PATIENCE_S
    while time.monotonic() < give_up_at:
        if process.poll() is not None:
            break
        connection = http.client.HTTPConnection(HOST, port, timeout=5)
        try:
            connection.request("GET", "/")
            if connection.getresponse().status < 500:
                return
        except (OSError, http.client.HTTPException):
            pass
        finally:
            connection.close()
        time.sleep(0.05)
    raise RuntimeError(f"{process.args!r} does not answer: {log.read_text('utf-8', 'replace')[-2000:]}")


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Nothing of it need survive."""
    process.kill()
    process.wait()


def _die_with_us() -> None:
    """Leave nothing behind when the tests are killed; Linux alone can promise that."""
    if _PRCTL is not None:
        _PRCTL(_SET_DEATH_SIGNAL, signal.SIGKILL)


def _free_ports(count: int) -> list[int]:
    """Ports that nobody listens on. All are held at once, so that none is named twice."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind((HOST, 0))
        return [one.getsockname()[1] for one in sockets]
