"""What a body's own bytes say: which container it is, and whether a WAV is whole.

Source: "Multimedia Programming Interface and Data Specifications 1.0" (IBM, Microsoft, 1991), RIFF and WAVE; RFC 3533
(Ogg); ISO 14496-12 (ftyp); ISO 11172-3 and 13818-3 (MPEG audio frame header).
"""

import struct
from collections.abc import Iterator
from typing import BinaryIO, Final

from archiver.model.errors import IntegrityError

HEAD_BYTES: Final = 512
"""How much of a body's beginning ``sniff`` and ``spoken_text`` look at."""

_UNKNOWN_LENGTHS: Final = frozenset({0, 0xFFFFFFFF})
"""What a writer that streams leaves in a RIFF header, since it does not know the length yet."""

_MAGIC: Final = (
    (0, b"OggS", "ogg"),
    (0, b"fLaC", "flac"),
    (0, b"#!AMR", "amr"),
    (0, b"\x1a\x45\xdf\xa3", "webm"),
    (0, b".snd", "au"),
    (4, b"ftyp", "m4a"),
)


def sniff(head: bytes) -> str | None:
    """The container that a body's first bytes show, or None when they show no audio at all."""
    if head[:4] in {b"RIFF", b"RIFX", b"RF64"} and head[8:12] == b"WAVE":
        return "wav"
    for offset, magic, name in _MAGIC:
        if head[offset : offset + len(magic)] == magic:
            return name
    return "mp3" if head[:3] == b"ID3" or _is_mpeg_frame(head[:4]) else None


def _is_mpeg_frame(header: bytes) -> bool:
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return False
    version, layer = header[1] >> 3 & 3, header[1] >> 1 & 3
    bitrate, sampling = header[2] >> 4, header[2] >> 2 & 3
    return version != 1 and layer != 0 and bitrate != 15 and sampling != 3


def spoken_text(head: bytes) -> str | None:
    """The beginning of a body that is text (JSON, XML, HTML, a plain message): for the error. None: it is no text."""
    stripped = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not stripped:
        return ""
    if stripped[:1] in {b"{", b"[", b"<"} or all(32 <= byte < 127 or byte in b"\r\n\t" for byte in head):
        return " ".join(stripped[:80].decode("utf-8", "replace").split())
    return None


def check_wav(file: BinaryIO, size_bytes: int) -> None:
    """Walk the chunks of a WAV to its end.

    Any chunk layout and missing final padding are accepted, and so are the lengths 0 and 0xFFFFFFFF that streaming
    writers leave. Bytes after the last chunk are nobody's business.

    Raises: IntegrityError when a chunk reaches beyond the end (the body is cut), or there is no format or no audio.
    """
    order = ">" if file.read(4) == b"RIFX" else "<"
    found: dict[bytes, int] = {}
    for name, length, available in _chunks(file, order, size_bytes):
        is_streamed = name == b"data" and length in _UNKNOWN_LENGTHS
        if not is_streamed and length > available:
            missing = length - available
            raise IntegrityError(f"the WAV is cut: {missing:,} bytes of its {_spelled(name)} chunk are missing")
        found[name] = available if is_streamed else length
        if is_streamed:
            break
    if b"fmt " not in found:
        raise IntegrityError("the WAV has no format chunk")
    if not found.get(b"data"):
        raise IntegrityError("the WAV holds no audio: its data chunk is empty or missing")


def _chunks(file: BinaryIO, order: str, size_bytes: int) -> Iterator[tuple[bytes, int, int]]:
    """Every chunk's name, its length as written, and how many bytes of it there are."""
    position = 12
    long_data: int | None = None
    while position + 8 <= size_bytes:
        file.seek(position)
        name, length = struct.unpack(f"{order}4sI", file.read(8))
        position += 8
        if name == b"ds64" and length >= 16:
            long_data = struct.unpack("<8xQ", file.read(16))[0]
        elif name == b"data" and long_data is not None:
            length = long_data
        yield name, length, size_bytes - position
        position += length + length % 2


def _spelled(name: bytes) -> str:
    return name.decode("ascii", "replace").strip()
