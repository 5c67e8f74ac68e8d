"""The rewindable place between download and store: small bodies in memory, larger ones in a file of their lease."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import aiofiles
import aiofiles.os
from aiofiles.threadpool.binary import AsyncFileIO

from archiver.model.errors import StorageError
from archiver.model.objects import Body, Digest
from archiver.model.recording import LeaseId

MEMORY_BYTES: Final = 1 << 20
"""Up to here a body stays in memory; beyond, it is written in pieces of this size (one thread hop each)."""


class Spool:
    """Takes the chunks of one body, hashing as they come.

    The file is not synced here: making it durable is the storage's work. Every method that writes may raise
    ``StorageError``; use ``discard`` in every way out that did not publish the body.
    """

    def __init__(self, folder: Path, lease: LeaseId) -> None:
        self._path = folder / f"{lease}.part"
        self._file: AsyncFileIO | None = None
        self._buffer = bytearray()
        self._hash = hashlib.sha256()
        self.size_bytes = 0

    async def write(self, chunk: bytes) -> None:
        """Take the next chunk."""
        self._hash.update(chunk)
        self._buffer += chunk
        self.size_bytes += len(chunk)
        if len(self._buffer) > MEMORY_BYTES:
            await self._flush()

    async def rewind(self) -> None:
        """Forget everything and start over."""
        await self.discard()
        self._buffer.clear()
        self._hash = hashlib.sha256()
        self.size_bytes = 0

    async def finish(self) -> Body:
        """The whole body."""
        digest = Digest(self._hash.digest())
        if self._file is None:
            return Body(content=bytes(self._buffer), digest=digest, size_bytes=self.size_bytes)
        await self._flush()
        with self._writing():
            await self._file.close()
        return Body(content=self._path, digest=digest, size_bytes=self.size_bytes)

    async def discard(self) -> None:
        """Remove the file, if there is one."""
        if self._file is None:
            return
        try:
            await self._file.close()
            self._file = None
            await aiofiles.os.unlink(self._path)
        except FileNotFoundError:
            return
        except OSError as error:
            raise StorageError(f"{self._path} cannot be removed: {error.strerror}") from error

    async def _flush(self) -> None:
        with self._writing():
            self._file = self._file or await aiofiles.open(self._path, "wb", buffering=0)
            view = memoryview(self._buffer)
            while view:
                view = view[await self._file.write(view) :]
        self._buffer = bytearray()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StorageError(f"{self._path} cannot be written: {error.strerror}") from error
