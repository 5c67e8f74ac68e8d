"""The memory that large uploads take: ``python -m tests.bench.memory [MB] [weed]``.

Sixteen bodies of a gigabyte each, which is sparse in the spool, are published at once into a bucket; printed is the
peak of this process's memory, which must stay below 200 MB however large they are. The store is a sink that drops what
it gets, in a process of its own, for no disk of ours takes 16 GB so fast; with ``weed`` it is SeaweedFS, and the copies
are read back as well.
"""

import asyncio
import hashlib
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final
from uuid import uuid4

from archiver.model.objects import Body, Digest, Key
from archiver.model.recording import LeaseId
from archiver.ports.storage import Publication
from archiver.storage.s3.abilities import Abilities
from archiver.storage.s3.client import open_client
from archiver.storage.s3.names import Names
from archiver.storage.s3.storage import S3Storage
from tests.servers.ground import ground_on, options_for
from tests.servers.s3 import serve_weed

UPLOADS: Final = 16
DEFAULT_MB: Final = 1000
LIMIT_MB: Final = 200
_ZEROS: Final = bytes(1 << 20)
_SINK: Final = "sink"
_ALL: Final = Abilities(new_put=True, matched_put=True, new_complete=True, matched_complete=True, checks=True)
_ABSENT: Final = b"<Error><Code>NoSuchKey</Code><Message>nothing is kept here</Message></Error>"
_BEGUN: Final = b"<InitiateMultipartUploadResult><UploadId>upload</UploadId></InitiateMultipartUploadResult>"
_DONE: Final = b'<CompleteMultipartUploadResult><ETag>"done"</ETag></CompleteMultipartUploadResult>'


def peak_mb() -> float:
    """The most memory that this process ever had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def digest_of_zeros(size_bytes: int) -> Digest:
    """The SHA-256 of so many zeros, whole MiB of them."""
    sha256 = hashlib.sha256()
    for _ in range(size_bytes // len(_ZEROS)):
        sha256.update(_ZEROS)
    return Digest(sha256.digest())


async def upload_all(storage: S3Storage, size_bytes: int) -> list[Key]:
    """Publish all bodies at once; answers where they are."""
    digest, keys = digest_of_zeros(size_bytes), [Key(f"bench/{number}.wav") for number in range(UPLOADS)]

    async def upload(key: Key) -> None:
        lease = LeaseId(uuid4())
        path = storage.spool / f"{lease}.part"
        with path.open("wb") as file:
            file.truncate(size_bytes)
        body = Body(content=path, digest=digest, size_bytes=size_bytes)
        await storage.publish(Publication(key=key, body=body, sidecar=b"{}", lease=lease, replaces=None))

    async with asyncio.TaskGroup() as group:
        for key in keys:
            group.create_task(upload(key))
    return keys


async def measure(storage: S3Storage, size_bytes: int, *, reads: bool) -> bool:
    """Print what it took; answers whether memory stayed within its limit."""
    before, started = peak_mb(), time.perf_counter()
    keys = await upload_all(storage, size_bytes)
    seconds, peak = time.perf_counter() - started, peak_mb()
    print(f"{UPLOADS} uploads of {size_bytes / 1e6:.0f} MB at once: {UPLOADS * size_bytes / seconds / 1e6:.0f} MB/s")
    print(f"peak memory {peak:.0f} MB, {before:.0f} MB of it before the first; the limit is {LIMIT_MB} MB")
    if reads:
        readings = await asyncio.gather(*(storage.read_back(key) for key in keys))
        assert {reading.size_bytes for reading in readings} == {size_bytes}
        print(f"and once all were read back, at once: {peak_mb():.0f} MB")
    return peak_mb() < LIMIT_MB


@asynccontextmanager
async def sink(folder: Path) -> AsyncIterator[S3Storage]:
    """A storage on a sink, which is taken to be able to do everything."""
    process = subprocess.Popen(  # noqa: ASYNC220 - it says where it is at once
        [sys.executable, "-m", "tests.bench.memory", _SINK], stdout=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        options = options_for(json.loads(process.stdout.readline()), folder)
        async with open_client(options) as client:
            storage = S3Storage(client, Names("bucket", "bench"), options)
            storage.bucket.abilities = _ALL
            yield storage
    finally:
        process.kill()
        process.wait()


@asynccontextmanager
async def weed(folder: Path) -> AsyncIterator[S3Storage]:
    """A storage on SeaweedFS."""
    with serve_weed(folder) as server:
        async with ground_on(server, folder) as ground:
            yield ground.storage(folder)


async def serve_sink() -> None:
    """Take everything and keep nothing, until killed. One JSON line says where."""
    server = await asyncio.start_server(_swallow, "127.0.0.1", 0)
    print(json.dumps(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"), flush=True)
    await server.serve_forever()


async def _swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            left = next((int(line[15:]) for line in head.splitlines() if line.lower().startswith("content-length:")), 0)
            while left and (piece := await reader.read(min(left, 1 << 18))):
                left -= len(piece)
            status, body = _answer(*head.split(" ", 2)[:2])
            writer.write(f'HTTP/1.1 {status}\r\nETag: "some"\r\nContent-Length: {len(body)}\r\n\r\n'.encode() + body)
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


def _answer(method: str, target: str) -> tuple[str, bytes]:
    if method == "POST":
        return "200 OK", _BEGUN if target.endswith("?uploads") else _DONE
    return ("404 Not Found", _ABSENT) if method == "GET" else ("200 OK", b"")


async def main() -> None:
    """Measure, in a folder that is removed afterwards; ends with 1 when it took too much."""
    if sys.argv[1:] == [_SINK]:
        await serve_sink()
        return
    size_bytes = (int(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT_MB) * 10**6 // len(_ZEROS) * len(_ZEROS)
    is_real = sys.argv[2:] == ["weed"]
    with tempfile.TemporaryDirectory(prefix="archiver-bench-") as folder:
        async with (weed if is_real else sink)(Path(folder)) as storage:
            is_within = await measure(storage, size_bytes, reads=is_real)
    sys.exit(not is_within)


if __name__ == "__main__":
    asyncio.run(main())
