"""What a directory does beyond the contract of all storages: layout, room, probes, reading past caches."""

import asyncio
import errno
import os
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest

from archiver.model.errors import StorageError
from archiver.model.objects import Key
from archiver.model.recording import LeaseId
from archiver.storage.files import locked
from archiver.storage.local import LocalOptions, LocalStorage
from tests.contract.storage import FIRST, KEY, digest_of, publication


def storage_at(root: Path, min_free: int = 0) -> LocalStorage:
    """A storage that was not probed yet."""
    return LocalStorage(LocalOptions(root=root, min_free=min_free, file_mode=0o640))


@pytest.fixture
async def storage(tmp_path: Path) -> LocalStorage:
    """A fresh directory."""
    storage = storage_at(tmp_path / "root")
    await storage.probe()
    return storage


async def nobody(leases: frozenset[LeaseId]) -> frozenset[LeaseId]:
    """No lease lives."""
    return frozenset()


async def test_its_url_is_absolute(tmp_path: Path) -> None:
    """The url names the directory, wherever the program was started."""
    assert storage_at(tmp_path).url == f"file:{tmp_path}"
    assert storage_at(Path("var")).url == f"file:{Path.cwd()}/var"


async def test_the_first_probe_lays_out_the_folders(storage: LocalStorage, tmp_path: Path) -> None:
    """Parts, damaged and probe lie under .archiver, and a probe leaves them empty."""
    private = tmp_path / "root" / ".archiver"
    assert {path.name for path in private.iterdir()} == {"parts", "damaged", "probe"}
    assert storage.spool == private / "parts"
    assert not [path for path in private.rglob("*") if path.is_file()]


async def test_a_lost_root_is_never_made_again(storage: LocalStorage, tmp_path: Path) -> None:
    """O1: a root that vanished in the middle of a run is an error of every call, not an empty storage."""
    (tmp_path / "root").rename(tmp_path / "elsewhere")
    for call in (storage.probe, storage.admit):
        with pytest.raises(StorageError, match="lost"):
            await call()
    assert not (tmp_path / "root").exists()


async def test_a_symlinked_root_is_fine(tmp_path: Path) -> None:
    """The operator may put the root elsewhere by a symbolic link."""
    (tmp_path / "disk").mkdir()
    (tmp_path / "root").symlink_to(tmp_path / "disk")
    storage = storage_at(tmp_path / "root")
    await storage.probe()
    await storage.publish(publication(FIRST))
    assert (tmp_path / "disk" / KEY).read_bytes() == FIRST


async def test_too_little_room_admits_nothing(tmp_path: Path) -> None:
    """R3: below min_free nothing new starts, and the error names path, room and option."""
    storage = storage_at(tmp_path / "root", min_free=2**62)
    await storage.probe()
    with pytest.raises(StorageError, match="free, less than") as refused:
        await storage.admit()
    assert refused.value.key == "storage.min_free"
    assert str(tmp_path) in str(refused.value)


async def test_admission_is_cheap(storage: LocalStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand questions within a second look at the file system once."""
    calls: list[Path] = []
    real = os.statvfs

    def counted(path: Path) -> os.statvfs_result:
        calls.append(path)
        return real(path)

    monkeypatch.setattr(os, "statvfs", counted)
    for _ in range(1000):
        await storage.admit()
    assert len(calls) == 1


def a_file(root: Path) -> None:
    """A file lies where the root should be."""
    root.write_bytes(b"")


def a_file_above(root: Path) -> None:
    """A file lies where our folder should be."""
    root.mkdir()
    (root / ".archiver").write_bytes(b"")


@pytest.mark.parametrize("obstacle", [a_file, a_file_above])
async def test_a_probe_names_what_is_in_the_way(tmp_path: Path, obstacle: Callable[[Path], None]) -> None:
    """T6: a root that cannot be a directory is a clear error, with path, cause and fix."""
    obstacle(tmp_path / "root")
    with pytest.raises(StorageError, match=str(tmp_path / "root")) as refused:
        await storage_at(tmp_path / "root").probe()
    assert refused.value.fix


@pytest.mark.parametrize("number", [errno.EACCES, errno.ENOSPC, errno.EROFS, errno.ENOLCK])
async def test_a_probe_names_cause_and_fix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """T6: no right, no room, read-only, no locks: each is a StorageError with its cause."""

    def refuse(path: Path, flags: int, mode: int = 0o777) -> int:
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(StorageError, match=errno.errorcode[number]) as refused:
        await storage_at(tmp_path / "root").probe()
    assert refused.value.fix


async def test_a_flipped_bit_is_found(storage: LocalStorage, tmp_path: Path) -> None:
    """R6: one changed bit changes what is read back; a changed mtime does not."""
    await storage.publish(publication(FIRST))
    path = tmp_path / "root" / KEY
    os.utime(path, (0, 0))
    assert (await storage.read_back(KEY)).digest == digest_of(FIRST)
    path.write_bytes(FIRST[:-1] + bytes([FIRST[-1] ^ 1]))
    assert (await storage.read_back(KEY)).digest not in {None, digest_of(FIRST)}


async def test_a_cancelled_publication_ends_before_its_caller(storage: LocalStorage, tmp_path: Path) -> None:
    """R1: cancelling waits for the thread, so what follows sees a finished pair or none."""
    task = asyncio.create_task(storage.publish(publication(FIRST)))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (tmp_path / "root" / KEY).read_bytes() == FIRST
    assert not list(storage.spool.iterdir())


async def test_a_sweep_removes_dead_locks_and_old_probes(storage: LocalStorage, tmp_path: Path) -> None:
    """O4: leftovers of killed writers go; a lock that is held and a probe that may be running stay."""
    (storage.spool / "dead.lock").touch()
    for name, at in (("old.probe", 0), ("new.probe", 2**32)):
        (tmp_path / "root/.archiver/probe" / name).touch()
        os.utime(tmp_path / "root/.archiver/probe" / name, (at, at))
    with locked(storage.spool / "held.lock"):
        await storage.sweep(nobody)
        assert [path.name for path in storage.spool.iterdir()] == ["held.lock"]
    assert [path.name for path in (tmp_path / "root/.archiver/probe").iterdir()] == ["new.probe"]


async def test_nobody_is_asked_about_no_parts(storage: LocalStorage) -> None:
    """A sweep without parts asks the catalog nothing."""

    async def fail(leases: frozenset[LeaseId]) -> frozenset[LeaseId]:
        pytest.fail("it asked")

    assert await storage.sweep(fail) == 0
    (storage.spool / f"{UUID(int=1)}.part").touch()
    assert await storage.sweep(nobody) == 1


async def test_a_symbolic_link_is_no_object(storage: LocalStorage, tmp_path: Path) -> None:
    """S3: what a link under a key points to is neither read back nor opened."""
    (tmp_path / "outside").write_bytes(FIRST)
    (tmp_path / "root" / "linked.wav").symlink_to(tmp_path / "outside")
    key = Key("linked.wav")
    with pytest.raises(StorageError, match="ELOOP"):
        await storage.read_back(key)
    with pytest.raises(StorageError, match="ELOOP"):
        async with storage.open(key):
            pytest.fail("it opened")
