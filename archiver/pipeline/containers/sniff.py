"""What a body's first bytes say: which container of audio it is, or that it is a message in disguise.

Source: "Multimedia Programming Interface and Data Specifications 1.0" (IBM, Microsoft, 1991), RIFF and WAVE; RFC 3533
(Ogg); ISO 14496-12 (ftyp); ISO 11172-3 and 13818-3 (MPEG audio frames); ISO 13818-7 (ADTS); id3.org (ID3v2).
"""

import codecs
from typing import Final

HEAD_BYTES: Final = 4096
"""How much of a body's beginning ``sniff`` and ``spoken_text`` look at: more than the longest frame and a header."""

_MAGIC: Final = (
    (0, b"OggS", "ogg"),
    (0, b"fLaC", "flac"),
    (0, b"#!AMR", "amr"),
    (0, b"\x1a\x45\xdf\xa3", "webm"),
    (0, b".snd", "au"),
    (4, b"ftyp", "m4a"),
)

_MPEG_1: Final = 3
_LAYER_2: Final = 2
_KBITS: Final = {
    (True, True): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, False): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, True): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, False): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
"""Bit rates in kbit/s by (is MPEG-1, is Layer II); the header's index counts from 1."""

_HERTZ: Final = (44_100, 48_000, 32_000)
_HERTZ_DIVISOR: Final = {_MPEG_1: 1, 2: 2, 0: 4}
"""By the header's version: MPEG-1, 2 and 2.5."""


def sniff(head: bytes) -> str | None:
    """The container that a body's first bytes show, or None when they show no audio that we know.

    Bare frames (MP3, AAC) have no magic but a few set bits, which text in UTF-16 and noise have too: they count only
    when a second frame begins where the first one ends, or the body ends there.
    """
    if head[:4] in {b"RIFF", b"RIFX", b"RF64"} and head[8:12] == b"WAVE":
        return "wav"
    for offset, magic, name in _MAGIC:
        if head[offset : offset + len(magic)] == magic:
            return name
    if _is_id3(head) or _is_framed(head, _mpeg_frame_bytes(head), head[1:2]):
        return "mp3"
    return "aac" if _is_framed(head, _adts_frame_bytes(head), head[1:2]) else None


def _is_id3(head: bytes) -> bool:
    """Whether an ID3v2 tag begins here: a version that exists, and a length in bytes of seven bits."""
    return head[:3] == b"ID3" and head[3:4] in {b"\x02", b"\x03", b"\x04"} and all(byte < 0x80 for byte in head[6:10])


def _is_framed(head: bytes, length: int | None, second_byte: bytes) -> bool:
    if length is None or length > len(head):
        return False
    return length == len(head) or head[length : length + 2] == b"\xff" + second_byte


def _mpeg_frame_bytes(header: bytes) -> int | None:
    """The length of the MPEG audio frame (Layer II or III) that begins here, None when none does."""
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return None
    version, layer = header[1] >> 3 & 3, header[1] >> 1 & 3
    bitrate, sampling = header[2] >> 4, header[2] >> 2 & 3
    if version not in _HERTZ_DIVISOR or layer not in {1, _LAYER_2} or bitrate in {0, 15} or sampling == 3:
        return None
    is_first, is_layer_2 = version == _MPEG_1, layer == _LAYER_2
    bits_per_s = _KBITS[is_first, is_layer_2][bitrate - 1] * 1000
    samples = 1152 if is_first or is_layer_2 else 576
    padding = header[2] >> 1 & 1
    return samples // 8 * bits_per_s * _HERTZ_DIVISOR[version] // _HERTZ[sampling] + padding


def _adts_frame_bytes(header: bytes) -> int | None:
    """The length of the ADTS frame that begins here, None when none does."""
    if len(header) < 7 or header[0] != 0xFF or header[1] & 0xF6 != 0xF0 or header[2] >> 2 & 15 > 12:
        return None
    length = (header[3] & 3) << 11 | header[4] << 3 | header[5] >> 5
    return length if length > 7 else None


def spoken_text(head: bytes) -> str | None:
    """The beginning of a body that is text (JSON, XML, HTML, a plain message): for the error. None: it is no text."""
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return _spoken(head[:160].decode("utf-16", "replace"))
    stripped = head.removeprefix(codecs.BOM_UTF8).lstrip()
    if stripped[:1] in {b"{", b"[", b"<"} or all(32 <= byte < 127 or byte in b"\r\n\t" for byte in stripped):
        return _spoken(stripped[:80].decode("utf-8", "replace"))
    return None


def _spoken(text: str) -> str:
    return " ".join(text.split())[:80]
