"""The room for bodies on their way to a bucket."""

import asyncio
from pathlib import Path

import pytest

from archiver.model.errors import StorageError
from archiver.storage.s3.room import Room


async def test_work_waits_for_room(tmp_path: Path) -> None:
    """P3: while the folder holds more than it may, nothing new starts; it does when bodies have left."""
    room, part = Room(tmp_path, 10), tmp_path / "1.part"
    part.write_bytes(b"x" * 11)
    waiting = asyncio.create_task(room.admit())
    done, _ = await asyncio.wait([waiting], timeout=0.15)
    assert not done
    part.unlink()
    await asyncio.wait_for(waiting, 5)


async def test_a_folder_that_holds_what_it_may_admits(tmp_path: Path) -> None:
    """The budget itself is allowed."""
    (tmp_path / "1.part").write_bytes(b"x" * 10)
    await Room(tmp_path, 10).admit()


async def test_a_spool_that_nothing_leaves_is_an_error(tmp_path: Path) -> None:
    """R3: when a full folder stays as it is, the error names the option."""
    (tmp_path / "1.part").write_bytes(b"x" * 11)
    with pytest.raises(StorageError, match="nothing of it leaves") as refused:
        await Room(tmp_path, 10, patience_s=0.0).admit()
    assert refused.value.key == "transfer.spool_size"


async def test_a_large_body_takes_its_time(tmp_path: Path) -> None:
    """P3: while a body is on its way out, a full folder that does not change is no error."""
    room, part = Room(tmp_path, 10, patience_s=0.0), tmp_path / "1.part"
    part.write_bytes(b"x" * 11)
    with room.leaving():
        waiting = asyncio.create_task(room.admit())
        done, _ = await asyncio.wait([waiting], timeout=0.3)
        assert not done
        part.unlink()
        await asyncio.wait_for(waiting, 5)


async def test_the_folder_is_made_for_us_alone(tmp_path: Path) -> None:
    """Recordings in the spool are nobody else's business."""
    room = Room(tmp_path / "a" / "b", 10)
    await room.lay_out()
    assert room.folder.stat().st_mode & 0o777 == 0o700


async def test_a_file_in_the_way_is_an_error(tmp_path: Path) -> None:
    """R3: a spool that cannot be made is named."""
    (tmp_path / "a").write_bytes(b"")
    with pytest.raises(StorageError, match=str(tmp_path / "a")):
        await Room(tmp_path / "a" / "b", 10).lay_out()


async def test_a_lost_folder_is_an_error(tmp_path: Path) -> None:
    """R3: a spool that went away admits nothing."""
    with pytest.raises(StorageError, match="spool"):
        await Room(tmp_path / "gone", 10).admit()
