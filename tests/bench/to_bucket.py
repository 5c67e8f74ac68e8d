"""A backfill into a bucket beside ``rclone copy`` of the same files: ``python -m tests.bench.to_bucket [RECORDINGS]``.

The scene is that of ``beside_rclone``: recordings of about 240 kB behind a file server and a listing. Here both
contenders bring them, 32 at a time, into fresh buckets of one SeaweedFS, three rounds in turn. rclone asks for each
object once after its put; the archiver puts two objects for each recording, an audio and a sidecar, reads the audio
back and hashes it. Without sidecars it puts one. Machines are noisy: believe medians and ratios.
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
from uuid import uuid4

from tests.bench.beside_rclone import DEFAULT_FILES, ROUNDS
from tests.bench.contenders import Run, archive, timed
from tests.bench.scene import CONCURRENCY, Scene, scene
from tests.servers.s3 import ACCESS_KEY_ID, SECRET_ACCESS_KEY, TOOLS, S3Server, serve_weed

WITH, WITHOUT, RCLONE = "archiver, sidecars", "archiver, no sidecars", "rclone copy"
_S3: Final = """
[storage.s3]
endpoint = "{endpoint}"
access_key_id = "{key}"
secret_access_key = "{secret}"
path_style = true
allow_http = true
"""
_COPY: Final = (
    *("rclone", "copy", ":http:", "--config", "", "--http-no-head", "--s3-no-check-bucket"),
    *("--transfers", str(CONCURRENCY), "--checkers", str(CONCURRENCY)),
)


def remote(server: S3Server, bucket: str) -> str:
    """A bucket as rclone is told of it."""
    return (
        f':s3,provider=Other,endpoint="{server.endpoint}",access_key_id={ACCESS_KEY_ID},'
        f"secret_access_key={SECRET_ACCESS_KEY}:{bucket}"
    )


def rclone(*words: str) -> bytes:
    """What rclone says. Raises: CalledProcessError."""
    return subprocess.run([TOOLS / "rclone", *words, "--config", ""], check=True, stdout=subprocess.PIPE).stdout


async def archive_to(place: Scene, server: S3Server, bucket: str, *, has_sidecars: bool) -> Run:
    """Backfill into a bucket. Raises: RuntimeError when not every recording came to be verified."""
    await place.prepare(has_sidecars=has_sidecars)
    config = place.config.read_text().replace(f"file:{place.target}", f"s3://{bucket}/calls")
    config += _S3.format(endpoint=server.endpoint, key=ACCESS_KEY_ID, secret=SECRET_ACCESS_KEY)
    place.config.write_text(config.replace("[transfer]", f'[transfer]\nspool = "{place.folder / "spool"}"'))
    return await archive(place)


async def copy_to(place: Scene, server: S3Server, bucket: str) -> Run:
    """Copy into a bucket. Raises: RuntimeError when not every file came."""
    run, _ = await timed(place, [*_COPY, "--http-url", place.files_url, remote(server, bucket)])
    count = len(rclone("lsf", remote(server, bucket)).splitlines())
    if count != place.count:
        raise RuntimeError(f"rclone left something: {count:,} files are in the bucket")
    return run


async def measure(place: Scene, server: S3Server) -> dict[str, list[Run]]:
    """Run every contender in turn, each round beginning with another one and each into a bucket of its own."""
    runs: defaultdict[str, list[Run]] = defaultdict(list)
    for turn in range(ROUNDS):
        order = (WITH, RCLONE, WITHOUT)
        for name in order[turn:] + order[:turn]:
            bucket = f"bench-{uuid4().hex[:12]}"
            rclone("mkdir", remote(server, bucket))
            if name == RCLONE:
                runs[name].append(await copy_to(place, server, bucket))
            else:
                runs[name].append(await archive_to(place, server, bucket, has_sidecars=name == WITH))
            rclone("purge", remote(server, bucket))
    return runs


def show(place: Scene, runs: dict[str, Sequence[Run]]) -> None:
    """Print a line for each contender: medians, and the slowest and fastest round."""
    print(
        f"{place.count:,} recordings of {place.size_bytes / place.count / 1e3:.0f} kB into SeaweedFS, {CONCURRENCY} at "
        f"a time, {ROUNDS} rounds; {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}\n"
    )
    walls = {name: [run.wall_s for run in found] for name, found in runs.items()}
    yardstick = statistics.median(walls[RCLONE])
    print(f"{'':22} {'wall s':>7} {'min':>6} {'max':>6} {'files/s':>8} {'MB/s':>6} {'cpu s':>6} {'x rclone':>9}")
    for name in (WITH, WITHOUT, RCLONE):
        wall_s, cpu_s = statistics.median(walls[name]), statistics.median(run.cpu_s for run in runs[name])
        print(
            f"{name:22} {wall_s:7.2f} {min(walls[name]):6.2f} {max(walls[name]):6.2f} {place.count / wall_s:8.0f} "
            f"{place.size_bytes / wall_s / 1e6:6.0f} {cpu_s:6.2f} {wall_s / yardstick:9.2f}"
        )


async def main() -> None:
    """Measure all of it, in a folder that is removed afterwards."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT_FILES
    with tempfile.TemporaryDirectory(prefix="archiver-bench-") as folder:
        store = Path(folder) / "store"
        store.mkdir()
        with serve_weed(store) as server:
            async with scene(Path(folder), count) as place:
                show(place, dict(await measure(place, server)))


if __name__ == "__main__":
    asyncio.run(main())
