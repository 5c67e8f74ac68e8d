"""Whether a WAV is whole, by its own lengths, and how long it plays.

Source: "Multimedia Programming Interface and Data Specifications 1.0" (IBM, Microsoft, 1991), RIFF and WAVE;
"Multimedia Data Standards Update" (Microsoft, 1994), fact and the formats; "Multiple channel audio data and WAVE files"
(Microsoft, 2001), WAVE_FORMAT_EXTENSIBLE; ITU-R BS.2088 (RF64, BW64 and ds64).
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import BinaryIO, Final

from archiver.model.errors import IntegrityError
from archiver.pipeline.containers.sound import Sound
from archiver.pipeline.containers.ticks import playing_time

_UNSET: Final = 0xFFFFFFFF
_SHORTEST_STREAMED: Final = 0x7FFFF000
"""Writers that can't come back leave 0 as a length, or one from here on: two or four GiB, less some header."""

_LEFT_OPEN_BYTES: Final = 12
"""A RIFF that ends before its first chunk has a length that nobody filled in."""

_UNSET_LONG: Final = 1 << 62
"""A length of 64 bits from here on is none."""

_COUNTED_HEADER_BYTES: Final = 8
"""Some writers count the eight bytes before the RIFF length too."""

_MOST_BEHIND_BYTES: Final = 1 << 16
"""Tags and padding behind the end are smaller; more is something else."""

_MOST_CHUNKS: Final = 10_000
"""A real WAV has a handful; zeros read as millions."""

_FORMAT_BYTES: Final = 40
_EXTENSIBLE: Final = 0xFFFE
_UNCOMPRESSED: Final = frozenset({1, 3, 6, 7})
"""PCM, IEEE float, A-law, µ-law: a block is one sample of each channel."""

_IN_BLOCKS: Final = frozenset({0x02, 0x11, 0x31})
"""Microsoft ADPCM, IMA ADPCM, GSM 6.10: the format chunk says how many samples a block holds."""


@dataclass(frozen=True, slots=True)
class _Chunk:
    """A chunk: where its content begins, its length as written, and how many bytes of it there are at most."""

    name: bytes
    start: int
    length: int
    available: int

    @property
    def missing_bytes(self) -> int:
        return max(0, self.length - self.available)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Format:
    """What the format chunk says; ``block_samples`` is 0 where blocks are no unit of time."""

    hertz: int
    bytes_per_s: int
    block_bytes: int
    block_samples: int

    def plays(self, audio_bytes: int, sample_count: int) -> timedelta | None:
        """How long so much audio plays. ``sample_count``: what the fact chunk says, 0 when it says nothing."""
        if self.block_bytes and self.block_samples:
            measured = playing_time(audio_bytes * self.block_samples // self.block_bytes, self.hertz)
        else:
            measured = playing_time(audio_bytes, self.bytes_per_s)
        stated = playing_time(sample_count, self.hertz)
        if measured is None or stated is None or self.block_samples == 1:
            return measured
        return min(measured, stated)  # the last block may be filled up


@dataclass(slots=True, kw_only=True)
class _Found:
    """What the chunks of a WAV told. ``ends_at`` is where the RIFF header ends it, 0 when it leaves that open."""

    order: str
    ends_at: int
    position: int = 12
    long_audio_bytes: int = 0
    format: _Format | None = None
    sample_count: int = 0
    audio_bytes: int | None = None
    cut: _Chunk | None = None


def walk_wav(file: BinaryIO, size_bytes: int) -> Sound:
    """The audio of a WAV.

    Any order of chunks and missing final padding are accepted, and so are the lengths that streaming writers leave.
    A little more behind the end that the RIFF header names, such as tags, is nobody's business.

    Raises: IntegrityError when it begins like none.
    """
    opening = file.read(12)
    if opening[8:] != b"WAVE":
        raise IntegrityError("the body is no WAV")
    order = ">" if opening.startswith(b"RIFX") else "<"
    (length,) = struct.unpack_from(f"{order}I", opening, 4)
    is_open = length >= _SHORTEST_STREAMED and length > size_bytes
    found = _Found(order=order, ends_at=0 if is_open else 8 + length)
    for chunk in _chunks(file, found, size_bytes):
        _take(file, chunk, found)
        if found.cut is not None:
            break
    duration = found.format.plays(found.audio_bytes or 0, found.sample_count) if found.format else None
    return Sound(duration=duration, flaw=_flaw(found, size_bytes))


def _chunks(file: BinaryIO, found: _Found, size_bytes: int) -> Iterator[_Chunk]:
    for _ in range(_MOST_CHUNKS):
        is_behind = found.audio_bytes is not None and found.position + 8 > found.ends_at
        if found.position + 8 > size_bytes or is_behind:
            return
        file.seek(found.position)
        name, length = struct.unpack(f"{found.order}4sI", file.read(8))
        start = found.position + 8
        if name == b"data":
            length = _audio_length(length, size_bytes - start, found, size_bytes)
        yield _Chunk(name, start, length, size_bytes - start)
        found.position = start + length + length % 2


def _audio_length(length: int, available: int, found: _Found, size_bytes: int) -> int:
    """The length of the data chunk: as written, or all that is there where it was never filled in."""
    if length == _UNSET and found.long_audio_bytes:
        return found.long_audio_bytes
    is_streamed = length >= _SHORTEST_STREAMED and length > available
    if length == 0:  # under a RIFF length that was filled in it means just that
        is_streamed = found.ends_at <= _LEFT_OPEN_BYTES
    if not is_streamed:
        return length
    found.ends_at = size_bytes
    return available


def _take(file: BinaryIO, chunk: _Chunk, found: _Found) -> None:
    """Note what a chunk tells. ``file`` is at its content."""
    if chunk.missing_bytes:
        found.cut = chunk
    if chunk.name == b"data":
        found.audio_bytes = (found.audio_bytes or 0) + min(chunk.length, chunk.available)
    elif chunk.name == b"fmt ":
        found.format = _format(found.order, file.read(min(chunk.length, _FORMAT_BYTES)))
    elif chunk.name == b"fact" and 4 <= chunk.length <= chunk.available:
        (found.sample_count,) = struct.unpack(f"{found.order}I", file.read(4))
    elif chunk.name == b"ds64" and 16 <= chunk.length <= chunk.available:
        long_bytes, audio_bytes = struct.unpack(f"{found.order}QQ", file.read(16))
        found.long_audio_bytes = audio_bytes if audio_bytes < _UNSET_LONG else 0
        found.ends_at = 8 + long_bytes if not found.ends_at and 0 < long_bytes < _UNSET_LONG else found.ends_at


def _format(order: str, content: bytes) -> _Format | None:
    if len(content) < 14:
        return None
    tag, _, hertz, bytes_per_s, block_bytes = struct.unpack_from(f"{order}HHIIH", content)
    if tag == _EXTENSIBLE and len(content) >= 26:
        (tag,) = struct.unpack_from(f"{order}H", content, 24)
    block_samples = 1 if tag in _UNCOMPRESSED else 0
    if tag in _IN_BLOCKS and len(content) >= 20:
        (block_samples,) = struct.unpack_from(f"{order}H", content, 18)
    return _Format(hertz=hertz, bytes_per_s=bytes_per_s, block_bytes=block_bytes, block_samples=block_samples)


def _flaw(found: _Found, size_bytes: int) -> str | None:
    if found.cut is not None:
        name = found.cut.name.decode("ascii", "replace").strip()
        return f"the WAV is cut: {found.cut.missing_bytes:,} bytes of its {name} chunk are missing"
    if found.format is None:
        return "the WAV has no format chunk"
    if not found.audio_bytes:
        return "the WAV holds no audio: its data chunk is empty or missing"
    missing_bytes = found.ends_at - max(size_bytes, found.position)
    if missing_bytes > (_COUNTED_HEADER_BYTES if found.position >= size_bytes else 0):
        return f"the WAV is cut: {missing_bytes:,} bytes behind its audio are missing"
    behind_bytes = size_bytes - max(found.ends_at, found.position)
    return f"{behind_bytes:,} bytes that are no WAV follow it" if behind_bytes > _MOST_BEHIND_BYTES else None
