"""Whether bare AAC is whole: its ADTS frames, one behind the other to the last byte.

An ID3v2 tag may lie before them, an ID3v1 tag behind. AAC that was cut between two frames looks whole; only the claimed
duration tells.

Source: ISO 13818-7, section 6.2 (adts_frame, its fixed and its variable header); id3.org (ID3v1, ID3v2).
"""

from typing import BinaryIO, Final

from archiver.model.errors import IntegrityError
from archiver.pipeline.containers.mp3_tags import leading_tag_bytes
from archiver.pipeline.containers.sound import Sound
from archiver.pipeline.containers.ticks import Flaw, playing_time

_RATES: Final = (96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8000, 7350)
_HEADER_BYTES: Final = 7
_BLOCK_SAMPLES: Final = 1024
_TAG_BYTES: Final = 128
_TAG_HEAD_BYTES: Final = 32


def walk_aac(file: BinaryIO, size_bytes: int) -> Sound:
    """The frames of bare AAC, timed at the rate of the first one.

    Raises: IntegrityError when it begins with no frame.
    """
    begins_at = leading_tag_bytes(file.read(_TAG_HEAD_BYTES)) or 0
    file.seek(begins_at)
    first = file.read(_HEADER_BYTES)
    if not _is_header(first):
        raise IntegrityError(f"the body begins with no AAC frame: {first.hex(' ')}")
    flaw, position, block_count = None, begins_at, 0
    try:
        while position < size_bytes:
            length, blocks = _frame(file, position, size_bytes)
            position += length
            block_count += blocks
    except Flaw as error:
        flaw = str(error)
    return Sound(duration=playing_time(block_count * _BLOCK_SAMPLES, _RATES[first[2] >> 2 & 15]), flaw=flaw)


def _frame(file: BinaryIO, position: int, size_bytes: int) -> tuple[int, int]:
    """The length in bytes of what begins here, and how many blocks of samples it holds."""
    file.seek(position)
    header = file.read(_HEADER_BYTES)
    left = size_bytes - position
    if left == _TAG_BYTES and header.startswith(b"TAG"):
        return left, 0
    if len(header) < _HEADER_BYTES:
        raise Flaw(f"the AAC is cut, or not AAC to its end: {left} bytes behind its last frame are no frame")
    length = (header[3] & 3) << 11 | header[4] << 3 | header[5] >> 5
    if not _is_header(header) or length < _HEADER_BYTES:
        raise Flaw(f"the AAC is damaged: no frame begins at byte {position:,}")
    if length > left:
        raise Flaw(f"the AAC is cut: its last frame lacks {length - left:,} bytes")
    return length, (header[6] & 3) + 1


def _is_header(header: bytes) -> bool:
    is_synchronous = len(header) == _HEADER_BYTES and header[0] == 0xFF and header[1] & 0xF6 == 0xF0
    return is_synchronous and header[2] >> 2 & 15 < len(_RATES)
