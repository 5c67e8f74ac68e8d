"""Bodies for tests: small, real audio heads and whole WAVs in every layout."""

import struct
from typing import Final

FORMAT: Final = struct.pack("<HHIIHH", 1, 1, 8000, 16000, 2, 16)
MULAW: Final = struct.pack("<HHIIHHH", 7, 1, 8000, 8000, 1, 8, 0)
EXTENSIBLE: Final = struct.pack("<HHIIHHHHI", 0xFFFE, 1, 8000, 16000, 2, 16, 22, 16, 4) + bytes(16)
UNSET: Final = 0xFFFFFFFF


def chunk(name: bytes, content: bytes, length: int | None = None, order: str = "<") -> bytes:
    """A RIFF chunk; ``length`` lies about its content."""
    pad = b"\0" * (len(content) % 2)
    return name + struct.pack(f"{order}I", len(content) if length is None else length) + content + pad


def riff(*chunks: bytes, magic: bytes = b"RIFF", length: int | None = None) -> bytes:
    """A RIFF file of these chunks."""
    content = b"WAVE" + b"".join(chunks)
    order = ">" if magic == b"RIFX" else "<"
    return magic + struct.pack(f"{order}I", len(content) if length is None else length) + content


def wav(samples: bytes = bytes(range(256)) * 4) -> bytes:
    """A plain WAV."""
    return riff(chunk(b"fmt ", FORMAT), chunk(b"data", samples))


def mp3(frames: int = 2) -> bytes:
    """Bare frames: MPEG-2.5 Layer III, 64 kbit/s, 8 kHz."""
    return (b"\xff\xe3\x88\xc4" + bytes(572)) * frames


def aac(frames: int = 2) -> bytes:
    """Bare ADTS frames of 100 bytes: AAC-LC, 8 kHz, mono."""
    return (bytes([0xFF, 0xF1, 0x6C, 0x40, 100 >> 3, (100 & 7) << 5 | 0x1F, 0xFC]) + bytes(93)) * frames
