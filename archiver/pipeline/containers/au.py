"""Whether an AU (Sun, NeXT; .snd) is whole, by the one length in its header.

One whose writer could not come back to tell its length ends wherever it ends: only the claimed duration tells a cut.

Source: Sun Microsystems, "audio file format" (au(4), audio_filehdr); SoX, au.h (the encodings' numbers).
"""

import struct
from typing import BinaryIO, Final

from archiver.model.errors import IntegrityError
from archiver.pipeline.containers.sound import Sound
from archiver.pipeline.containers.ticks import playing_time

_HEADER_BYTES: Final = 24
_UNSET: Final = 0xFFFFFFFF
_SAMPLE_BITS: Final = {1: 8, 2: 8, 3: 16, 4: 24, 5: 32, 6: 32, 7: 64, 23: 4, 24: 4, 25: 3, 26: 5, 27: 8}
"""By the header's encoding: 1 is µ-law, 27 A-law, 2 to 7 are linear and floating, 23 to 26 are G.72x."""


def walk_au(file: BinaryIO, size_bytes: int) -> Sound:
    """The sound of an AU. What lies behind the length that it names is nobody's business.

    Raises: IntegrityError when it is no AU.
    """
    header = file.read(_HEADER_BYTES)
    if header[:4] != b".snd":
        raise IntegrityError(f"the body begins like no AU: {header[:4].hex(' ')}")
    if len(header) < _HEADER_BYTES:
        return Sound(duration=None, flaw="the AU is cut: it ends inside its header")
    _, start, length, encoding, rate, channel_count = struct.unpack(">4s5I", header)
    available = max(0, size_bytes - start)
    held = available if length == _UNSET else min(length, available)
    frame_bits = _SAMPLE_BITS.get(encoding, 0) * channel_count
    duration = playing_time(held * 8 // frame_bits, rate) if frame_bits else None
    if length != _UNSET and length > available:
        return Sound(duration=duration, flaw=f"the AU is cut: {length - available:,} bytes of its sound are missing")
    if not held or start < _HEADER_BYTES:
        return Sound(duration=None, flaw="the AU holds no sound behind its header")
    if frame_bits % 8 == 0 and frame_bits and held % (frame_bits // 8):
        return Sound(duration=duration, flaw="the AU is cut: it ends inside a sample")
    return Sound(duration=duration)
