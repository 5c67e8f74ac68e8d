"""The pages of an Ogg, one behind the other to the last byte, each with its checksum tried.

Source: RFC 3533, section 6 (page structure; CRC with the polynomial 0x04c11db7, not reflected, from and to 0).
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

from archiver.pipeline.containers.ticks import Flaw

_MAGIC: Final = b"OggS"
_HEADER: Final = struct.Struct("<4sBBqIIIB")
_CHECKSUM: Final = slice(22, 26)
_BEGINS: Final = 2
_ENDS: Final = 4

_MIRRORED: Final = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
"""Every byte with its bits turned round: what makes zlib's CRC, which is reflected, that of Ogg."""
_ONES: Final = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Page:
    """A page: where it lies in the file, and what its header says.

    ``granule`` is the codec's position behind the last packet that ends on this page, -1 when none does.
    ``packet_count`` counts those packets. Nothing of a page that is not ``is_intact`` can be believed.
    """

    start: int
    flags: int
    granule: int
    serial: int
    sequence: int
    packet_count: int
    body: bytes
    is_intact: bool

    @property
    def begins(self) -> bool:
        """Whether it is the first page of its stream."""
        return bool(self.flags & _BEGINS)

    @property
    def ends(self) -> bool:
        """Whether it is the last page of its stream."""
        return bool(self.flags & _ENDS)


def pages(file: BinaryIO, size_bytes: int) -> Iterator[Page]:
    """Every page; ``file`` is at its beginning. One page is in memory at a time, 64 KiB at most.

    Raises: Flaw when the file ends inside a page, or something that is no page lies where one should begin.
    """
    position = 0
    while position < size_bytes:
        header = file.read(_HEADER.size)
        if header[:4] != _MAGIC[: len(header)]:
            raise Flaw(f"{size_bytes - position:,} bytes of the Ogg, from byte {position:,} on, are no Ogg page")
        lacing = file.read(header[-1]) if len(header) == _HEADER.size else b""
        if len(header) < _HEADER.size or len(lacing) < header[-1]:
            raise Flaw("the Ogg is cut: it ends inside the header of its last page")
        body_bytes = sum(lacing)
        body = file.read(body_bytes)
        if len(body) < body_bytes:
            raise Flaw(f"the Ogg is cut: its last page lacks {body_bytes - len(body):,} bytes")
        yield _page(position, header, lacing, body)
        position += _HEADER.size + len(lacing) + body_bytes


def _page(start: int, header: bytes, lacing: bytes, body: bytes) -> Page:
    _, version, flags, granule, serial, sequence, _, _ = _HEADER.unpack(header)
    unsigned = b"".join((header[: _CHECKSUM.start], bytes(4), header[_CHECKSUM.stop :], lacing, body))
    return Page(
        start=start,
        flags=flags,
        granule=granule,
        serial=serial,
        sequence=sequence,
        packet_count=len(lacing) - lacing.count(255),
        body=body,
        is_intact=version == 0 and _mirrored_crc(unsigned) == int.from_bytes(header[_CHECKSUM].translate(_MIRRORED)),
    )


def _mirrored_crc(content: bytes) -> int:
    """Ogg's CRC with its bits turned round. zlib begins with ones and ends by inverting; both are undone here."""
    return zlib.crc32(content.translate(_MIRRORED), _ONES) ^ _ONES
