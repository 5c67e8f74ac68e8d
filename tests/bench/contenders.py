"""Who copies: the installed archiver, and rclone; and how fast the files can be had at all."""

import asyncio
import http.client
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from tests.bench.scene import CONCURRENCY, Scene

_PROGRAMS: Final = Path(sys.executable).parent
_READERS: Final = 8
_RCLONE: Final = (
    *("rclone", "copy", ":http:", "--config", "", "--http-no-head"),
    *("--transfers", str(CONCURRENCY), "--checkers", str(CONCURRENCY)),
)
"""Without asking for each file's size first: that only costs it time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What a run of a command took: of the clock, and of processors in it. ``synced_s``: until the disk had it all."""

    wall_s: float
    cpu_s: float
    synced_s: float


async def archive(scene: Scene) -> Run:
    """Backfill with the configuration as it is. Raises: RuntimeError when not every recording came to be verified."""
    command = ["archiver", "backfill", "--json", "--config", str(scene.config), "--log-level", "warning"]
    run, answer = await timed(scene, command)
    states = json.loads(answer)["accounts"]["bench"]["states"]
    if states["verified"] != scene.count:
        raise RuntimeError(f"the archiver left something: {states}")
    return run


async def copy(scene: Scene) -> Run:
    """Copy into a fresh folder. Raises: RuntimeError when not every byte came."""
    scene.clear()
    run, _ = await timed(scene, [*_RCLONE, "--http-url", scene.files_url, str(scene.target)])
    copied = [path.stat().st_size for path in scene.target.iterdir()]
    if (len(copied), sum(copied)) != (scene.count, scene.size_bytes):
        raise RuntimeError(f"rclone left something: {len(copied):,} files with {sum(copied):,} bytes are here")
    return run


async def timed(scene: Scene, command: Sequence[str]) -> tuple[Run, bytes]:
    """Run one of the environment's programs once the disk has nothing left to do for others; answers its output too."""
    await asyncio.to_thread(os.sync)
    answer = scene.folder / "answer"
    with answer.open("wb") as stdout, scene.log.open("wb") as stderr:
        started = time.perf_counter()
        process = subprocess.Popen(  # noqa: ASYNC220 - for wait4, which tells what it used
            [_PROGRAMS / command[0], *command[1:]], stdout=stdout, stderr=stderr
        )
        _, status, usage = await asyncio.to_thread(os.wait4, process.pid, 0)
        wall_s = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    await asyncio.to_thread(os.sync)
    synced_s = time.perf_counter() - started
    if process.returncode:
        raise RuntimeError(f"{command[0]} ended with exit code {process.returncode}: {scene.log.read_text()[-2000:]}")
    return Run(wall_s=wall_s, cpu_s=usage.ru_utime + usage.ru_stime, synced_s=synced_s), answer.read_bytes()


def read_all(scene: Scene) -> float:
    """The seconds that it takes to get every file from the server over a few connections and to drop it."""
    shares = [scene.paths[number::_READERS] for number in range(_READERS)]
    readers = [threading.Thread(target=_read, args=(scene.files_url, share)) for share in shares]
    started = time.perf_counter()
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    return time.perf_counter() - started


def _read(files_url: str, paths: Sequence[str]) -> None:
    connection, buffer = http.client.HTTPConnection(urlsplit(files_url).netloc), bytearray(1 << 18)
    for path in paths:
        connection.request("GET", path)
        response = connection.getresponse()
        while response.readinto(buffer):
            pass
    connection.close()
