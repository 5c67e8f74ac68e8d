"""Reading past the caches: what the disk holds, not what the kernel remembers.

``o_direct`` reads into an aligned buffer without the page cache. Where the file system refuses that, the file is
synced and its cached pages are dropped before a plain read (``fadvise``; ``nocache`` on macOS): as far as it goes.
Source: open(2), O_DIRECT, and posix_fadvise(2), Linux man-pages; fcntl(2), F_NOCACHE, macOS.
"""

import errno
import fcntl
import hashlib
import mmap
import os
import sys
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from archiver.model.objects import Digest

_BUFFER_BYTES: Final = 1 << 20
_BLOCK_BYTES: Final = 4096
_F_NOCACHE: Final = 48
_O_DIRECT: Final[int] = getattr(os, "O_DIRECT", 0)


class MediumReader:
    """Hashes one file from the medium, in slices, so that a long reading can be given up between them.

    ``size_bytes`` is known after the first slice, and so is ``method``: which way of reading it was (``absent``
    before).
    """

    def __init__(self, path: Path) -> None:
        self.size_bytes = 0
        self.method = "absent"
        self._path = path
        self._hash = hashlib.sha256()
        self._left = 0
        self._file: FileIO | None = None
        self._buffer = mmap.mmap(-1, _BUFFER_BYTES)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()
        self._buffer.close()

    @property
    def digest(self) -> Digest:
        """The digest of what was read so far."""
        return Digest(self._hash.digest())

    def advance(self, limit_bytes: int) -> bool:
        """Read at least ``limit_bytes`` more, or what is left; answers whether the file's end was reached.

        Raises: OSError as ``open`` (also for a symbolic link) and ``read`` do.
        """
        if self._file is None:
            self._open()
        stop_at = max(0, self._left - limit_bytes)
        with memoryview(self._buffer) as view:
            while self._left > stop_at:
                count = self._fill(view)
                if not count:
                    raise OSError(errno.EIO, "the file became shorter while it was read", str(self._path))
                self._hash.update(view[:count])
                self._left -= count
        return self._left == 0

    def _open(self) -> None:
        try:
            self._file, self.method = _open_direct(self._path), "o_direct"
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            self._file, self.method = _open_plain(self._path)
        self._left = self.size_bytes = os.fstat(self._file.fileno()).st_size

    def _fill(self, view: memoryview) -> int:
        assert self._file is not None
        aligned = -(-self._left // _BLOCK_BYTES) * _BLOCK_BYTES
        try:
            return self._file.readinto(view[:aligned])
        except OSError as error:
            if error.errno != errno.EINVAL or self.method != "o_direct":
                raise
        self._file.close()  # opened, and then refused to read: some file systems tell late
        self._file, self.method = _open_plain(self._path)
        self._file.seek(self.size_bytes - self._left)
        return self._file.readinto(view[:aligned])


def hash_from_medium(path: Path) -> Digest:
    """The digest of a file, read in one go. Raises: OSError as ``open`` and ``read`` do."""
    with MediumReader(path) as reader:
        while not reader.advance(sys.maxsize):
            pass
        return reader.digest


def _open_direct(path: Path) -> FileIO:
    if not _O_DIRECT:
        raise OSError(errno.EINVAL, "this system has no O_DIRECT", str(path))
    return FileIO(path, opener=lambda name, flags: os.open(name, flags | os.O_NOFOLLOW | _O_DIRECT))


def _open_plain(path: Path) -> tuple[FileIO, str]:
    file = FileIO(path, opener=lambda name, flags: os.open(name, flags | os.O_NOFOLLOW))
    try:
        os.fsync(file)
        if sys.platform == "darwin":
            fcntl.fcntl(file, _F_NOCACHE, 1)
            return file, "nocache"
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    except OSError:
        file.close()
        raise
    return file, "fadvise"
