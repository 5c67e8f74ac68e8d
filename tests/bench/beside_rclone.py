"""A backfill beside ``rclone copy``: ``make bench``, or ``python -m tests.bench.beside_rclone [RECORDINGS]``.

Different recordings of about 240 kB lie behind a file server and a listing of the benchmark's own. In turn, three
rounds each, the installed archiver brings them into a directory, with and without sidecars, and rclone copies them;
all with 32 at a time, onto the same disk. PostgreSQL runs and the round's database has its schema before the clock
starts. Then one more backfill is measured from inside, stage by stage. Machines are noisy: believe medians and ratios.
"""

import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.bench.contenders import Run, archive, copy, read_all
from tests.bench.scene import CONCURRENCY, Scene, scene

ROUNDS: Final = 3
DEFAULT_FILES: Final = 2000
WITH, WITHOUT, RCLONE, SYNCED, AGAIN = (
    "archiver, sidecars",
    "archiver, no sidecars",
    "rclone copy",
    "rclone copy, sync",
    "archiver, all known",
)
_NOTES: Final = """\
rclone syncs nothing to the disk, reads nothing back, and keeps no digests and no catalog; "sync" is one sync of the
whole disk behind it. "all known" is a backfill that finds nothing to fetch: start, listing and summary. "cpu s" is
the contender's own; the file server shares the processors with all of them, PostgreSQL with the archiver."""
_MORE: Final = "\nThe catalog's cost with 20,000 recordings, and memory: .venv/bin/python -m tests.bench.main_job"


async def measure(place: Scene) -> dict[str, list[Run]]:
    """Run every contender in turn, each round beginning with another one."""
    runs: defaultdict[str, list[Run]] = defaultdict(list)
    for turn in range(ROUNDS):
        order = (WITH, RCLONE, WITHOUT)
        for name in order[turn:] + order[:turn]:
            if name == RCLONE:
                runs[RCLONE].append(await copy(place))
                continue
            await place.prepare(has_sidecars=name == WITH)
            runs[name].append(await archive(place))
            if name == WITH:
                runs[AGAIN].append(await archive(place))
    return runs


def show(place: Scene, runs: dict[str, list[Run]]) -> None:
    """Print a line for each contender: medians, and the slowest and fastest round."""
    walls = {name: [run.wall_s for run in found] for name, found in runs.items()}
    walls[SYNCED] = [run.synced_s for run in runs[RCLONE]]
    yardstick = statistics.median(walls[RCLONE])
    print(f"{'':22} {'wall s':>7} {'min':>6} {'max':>6} {'files/s':>8} {'MB/s':>6} {'cpu s':>6} {'x rclone':>9}")
    for name in (WITH, WITHOUT, RCLONE, SYNCED, AGAIN):
        wall_s = statistics.median(walls[name])
        line = f"{name:22} {wall_s:7.2f} {min(walls[name]):6.2f} {max(walls[name]):6.2f}"
        pace = f"{place.count / wall_s:8.0f} {place.size_bytes / wall_s / 1e6:6.0f}" if name != AGAIN else " " * 15
        cpu = f"{statistics.median(run.cpu_s for run in runs[name]):6.2f}" if name in runs else " " * 6
        print(f"{line} {pace} {cpu} {wall_s / yardstick:9.2f}")
    print(_NOTES, flush=True)


def show_ceiling(place: Scene, seconds: Sequence[float]) -> None:
    """Print what is copied, and how fast it can be had by somebody who drops it."""
    each_kb, best_s = place.size_bytes / place.count / 1e3, min(seconds)
    print(
        f"{place.count:,} recordings of {each_kb:.0f} kB, {CONCURRENCY} at a time, {ROUNDS} rounds; "
        f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}"
    )
    print(
        f"the file server's ceiling: {place.count / best_s:,.0f} files/s, {place.size_bytes / best_s / 1e6:,.0f} MB/s "
        "for plain GETs that drop what they get\n",
        flush=True,
    )


def show_stages(place: Scene) -> None:
    """Print where the time of one more backfill goes. Raises: RuntimeError when it fails."""
    command = [sys.executable, "-m", "tests.bench.stages", str(place.config), str(place.count)]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the measured backfill ended with exit code {done.returncode}: {done.stderr[-2000:]}")


async def main() -> None:
    """Measure all of it, in a folder that is removed afterwards."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT_FILES
    with tempfile.TemporaryDirectory(prefix="archiver-bench-") as folder:
        async with scene(Path(folder), count) as place:
            show_ceiling(place, [await asyncio.to_thread(read_all, place) for _ in range(ROUNDS)])
            show(place, await measure(place))
            await place.prepare(has_sidecars=True)
            await asyncio.to_thread(show_stages, place)
    print(_MORE)


if __name__ == "__main__":
    asyncio.run(main())
