"""The sample tables of a track: where its sound lies in the file, and how long it plays.

Source: ISO 14496-12, sections 8.6.1.2 (stts), 8.7.3 (stsz, stz2), 8.7.4 (stsc), 8.7.5 (stco, co64); QuickTime File
Format Specification, "Sound Sample Descriptions" (version 1: packets whose bytes no table tells).
"""

from array import array
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain, islice, repeat
from operator import mul
from typing import BinaryIO, Final

from archiver.pipeline.containers.mp4_boxes import Box, fields, find, inner_boxes, need, numbers
from archiver.pipeline.containers.ticks import Flaw

_LISTED: Final = 0xFFFE
"""A version 1 description of packets whose sizes the sample table does tell."""


@dataclass(slots=True)
class Media:
    """Where media may lie: the contents of all mdat boxes, in the order of the file."""

    size_bytes: int
    starts: "array[int]" = field(default_factory=lambda: array("Q"))
    ends: "array[int]" = field(default_factory=lambda: array("Q"))

    def add(self, box: Box) -> None:
        """Another mdat."""
        self.starts.append(box.body)
        self.ends.append(box.end)

    def require(self, start: int, length: int) -> None:
        """Check that so many bytes of samples are there.

        Raises: Flaw when they lie behind the file's end, or beside its media.
        """
        if not length:
            return
        end = start + length
        if end > self.size_bytes:
            raise Flaw(f"the MP4 is cut: samples reach {end - self.size_bytes:,} bytes beyond its end")
        index = bisect_right(self.starts, start) - 1 if start >= 0 else -1
        if index < 0 or end > self.ends[index]:
            raise Flaw(f"the MP4 is broken: {length:,} bytes of samples at byte {start:,} lie outside its mdat")


@dataclass(frozen=True, slots=True)
class _Sizes:
    """The sizes of samples: ``each`` in turn; without it, ``packet_bytes`` for every ``packet_samples``."""

    count: int
    each: Iterator[int] | None
    packet_bytes: int = 0
    packet_samples: int = 1

    def take(self, count: int) -> int:
        """The length of the next so many samples in bytes."""
        if self.each is not None:
            return sum(islice(self.each, count))
        return -(-count // self.packet_samples) * self.packet_bytes


def walk_tables(file: BinaryIO, table: Box, media: Media) -> tuple[int, int]:
    """What a track's sample table (stbl) holds: its length in bytes, and how long it plays in ticks of the track.

    Raises: Flaw when the table is broken, or samples are not there.
    """
    sizes = _sizes(file, table)
    offsets = find(file, table, b"co64") or need(file, table, b"stco")
    _, chunk_count = fields(file, offsets, ">II")
    places = chain.from_iterable(numbers(file, offsets, 8, chunk_count, 8 if offsets.kind == b"co64" else 4))
    left, total_bytes = sizes.count, 0
    for start, count in zip(places, _chunk_samples(file, need(file, table, b"stsc")), strict=False):
        length = sizes.take(min(count, left))
        media.require(start, length)
        left -= min(count, left)
        total_bytes += length
    if left:
        raise Flaw(f"the MP4 is broken: {left:,} of its {sizes.count:,} samples lie nowhere")
    return total_bytes, _ticks(file, need(file, table, b"stts"))


def _sizes(file: BinaryIO, table: Box) -> _Sizes:
    box = find(file, table, b"stsz")
    if box is not None:
        _, size, count = fields(file, box, ">III")
        if size:
            return _Sizes(count, None, *_packets(file, table, size))
        return _Sizes(count, chain.from_iterable(numbers(file, box, 12, count, 4)))
    box = need(file, table, b"stz2")
    _, width, count = fields(file, box, ">III")
    if width & 0xFF == 4:
        pairs = chain.from_iterable(numbers(file, box, 12, (count + 1) // 2, 1))
        return _Sizes(count, (half for pair in pairs for half in (pair >> 4, pair & 15)))
    if width & 0xFF not in {8, 16}:
        raise Flaw(f"the MP4 is broken: its stz2 has sizes of {width & 0xFF} bits")
    return _Sizes(count, chain.from_iterable(numbers(file, box, 12, count, (width & 0xFF) // 8)))


def _packets(file: BinaryIO, table: Box, size: int) -> tuple[int, int]:
    """How many bytes how many samples take, where all are alike. QuickTime names both beside the codec."""
    entry = next(inner_boxes(file, need(file, table, b"stsd"), 8), None)
    if entry is None or entry.end - entry.body < 44 or fields(file, entry, ">H", 8) != (1,):
        return size, 1
    (compression,) = fields(file, entry, ">H", 20)
    samples, _, frame_bytes = fields(file, entry, ">III", 28)
    if compression == _LISTED or not samples or not frame_bytes:
        return size, 1
    return frame_bytes, samples


def _chunk_samples(file: BinaryIO, box: Box) -> Iterator[int]:
    """How many samples each chunk holds, chunk after chunk; the last number repeats for ever."""
    _, count = fields(file, box, ">II")
    chunk, samples = 1, 0
    for block in numbers(file, box, 8, count * 3, 4):
        for first, following in zip(block[::3], block[1::3], strict=True):
            if first < chunk:
                raise Flaw("the MP4 is broken: the chunks of its stsc are out of order")
            yield from repeat(samples, first - chunk)
            chunk, samples = first, following
    if count:
        yield from repeat(samples)


def _ticks(file: BinaryIO, box: Box) -> int:
    """How long all samples play, in ticks of the track."""
    _, count = fields(file, box, ">II")
    return sum(sum(map(mul, block[::2], block[1::2])) for block in numbers(file, box, 8, count * 2, 4))
