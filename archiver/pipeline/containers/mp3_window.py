"""A body read through a window that slides over it: any few bytes of it, in bounded memory."""

from typing import BinaryIO, Final

WINDOW_BYTES: Final = 65_536


class Window:
    """Bytes of a file by their position, read a block at a time; cheap as long as positions mostly grow."""

    __slots__ = ("_block", "_file", "_starts_at")

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._starts_at = 0
        self._block = b""

    def peek(self, position: int, count: int) -> bytes:
        """``count`` bytes from ``position`` on, at most ``WINDOW_BYTES``; fewer only where the file ends."""
        begin = position - self._starts_at
        if begin < 0 or begin + count > len(self._block):
            self._file.seek(position)
            self._block, self._starts_at, begin = self._file.read(WINDOW_BYTES), position, 0
        return self._block[begin : begin + count]
