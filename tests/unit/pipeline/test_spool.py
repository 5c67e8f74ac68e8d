"""The spool: memory up to a bound, a file beyond it, hashed on the way."""

import hashlib
from pathlib import Path
from random import Random
from uuid import uuid4

import pytest

from archiver.model.errors import StorageError
from archiver.model.recording import LeaseId
from archiver.pipeline.spool import MEMORY_BYTES, Spool

LEASE = LeaseId(uuid4())


@pytest.mark.parametrize("size", [0, 1, MEMORY_BYTES, MEMORY_BYTES + 1, 3 * MEMORY_BYTES + 17])
async def test_a_body_comes_out_as_it_went_in(tmp_path: Path, size: int) -> None:
    """Up to the bound a body stays in memory, beyond it is in the lease's file; digest and size are its own."""
    spool, body = Spool(tmp_path, LEASE), Random(size).randbytes(size)
    for start in range(0, size, 300_000):
        await spool.write(body[start : start + 300_000])
    whole = await spool.finish()
    assert (whole.size_bytes, whole.digest) == (size, hashlib.sha256(body).digest())
    if size <= MEMORY_BYTES:
        assert whole.content == body
        return
    assert whole.content == tmp_path / f"{LEASE}.part"
    assert whole.content.read_bytes() == body


@pytest.mark.parametrize("first", [100, 2 * MEMORY_BYTES])
@pytest.mark.parametrize("second", [b"again", bytes(2 * MEMORY_BYTES)])
async def test_a_rewound_spool_begins_anew(tmp_path: Path, first: int, second: bytes) -> None:
    """Nothing of what came before a rewind is left, in memory or in the file."""
    spool = Spool(tmp_path, LEASE)
    await spool.write(b"x" * first)
    await spool.rewind()
    assert (spool.size_bytes, list(tmp_path.iterdir())) == (0, [])
    await spool.write(second)
    whole = await spool.finish()
    content = whole.content.read_bytes() if isinstance(whole.content, Path) else whole.content
    assert (content, whole.digest) == (second, hashlib.sha256(second).digest())


async def test_discarding_leaves_nothing(tmp_path: Path) -> None:
    """A discarded spool leaves no file; discarding twice, or one that was taken away, is fine (O4)."""
    spool = Spool(tmp_path, LEASE)
    await spool.discard()
    await spool.write(bytes(2 * MEMORY_BYTES))
    (tmp_path / f"{LEASE}.part").unlink()
    for _ in range(2):
        await spool.discard()
    assert not list(tmp_path.iterdir())


async def test_a_full_disk_is_a_storage_error() -> None:
    """What cannot be written is a StorageError that names the file and the cause (R3)."""
    spool = Spool(Path("/dev/full"), LEASE)
    with pytest.raises(StorageError, match=rf"/dev/full/{LEASE}\.part cannot be written"):
        await spool.write(bytes(2 * MEMORY_BYTES))


async def test_no_room_is_a_storage_error(tmp_path: Path) -> None:
    """ENOSPC in the middle of a body is a StorageError; the spool can be discarded after it (R3)."""
    spool = Spool(tmp_path, LEASE)
    (tmp_path / f"{LEASE}.part").symlink_to("/dev/full")
    with pytest.raises(StorageError, match="No space left"):
        await spool.write(bytes(2 * MEMORY_BYTES))
    await spool.discard()
    assert not list(tmp_path.iterdir())
