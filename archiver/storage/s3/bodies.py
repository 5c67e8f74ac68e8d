"""Bodies as the client sends them: what is in memory as it is, a slice of a file as a file of its own.

The client rewinds what it sends to position 0, whatever its position was: a slice begins at 0 for that reason.
"""

import errno
import hashlib
import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeAlias

from archiver.model.objects import Digest

_CHUNK_BYTES: Final = 1 << 20
Content: TypeAlias = "bytes | Slice"


class Slice(io.RawIOBase):
    """So many bytes of a body from ``start`` on, read as they are sent, from any thread.

    ``on_read`` is called after each reading; ``trouble`` keeps the error of one that failed.
    """

    def __init__(self, source: bytes | Path, start: int, size_bytes: int) -> None:
        super().__init__()
        self.on_read: Callable[[], None] = _ignore
        self.trouble: OSError | None = None
        self.size_bytes = size_bytes
        self._source = source
        self._start = start
        self._position = 0
        self._descriptor = os.open(source, os.O_RDONLY | os.O_NOFOLLOW) if isinstance(source, Path) else None

    def readable(self) -> bool:
        """It can be read."""
        return True

    def seekable(self) -> bool:
        """It can be rewound."""
        return True

    def tell(self) -> int:
        """The position in the slice."""
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move within the slice."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self.size_bytes}[whence]
        self._position = max(0, base + offset)
        return self._position

    def readinto(self, buffer: Any) -> int:
        """Read the next bytes. Raises: OSError as ``pread`` does, and EIO when the file has become too short."""
        wanted = min(len(buffer), self.size_bytes - self._position)
        if wanted <= 0:
            return 0
        try:
            found = self._fetch(self._start + self._position, wanted)
        except OSError as error:
            self.trouble = error
            raise
        buffer[: len(found)] = found
        self._position += len(found)
        self.on_read()
        return len(found)

    def close(self) -> None:
        """Close the file; may be repeated."""
        if not self.closed and self._descriptor is not None:
            os.close(self._descriptor)
        super().close()

    def _fetch(self, at: int, wanted: int) -> bytes:
        if isinstance(self._source, bytes):
            return self._source[at : at + wanted]
        assert self._descriptor is not None
        found = os.pread(self._descriptor, wanted, at)
        if not found:
            raise OSError(errno.EIO, "the file became shorter while it was read", str(self._source))
        return found


@contextmanager
def opened(content: bytes | Path, start: int, size_bytes: int) -> Iterator[Content]:
    """A range of a body, to be sent. Raises: OSError when its file cannot be opened."""
    if isinstance(content, bytes) and size_bytes <= _CHUNK_BYTES:
        yield content[start : start + size_bytes]
        return
    with Slice(content, start, size_bytes) as part:
        yield part


def digest_range(content: bytes | Path, start: int, size_bytes: int, whole: Callable[[bytes], None]) -> Digest:
    """The SHA-256 of a range; its bytes are told to ``whole`` as well, in their order. Blocks.

    Raises: OSError as reading does.
    """
    part = hashlib.sha256()
    with Slice(content, start, size_bytes) as body:
        while chunk := body.read(_CHUNK_BYTES):
            part.update(chunk)
            whole(chunk)
    return Digest(part.digest())


def _ignore() -> None:
    """Nobody wants to know."""
