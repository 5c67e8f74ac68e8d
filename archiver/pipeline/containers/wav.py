"""Whether a WAV is whole, by its own lengths.

Source: "Multimedia Programming Interface and Data Specifications 1.0" (IBM, Microsoft, 1991), RIFF and WAVE; EBU Tech
3306 (RF64 and its ds64 chunk); SoX, wav.c (0x7FFFF000 as the length of data that goes into a pipe).
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

from archiver.model.errors import IntegrityError
from archiver.pipeline.containers.sound import Sound

_UNSET: Final = 0xFFFFFFFF
_STREAMED_LENGTHS: Final = frozenset({0, _UNSET, 0x7FFFF000})
"""What a writer leaves as the length of its data when it can't come back to tell."""

_COUNTED_HEADER_BYTES: Final = 8
"""Some writers count the eight bytes before the RIFF length too."""

_MOST_CHUNKS: Final = 10_000
"""A real WAV has a handful; zeros read as millions."""


@dataclass(frozen=True, slots=True)
class _Chunk:
    """A chunk: where its content begins, its length as written, and how many bytes of it there are."""

    name: bytes
    start: int
    length: int
    available: int

    @property
    def is_streamed(self) -> bool:
        return self.name == b"data" and self.length in _STREAMED_LENGTHS


def check_wav(file: BinaryIO, size_bytes: int) -> None:
    """Walk the chunks of a WAV to its end. ``file`` is at its beginning.

    Any chunk layout and missing final padding are accepted, and so are the lengths that streaming writers leave. What
    lies behind the end that the RIFF header names is nobody's business.

    Raises: IntegrityError when the lengths reach beyond the end (the body is cut), or there is no format or no audio.
    """
    magic, riff_length = file.read(4), file.read(4)
    order = ">" if magic == b"RIFX" else "<"
    (length,) = struct.unpack(f"{order}I", riff_length)
    ends_at = 0 if length == _UNSET else 8 + int(length)
    found: dict[bytes, int] = {}
    for chunk in _chunks(file, order, size_bytes):
        if b"data" in found and chunk.start > ends_at:
            break
        found[chunk.name] = _believed(chunk, is_finished=ends_at + 1 >= size_bytes)
        if chunk.is_streamed:
            ends_at = size_bytes
            break
    if b"fmt " not in found:
        raise IntegrityError("the WAV has no format chunk")
    if not found.get(b"data"):
        raise IntegrityError("the WAV holds no audio: its data chunk is empty or missing")
    if ends_at > size_bytes + _COUNTED_HEADER_BYTES:
        raise IntegrityError(f"the WAV is cut: {ends_at - size_bytes:,} bytes behind its audio are missing")


def _believed(chunk: _Chunk, *, is_finished: bool) -> int:
    """How many bytes a chunk really has. A data length of 0 under a finished RIFF length means just that."""
    if chunk.is_streamed:
        return 0 if chunk.length == 0 and is_finished else chunk.available
    if chunk.length > chunk.available:
        name, missing = chunk.name.decode("ascii", "replace").strip(), chunk.length - chunk.available
        raise IntegrityError(f"the WAV is cut: {missing:,} bytes of its {name} chunk are missing")
    return chunk.length


def _chunks(file: BinaryIO, order: str, size_bytes: int) -> Iterator[_Chunk]:
    position = 12
    long_data: int | None = None
    for _ in range(_MOST_CHUNKS):
        if position + 8 > size_bytes:
            return
        file.seek(position)
        name, length = struct.unpack(f"{order}4sI", file.read(8))
        position += 8
        available = size_bytes - position
        if name == b"ds64" and 16 <= length <= available:
            long_data = int(struct.unpack("<8xQ", file.read(16))[0])
        elif name == b"data" and length == _UNSET and long_data is not None:
            length = long_data
        yield _Chunk(name, position, length, available)
        position += length + length % 2


def walk_wav(file: BinaryIO, size_bytes: int) -> Sound:
    """The audio of a WAV."""
    try:
        check_wav(file, size_bytes)
    except IntegrityError as error:
        return Sound(duration=None, flaw=str(error))
    return Sound(duration=None)
