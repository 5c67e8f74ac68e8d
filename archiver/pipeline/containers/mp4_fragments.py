"""The fragments of an MP4: pieces of its tracks that were written one by one, each with tables of its own.

Source: ISO 14496-12, sections 8.8.3 (trex), 8.8.7 (tfhd), 8.8.8 (trun) and 8.16.3 (sidx).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import BinaryIO, Final

from archiver.pipeline.containers.mp4_boxes import Box, fields, find, inner_boxes, need, numbers
from archiver.pipeline.containers.mp4_tables import Media
from archiver.pipeline.containers.ticks import Flaw

_HAS_BASE: Final = 0x000001
_HAS_DESCRIPTION: Final = 0x000002
_HAS_DEFAULT_TICKS: Final = 0x000008
_HAS_DEFAULT_BYTES: Final = 0x000010
_BASE_IS_MOOF: Final = 0x020000

_HAS_OFFSET: Final = 0x000001
_HAS_FIRST_FLAGS: Final = 0x000004
_HAS_TICKS: Final = 0x000100
_HAS_BYTES: Final = 0x000200
_COLUMNS: Final = (_HAS_TICKS, _HAS_BYTES, 0x000400, 0x000800)
"""What a run may tell of every sample, in this order: ticks, bytes, flags, composition time."""


@dataclass(slots=True)
class Track:
    """A track, and what was read of it so far. ``claimed_ticks`` are those that its header names, 0 for none.

    ``default_ticks`` and ``default_bytes`` hold for samples of fragments of which nothing else is said.
    """

    is_sound: bool
    ticks_per_second: int
    claimed_ticks: int
    total_bytes: int = 0
    ticks: int = 0
    default_ticks: int = 0
    default_bytes: int = 0


@dataclass(slots=True)
class _Piece:
    """A track's part of a fragment: its defaults, what its offsets count from, and where the next run begins."""

    ticks: int
    bytes: int
    base: int
    position: int


def read_defaults(file: BinaryIO, extends: Box, tracks: Mapping[int, Track]) -> None:
    """Give the tracks the defaults of their fragments (mvex)."""
    for box in inner_boxes(file, extends):
        if box.kind == b"trex":
            number, _, ticks, size = fields(file, box, ">IIII", 4)
            if number in tracks:
                tracks[number].default_ticks, tracks[number].default_bytes = ticks, size


def walk_fragment(file: BinaryIO, fragment: Box, tracks: Mapping[int, Track], media: Media) -> None:
    """Add what a fragment (moof) holds to its tracks.

    Raises: Flaw when the fragment is broken, or its samples are not there.
    """
    position = fragment.start
    for part in inner_boxes(file, fragment):
        if part.kind != b"traf":
            continue
        header = need(file, part, b"tfhd")
        flags, number = fields(file, header, ">II")
        track = tracks.get(number)
        if track is None:
            raise Flaw(f"the MP4 is broken: it has a fragment of track {number}, which is not there")
        piece = _piece(file, header, flags, track)
        if not flags & _HAS_BASE:
            piece.base = piece.position = fragment.start if flags & _BASE_IS_MOOF else position
        for box in inner_boxes(file, part):
            if box.kind == b"trun":
                _walk_run(file, box, piece, track, media)
        position = piece.position


def _piece(file: BinaryIO, header: Box, flags: int, track: Track) -> _Piece:
    piece = _Piece(track.default_ticks, track.default_bytes, 0, 0)
    offset = 8
    if flags & _HAS_BASE:
        (piece.base,) = fields(file, header, ">Q", offset)
        piece.position = piece.base
        offset += 8
    if flags & _HAS_DESCRIPTION:
        offset += 4
    if flags & _HAS_DEFAULT_TICKS:
        (piece.ticks,) = fields(file, header, ">I", offset)
        offset += 4
    if flags & _HAS_DEFAULT_BYTES:
        (piece.bytes,) = fields(file, header, ">I", offset)
    return piece


def _walk_run(file: BinaryIO, run: Box, piece: _Piece, track: Track, media: Media) -> None:
    """Add a run: samples that lie one behind the other."""
    flags, count = fields(file, run, ">II")
    offset = 8
    if flags & _HAS_OFFSET:
        piece.position = piece.base + fields(file, run, ">i", offset)[0]
        offset += 4
    offset += 4 if flags & _HAS_FIRST_FLAGS else 0
    columns = [column for column in _COLUMNS if flags & column]
    ticks = 0 if flags & _HAS_TICKS else count * piece.ticks
    length = 0 if flags & _HAS_BYTES else count * piece.bytes
    for block in numbers(file, run, offset, count * len(columns), 4):
        if flags & _HAS_TICKS:
            ticks += sum(block[:: len(columns)])
        if flags & _HAS_BYTES:
            length += sum(block[columns.index(_HAS_BYTES) :: len(columns)])
    media.require(piece.position, length)
    piece.position += length
    track.total_bytes += length
    track.ticks += ticks


def check_index(file: BinaryIO, index: Box, size_bytes: int) -> None:
    """Check that all is there that an index of fragments (sidx) names.

    Raises: Flaw when it is not: the file was cut between two fragments.
    """
    is_long = fields(file, index, ">B") != (0,)
    (first_offset,) = fields(file, index, ">Q" if is_long else ">I", 20 if is_long else 16)
    _, count = fields(file, index, ">HH", 28 if is_long else 20)
    lengths = (block[::3] for block in numbers(file, index, 32 if is_long else 24, count * 3, 4))
    end = index.end + first_offset + sum(length & 0x7FFFFFFF for block in lengths for length in block)
    if end > size_bytes:
        raise Flaw(f"the MP4 is cut: it lacks {end - size_bytes:,} bytes of the fragments that its sidx names")


def claimed_ticks(file: BinaryIO, extends: Box) -> int:
    """How long the file says that it plays, fragments included (mehd), in ticks of the whole file; 0 if it does not."""
    box = find(file, extends, b"mehd")
    if box is None:
        return 0
    return fields(file, box, ">Q" if fields(file, box, ">B") != (0,) else ">I", 4)[0]
