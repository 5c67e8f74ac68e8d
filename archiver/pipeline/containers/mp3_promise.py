"""What the first frame of an MP3 may promise instead of sound: how many frames and bytes follow.

Source: Xing, "VBR header SDK" (Xing, and Info where the bit rate is constant); LAME, "Mp3 Info Tag rev 1";
Fraunhofer's VBRI, as Gabriel Bouvigne's "MPEG Audio Frame Header" tells it.
"""

from dataclasses import dataclass
from typing import Final

from archiver.pipeline.containers.mpeg import Frame

PROMISE_BYTES: Final = 4 + 2 + 32 + 26
"""How much of the first frame ``promise_of`` looks at: header, checksum, side information, the promise itself."""

_HAS_FRAMES, _HAS_BYTES = 1, 2
_VBRI_AT: Final = 4 + 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """Counts of frames behind the promising one, and of bytes with it; None where it leaves them open."""

    frame_count: int | None
    byte_count: int | None


def promise_of(frame: Frame, content: bytes) -> Promise | None:
    """The promise in the frame that ``content`` begins with, None when that one is sound."""
    if frame.layer != 3:
        return None
    is_mono = content[3:4] >= b"\xc0"
    side_bytes = (17 if is_mono else 32) if frame.is_mpeg_1 else (9 if is_mono else 17)
    for begins_at in (4 + side_bytes, 6 + side_bytes):
        if content[begins_at : begins_at + 4] in {b"Xing", b"Info"}:
            return _xing(content[begins_at + 4 :])
    return _vbri(content[_VBRI_AT:]) if content[_VBRI_AT:].startswith(b"VBRI") else None


def _xing(content: bytes) -> Promise:
    """Behind the flags stand those numbers only that the flags announce; writers into a pipe leave them 0."""
    flags = content[3] if len(content) > 3 else 0
    numbers = [int.from_bytes(content[at : at + 4], "big") or None for at in (4, 8)]
    frame_count = numbers.pop(0) if flags & _HAS_FRAMES else None
    return Promise(frame_count=frame_count, byte_count=numbers[0] if flags & _HAS_BYTES else None)


def _vbri(content: bytes) -> Promise:
    """No source says whether the promising frame is among those that are counted: one less is no lie."""
    byte_count, frame_count = int.from_bytes(content[10:14], "big"), int.from_bytes(content[14:18], "big")
    return Promise(frame_count=frame_count - 1 if frame_count > 1 else None, byte_count=byte_count or None)
