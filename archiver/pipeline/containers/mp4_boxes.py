"""The boxes of an MP4 and the numbers in them, read in blocks: no count that a file names is ever allocated.

Nothing here follows boxes into boxes; who knows a path asks for each step of it, so that depth costs nothing.

Source: ISO 14496-12, sections 4.2 (boxes, 64-bit sizes, size 0) and 4.3; QuickTime File Format Specification, "Atoms".
"""

import struct
import sys
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

from archiver.pipeline.containers.ticks import Flaw

_MOST_BOXES: Final = 1_000_000
"""Side by side. A recording of a day in fragments of a second has 200,000."""

_BLOCK_NUMBERS: Final = 12_288
"""Read at once: whole rows of one, two, three and four numbers."""

_CODES: Final = {1: "B", 2: "H", 4: "I", 8: "Q"}
"""By width in bytes."""


@dataclass(frozen=True, slots=True)
class Box:
    """A box: its kind, where it begins, where its content does, and where it says that it ends."""

    kind: bytes
    start: int
    body: int
    end: int

    @property
    def name(self) -> str:
        """Its kind, to be read by people."""
        return self.kind.decode("latin-1").strip()


def top_boxes(file: BinaryIO, size_bytes: int) -> Iterator[Box]:
    """The outermost boxes of a file.

    Raises: Flaw when the last one reaches beyond the file's end, or something that is no box lies where one begins.
    """
    position = 0
    for _ in range(_MOST_BOXES):
        if position == size_bytes:
            return
        box = _box(file, position, size_bytes)
        if box is None:
            raise Flaw("the MP4 is cut: it ends inside the header of its last box")
        if not all(32 <= byte < 127 or byte == 0xA9 for byte in box.kind) or box.end < box.body:
            raise Flaw(f"{size_bytes - position:,} bytes of the MP4, from byte {position:,} on, are no box")
        if box.end > size_bytes:
            raise Flaw(f"the MP4 is cut: its {box.name} lacks {box.end - size_bytes:,} bytes")
        yield box
        position = box.end
    raise Flaw(f"the MP4 has more than {_MOST_BOXES:,} boxes")


def inner_boxes(file: BinaryIO, parent: Box, skipped_bytes: int = 0) -> Iterator[Box]:
    """The boxes in a box, behind its first ``skipped_bytes``. A few bytes behind the last are QuickTime's terminator.

    Raises: Flaw when one does not fit.
    """
    position = parent.body + skipped_bytes
    for _ in range(_MOST_BOXES):
        box = _box(file, position, parent.end)
        if box is None:
            return
        if not box.body <= box.end <= parent.end:
            raise Flaw(f"the MP4 is broken: a {box.name} does not fit in its {parent.name}")
        yield box
        position = box.end
    raise Flaw(f"the {parent.name} of the MP4 has more than {_MOST_BOXES:,} boxes")


def _box(file: BinaryIO, position: int, end: int) -> Box | None:
    """The box that begins here, whether it fits or not; None when its header does not."""
    if end - position < 8:
        return None
    file.seek(position)
    length, kind = struct.unpack(">I4s", file.read(8))
    if length == 0:
        return Box(kind, position, position + 8, end)
    if length != 1:
        return Box(kind, position, position + 8, position + length)
    if end - position < 16:
        return None
    (length,) = struct.unpack(">Q", file.read(8))
    return Box(kind, position, position + 16, position + length)


def find(file: BinaryIO, parent: Box, *kinds: bytes) -> Box | None:
    """The box at the end of this path of kinds, the first one of each kind."""
    for kind in kinds:
        box = next((inner for inner in inner_boxes(file, parent) if inner.kind == kind), None)
        if box is None:
            return None
        parent = box
    return parent


def need(file: BinaryIO, parent: Box, *kinds: bytes) -> Box:
    """``find``, for what must be there.

    Raises: Flaw when it is not.
    """
    box = find(file, parent, *kinds)
    if box is None:
        raise Flaw(f"the MP4 is broken: a {parent.name} has no {'/'.join(kind.decode() for kind in kinds)}")
    return box


def fields(file: BinaryIO, box: Box, layout: str, offset: int = 0) -> tuple[int, ...]:
    """Numbers at an offset in a box's content, by a layout of ``struct``.

    Raises: Flaw when the box is too short for them.
    """
    length = struct.calcsize(layout)
    if box.body + offset + length > box.end:
        raise Flaw(f"the MP4 is broken: a {box.name} of {box.end - box.start:,} bytes is too short")
    file.seek(box.body + offset)
    return struct.unpack(layout, file.read(length))


def numbers(file: BinaryIO, box: Box, offset: int, count: int, width: int) -> Iterator["array[int]"]:
    """``count`` numbers of ``width`` bytes at an offset in a box's content, in blocks of whole rows of up to four.

    Raises: Flaw when they do not fit in the box; before the first block.
    """
    start = box.body + offset
    if start + count * width > box.end:
        raise Flaw(
            f"the MP4 is broken: a {box.name} of {box.end - box.start:,} bytes has no room for {count:,} numbers"
        )
    for first in range(0, count, _BLOCK_NUMBERS):
        file.seek(start + first * width)
        block = array(_CODES[width], file.read(min(_BLOCK_NUMBERS, count - first) * width))
        if sys.byteorder == "little":
            block.byteswap()
        yield block
