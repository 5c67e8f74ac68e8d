"""Whether an AMR is whole: its frames of 20 ms, one behind the other to the last byte.

One that was cut between two frames looks whole; only the claimed duration tells.

Source: RFC 4867, sections 5.1 (magic numbers), 5.3 (frame headers); 3GPP TS 26.101 and 26.201 (lengths of frames).
"""

from typing import BinaryIO, Final

from archiver.model.errors import IntegrityError
from archiver.pipeline.containers.sound import Sound
from archiver.pipeline.containers.ticks import Flaw, playing_time

_NARROW: Final = (12, 13, 15, 17, 19, 20, 26, 31, 5, 6, 5, 5, None, None, None, 0)
_WIDE: Final = (17, 23, 32, 36, 40, 46, 50, 58, 60, 5, None, None, None, None, 0, 0)
"""Bytes behind a frame's header, by its type; None for types that do not exist."""

_LENGTHS: Final = {b"#!AMR\n": _NARROW, b"#!AMR-WB\n": _WIDE}
_FRAMES_PER_SECOND: Final = 50


def walk_amr(file: BinaryIO, size_bytes: int) -> Sound:
    """The frames of an AMR of one channel, narrow or wide band.

    Raises: IntegrityError when it is no AMR.
    """
    magic = file.readline(32)
    if not magic.startswith(b"#!AMR"):
        raise IntegrityError(f"the body begins like no AMR: {magic[:8].hex(' ')}")
    lengths = _LENGTHS.get(magic)
    if lengths is None:
        return Sound(duration=None, flaw=f"nobody here knows this kind of AMR: {magic[:16]!r}")
    flaw, count, position = None, 0, len(magic)
    try:
        while position < size_bytes:
            position += _frame_bytes(file, position, lengths)
            count += 1
    except Flaw as error:
        flaw = str(error)
    if not count:
        flaw = flaw or "the AMR holds no sound: no frame lies behind its header"
    return Sound(duration=playing_time(count, _FRAMES_PER_SECOND), flaw=flaw)


def _frame_bytes(file: BinaryIO, position: int, lengths: tuple[int | None, ...]) -> int:
    """The length of the frame that begins here; the file is behind it then."""
    (header,) = file.read(1)
    length = lengths[header >> 3 & 15]
    if length is None or header & 0x83:
        raise Flaw(f"the AMR is damaged: no frame begins at byte {position:,}")
    missing = length - len(file.read(length))
    if missing:
        raise Flaw(f"the AMR is cut: its last frame lacks {missing} bytes")
    return 1 + length
