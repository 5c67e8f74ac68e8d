"""What a body's first bytes say: which container of audio it is, or that it is a message in disguise.

Source: "Multimedia Programming Interface and Data Specifications 1.0" (IBM, Microsoft, 1991), RIFF and WAVE; RFC 3533
(Ogg); ISO 14496-12 (ftyp); ISO 23008-12 and the MP4 registration authority (brands); ISO 13818-7 (ADTS).
"""

import codecs
from typing import Final

from archiver.pipeline.containers.mp3_tags import leading_tag_bytes
from archiver.pipeline.containers.mpeg import HEADER_BYTES, frame_of, free_format_bytes

HEAD_BYTES: Final = 4096
"""How much of a body's beginning ``sniff`` and ``spoken_text`` look at: more than the longest frame and a header."""

_MAGIC: Final = {
    b"OggS": "ogg",
    b"fLaC": "flac",
    b"#!AMR": "amr",
    b"\x1a\x45\xdf\xa3": "webm",
    b".snd": "au",
}

_PICTURES: Final = (
    "heic heix heim heis hevc hevx hevm hevs mif1 mif2 mif3 msf1 miaf MiHA MiHB MiHE heif avif avis avio avci avcs "
    "vvic vvis evbi evbs evmi evms jpeg jpgs j2ki j2is jp2 jpx jpm jxl crx"
)
"""Brands of ``ftyp`` under which pictures come: HEIF and what is made of it, JPEG 2000 and XL, Canon's raw files."""


def sniff(head: bytes) -> str | None:
    """The container that a body's first bytes show, or None when they show no audio that we know.

    Bare frames (MP3, AAC) have no magic but a few set bits, which text in UTF-16 and noise have too: they count only
    when a second frame begins where the first one ends, or the body ends there. Zeros before them are stepped over;
    other junk is not, for archives and films hold frames too. Behind an ID3 tag that ends here, the bytes decide.
    """
    if head[:4] in {b"RIFF", b"RIFX", b"RF64", b"BW64"} and head[8:12] == b"WAVE":
        return "wav"
    if head[4:8] == b"ftyp":
        return None if head[8:12].decode("latin-1").strip() in _PICTURES.split() else "m4a"
    for magic, name in _MAGIC.items():
        if head.startswith(magic):
            return name
    if head.startswith(b"ID3"):
        return _sniff_behind_tag(head)
    frames = head.lstrip(b"\0")
    if _is_framed(frames, _mpeg_frame_bytes(frames)):
        return "mp3"
    return "aac" if _is_framed(head, _adts_frame_bytes(head)) else None


def _sniff_behind_tag(head: bytes) -> str | None:
    """Behind a tag that reaches further than this, MP3 is likely; whether it is, the walk tells."""
    tag_bytes = leading_tag_bytes(head)
    if tag_bytes is None:
        return None
    behind = sniff(head[tag_bytes:])
    return behind if behind in {"aac", "flac"} else "mp3"


def _is_framed(head: bytes, length: int | None) -> bool:
    if length is None or length > len(head):
        return False
    return length == len(head) or head[length : length + 2] == head[:2]


def _mpeg_frame_bytes(head: bytes) -> int | None:
    """The length of the MPEG audio frame (Layer II or III) that begins here, None when none does."""
    frame = frame_of(head[:HEADER_BYTES])
    if frame is None or frame.layer == 1:
        return None
    return frame.size_bytes or free_format_bytes(head)


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
