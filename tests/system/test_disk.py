"""Disks that fill up, fail, turn read-only or vanish: the recording is named, stays pending, and nothing is false."""

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest

from archiver.model.errors import StorageError
from archiver.model.objects import Key
from archiver.storage.layout import Layout
from archiver.storage.local import LocalOptions, LocalStorage
from tests.system.brittle import FOR_EVER, Fault, Order, broken, until_said
from tests.system.oracle import consult, leftovers
from tests.system.stage import WITHIN_S, Answer, Stage, ended, staged
from tests.unit.storage.crash import SCENARIOS, Scenario, prepare, publish, wrong_after_crash, wrong_after_repeat

ERRORS = ("ENOSPC", "EIO")
CALLS = {"create": 9, "write": 7, "fsync": 11, "fsync_folder": 40, "link": 15, "replace": 17, "mkdir": 9, "read": 19}
"""The calls that fail, each with the number of the one that does: the first few are those of the laying out."""


@pytest.fixture
async def paced(tmp_path: Path, catalog_dsn: str) -> AsyncIterator[Stage]:
    """A sandbox whose account is paced so that there is a middle to interrupt."""
    options = ("--recordings", "60", "--audio-seconds", "1", "--page-cap", "20", "--late-arrivals", "0")
    async with staged(tmp_path, catalog_dsn, *options) as one:
        one.amend('[transfer]\nbackoff = "50ms"', rate_limit='"40/s"')
        yield one


async def run(stage: Stage, faults: list[Fault], *words: str, hurry: float = 1.0) -> Answer:
    """Run a command to its end while calls below the storage fail."""
    order = Order(folder=str(stage.storage), faults=tuple(faults), hurry=hurry)
    return await ended(await order.start(stage.config, *words))


async def completed(stage: Stage) -> list[dict[str, Any]]:
    """The fault is over: the next run archives everything and leaves nothing behind (O4, O5)."""
    again = await stage.run("backfill", "--json")
    assert again.code == 0, again.stdout + again.stderr
    assert not leftovers(stage)
    return await consult(stage)


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_a_publication_survives_each_failed_call(tmp_path: Path, scenario: Scenario, error: str) -> None:
    """R3: whichever call fails, nothing false lies under the key, no part and no descriptor stays, a repeat works."""
    for step in range(1, 100):
        root = tmp_path / str(step)
        prepare(root, scenario)
        descriptors = os.listdir("/proc/self/fd")
        with broken(Order(str(root), (Fault("any", error, step),))) as breaker, suppress(StorageError):
            publish(root, scenario, step)
        if not breaker.struck:
            break
        assert not list(wrong_after_crash(root, scenario)), breaker.struck
        assert len(list(Layout(root).parts.iterdir())) <= breaker.struck[0].startswith("unlink")
        assert os.listdir("/proc/self/fd") == descriptors
        publish(root, scenario, 1000)
        assert not list(wrong_after_repeat(root, scenario)), breaker.struck
    assert step > 10


async def test_a_failed_call_leaves_its_recording_to_the_next_run(stage: Stage) -> None:
    """R3: an error that names the recording, the others are archived, nothing is deleted, the next run completes."""
    stage.amend("[transfer]\nmax_attempts = 1")
    faults = [Fault(call, error, first) for (call, first), error in zip(CALLS.items(), cycle(ERRORS), strict=False)]
    answer = await run(stage, faults, "backfill", "--json")
    assert answer.code == 1, answer.stdout + answer.stderr
    left = [row for row in await consult(stage, is_done=False) if row["state"] != "verified"]
    assert len(CALLS) - 2 <= len(left) <= len(CALLS), "two faults may meet in one recording"
    assert sorted({row["state"] for row in left}) == ["pending", "stored"]
    assert {error for row in left for error in ERRORS if error in row["error"]} == set(ERRORS)
    assert all(row["recording_id"] in answer.stderr for row in left)
    assert len(await completed(stage)) == 40


async def test_a_blink_of_the_storage_is_no_missing_copy(tmp_path: Path) -> None:
    """R3, R6: a copy that was not found, and is there when the storage is looked at, is not called missing."""
    storage = LocalStorage(LocalOptions(root=tmp_path, min_free=0, file_mode=0o640))
    await storage.probe()
    (tmp_path / "copy.wav").write_bytes(b"RIFF")
    with broken(Order(str(tmp_path), (Fault("open", "ENOENT"),))), pytest.raises(StorageError, match="for a moment"):
        await storage.read_back(Key("copy.wav"))
    assert (await storage.read_back(Key("copy.wav"))).size_bytes == 4


async def test_a_run_outlives_a_disk_that_is_read_only_for_a_while(stage: Stage) -> None:
    """R3: the process lives, and archives everything once the disk takes writes again."""
    stage.amend('[transfer]\nbackoff = "50ms"')
    answer = await run(stage, [Fault("any", "EROFS", 60, 60)], "backfill")
    assert answer.code == 0, answer.stderr
    assert "EROFS" in answer.stderr
    assert len(await consult(stage)) == 40
    assert not leftovers(stage)


async def test_large_bodies_meet_a_full_disk_in_the_spool(tmp_path: Path, catalog_dsn: str) -> None:
    """R3: a download that finds no room is refused by its name, and its part goes."""
    options = ("--recordings", "4", "--audio-seconds", "150", "--late-arrivals", "0")
    async with staged(tmp_path, catalog_dsn, *options) as stage:
        stage.amend("[transfer]\nmax_attempts = 1")
        answer = await run(stage, [Fault("write", "ENOSPC", 2, 2)], "backfill", "--json")
        assert answer.code == 1
        left = [row for row in await consult(stage, is_done=False) if row["state"] == "pending"]
        assert left
        assert all("No space left" in row["error"] for row in left)
        assert not leftovers(stage)
        await completed(stage)


async def test_a_storage_that_vanishes_is_waited_for(paced: Stage) -> None:
    """R3: gone, then an empty folder in its place: nothing is called missing, nothing written, and work goes on."""
    process = await paced.start("backfill")
    await paced.until_served(10)
    away = paced.storage.rename(paced.storage.with_name("away"))
    await until_said(process, b"has lost its folder")
    away.rename(paced.storage)
    await paced.until_served(30)
    paced.storage.rename(away)
    paced.storage.mkdir()
    await until_said(process, b"has lost its folder")
    assert not [path for path in paced.storage.rglob("*") if path.is_file()]
    paced.storage.rename(paced.storage.with_name("empty"))
    away.rename(paced.storage)
    answer = await ended(process)
    assert answer.code == 0, answer.stderr
    assert len(await consult(paced)) == 60
    assert not leftovers(paced)


async def test_a_lost_mount_at_the_start_says_nothing_about_copies(stage: Stage) -> None:
    """R3, R6: on an empty folder where copies should lie, a command ends with 3, and changes no row and no file."""
    await stage.run("backfill")
    before = (await stage.run("ls", "--json", "--all")).stdout
    away = stage.storage.rename(stage.storage.with_name("away"))
    stage.storage.mkdir()
    for command in (("verify", "--all"), ("backfill",)):
        answer = await stage.run(*command, "--json")
        assert answer.code == 3, command
        assert "mounted" in answer.json["error"]["fix"]
        assert not list(stage.storage.iterdir())
    stage.storage.rmdir()
    away.rename(stage.storage)
    assert (await stage.run("ls", "--json", "--all")).stdout == before


async def test_too_little_room_stops_new_work_and_is_waited_for(paced: Stage) -> None:
    """R3: below min_free nothing new starts; with room again the same run goes on."""
    answer = await run(paced, [Fault("statvfs", "ENOSPC", 2, 2)], "backfill")
    assert answer.code == 0, answer.stderr
    assert "min_free" in answer.stderr or "free, less than" in answer.stderr
    assert len(await consult(paced)) == 60


async def test_too_little_room_for_long_ends_the_run(stage: Stage) -> None:
    """R3: after five minutes without room the run ends with 3 and says what to do; nothing was asked for."""
    answer = await run(stage, [Fault("statvfs", "ENOSPC", 1, FOR_EVER)], "backfill", "--json", hurry=40)
    assert answer.code == 3
    assert answer.json["error"]["key"] == "storage.min_free"
    assert await stage.media_requests() == 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 4 MiB where the storage will lie."""
    folder = tmp_path / "var" / "recordings"
    folder.mkdir(parents=True)
    command = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small file system needs root's rights")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


async def test_a_small_disk_fills_up_and_turns_read_only(small_disk: Path, paced: Stage) -> None:
    """R3: a real file system without room, then read-only: both are told, nothing is false, and all is well later."""
    _amend_storage(paced, 'min_free = "0"')
    process = await paced.start("backfill")
    await paced.until_served(5)
    ballast = small_disk / ".archiver" / "ballast"
    fill(ballast)
    await until_said(process, b"ENOSPC")
    ballast.unlink()
    await remount(small_disk, "ro")
    await until_said(process, b"cannot be written")
    await remount(small_disk, "rw")
    assert (await ended(process)).code in {0, 1}
    await consult(paced, is_done=False)
    assert len(await completed(paced)) == 60


def fill(path: Path) -> None:
    """Take all the room there is."""
    with path.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))


async def remount(folder: Path, mode: str) -> None:
    """Make a file system read-only or writable, as soon as nobody writes there."""
    async with asyncio.timeout(WITHIN_S):
        while await (await asyncio.create_subprocess_exec("mount", "-o", f"remount,{mode}", str(folder))).wait():
            await asyncio.sleep(0.01)


def _amend_storage(stage: Stage, line: str) -> None:
    stage.config.write_text(stage.config.read_text().replace("[storage]", f"[storage]\n{line}"))
