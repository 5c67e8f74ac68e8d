"""What the catalog and a known listing cost: ``python -m tests.bench.main_job [RECORDINGS]``.

First the catalog alone, on a private server that syncs every commit: intake in pages of 100, then claim, ``stored``
and ``verified`` in batches of 8, as an account with eight downloads in flight does it. Then the installed command
against the sandbox, each in a process of its own: wall time, and the peak memory of the archiver's own process.
Machines are noisy: run it several times and believe the medians.
"""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Sequence
from datetime import timedelta
from pathlib import Path

from archiver.catalog.embedded import embedded_server
from archiver.catalog.migrate import migrate
from archiver.catalog.postgres import Catalog, connect
from archiver.model.account import AccountName
from archiver.model.listing import Checkpoint, Listing, WalkKind, Window
from archiver.model.outcome import Stored, Verified
from archiver.model.recording import Listed, ListingName
from archiver.ports.catalog import ClaimRequest, PageIntake, WalkRequest
from tests.builders import make_listed, make_stored_object

ACCOUNT = AccountName("bench")
PAGE = 100
BATCH = 8
PROGRAM = str(Path(sys.executable).with_name("archiver"))


async def measure_catalog(folder: Path, count: int) -> None:
    """Print what intake, claim and outcomes cost for each recording."""
    rows = [make_listed(f"recording-{number}") for number in range(count)]
    async with embedded_server(folder / "catalog") as dsn:
        await migrate(dsn)
        async with connect(dsn, pool_size=4) as catalog:
            intake_s = await _timed(_record(catalog, rows))
            again_s = await _timed(_record(catalog, rows))
            work_s = await _timed(_work(catalog))
    for name, seconds in (("intake", intake_s), ("claim, stored, verified", work_s), ("all", intake_s + work_s)):
        print(f"catalog  {name:24} {seconds / count * 1000:6.3f} ms each")
    print(f"catalog  {'intake of known rows':24} {again_s / count * 1000:6.3f} ms each")


async def _timed(work: Awaitable[None]) -> float:
    started = time.perf_counter()
    await work
    return time.perf_counter() - started


async def _record(catalog: Catalog, rows: Sequence[Listed]) -> None:
    await catalog.enrol(ACCOUNT, "bench", "bench")
    hour = timedelta(hours=1)
    request = WalkRequest(
        account=ACCOUNT,
        listing=Listing(ListingName("recordings")),
        kind=WalkKind.FULL,
        window=Window(),
        lease=hour,
        resume_within=hour,
    )
    walk = await catalog.begin_walk(request)
    for start in range(0, len(rows), PAGE):
        await catalog.record(
            walk.id, PageIntake(rows=rows[start : start + PAGE], malformed=(), checkpoint=Checkpoint())
        )
    await catalog.end_walk(walk.id, None)


async def _work(catalog: Catalog) -> None:
    request = ClaimRequest(
        account=ACCOUNT,
        limit=BATCH,
        lease=timedelta(minutes=1),
        pass_started_at=await catalog.now(),
        max_attempts=5,
    )
    while claims := await catalog.claim(request):
        await catalog.settle([Stored(claim, make_stored_object()) for claim in claims])
        await catalog.settle([Verified(claim, "o_direct") for claim in claims])


def measure_command(folder: Path, count: int) -> None:
    """Print wall time and peak memory of a backfill, and of a second one that finds everything known."""
    config = folder / "config.toml"
    options = ["--recordings", str(count), "--audio-seconds", "1", "--page-cap", "100", "--late-arrivals", "0"]
    sandbox = subprocess.Popen([PROGRAM, "sandbox", *options, "--write-config", str(config)], stdout=subprocess.PIPE)
    try:
        assert sandbox.stdout is not None
        json.loads(sandbox.stdout.readline())
        config.write_text(
            config.read_text().replace('"1000/s"', '"100000/s"').replace("concurrency = 8", "concurrency = 16")
        )
        for name in ("backfill", "again"):
            started = time.perf_counter()
            run = subprocess.Popen(
                [PROGRAM, "backfill", "--json", "--config", str(config), "--log-level", "error"], stdout=subprocess.PIPE
            )
            _, status, usage = os.wait4(run.pid, 0)
            seconds = time.perf_counter() - started
            cpu_s, peak_mib = usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024
            print(
                f"{name:8} {seconds:6.1f} s, {seconds / count * 1000:6.3f} ms each, cpu {cpu_s:.1f} s, "
                f"peak memory {peak_mib:.0f} MiB, exit code {os.waitstatus_to_exitcode(status)}"
            )
    finally:
        sandbox.kill()
        sandbox.wait()


def main() -> None:
    """Measure both."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(measure_catalog(Path(folder), count))
    with tempfile.TemporaryDirectory() as folder:
        measure_command(Path(folder), count)


if __name__ == "__main__":
    main()
