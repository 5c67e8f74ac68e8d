"""The room for bodies on their way: a folder of this machine that all its processes share."""

import asyncio
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from archiver.model.errors import StorageError
from archiver.model.units import format_size
from archiver.storage.files import explained

_LEAST_FREE_BYTES: Final = 64 * 2**20
_LOOK_AGAIN_S: Final = 0.1
_PATIENCE_S: Final = 300.0
"""How long nothing may change in a full spool, while nothing of ours is leaving it, before that is an error."""


class Room:
    """A folder that may hold ``size_bytes``. What is in it when more is asked for has to leave first."""

    def __init__(self, folder: Path, size_bytes: int, patience_s: float = _PATIENCE_S) -> None:
        self.folder = folder
        self._size_bytes = size_bytes
        self._patience_s = patience_s
        self._leaving = 0

    @contextmanager
    def leaving(self) -> Iterator[None]:
        """A body is on its way out for as long as the context is open; a large one takes its time."""
        self._leaving += 1
        try:
            yield
        finally:
            self._leaving -= 1

    async def lay_out(self) -> None:
        """Make the folder, for this user only. Raises: StorageError when it cannot be made or written."""
        await asyncio.to_thread(self._lay_out)

    async def admit(self) -> None:
        """Wait until the folder holds no more than it may.

        Raises: StorageError when it is not there, its disk is full, or nothing of it leaves.
        """
        loop = asyncio.get_running_loop()
        before, give_up_at = -1, 0.0
        while (held := await asyncio.to_thread(self._measure)) > self._size_bytes:
            if held != before or self._leaving:
                before, give_up_at = held, loop.time() + self._patience_s
            elif loop.time() > give_up_at:
                raise StorageError(
                    f"{self.folder} holds {format_size(held)}, more than {format_size(self._size_bytes)}, and nothing "
                    "of it leaves",
                    fix="raise transfer.spool_size, or see why the store takes nothing",
                    key="transfer.spool_size",
                )
            await asyncio.sleep(_LOOK_AGAIN_S)

    def _lay_out(self) -> None:
        with explained("make the spool"):
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not os.access(self.folder, os.W_OK | os.X_OK):
                raise StorageError(
                    f"the spool {self.folder} cannot be written",
                    fix="make it writable for this user, or name another folder",
                    key="transfer.spool",
                )

    def _measure(self) -> int:
        with explained("use the spool"):
            free = shutil.disk_usage(self.folder).free
            if free < _LEAST_FREE_BYTES:
                raise StorageError(
                    f"the disk of the spool {self.folder} has {format_size(free)} free",
                    fix="free some space, or name another folder",
                    key="transfer.spool",
                )
            return sum(_size(Path(entry.path)) for entry in os.scandir(self.folder))


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except FileNotFoundError:  # it has left
        return 0
