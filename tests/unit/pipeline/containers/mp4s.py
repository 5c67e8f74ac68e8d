"""MP4 files made by hand, for tests: boxes, sample tables and fragments, each number of them open to lies."""

import struct
from collections.abc import Sequence

FTYP_BYTES = 24
SAMPLES = (100, 60, 40)
"""The sizes of the samples; each plays 160 ticks of 8,000 in a second."""


def box(kind: bytes, *parts: bytes, length: int | None = None) -> bytes:
    """A box; ``length`` lies about it."""
    content = b"".join(parts)
    return struct.pack(">I4s", 8 + len(content) if length is None else length, kind) + content


def ints(*numbers: int) -> bytes:
    """Numbers of 32 bits."""
    return struct.pack(f">{len(numbers)}I", *numbers)


FTYP = box(b"ftyp", b"M4A \0\0\0\0M4A mp42")
TREX = box(b"trex", ints(0, 1, 1, 160, 50, 0))


def mdat(content: bytes = bytes(sum(SAMPLES))) -> bytes:
    """Media data, of the samples' length."""
    return box(b"mdat", content)


def stsz(sizes: Sequence[int] = SAMPLES) -> bytes:
    """A sample size box."""
    return box(b"stsz", ints(0, 0, len(sizes), *sizes))


def stbl(start: int, **others: bytes) -> bytes:
    """Sample tables: two chunks, of two samples and one, that lie at ``start``; ``others`` replace its boxes."""
    tables = {
        "stsd": box(b"stsd", ints(0, 1), box(b"mp4a", bytes(28))),
        "stts": box(b"stts", ints(0, 1, 3, 160)),
        "stsc": box(b"stsc", ints(0, 2, 1, 2, 1, 2, 1, 1)),
        "stsz": stsz(),
        "stco": box(b"stco", ints(0, 2, start, start + 160)),
    }
    return box(b"stbl", *(tables | others).values())


EMPTY = box(b"stbl", *(box(kind, ints(0, 0)) for kind in (b"stts", b"stsc", b"stco")), box(b"stsz", ints(0, 0, 0)))
"""The sample tables of a file whose sound lies in fragments."""


def trak(table: bytes, *, kind: bytes = b"soun", number: int = 1, mdhd: bytes | None = None) -> bytes:
    """A track with its headers; 8,000 ticks in a second."""
    headers = (mdhd or ticks(480), box(b"hdlr", ints(0, 0), kind, bytes(13)))
    return box(
        b"trak",
        box(b"tkhd", ints(0, 0, 0, number), bytes(68)),
        box(b"mdia", *headers, box(b"minf", table)),
    )


def ticks(count: int, rate: int = 8000) -> bytes:
    """A header that names so many ticks, and how many a second has."""
    return box(b"mdhd", ints(0, 0, 0, rate, count, 0))


def moov(*parts: bytes) -> bytes:
    """The header of a movie that counts in milliseconds."""
    return box(b"moov", box(b"mvhd", ints(0, 0, 0, 1000, 0), bytes(80)), *parts)


def m4a(*, behind: bytes = b"") -> bytes:
    """A plain one, its moov in front."""
    front = FTYP_BYTES + len(moov(trak(stbl(0)))) + 8
    return FTYP + moov(trak(stbl(front))) + mdat() + behind


def last(table: bytes, *, media: bytes = mdat(), mdhd: bytes | None = None) -> bytes:
    """One whose moov lies behind its media, which begins at byte 32."""
    return FTYP + media + moov(trak(table, mdhd=mdhd))


def fragment(
    count: int = 2, *, number: int = 1, flags: int = 0x20000, tell: int = 0, offset: int | None = None
) -> bytes:
    """A fragment of so many samples of 50 bytes and 160 ticks, with its media behind it.

    ``tell`` are the flags of what its run tells by itself: 0x100 ticks, 0x200 bytes.
    """
    rows = ([160] if tell & 0x100 else []) + ([50] if tell & 0x200 else [])
    length = len(_moof(count, number, flags, tell, 0, rows))
    offset = length + 8 if offset is None else offset
    return _moof(count, number, flags, tell, offset, rows) + mdat(bytes(50 * count))


def _moof(count: int, number: int, flags: int, tell: int, offset: int, rows: list[int]) -> bytes:
    run = box(b"trun", ints(tell | 1, count, offset & 0xFFFFFFFF, *rows * count))
    return box(b"moof", box(b"mfhd", ints(0, 1)), box(b"traf", box(b"tfhd", ints(flags, number)), run))


def fragmented(*fragments: bytes, extends: bytes = TREX, behind: bytes = b"", claimed: int = 0) -> bytes:
    """A file in fragments; ``behind`` lies between its header and the first of them; ``claimed`` are ticks."""
    return FTYP + moov(trak(EMPTY, mdhd=ticks(claimed)), box(b"mvex", extends)) + behind + b"".join(fragments)
