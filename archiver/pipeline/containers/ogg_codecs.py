"""What the first packet of an Ogg stream says: its codec, and how its positions become time.

Source: RFC 7845 (Opus: 48 kHz whatever was recorded, section 4; pre-skip, section 5.1) and RFC 6716, section 3.1 (its
frames' lengths); Vorbis I specification, section 4.2.2; The Speex Codec Manual, "Ogg file format"; RFC 9639, section
10.1 (FLAC); wiki.xiph.org/MIMETypesCodecs (the rest), read 2026-07.
"""

import struct
from dataclasses import dataclass
from typing import Final

_SILENT: Final = {
    b"\x80theora": "Theora",
    b"BBCD\0": "Dirac",
    b"OVP80": "VP8",
    b"\x01video": "OGM video",
    b"\x01text": "OGM text",
    b"\x80kate": "Kate",
    b"CMML\0": "CMML",
    b"fishead\0": "Skeleton",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Codec:
    """A codec as one stream uses it.

    ``skipped_samples`` are those at the beginning that a player drops. ``packet_samples`` is how many a packet holds,
    the most where that varies, 0 where each packet tells.
    """

    name: str
    is_sound: bool = True
    samples_per_second: int = 0
    skipped_samples: int = 0
    packet_samples: int = 0

    def first_sample(self, granule: int, packet_count: int, first_packet: bytes) -> int:
        """Where the sound of a page begins that ends at ``granule``. Above 0: recording began in a running stream.

        Exact for Opus, Speex and FLAC; Vorbis has shorter packets too, so it may be a page too early there.
        """
        samples = self.packet_samples or _opus_samples(first_packet)
        return max(0, granule - packet_count * samples)


def identify(packet: bytes) -> Codec | None:
    """The codec of the stream that begins with this packet; None for one that nobody here knows."""
    for magic, name in _SILENT.items():
        if packet.startswith(magic):
            return Codec(name=name, is_sound=False)
    if packet.startswith(b"OpusHead") and len(packet) >= 19:
        return Codec(name="Opus", samples_per_second=48_000, skipped_samples=_little(packet, "H", 10))
    if packet.startswith(b"\x01vorbis") and len(packet) >= 30:
        longest_block = 1 << (packet[28] >> 4)
        return Codec(name="Vorbis", samples_per_second=_little(packet, "I", 12), packet_samples=longest_block // 2)
    if packet.startswith(b"Speex   ") and len(packet) >= 68:
        samples = _little(packet, "I", 56) * max(1, _little(packet, "I", 64))
        return Codec(name="Speex", samples_per_second=_little(packet, "I", 36), packet_samples=samples)
    if packet.startswith(b"\x7fFLAC") and len(packet) >= 30:
        longest_block, rate = int.from_bytes(packet[19:21]), int.from_bytes(packet[27:30]) >> 4
        return Codec(name="FLAC", samples_per_second=rate, packet_samples=longest_block)
    return None


def _little(packet: bytes, code: str, offset: int) -> int:
    return int(struct.unpack_from(f"<{code}", packet, offset)[0])


def _opus_samples(packet: bytes) -> int:
    """How many samples (of 48 kHz) an Opus packet holds, by its first two bytes."""
    if not packet:
        return 0
    config, count_code = packet[0] >> 3, packet[0] & 3
    if config < 12:
        frame = (480, 960, 1920, 2880)[config & 3]
    elif config < 16:
        frame = (480, 960)[config & 1]
    else:
        frame = 120 << (config & 3)
    return frame * ((1, 2, 2)[count_code] if count_code < 3 else (packet[1:2] or b"\0")[0] & 63)
