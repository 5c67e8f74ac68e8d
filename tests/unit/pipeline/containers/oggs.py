"""Ogg files made by hand, for tests: pages with their checksums computed bit by bit, as RFC 3533 describes it."""

import struct

OPUS = b"OpusHead\x01\x01" + struct.pack("<HIhB", 312, 8000, 0, 0)
VORBIS = b"\x01vorbis" + struct.pack("<IBIiiiBB", 0, 1, 8000, 0, 0, 0, 0x98, 1)
SPEEX = b"Speex   1.2".ljust(36, b"\0") + struct.pack("<10I", 8000, 0, 4, 1, 0, 160, 0, 2, 0, 0)
FLAC = b"\x7fFLAC\x01\0\0\x01fLaC\0\0\0\x22" + struct.pack(">HH", 4096, 4096) + bytes(6) + bytes([1, 0xF4, 0])
THEORA = b"\x80theora\x03\x02\x01" + bytes(30)

BEGIN, END = 2, 4
FRAME = b"\x08" + bytes(40)
"""An Opus packet of 20 ms, which is 960 samples."""


def crc(content: bytes) -> int:
    """Ogg's checksum, the slow way."""
    register = 0
    for byte in content:
        register ^= byte << 24
        for _ in range(8):
            register = register << 1 ^ (0x104C11DB7 if register >> 31 else 0)
    return register


def page(packets: list[bytes], sequence: int, granule: int = 0, *, flags: int = 0, serial: int = 7) -> bytes:
    """A page of whole packets, each under 255 bytes."""
    lacing = bytes(map(len, packets))
    head = struct.pack("<4sBBqII", b"OggS", 0, flags, granule, serial, sequence & 0xFFFFFFFF)
    tail = bytes([len(lacing)]) + lacing + b"".join(packets)
    return head + struct.pack("<I", crc(head + bytes(4) + tail)) + tail


def opus(*granules: int, serial: int = 7, head: bytes = OPUS, first: int = 0, last_flags: int = END) -> list[bytes]:
    """The pages of a stream: two headers, then one page of a single packet for each granule."""
    pages = [
        page([head], first, flags=BEGIN, serial=serial),
        page([b"OpusTags" + bytes(8)], first + 1, serial=serial),
    ]
    for number, granule in enumerate(granules, 1):
        flags = last_flags if number == len(granules) else 0
        pages.append(page([FRAME], first + 1 + number, granule, flags=flags, serial=serial))
    return pages
