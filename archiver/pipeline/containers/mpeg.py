"""Frames of MPEG audio: what the four bytes at their beginning say.

Source: ISO 11172-3 2.4.1.3 and 2.4.2.3 (header, bit rates, length of a frame); ISO 13818-3 2.4.2.3 (the lower sampling
rates); MPEG-2.5 halves those once more, which no standard says and every decoder knows.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

HEADER_BYTES: Final = 3
"""How much of a frame ``frame_of`` needs: the fourth byte says nothing about lengths."""

_SHORTEST_BYTES: Final = 24
"""The shortest frame that a bit rate of the tables gives; one in free format is no shorter."""

_MPEG_1: Final = 3
_HERTZ: Final = (44_100, 48_000, 32_000)
_HERTZ_DIVISOR: Final = {_MPEG_1: 1, 2: 2, 0: 4}
"""By the header's version: MPEG-1, 2 and 2.5."""

_KBITS: Final = {
    (True, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
"""Bit rates in kbit/s by (is MPEG-1, layer); the header's index counts from 1, and 0 is free format."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One frame, by its header.

    ``size_bytes`` is None in free format, where only the next frame shows it; ``padding_bytes`` is a part of it.
    ``kind`` is what stays the same all through a stream: version, layer, sampling rate, and whether it is free format.
    """

    layer: int
    is_mpeg_1: bool
    hertz: int
    sample_count: int
    size_bytes: int | None
    padding_bytes: int
    kind: int


@lru_cache(maxsize=4096)
def frame_of(header: bytes) -> Frame | None:
    """The frame whose first ``HEADER_BYTES`` these are, or None when no frame begins so."""
    if len(header) != HEADER_BYTES or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return None
    version, layer = header[1] >> 3 & 3, 4 - (header[1] >> 1 & 3)
    rate, sampling = header[2] >> 4, header[2] >> 2 & 3
    if version not in _HERTZ_DIVISOR or layer == 4 or rate == 15 or sampling == 3:
        return None
    is_first = version == _MPEG_1
    hertz = _HERTZ[sampling] // _HERTZ_DIVISOR[version]
    slot_bytes = 4 if layer == 1 else 1
    padding_bytes = slot_bytes * (header[2] >> 1 & 1)
    sample_count = 384 if layer == 1 else 576 if layer == 3 and not is_first else 1152
    size_bytes = None
    if rate:
        bits_per_s = _KBITS[is_first, layer][rate - 1] * 1000
        size_bytes = sample_count // 8 // slot_bytes * bits_per_s // hertz * slot_bytes + padding_bytes
    return Frame(
        layer=layer,
        is_mpeg_1=is_first,
        hertz=hertz,
        sample_count=sample_count,
        size_bytes=size_bytes,
        padding_bytes=padding_bytes,
        kind=(header[1] & 0xFE) << 8 | header[2] & 0x0C | (not rate),
    )


def free_format_bytes(content: bytes) -> int | None:
    """The length, without padding, of the frames in free format that ``content`` begins with.

    It is believed when three of them lie at this distance, or two and the end. None: there are no such frames.
    """
    first = frame_of(content[:HEADER_BYTES])
    if first is None or first.size_bytes is not None:
        return None
    second_at = content.find(content[:2], _SHORTEST_BYTES)
    while second_at >= 0:
        length = second_at - first.padding_bytes
        second = frame_of(content[second_at : second_at + HEADER_BYTES])
        if second is not None and second.kind == first.kind:
            third_at = second_at + length + second.padding_bytes
            third = frame_of(content[third_at : third_at + HEADER_BYTES])
            if third_at == len(content) or (third is not None and third.kind == first.kind):
                return length
        second_at = content.find(content[:2], second_at + 1)
    return None
