"""A directory as a storage.

Choice: every call does its file work in one hop to a thread, since a hop costs more than most of the steps do, and a
cancelled call waits for its thread: no effect outlives its caller, and no part is swept under a writer's feet.
The root is made by the first ``probe`` only. Later a root without its ``.archiver`` folder is a lost mount: nothing is
written into it, and nothing that is missing from it is called missing.
"""

import asyncio
import hashlib
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, TypeVar
from uuid import uuid4

import aiofiles

from archiver.model.errors import StorageError
from archiver.model.objects import Key
from archiver.model.recording import LeaseId
from archiver.model.units import format_size
from archiver.ports.storage import LivingLeases, Publication, Reading
from archiver.storage.files import Folders, explained, locked, move_durably, remove_dead_lock, sync, write_durably
from archiver.storage.layout import Layout, lease_of
from archiver.storage.medium import MediumReader, hash_from_medium
from archiver.storage.publishing import Publisher

_CHUNK_BYTES: Final = 1 << 20
_SLICE_BYTES: Final = 8 << 20
_ADMITTED_FOR_S: Final = 1.0
_PROBE_LEFTOVER_S: Final = 3600.0
_PROBE_BODY: Final = b"recording-archiver probe\n"
_PROBE_DIGEST: Final = hashlib.sha256(_PROBE_BODY).digest()
_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalOptions:
    """A directory's options. ``min_free`` is in bytes; folders get ``file_mode`` and search where it has read."""

    root: Path
    min_free: int
    file_mode: int


class LocalStorage:
    """Objects as files below a directory; see the port for what its methods promise."""

    def __init__(self, options: LocalOptions) -> None:
        self._root = options.root.absolute()
        self._min_free = options.min_free
        self._file_mode = options.file_mode
        self._layout = Layout(self._root)
        folder_mode = 0o700 | options.file_mode | (options.file_mode & 0o444) >> 2
        self._folders = Folders(self._root, folder_mode)
        self._publisher = Publisher(self._layout, self._folders, options.file_mode)
        self._is_laid_out = False
        self._admitted_until = 0.0

    @property
    def url(self) -> str:
        """``file:`` and the absolute path."""
        return f"file:{self._root}"

    @property
    def spool(self) -> Path:
        """The folder of parts: what is spooled there is published without being copied."""
        return self._layout.parts

    async def admit(self) -> None:
        """Look at the room left, at most once a second."""
        if time.monotonic() >= self._admitted_until:
            await _in_thread(self._check_room)
            self._admitted_until = time.monotonic() + _ADMITTED_FOR_S

    async def probe(self) -> Sequence[str]:
        """Lay the folders out, the first time, then write, move, read back and remove a small object."""
        await _in_thread(self._probe)
        return ()

    async def publish(self, publication: Publication) -> None:
        """Publish in one hop; see ``publishing`` for the order of its steps."""
        await _in_thread(self._publisher.publish, publication)

    async def read_back(self, key: Key) -> Reading:
        """Read in slices of 8 MiB past the page cache; the method is ``o_direct``, ``fadvise`` or ``nocache``."""
        path = self._layout.object(key)
        with explained(f"read {key} back"), MediumReader(path) as reader:
            try:
                while not await _in_thread(reader.advance, _SLICE_BYTES):
                    pass
            except FileNotFoundError:
                await _in_thread(self._check_missing, path)
                return Reading(digest=None, size_bytes=0, method=reader.method)
            return Reading(digest=reader.digest, size_bytes=reader.size_bytes, method=reader.method)

    @asynccontextmanager
    async def open(self, key: Key) -> AsyncIterator[AsyncIterator[bytes]]:
        """The object in chunks of 1 MiB."""
        path = self._layout.object(key)
        with explained(f"open {key}"):
            file = await aiofiles.open(path, "rb", buffering=0, opener=_open_no_link)
        try:
            yield _chunks(file.read, key)
        finally:
            await file.close()

    async def sweep(self, living: LivingLeases) -> int:
        """Remove dead parts, then locks and probes that somebody left behind."""
        parts = await _in_thread(self._list_parts)
        found = frozenset(parts.values())
        dead = found - await living(found) if found else found
        await _in_thread(self._sweep_leftovers)
        return await _in_thread(self._remove, [path for path, lease in parts.items() if lease in dead])

    def _check_layout(self) -> None:
        if not self._layout.parts.is_dir():
            raise StorageError(
                f"the storage {self._root} has lost its folder {self._layout.parts}",
                fix="check that it is mounted, then start the archiver again",
            )

    def _check_missing(self, path: Path) -> None:
        """See that an object is missing where the storage is there, and not that the storage was away for a moment."""
        self._check_layout()
        if path.exists():
            raise StorageError(f"the storage {self._root} was away for a moment", fix="check its mount")
        self._check_layout()

    def _check_room(self) -> None:
        self._check_layout()
        with explained(f"use the storage {self._root}"):
            room = os.statvfs(self._layout.parts)
        free = room.f_bavail * room.f_frsize
        if room.f_flag & os.ST_RDONLY or not os.access(self._layout.parts, os.W_OK):
            raise StorageError(f"the storage {self._root} cannot be written", fix="make it writable for this user")
        if free < self._min_free:
            raise StorageError(
                f"the storage {self._root} has {format_size(free)} free, less than {format_size(self._min_free)}",
                fix="free some space, or lower storage.min_free",
                key="storage.min_free",
            )
        if room.f_files and not room.f_favail:
            raise StorageError(f"the storage {self._root} has no inodes left", fix="remove files that are not needed")

    def _probe(self) -> None:
        with explained(f"use the storage {self._root}"):
            if self._is_laid_out:
                self._check_layout()
            else:
                self._lay_out()
                self._is_laid_out = True
            self._try_everything()

    def _lay_out(self) -> None:
        self._root.mkdir(parents=True, exist_ok=True)
        for folder in (self._layout.parts, self._layout.damaged, self._layout.probe):
            self._folders.ensure(folder)

    def _try_everything(self) -> None:
        first = self._layout.probe / f"{uuid4()}.part"
        second = first.with_suffix(".probe")
        try:
            with locked(first.with_suffix(".lock")):
                write_durably(first, _PROBE_BODY, self._file_mode)
                move_durably(first, second)
                digest = hash_from_medium(second)
        finally:
            first.unlink(missing_ok=True)
            second.unlink(missing_ok=True)
        sync(self._layout.probe)
        if digest != _PROBE_DIGEST:
            raise StorageError(f"the storage {self._root} gives back other bytes than it got", fix="check the disk")

    def _list_parts(self) -> dict[Path, LeaseId]:
        with explained(f"list {self._layout.parts}"):
            named = ((path, lease_of(path)) for path in self._layout.parts.iterdir())
            return {path: lease for path, lease in named if lease is not None}

    def _sweep_leftovers(self) -> None:
        with explained(f"sweep {self._layout.parts}"):
            for lock in self._layout.parts.glob("*.lock"):
                remove_dead_lock(lock)
            for probe in self._layout.probe.iterdir():
                if probe.stat().st_mtime < time.time() - _PROBE_LEFTOVER_S:
                    probe.unlink(missing_ok=True)

    def _remove(self, parts: list[Path]) -> int:
        with explained(f"sweep {self._layout.parts}"):
            return sum(_unlink(part) for part in parts)


def _unlink(path: Path) -> bool:
    try:
        path.unlink()
    except FileNotFoundError:  # another sweep was faster
        return False
    return True


def _open_no_link(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW)


async def _chunks(read: Callable[[int], Awaitable[bytes]], key: Key) -> AsyncIterator[bytes]:
    while True:
        with explained(f"read {key}"):
            chunk = await read(_CHUNK_BYTES)
        if not chunk:
            return
        yield chunk


async def _in_thread(function: Callable[..., _Answer], *arguments: object) -> _Answer:
    """Run in a thread. A cancellation is raised once the thread is done."""
    work = asyncio.get_running_loop().run_in_executor(None, partial(function, *arguments))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        await asyncio.wait([work])
        work.exception()
        raise
